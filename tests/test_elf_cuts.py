"""Power is cut on the real ELF at random instructions: afterwards it is the old state or the new, and all goes on.

Each case is first run without a cut. Then half of the cuts fall anywhere in it, half into the flash's work.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from host.core.image import encode
from host.core.modbus import frame_seal
from host.core.registers import placed
from host.core.wire import BY_NAME, DEFAULT_BAUD, Command, Format, Gap, Session, Table
from host.node.broadcast import block, blocks_of, opening
from tests.e2e.scenario import AND, NAND, OR
from tests.elf import Machine
from tests.elf.firmware import START_MS, firmware_elf, powered, ready
from tests.elf.flash import BASE
from tests.elf.master import Master
from tests.sessions import GO, go_pdu

BAUD = 1_000_000
CUTS = 28
"""In each case, unless it says otherwise."""
FEWER = 16
"""Where most of the way has been cut in another case."""
ERASE = 0.1
"""Of the usual time of the flash, so that the tests wait less."""
MODEL_SECTORS = (0x0800_4000, 0x0800_8000)
SETTINGS_SECTORS = (0x0800_C000, 0x080E_0000)
SECTOR_SIZE = 0x4000
SETTINGS = BY_NAME["ADDRESS"]
OTHER_LINE = [1, 0, 57600, Format.F8E1, Gap.TRUE_CHARACTERS]


class Cut(Exception):
    """The power goes now."""


def crc(image: bytes) -> int:
    return int.from_bytes(image[-4:], "little")


OLD, NEW, NEXT = encode(AND), encode(OR), encode(NAND)


def patient(machine: Machine) -> Master:
    """It does not ask all the time during an erase."""
    master = Master(machine)
    master.pause_ms = 10
    return master


def model(master: Master) -> int:
    return master.value("MODEL_CRC")


def stored_settings(master: Master) -> int:
    """The baud rate in force. A node that has changed it is heard at the new one."""
    line = master.machine.chip.usart3
    baud = round(1e15 / line.bit / 100) * 100
    master.follow(baud, Format.F8E1)
    master.wait_idle()
    words = master.read(Table.HOLDING, SETTINGS.address, 5)
    return words[1] << 16 | words[2]


def deploy_new(master: Master) -> None:
    master.wait_idle()
    master.deploy(NEW)


def deploy_next(master: Master) -> None:
    master.deploy(NEXT)


def roll_back(master: Master) -> None:
    master.command(Command.ROLLBACK, crc=crc(OLD))
    master.wait_idle()


def confirm(master: Master) -> None:
    """A trial, which is over with the power, and what keeps it."""
    master.wait_idle()
    master.stage(NEW)
    master.write(*placed(COMMAND=Command.TRIAL, LENGTH=len(NEW), CRC=crc(NEW), SECONDS=60))
    assert model(master) == crc(NEW)
    master.command(Command.CONFIRM, crc=crc(NEW))
    master.wait_idle()


def switch(master: Master) -> None:
    """A session, and the one frame that is for many: what it runs is kept at once."""
    master.wait_idle()
    master.write(*opening(NEW, GO, 0))
    for index in blocks_of(NEW):
        master.write(*block(NEW, index))
    while master.value("SESSION_STATE") != Session.VERIFIED:
        pass
    machine = master.machine
    end = machine.bus.send(frame_seal(bytes([0]) + go_pdu()), delay_us=100)
    machine.run(microseconds=end - machine.us + 100)
    master.wait_idle()


def save_settings(master: Master) -> None:
    master.write(SETTINGS.address, OTHER_LINE)
    master.command(Command.SAVE_SETTINGS)
    master.machine.run(milliseconds=1)
    stored_settings(master)
    master.wait_idle()


def first_start(master: Master) -> None:
    """A blank node, at the default speed, prepares its stores and gets its first model."""
    master.machine.run(milliseconds=START_MS)
    master.wait_idle()
    master.deploy(NEW)


@dataclass(frozen=True)
class Case:
    before: str
    """Which flash it starts from."""
    act: Callable[[Master], None]
    state: Callable[[Master], int]
    old: int
    new: int
    cuts: int = CUTS


CASES = {
    "deploy": Case("one model", deploy_new, model, crc(OLD), crc(NEW)),
    "erase, then deploy": Case("no room", deploy_new, model, crc(OLD), crc(NEW)),
    "deploy with an erase": Case("no room for a third", deploy_next, model, crc(NEW), crc(NEXT)),
    "confirm": Case("one model", confirm, model, crc(OLD), crc(NEW)),
    "confirm with an erase": Case("no room", confirm, model, crc(OLD), crc(NEW), FEWER),
    "switch": Case("one model", switch, model, crc(OLD), crc(NEW), FEWER),
    "switch with an erase": Case("no room", switch, model, crc(OLD), crc(NEW), FEWER),
    "rollback": Case("two models", roll_back, model, crc(NEW), crc(OLD)),
    "settings": Case("one model", save_settings, stored_settings, BAUD, 57600),
    "first start": Case("blank", first_start, model, 0, crc(NEW)),
}


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


@pytest.fixture(scope="module")
def flashes(elf: Path) -> dict[str, bytes]:
    """All with the line at BAUD, but for the blank one."""
    blank = Machine(elf).flash_image
    master = patient(ready(elf).machine)
    master.machine.chip.flash.slowness = ERASE
    master.set_line(BAUD, Format.F8E1, Gap.TRUE_CHARACTERS)
    master.deploy(OLD)
    one = master.machine.flash_image
    master.deploy(NEW)
    two = master.machine.flash_image
    # The first model's sector is full, so the second goes into the other.
    master.machine.flash_image = filled(one)
    master.machine.boot()
    master.machine.run(milliseconds=START_MS)
    deploy_new(master)
    apart = master.machine.flash_image
    return {
        "blank": blank,
        "one model": one,
        "two models": two,
        "no room": filled(one),
        "no room for a third": filled(apart),
    }


def filled(flash: bytes) -> bytes:
    """Both of the model's sectors are closed: by a word where nothing should be."""
    full = bytearray(flash)
    for sector in MODEL_SECTORS:
        at = sector - BASE + SECTOR_SIZE - 4
        full[at : at + 4] = bytes(4)
    return bytes(full)


