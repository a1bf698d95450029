"""The real ELF while its flash is at work: it answers, loses nothing of what is said, and keeps its time."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from host.core.image import encode
from host.core.modbus import DEVICE_BUSY, DEVICE_FAILURE, frame_valid, write_registers_pdu
from host.core.registers import placed
from host.core.wire import (
    BY_NAME,
    DEFAULT_ADDRESS,
    Command,
    Reason,
    Start,
    State,
    Table,
    WatchdogFor,
)
from tests.e2e.scenario import AND, OR
from tests.elf import Machine
from tests.elf.firmware import BLANK_MS, START_MS, firmware_elf, powered, ready
from tests.elf.master import Master, Refused

ECHO = bytes.fromhex("08 00 00 A5 37")
LAMP_ON = b"\x05" + BY_NAME["LAMP_TEST"].address.to_bytes(2, "big") + b"\xff\x00"
SHORT = 0.05
"""Of the usual time: an erase of 12.5 ms."""


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


def erasing(elf: Path, slowness: float = 1) -> Master:
    """A blank node in its first erase."""
    machine = Machine(elf)
    machine.chip.flash.slowness = slowness
    machine.run_until(lambda: erase_end(machine), 100_000)
    return Master(machine)


def erase_end(machine: Machine) -> int:
    """When the present erase ends, in the machine's time; 0 if there is none."""
    now = machine.chip.flash.operations
    return now[0].end if now and now[0].kind == "erase" else 0


def begin_commit(master: Master, image: bytes) -> int:
    """Stage, verify, and ask for the commit; the words are programmed afterwards. Its CRC."""
    crc = int.from_bytes(image[-4:], "little")
    master.stage(image)
    master.command(Command.VERIFY, len(image), crc)
    master.machine.bus.send(
        master.frame(write_registers_pdu(*placed(COMMAND=Command.COMMIT, LENGTH=0, CRC=crc)))
    )
    return crc


def latency_us(master: Master) -> float:
    """Of an echo, or of its refusal."""
    bus = master.machine.bus
    heard = len(bus.received)
    with contextlib.suppress(Refused):
        assert master.ask(ECHO) == ECHO
    return bus.received[heard].start_us - bus.host_end_us


def test_busy_is_said_as_fast_as_anything_else(elf: Path) -> None:
    usual = latency_us(ready(elf))
    master = erasing(elf)
    while erase_end(master.machine) - master.machine.chip.time.now > 30 * 10**12:
        with pytest.raises(Refused) as refused:
            master.ask(ECHO)
        assert refused.value.code == DEVICE_BUSY
    assert latency_us(erasing(elf)) == pytest.approx(usual, abs=100)
    assert usual < 2200  # 3.5 characters at 19200 baud are 2005
    master.wait_idle()
    assert master.ask(ECHO) == ECHO
    assert master.start()[0] is Start.POWER


def test_only_requests_to_this_node_are_answered(elf: Path) -> None:
    master = erasing(elf)
    bus, machine = master.machine.bus, master.machine
    good = master.frame(ECHO)
    other = Master(machine, 2).frame(ECHO)
    broadcast = Master(machine, 0).frame(bytes.fromhex("06 00 00 00 07"))
    for frame in (other, broadcast, good[:-1] + b"\0", good[:3], good[1:]):
        bus.send(frame)
        machine.run(milliseconds=20)
    bus.send(good, bad_parity=[2])
    machine.run(milliseconds=20)
    assert bus.data == b""
    assert bus.edges == []
    assert erase_end(machine), "all that was in one erase"
    with pytest.raises(Refused):
        master.ask(ECHO)


def test_a_broadcast_that_an_erase_costs_is_counted(elf: Path) -> None:
    """Any whole one, whatever it says; MISSED is read when the node serves again."""
    master = erasing(elf)
    bus, machine = master.machine.bus, master.machine
    write = Master(machine, 0).frame(bytes.fromhex("06 00 00 00 07"))
    unknown = Master(machine, 0).frame(bytes.fromhex("41"))
    damaged = (write[:-1] + b"\0", write[:3], write[1:], Master(machine, 2).frame(ECHO))
    for sent in (write, *damaged, unknown):
        bus.send(sent)
        machine.run(milliseconds=20)
    bus.send(write, bad_parity=[2])
    machine.run(milliseconds=20)
    assert bus.data == b""
    with pytest.raises(Refused) as refused:
        master.ask(ECHO)
    assert refused.value.code == DEVICE_BUSY
    assert erase_end(machine), "all that was in one erase"
    master.wait_idle()
    assert master.value("MISSED") == 2


