"""The real ELF from reset to reset: lamp, identity, clocks, watchdog, faults, and what is said about them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from unicorn import arm_const as arm

from host.core.image import encode
from host.core.wire import BY_NAME, WIRE_VERSION, Command, Start, Table
from tests.e2e.scenario import AND
from tests.elf import Machine
from tests.elf.firmware import START_MS, firmware_elf, ready
from tests.elf.master import Master

WATCHDOG_US = 2_000_000
CODE_ERROR, CODE_FAULT = 2, 3
"""How often the LED blinks."""


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


def lamp_edges(machine: Machine) -> list[tuple[int, float]]:
    return [(edge.level, edge.us) for edge in machine.chip.board.led_edges]


# ---------------------------------------------------------------------------------------------------------- start


def test_lamp_test_then_dark_without_a_model(elf: Path) -> None:
    machine = Machine(elf)
    machine.run(seconds=2)
    (lit, since), (dark, until) = lamp_edges(machine)
    assert (lit, dark) == (1, 0)
    assert since < 5_000
    assert 200_000 < until - since < 800_000
    assert machine.resets == ["power"]


def test_lamp_follows_the_neuron_after_every_start(elf: Path) -> None:
    master = ready(elf)
    master.deploy(encode(AND))
    machine = master.machine
    lit = [master.evaluate([q, q], 1) and machine.led for q in (0, 0x4000)]
    assert lit == [False, True]
    machine.reset()
    machine.run(seconds=1)
    assert not machine.led
    assert machine.chip.board.led_edges[-2].level == 1  # the lamp test came first
    assert master.start()[0] is Start.PIN


def test_pins_are_silent_through_a_start(elf: Path) -> None:
    """Levels come before modes: RE and SE never move, so nothing is driven or muted."""
    machine = Machine(elf)
    machine.run(milliseconds=START_MS)
    assert machine.bus.edges == []
    assert machine.chip.rcc.hclk == 168_000_000
    assert machine.chip.rcc.pclk1 == 42_000_000


def test_identity_is_the_chip(elf: Path) -> None:
    uid = bytes(range(1, 13))
    master = ready(elf, uid=uid)
    assert master.bytes_of("UID") == uid
    assert master.value("WIRE_VERSION") == WIRE_VERSION


def test_first_start_is_by_power(elf: Path) -> None:
    assert ready(elf).start() == (Start.POWER, 0, 0, "")


def test_restart_by_command(elf: Path) -> None:
    master = ready(elf)
    master.command(Command.RESTART)
    master.machine.run(milliseconds=START_MS)
    assert master.machine.resets == ["power", "software"]
    assert master.start() == (Start.SOFTWARE, 0, 0, "")


def test_nothing_is_amiss_while_nothing_happens(elf: Path) -> None:
    master = ready(elf)
    master.machine.run(seconds=5)
    assert master.machine.resets == ["power"]
    assert master.value("UPTIME") == pytest.approx(master.machine.us / 1000, abs=20)
    assert not master.machine.led


def test_the_clock_may_wrap(elf: Path) -> None:
    """49.7 days after the start."""
    master = ready(elf)
    master.machine.write("uwTick", (2**32 - 1000).to_bytes(4, "little"))
    master.machine.run(seconds=3)
    assert 1000 < master.value("UPTIME") < 4000
    assert master.machine.resets == ["power"]
    assert not master.machine.led


# -------------------------------------------------------------------------------------------------------- watchdog


def test_a_hang_ends_in_a_reset_by_the_watchdog(elf: Path) -> None:
    master = ready(elf)
    master.deploy(encode(AND))
    machine = master.machine
    run_code(master, b"\x30\xbf\xfd\xe7")  # wfi; b .-2: interrupts go on, the main loop does not
    begun = machine.us
    machine.run_until(lambda: machine.resets[-1] == "watchdog", 3 * WATCHDOG_US)
    assert machine.us - begun == pytest.approx(WATCHDOG_US, rel=0.01)
    machine.run(milliseconds=START_MS)
    master.wait_idle()
    assert master.start() == (Start.WATCHDOG, 0, 0, "")
    assert master.value("MODEL_CRC") == int.from_bytes(encode(AND)[-4:], "little")
    machine.run(seconds=3)
    assert machine.resets == ["power", "watchdog"]


@pytest.mark.parametrize("lsi_hz", [17_000, 47_000])
def test_the_watchdog_is_fed_in_time_at_any_speed_of_its_oscillator(elf: Path, lsi_hz: int) -> None:
    machine = Machine(elf)
    machine.chip.iwdg.lsi_hz = lsi_hz
    machine.chip.flash.slowness = 3.2  # an erase of 800 ms
    machine.run(seconds=3)
    assert machine.resets == ["power"]
    assert machine.chip.flash.erases[1] == 1


def test_only_the_main_loop_and_the_flash_feed_the_watchdog(elf: Path) -> None:
    fed = set()
    machine = Machine(elf)
    store = machine.chip.iwdg.store

    def watch(name: str, value: int) -> None:
        if (name, value) == ("KR", 0xAAAA):
            fed.add(machine.where.split("+")[0])
            places.add(machine.chip.engine.reg_pc())
        store(name, value)

    places: set[int] = set()
    machine.chip.iwdg.store = watch  # type: ignore[method-assign]
    master = Master(machine)
    machine.run(milliseconds=700)
    master.deploy(encode(AND))
    symbols = machine.program.symbols
    names = {"port_idle": 0, "work": 0, "start_watchdog": 0, "fault_init": 0, "port_init": 0}
    for place in places:
        inside = max(
            (at, name) for name, at in symbols.items() if at & ~1 <= place and not name.startswith("$")
        )
        assert inside[1] in names, f"{place:#x} in {inside[1]} feeds the watchdog"
        names[inside[1]] += 1
    assert names["port_idle"] == 1
    assert names["work"] == 1


# ---------------------------------------------------------------------------------------------------------- faults


def die(master: Master, *, blinking: int | None = None) -> None:
    """Let the firmware's handlers see what has just been set up, until the watchdog has started it again.

    blinking: how often the LED has to blink. The instructions of its pauses cost the machine a while.
    """
    machine = master.machine
    machine.chip.deliver_faults = True
    begun = machine.us
    if blinking is None:
        machine.run(milliseconds=1)
        machine.chip.request_reset("watchdog")
    else:
        machine.run_until(lambda: machine.resets[-1] == "watchdog", 3 * WATCHDOG_US)
        assert machine.us - begun == pytest.approx(WATCHDOG_US, rel=0.01)
        pauses = gaps(machine, begun)
        assert max(pauses[: 2 * blinking - 1]) < pauses[2 * blinking - 1] / 2, "a long pause after each code"
    assert not machine.chip.board.level["PB9"], "the driver is off"
    machine.run(milliseconds=START_MS)
    master.wait_idle()


def gaps(machine: Machine, since: float) -> list[float]:
    """Between the edges of the LED."""
    edges = [edge.us for edge in machine.chip.board.led_edges if edge.us >= since]
    return [late - early for early, late in itertools.pairwise(edges)]


UNDEFINED, LOAD, STORE, STAY = b"\x00\xde", b"\x08\x68", b"\x0a\x60", b"\xfe\xe7"
"""udf; ldr r0, [r1]; str r2, [r1]; b ."""
BAD_READS = {"nothing there": 0x3000_0000, "a null pointer": 0}


def run_code(master: Master, code: bytes, r1: int = 0) -> int:
    """Let the core go on with code in RAM, r1 set; its address."""
    place = 0x2000_0400
    machine = master.machine
    machine.write(place, code + STAY)
    machine.chip.engine.set_reg(arm.UC_ARM_REG_R1, r1)
    machine.chip.engine.set_reg(arm.UC_ARM_REG_PRIMASK, 0)  # the firmware sleeps with its interrupts masked
    machine.jump(place)
    return place


def test_an_undefined_instruction(elf: Path) -> None:
    master = ready(elf)
    place = run_code(master, UNDEFINED)
    die(master, blinking=CODE_FAULT)
    assert master.start() == (Start.FAULT, 0, place, "HardFault")


@pytest.mark.parametrize("where", BAD_READS)
def test_a_bad_address(elf: Path, where: str) -> None:
    master = ready(elf)
    place = run_code(master, LOAD, BAD_READS[where])
    die(master)
    assert master.start() == (Start.FAULT, 0, place, "HardFault")
    assert master.machine.resets == ["power", "watchdog"]


def test_a_stack_that_grows_into_its_guard(elf: Path) -> None:
    master = ready(elf)
    guard = master.machine.address("_stack_guard")
    place = run_code(master, STORE, guard + 28)
    die(master)
    assert master.start() == (Start.FAULT, 0, place, "stack overflow")


def test_a_stack_too_full_for_an_interrupt(elf: Path) -> None:
    master = ready(elf)
    run_code(master, STAY)
    guard = master.machine.address("_stack_guard")
    master.machine.chip.engine.set_reg(arm.UC_ARM_REG_SP, guard + 40)
    die(master)
    assert master.start() == (Start.FAULT, 0, 0, "stack overflow")


def test_a_fault_while_driving_the_bus_lets_go_of_it(elf: Path) -> None:
    master = ready(elf)
    machine = master.machine
    machine.bus.send(master.frame(bytes.fromhex("03 00 00 00 10")))
    machine.run_until(lambda: len(machine.bus.received) == 8, 100_000)
    machine.chip.board.line.release = lambda: None  # type: ignore[method-assign] # cut off in mid-character: that is meant
    run_code(master, UNDEFINED)
    machine.chip.deliver_faults = True
    machine.run(milliseconds=1)
    assert not machine.chip.board.level["PB9"]


def test_a_dead_crystal(elf: Path) -> None:
    machine = Machine(elf, crystal=False)
    machine.run_until(lambda: machine.resets[-1] == "watchdog", 3 * WATCHDOG_US)
    blinks = gaps(machine, 150_000)  # HAL waits for the crystal for 100 ms
    long = [i for i, gap in enumerate(blinks) if gap > 2 * min(blinks)]
    assert {late - early for early, late in itertools.pairwise(long)} == {2 * CODE_ERROR}
    assert machine.bus.edges == []
    machine.chip.crystal = True
    machine.run(milliseconds=START_MS)
    master = Master(machine)
    master.wait_idle()
    cause, line, pc, file = master.start()
    assert (cause, pc, file) == (Start.FAULT, 0, "port.c")
    source = Path(__file__).parents[1] / "firmware" / "port" / "stm32f407" / "port.c"
    assert "_Error_Handler(__FILE__, __LINE__)" in source.read_text(encoding="utf-8").splitlines()[line - 1]
    machine.reset()
    machine.run(milliseconds=START_MS)
    master.wait_idle()
    assert master.start() == (Start.PIN, 0, 0, "")


def test_a_fault_leaves_the_model(elf: Path) -> None:
    master = ready(elf)
    master.deploy(encode(AND))
    run_code(master, UNDEFINED)
    die(master)
    assert master.read(Table.DISCRETE, BY_NAME["MODEL_VALID"].address, 1) == [1]
    assert master.evaluate([0x4000, 0x4000], 1) == [1]


def test_power_forgets_a_fault(elf: Path) -> None:
    master = ready(elf)
    run_code(master, UNDEFINED)
    master.machine.chip.deliver_faults = True
    master.machine.run(milliseconds=100)
    master.machine.cut_power()
    master.machine.boot()
    master.machine.run(milliseconds=700)
    assert master.start() == (Start.POWER, 0, 0, "")
