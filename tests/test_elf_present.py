"""The real ELF looks whether someone is at the board: a pin held to ground at power-on, or at a reset by its pin."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.core.wire import Command, Start, Trust
from tests.elf import Machine
from tests.elf.firmware import START_MS, firmware_elf, prepared
from tests.elf.gpio import INPUT, PULL_UP
from tests.elf.master import Master

PIN, PORT, NUMBER = "PD2", "D", 2
LOOK_MS = 20
HELD = 0
FREE, UNDEFINED = 0x2001_8000, b"\x00\xde"
"""Memory behind all variables; udf."""


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


@pytest.fixture(scope="module")
def flash(elf: Path) -> bytes:
    return prepared(elf)


def present(machine: Machine) -> bool:
    """What a node says that has just been started."""
    machine.run(milliseconds=START_MS + LOOK_MS)
    return bool(Master(machine).value("TRUST") >> Trust.PRESENT & 1)


def test_an_open_pin_is_pulled_up_and_nobody_is_there(elf: Path, flash: bytes) -> None:
    machine = Machine(elf, flash=flash)
    machine.run(milliseconds=START_MS)
    assert not present(machine)
    port = machine.chip.gpio[PORT]
    assert port.mode(NUMBER) == INPUT
    assert port.reg["PUPDR"] >> 2 * NUMBER & 3 == PULL_UP


def test_who_holds_the_pin_at_power_on_is_there_until_the_next_start(elf: Path, flash: bytes) -> None:
    machine = Machine(elf, flash=flash)
    machine.pins[PIN] = HELD
    assert present(machine)
    machine.pins[PIN] = 1
    assert present(machine)
    machine.reset()
    assert not present(machine)
    machine.pins[PIN] = HELD
    assert not present(machine), "too late"
    machine.cut_power()
    machine.boot()
    assert present(machine)


@pytest.mark.parametrize(
    ("cause", "counts"),
    [
        (Start.PIN, True),
        (Start.POWER, True),
        (Start.SOFTWARE, False),
        (Start.WATCHDOG, False),
        (Start.FAULT, False),
    ],
)
def test_the_pin_counts_where_someone_started_the_board(
    elf: Path, flash: bytes, cause: Start, counts: bool
) -> None:
    """Neither a restart that the bus asks for nor a fault makes somebody present, however long the pin is held."""
    machine = Machine(elf, flash=flash)
    machine.run(milliseconds=START_MS)
    machine.pins[PIN] = HELD
    if cause is Start.PIN:
        machine.reset()
    elif cause is Start.POWER:
        machine.brown_out()
    elif cause is Start.SOFTWARE:
        Master(machine).command(Command.RESTART)
        machine.run_until(lambda: machine.resets[-1] == "software", 10_000)
    elif cause is Start.WATCHDOG:
        machine.chip.request_reset("watchdog")
    else:
        machine.chip.deliver_faults = True
        machine.write(FREE, UNDEFINED)
        machine.jump(FREE)
        machine.run(milliseconds=1)
        machine.chip.request_reset("watchdog")
    assert present(machine) == counts
    assert Master(machine).start()[0] is cause


@pytest.mark.parametrize(
    ("high", "there"),
    [((0, 2_000), True), ((10_000, 10_050), False), ((23_000, 30_000), False), ((26_000, 90_000), True)],
)
def test_the_pin_is_held_all_the_while(elf: Path, flash: bytes, high: tuple[int, int], there: bool) -> None:
    """From the clocks' start on, 3.9 ms after power-on, for 20 to 21 ms: a contact that bounces is nobody."""
    machine = Machine(elf, flash=flash)
    machine.pins[PIN] = lambda us: int(high[0] <= us < high[1])
    assert present(machine) == there