def test_a_broadcast_over_the_start_or_the_end_of_an_erase_is_obeyed_or_counted(elf: Path) -> None:
    """Never both, never neither. It sets a coil."""
    obeyed = set()
    for tenth in range(-20, 110, 13):
        master = erasing(elf, SHORT)
        machine = master.machine
        machine.chip.flash.slowness = 1
        start = erase_end(machine) - tenth * machine.bus.character() // 10
        machine.run(microseconds=(start - machine.chip.time.now) / 1e9)
        machine.bus.send(Master(machine, 0).frame(LAMP_ON))
        machine.run(milliseconds=12)
        master.wait_idle()
        written = master.value("LAMP_TEST") == 1
        assert master.value("MISSED") == (0 if written else 1), f"{tenth / 10} characters"
        obeyed.add(written)
    assert obeyed == {True, False}


def test_no_broadcast_is_missed_while_words_are_programmed(elf: Path) -> None:
    master = ready(elf)
    machine = master.machine
    before = machine.chip.flash.programs
    crc = begin_commit(master, encode(AND))
    machine.run_until(lambda: machine.chip.flash.programs > before + 5, 100_000)
    first = machine.chip.flash.programs
    machine.bus.send(Master(machine, 0).frame(LAMP_ON))
    machine.run(milliseconds=12)
    master.wait_idle()
    assert machine.chip.flash.programs > first + 5, "the broadcast came in the midst of the words"
    assert master.value("MISSED") == 0
    assert master.value("LAMP_TEST") == 1
    assert master.value("MODEL_CRC") == crc


# ---------------------------------------------------------------------------------------------------------- supply


def test_the_supply_is_good_where_the_detector_says_so(elf: Path) -> None:
    machine = ready(elf).machine
    for volts, good in ((3.3, True), (2.89, False), (3.3, True), (1.9, False), (3.2, True)):
        machine.supply = volts
        assert bool(machine.call("port_supply_good")[0]) == good, volts


@pytest.mark.parametrize("volts", [2.0, 2.5, 2.7, 2.8, 2.89])
def test_the_supply_is_not_good_from_the_start(elf: Path, volts: float) -> None:
    """Whoever asks first gets the right answer: the model fails a look at a detector that has not settled."""
    machine = Machine(elf)
    machine.supply = volts
    machine.run_to("node_boot")
    assert machine.call("port_supply_good")[0] == 0


LOW = 2.5
"""V. The model of the chip ends a test whose firmware programs or erases below 2.9."""
HALF = [0x2000, 0]
"""Inputs 1 and 0, which AND and OR answer differently."""


def test_nothing_is_begun_at_a_low_supply(elf: Path) -> None:
    master = ready(elf)
    master.deploy(encode(AND))
    flash, image = master.machine.chip.flash, encode(OR)
    crc = int.from_bytes(image[-4:], "little")
    master.stage(image)
    master.command(Command.VERIFY, len(image), crc)
    before = flash.programs
    master.machine.supply = LOW
    with pytest.raises(Refused) as refused:
        master.command(Command.COMMIT, crc=crc)
    assert refused.value.code == DEVICE_FAILURE
    assert master.reason()[0] is Reason.SUPPLY
    master.machine.run(milliseconds=100)
    assert flash.programs == before
    assert master.evaluate(HALF, 1) == [0]
    master.machine.supply = 3.3
    master.deploy(image)
    assert master.evaluate(HALF, 1) == [1]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_a_commit_waits_for_the_supply(elf: Path, share: float) -> None:
    """It falls after that share of the words, the last but one at the latest."""
    master = ready(elf)
    machine, flash = master.machine, master.machine.chip.flash
    master.deploy(encode(AND))
    start = flash.programs
    master.deploy(encode(OR))
    before = flash.programs
    words = 1 + int(share * (before - start - 2))
    crc = begin_commit(master, encode(AND))
    machine.run_until(lambda: flash.programs >= before + words, 100_000)
    machine.supply = LOW
    machine.run(milliseconds=50)
    assert flash.programs == before + words
    assert master.reason()[0] is Reason.SUPPLY
    assert master.value("STATE") == State.COMMITTING
    assert master.evaluate(HALF, 1) == [1], "the old model goes on"
    machine.supply = 3.3
    master.wait_idle()
    assert master.value("MODEL_CRC") == crc
    assert master.reason()[0] is Reason.NONE
    assert master.evaluate(HALF, 1) == [0]
    assert machine.resets == ["power"]


