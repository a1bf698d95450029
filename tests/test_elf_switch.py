"""One frame, GO, switches many nodes within a millisecond of each other, whatever each of them is doing: on the STM32
image itself, from the end of the frame to the lamp.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from host.core.image import encode
from host.core.modbus import frame_seal
from host.core.order import key_arguments
from host.core.registers import bytes_registers, placed
from host.core.wire import ANALOG, BY_NAME, SIGNATURE_BYTES, Command, Format, OrderResult, Session
from host.node.broadcast import block, blocks_of, opening
from tests.e2e.scenario import AND, NAND
from tests.elf.debug import UID
from tests.elf.firmware import firmware_elf, powered, ready
from tests.elf.flash import BASE
from tests.elf.master import Master
from tests.owner import Owner
from tests.sessions import GO, go_pdu
from tests.test_elf_present import HELD, PIN
from tests.test_elf_rounds import stage, too_much

BAUD = 115_200
SPREAD_US = 1000
SILENCE_US = 1750
"""After which a frame has ended."""
OLD, NEW = encode(AND), encode(NAND)
"""With inputs of 0 the lamp is dark, and lit."""
PHASES = 8
"""Of each state: at random times of its rounds."""
SETTINGS_SECTORS, SECTOR_SIZE = (0x0800_C000, 0x080E_0000), 0x4000


def crc(image: bytes) -> int:
    return int.from_bytes(image[-4:], "little")


def state(master: Master) -> Session:
    return Session(master.value("SESSION_STATE"))


def bring(master: Master, image: bytes = NEW) -> None:
    """As far as VERIFIED."""
    master.write(*opening(image, GO, 600))
    for index in blocks_of(image):
        master.write(*block(image, index))
    for _ in range(1000):
        if state(master) is Session.VERIFIED:
            return
    raise AssertionError(state(master))


def deploy(master: Master, image: bytes) -> None:
    stage(master, image)
    master.command(Command.VERIFY, len(image), crc(image))
    master.command(Command.COMMIT, crc=crc(image))
    master.machine.run(milliseconds=600)  # and erase what is to be erased
    assert master.value("MODEL_CRC") == crc(image)


def say_go(master: Master) -> float:
    """By broadcast, after the silence that must be; when it ends, in us."""
    machine, bus = master.machine, master.machine.bus
    wait = max(0.0, bus.idle_since / 1e9 + 2 * SILENCE_US - machine.us)
    return bus.send(frame_seal(bytes([0]) + go_pdu()), delay_us=wait)


def latency(master: Master) -> float:
    """From the end of GO until the lamp is lit, us."""
    machine = master.machine
    assert not machine.led
    edges = len(machine.chip.board.led_edges)
    end = say_go(master)
    machine.run_until(lambda: machine.led, end - machine.us + 50_000, "the switch")
    (lit,) = (edge.us for edge in machine.chip.board.led_edges[edges:])
    assert lit > end
    return lit - end


def back(master: Master) -> None:
    master.command(Command.REVERT, crc=crc(NEW))
    master.machine.run(milliseconds=2)
    assert not master.machine.led


# ------------------------------------------------------------------------------------------------------------- states


def nothing(master: Master) -> None:
    """No model, and nothing to do but to look at the line."""


def a_model(master: Master) -> None:
    """It is checked against its CRC-32 all the time."""
    deploy(master, OLD)


def sampling(master: Master) -> None:
    """All channels are sampled for the bus, at the highest rate."""
    deploy(master, OLD)
    master.write(*placed(SAMPLE_RATE=10_000, SAMPLE_CHANNELS=(1 << ANALOG) - 1))


def hopping(master: Master) -> None:
    """A window of the longest with every scan, each of which takes longer than many hops."""
    deploy(master, encode(too_much()))


def fill_settings(master: Master) -> None:
    """Their sector: an erase is due, ahead of need, when two more stand in the other one. It has to wait."""
    machine, flash = master.machine, bytearray(master.machine.flash_image)
    for sector in SETTINGS_SECTORS:
        at = sector - BASE
        if flash[at + 8 : at + 12] != bytes(4 * [0xFF]):
            flash[at + SECTOR_SIZE - 4 : at + SECTOR_SIZE] = bytes(4)
    machine.flash_image = bytes(flash)
    machine.boot()
    machine.run(milliseconds=600)


def save(master: Master, watchdog: int) -> None:
    master.write(*placed(WATCHDOG=watchdog))
    master.command(Command.SAVE_SETTINGS)
    master.machine.run(milliseconds=5)
    assert master.value("WATCHDOG_IN_FORCE") == watchdog


def save_twice(master: Master) -> None:
    for watchdog in (6000, 7000):
        save(master, watchdog)


def begin_to_save(master: Master) -> None:
    """Its record goes into the flash word by word when GO comes: one that is twenty times as slow as the chip's."""
    master.machine.chip.flash.slowness = 20
    master.write(*placed(WATCHDOG=random.Random(master.machine.us).randrange(6000, 9000)))
    master.command(Command.SAVE_SETTINGS)