@pytest.mark.parametrize(
    "left", [bytes(SECTOR_SIZE), random.Random(485).randbytes(SECTOR_SIZE)], ids=["0", "noise"]
)
def test_it_starts_in_time_whatever_an_erase_has_left(
    elf: Path, flashes: dict[str, bytes], left: bytes
) -> None:
    """In all of its sectors, which is worse than any cut."""
    flash = bytearray(flashes["blank"])
    for sector in (*MODEL_SECTORS, *SETTINGS_SECTORS):
        at = sector - BASE
        flash[at : at + SECTOR_SIZE] = left
    machine = Machine(elf, flash=bytes(flash))
    machine.run(milliseconds=START_MS)
    assert machine.chip.usart3.bit, "the line is not open yet"


@dataclass
class Trial:
    """A machine that can start a case again and again."""

    machine: Machine
    flash: bytes
    case: Case

    def start(self) -> Master:
        self.machine.chip.violation = None
        self.machine.flash_image = self.flash
        self.machine.boot()
        master = patient(self.machine)
        blank = self.case.before == "blank"
        master.follow(DEFAULT_BAUD if blank else BAUD, Format.F8E1)
        if not blank:
            self.machine.run(milliseconds=START_MS)
        return master

    def until(self, master: Master, us: float) -> bool:
        """Act, and cut the power so long after the start; False if the act had ended before."""

        def cut() -> None:
            raise Cut

        self.machine.chip.time.at(int(us * 1e9), cut)
        try:
            self.case.act(master)
        except Cut:
            return True
        return False


def times(trial: Trial) -> tuple[float, float, list[tuple[float, float]]]:
    """When the act begins and ends, and the flash's work meanwhile, in microseconds of the machine's time.

    All of it repeats exactly, counted from the power-on.
    """
    operations: list[tuple[float, float]] = []
    machine, flash = trial.machine, trial.machine.chip.flash
    master = trial.start()
    begin = flash._begin

    def noted(kind: str, address: int, new: bytes, took: int) -> None:
        operations.append((machine.us, took / 1e9))
        begin(kind, address, new, took)

    flash._begin = noted  # type: ignore[method-assign]
    begun = machine.us
    trial.case.act(master)
    flash._begin = begin  # type: ignore[method-assign]
    return begun, machine.us, operations


def cut_times(trial: Trial, rng: random.Random) -> Iterator[float]:
    """In microseconds after the power-on."""
    powered_on = trial.machine.us
    begun, ended, operations = (lambda b, e, o: (b - powered_on, e - powered_on, o))(*times(trial))
    assert operations
    for number in range(trial.case.cuts):
        if number % 2:
            yield rng.uniform(begun, ended)
        else:
            start, took = rng.choice(operations)
            yield start - powered_on + rng.uniform(0, took)


@pytest.mark.parametrize("name", CASES)
def test_a_cut_leaves_the_old_or_the_new(elf: Path, flashes: dict[str, bytes], name: str) -> None:
    case = CASES[name]
    rng = random.Random(f"485 {name}")
    machine = powered(elf, flash=flashes["one model"]).machine
    machine.chip.flash.slowness = ERASE
    trial = Trial(machine, flashes[case.before], case)
    seen = {case.old: 0, case.new: 0}
    torn = 0
    for number, us in enumerate(list(cut_times(trial, rng))):
        powered_on = machine.us
        master = trial.start()
        trial.until(master, powered_on + us)
        torn += machine.cut_power(seed=number) is not None
        machine.boot()
        machine.run(milliseconds=START_MS)
        if number % 5 == 0:  # and once more, at some instant of the recovery
            machine.cut_power(seed=number)
            machine.boot()
            machine.run(microseconds=rng.uniform(2300, 60_000))
            machine.cut_power(seed=number + 1)
            machine.boot()
            machine.run(milliseconds=START_MS)
        after = patient(machine)
        stored_settings(after)
        after.wait_idle()
        found = case.state(after)
        assert found in seen, f"cut {number} at {us:.3f} us: {found:#x}"
        seen[found] += 1
        if number % 4 == 0:
            after.deploy(NEXT)
            assert [after.evaluate([q, q], 1) for q in (0, 0x4000)] == [[1], [0]]
    assert min(seen.values()) > 0
    assert torn > case.cuts // 4