def test_a_blank_node_waits_for_the_supply_with_its_erases(elf: Path) -> None:
    machine = Machine(elf)
    machine.supply = LOW
    machine.run(seconds=1)
    master = Master(machine)
    assert master.value("SEQUENCE") == 0
    assert sum(machine.chip.flash.erases) == machine.chip.flash.programs == 0
    machine.supply = 3.3
    machine.run(milliseconds=BLANK_MS)
    master.wait_idle()
    assert sum(machine.chip.flash.erases) > 0
    master.deploy(encode(AND))


@pytest.mark.parametrize("left", range(4))
def test_a_start_at_a_low_supply_programs_nothing(elf: Path, left: int) -> None:
    """After a cut with so many words of a commit left: the verdict is made final when the supply is back."""
    master = ready(elf)
    machine, flash = master.machine, master.machine.chip.flash
    crcs = [int.from_bytes(encode(model)[-4:], "little") for model in (AND, OR)]
    master.deploy(encode(AND))
    start = flash.programs
    master.deploy(encode(OR))
    words = flash.programs - start
    master.deploy(encode(AND))
    before = flash.programs
    begin_commit(master, encode(OR))
    machine.run_until(lambda: flash.programs >= before + words - left, 100_000)
    machine.cut_power(seed=left)
    machine.boot()
    machine.supply = LOW
    before = flash.programs
    machine.run(milliseconds=100)
    runs = master.value("MODEL_CRC")
    assert runs in crcs
    assert master.evaluate(HALF, 1) == [crcs.index(runs)]
    assert flash.programs == before
    for _ in range(2):
        machine.supply = 3.3
        machine.run(milliseconds=BLANK_MS)
        master.wait_idle()
        assert master.value("MODEL_CRC") == runs
        machine.cut_power()
        machine.boot()
    machine.run(milliseconds=BLANK_MS)
    master.deploy(encode(AND))


@pytest.mark.parametrize("tenth", range(0, 110, 5))
def test_a_request_over_the_end_of_an_erase_is_answered(elf: Path, tenth: int) -> None:
    """tenth: of a character, from its first byte to the end of the erase."""
    master = erasing(elf, SHORT)
    machine = master.machine
    machine.chip.flash.slowness = 1
    start = erase_end(machine) - tenth * machine.bus.character() // 10
    machine.run(microseconds=(start - machine.chip.time.now) / 1e9)
    frame = master.frame(ECHO)
    machine.bus.send(frame)
    machine.run(milliseconds=12)
    assert machine.bus.data == frame or (
        frame_valid(machine.bus.data) and machine.bus.data[1:3] == b"\x88\x06"
    )


def test_a_request_over_the_start_of_an_erase_is_answered(elf: Path) -> None:
    """Its first byte comes in each tenth of a microsecond around the one in which the line is taken for quiet."""
    begin = erasing(elf).machine.us
    refused = 0
    for tenth in range(-30, 15):
        machine = Machine(elf)
        first_byte = begin - machine.bus.character() / 1e9
        machine.run(microseconds=first_byte - 10)
        frame = Master(machine).frame(ECHO)
        machine.bus.send(frame, delay_us=first_byte + tenth / 10 - machine.us)
        machine.run(milliseconds=13)
        answer = machine.bus.data
        assert answer == frame or answer[:3] == b"\x01\x88\x06", f"{tenth / 10} us: {answer!r}"
        refused += answer != frame
    assert 5 < refused < 40