def someone_is_there(master: Master) -> None:
    """Only then is a first key's order looked at."""
    deploy(master, OLD)
    master.machine.pins[PIN] = HELD
    master.machine.boot()
    master.machine.run(milliseconds=600)


OWNER = Owner()


def give_a_key(master: Master) -> None:
    """With a signature that is wrong, which takes as long as a right one."""
    order = bytearray(OWNER.order(Command.KEY, key_arguments(OWNER.key), target=UID))
    order[-SIGNATURE_BYTES] ^= 1
    master.write(BY_NAME["ORDER"].address, bytes_registers(bytes(order)))
    assert master.value("ORDER_RESULT") == OrderResult.CHECKING


def wait(master: Master) -> None:
    pass


Act = Callable[[Master], None]
STATES: dict[str, tuple[Act, Act, Act]] = {
    "no model": (nothing, wait, wait),
    "checks its model": (a_model, wait, wait),
    "samples at 10 kHz": (sampling, wait, wait),
    "measures windows": (hopping, wait, wait),
    "has an erase to do": (a_model, fill_settings, save_twice),
    "keeps settings": (a_model, wait, begin_to_save),
    "checks a signature": (someone_is_there, wait, give_a_key),
}
"""What brings the node there once, before each session, and before each GO."""


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


@pytest.fixture(scope="module")
def flash(elf: Path) -> bytes:
    """Without a model, at BAUD."""
    master = ready(elf)
    master.set_line(BAUD, Format.F8E1)
    return master.machine.flash_image


def started(elf: Path, flash: bytes, baud: int = BAUD) -> Master:
    master = powered(elf, flash=flash)
    master.follow(baud, Format.F8E1)
    master.machine.run(milliseconds=600)  # the lamp's test has passed
    return master


def latencies(elf: Path, flash: bytes, name: str) -> list[float]:
    """Of PHASES switches of a node in that state."""
    once, first, before = STATES[name]
    rng = random.Random(name)
    master = started(elf, flash)
    once(master)
    found = []
    for _ in range(PHASES):
        first(master)
        bring(master)
        before(master)
        master.machine.run(microseconds=rng.uniform(0, 8000))
        found.append(latency(master))
        master.wait_idle()
        assert master.value("TRIAL_LEFT") > 0
        back(master)
    print(f"{name}: {min(found):.0f} to {max(found):.0f} us")
    return found


def test_all_switch_within_a_millisecond(elf: Path, flash: bytes) -> None:
    """All of them hear the same frame: what differs is only how long each takes from its end on."""
    found = {name: latencies(elf, flash, name) for name in STATES}
    every = [us for each in found.values() for us in each]
    print(f"spread {max(every) - min(every):.0f} us, {min(every):.0f} to {max(every):.0f} us after the frame")
    assert min(every) > SILENCE_US
    assert max(every) - min(every) <= SPREAD_US