@pytest.mark.parametrize("address", [DEFAULT_ADDRESS, 0])
def test_what_an_erase_costs_still_tells_the_watchdog_that_there_is_a_bus(elf: Path, address: int) -> None:
    """A node that waits for 0.1 s erases for 250 ms; a write comes every 30, the last 15 before the end."""
    before = ready(elf)
    before.write(*placed(WATCHDOG=1, WATCHDOG_FOR=WatchdogFor.WRITE))
    before.command(Command.SAVE_SETTINGS)
    before.wait_idle()
    flash = bytearray(before.machine.flash_image)
    flash[0x4000:0x8000] = bytes(0x4000)  # no store: it is erased when the node starts
    machine = Machine(elf, flash=bytes(flash))
    machine.run_until(lambda: erase_end(machine), 100_000)
    started = machine.us
    frame = Master(machine, address).frame(LAMP_ON)
    while erase_end(machine):
        machine.bus.send(frame)
        machine.run(milliseconds=30)
    assert machine.us - started > 200_000
    machine.run(milliseconds=30)
    master = Master(machine)
    assert master.value("BUS_LOST") == 0
    assert master.value("EVENTS_HEAD") == 1, "the start"


def test_time_goes_on_during_an_erase(elf: Path) -> None:
    master = erasing(elf)
    machine = master.machine
    machine.run_until(lambda: machine.chip.flash.erases[3] and not machine.chip.flash.busy, 1_000_000)
    machine.run(milliseconds=1)
    assert machine.word("uwTick") == pytest.approx(machine.us / 1000, abs=4)
    assert machine.resets == ["power"]


def test_programming_costs_no_answer(elf: Path) -> None:
    master = ready(elf)
    image = encode(AND)
    master.deploy(image)
    usual = latency_us(master)
    master.stage(encode(OR))
    for code, length in ((1, len(image)), (2, 0)):
        master.command(code, length, int.from_bytes(encode(OR)[-4:], "little"))  # type: ignore[arg-type]
    assert latency_us(master) == pytest.approx(usual, abs=100)


def test_a_model_and_its_predecessor_outlive_the_power(elf: Path) -> None:
    master = ready(elf)
    for image in (encode(AND), encode(OR)):
        master.deploy(image)
    for _ in range(2):
        master.machine.cut_power()
        master.machine.boot()
        master.machine.run(milliseconds=START_MS)
        master.wait_idle()
        assert master.value("MODEL_CRC") == int.from_bytes(encode(OR)[-4:], "little")
        assert master.value("PREVIOUS_CRC") == int.from_bytes(encode(AND)[-4:], "little")
        assert [master.evaluate([a, b], 1) for a, b in ((0, 0), (0x4000, 0))] == [[0], [1]]
    second = powered(elf, flash=master.machine.flash_image)
    assert second.value("SEQUENCE") == 2


def test_a_word_that_does_not_keep_is_reported(elf: Path) -> None:
    master = ready(elf)
    master.deploy(encode(AND))
    image = encode(OR)
    crc = int.from_bytes(image[-4:], "little")
    master.stage(image)
    master.command(1, len(image), crc)  # type: ignore[arg-type]
    master.machine.chip.flash.refuse_next = True
    master.command(2, crc=crc)  # type: ignore[arg-type]
    master.wait_idle()
    assert master.reason()[0].name == "FLASH"
    assert master.value("MODEL_CRC") == int.from_bytes(encode(AND)[-4:], "little")
    assert master.read(Table.DISCRETE, BY_NAME["FAULT"].address, 1) == [1]


def test_slow_flash_breaks_nothing(elf: Path) -> None:
    """The datasheet's maxima: 100 us a word, 800 ms an erase."""
    for slowness in (3.2, 6.2):
        master = powered(elf)
        master.machine.chip.flash.slowness = slowness
        master.machine.run(seconds=3.5)
        master.wait_idle()
        master.deploy(encode(AND))
        assert master.machine.resets == ["power"]
