"""The real ELF from reset to reset: lamp, identity, clocks, watchdog, faults, and what is said about them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from unicorn import arm_const as arm

from host.core.image import encode
from host.core.wire import BY_NAME, WIRE_VERSION, Command, Reason, Start, State, Table
from tests.e2e.scenario import AND
from tests.elf import Machine
from tests.elf.firmware import BLANK_MS, START_MS, firmware_elf, ready
from tests.elf.master import Master

WATCHDOG_US = 2_000_000
CODE_FAULT = 3
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


def test_nothing_pulls_the_driver_on(elf: Path) -> None:
    """A pull-up on SE would drive the bus from the pull's write to that of the mode, or for good."""
    machine = Machine(elf)
    port = machine.chip.gpio["B"]
    store, pulls = port.store, set()

    def watch(name: str, value: int) -> None:
        store(name, value)
        pulls.add(port.reg["PUPDR"] >> 2 * 9 & 3)

    port.store = watch  # type: ignore[method-assign]
    master = Master(machine)
    machine.run(milliseconds=BLANK_MS)
    master.wait_idle()
    assert pulls == {0}
    assert port.mode(9) == 1


def test_the_vectors_are_ours_whoever_ran_before(elf: Path) -> None:
    """A boot loader has set VTOR to its own, and SystemInit leaves it alone, as that of newer CMSIS does."""
    machine = Machine(elf)
    machine.write("SystemInit", bytes.fromhex("70 47"))  # bx lr
    machine.chip.scs.reg["VTOR"] = 0x2001_0000
    machine.run(milliseconds=BLANK_MS)
    assert machine.chip.scs.reg["VTOR"] == machine.address("vectors_in_ram")
    assert Master(machine).value("WIRE_VERSION") == WIRE_VERSION


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


@pytest.mark.parametrize("asleep", [True, False])
def test_a_debugger_may_halt_a_node_for_long(elf: Path, asleep: bool) -> None:
    master = ready(elf)
    machine = master.machine
    machine.run_until(lambda: machine.chip.cpu.asleep == asleep, 10_000)
    machine.halt(seconds=10)
    machine.run(seconds=3)
    assert machine.resets == ["power"]
    assert master.value("STATE") == State.IDLE
    run_code(master, STAY)
    begun = machine.us
    machine.run(seconds=1)
    machine.halt(seconds=10)
    machine.run_until(lambda: machine.resets[-1] == "watchdog", 3 * WATCHDOG_US)
    assert machine.us - begun == pytest.approx(10e6 + WATCHDOG_US, rel=0.01)


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
    machine.run(milliseconds=BLANK_MS)
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
    machine.run_until(lambda: len(machine.bus.received) == 1, 100_000)
    machine.chip.board.line.release = lambda: None  # type: ignore[method-assign] # cut off in mid-character: that is meant
    run_code(master, UNDEFINED)
    machine.chip.deliver_faults = True
    machine.run(milliseconds=1)
    assert not machine.chip.board.level["PB9"]


# --------------------------------------------------------------------------------------------------------- crystal

HSE_TIMEOUT_MS = 101
"""How long the crystal has to start, by HAL's ticks."""


def said_of_crystal(master: Master) -> bool:
    """That it is dead, and nothing else is wrong."""
    faults = master.value("FAULTS")
    assert faults in (0, 1 << Reason.CRYSTAL)
    assert master.value("FAULT") == (faults != 0)
    return faults != 0


def test_a_live_crystal_sets_the_pace(elf: Path) -> None:
    master = ready(elf)
    assert not said_of_crystal(master)
    assert master.machine.chip.rcc.source_of_pll == "HSE"


def test_a_node_with_a_dead_crystal_runs_as_fast_and_says_so(elf: Path) -> None:
    machine = Machine(elf, crystal=False)
    machine.run(milliseconds=HSE_TIMEOUT_MS + START_MS)
    rcc = machine.chip.rcc
    assert (rcc.hclk, rcc.pclk1, rcc.source_of_pll) == (168_000_000, 42_000_000, "HSI")
    master = Master(machine)
    master.wait_idle()
    master.deploy(encode(AND))
    assert master.evaluate([0x4000, 0x4000], 1) == [1]
    assert {sent.format for sent in machine.bus.received} == {"8E1"}
    assert [sent.baud for sent in machine.bus.received] == pytest.approx(
        [19200] * len(machine.bus.received), rel=0.01
    )
    assert said_of_crystal(master)
    assert machine.resets == ["power"]
    assert master.start() == (Start.POWER, 0, 0, "")


@pytest.mark.parametrize("lsi_hz", [17_000, 47_000])
def test_the_watchdog_leaves_a_dead_crystal_its_time(elf: Path, lsi_hz: int) -> None:
    machine = Machine(elf, crystal=False)
    machine.chip.iwdg.lsi_hz = lsi_hz
    machine.run(seconds=5)
    assert machine.resets == ["power"]


def test_a_crystal_that_is_back_is_taken_again(elf: Path) -> None:
    machine = Machine(elf, crystal=False)
    machine.run(milliseconds=BLANK_MS)
    machine.chip.crystal = True
    machine.reset()
    machine.run(milliseconds=START_MS)
    master = Master(machine)
    master.wait_idle()
    assert machine.chip.rcc.source_of_pll == "HSE"
    assert not said_of_crystal(master)


def test_a_crystal_that_dies_later_is_a_fault_and_the_node_comes_back_without_it(elf: Path) -> None:
    master = ready(elf)
    master.deploy(encode(AND))
    machine = master.machine
    begun = machine.us
    machine.lose_crystal()
    machine.run_until(lambda: machine.resets[-1] == "watchdog", 3 * WATCHDOG_US)
    assert machine.us - begun == pytest.approx(WATCHDOG_US, rel=0.01)
    assert len(gaps(machine, begun)) >= 2 * CODE_FAULT - 1, "the code is blinked at the pace of the HSI"
    machine.run(milliseconds=HSE_TIMEOUT_MS + START_MS)
    master.wait_idle()
    cause, line, pc, file = master.start()
    assert (cause, line, file) == (Start.FAULT, 0, "crystal lost")
    assert pc
    assert said_of_crystal(master)
    assert machine.chip.rcc.hclk == 168_000_000
    assert master.evaluate([0x4000, 0x4000], 1) == [1]
    machine.run(seconds=3)
    assert machine.resets == ["power", "watchdog"]


def test_a_crystal_that_dies_while_the_node_sends_frees_the_bus(elf: Path) -> None:
    master = ready(elf)
    machine = master.machine
    machine.bus.send(master.frame(bytes.fromhex("03 00 00 00 10")))
    machine.run_until(lambda: len(machine.bus.received) == 8, 100_000)
    machine.chip.board.line.release = lambda: None  # type: ignore[method-assign] # cut off in mid-character: that is meant
    machine.lose_crystal()
    machine.run(milliseconds=1)
    assert not machine.chip.board.level["PB9"]


# ---------------------------------------------------------------------------------------------------- what is kept

KEPT = bytes(range(1, 17))
"""PORT_KEPT_WORDS of them."""


def kept(machine: Machine) -> bytes:
    return machine.read("kept", len(KEPT))


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_is_zero_after_power(elf: Path, seed: int) -> None:
    machine = Machine(elf, seed=seed)
    assert all(kept(machine)[at : at + 4] != bytes(4) for at in range(0, len(KEPT), 4)), "RAM holds noise"
    machine.run_to("node_boot")
    assert kept(machine) == bytes(len(KEPT))
    machine.write("kept", KEPT)
    machine.cut_power()
    machine.boot()
    machine.run(milliseconds=START_MS)
    assert kept(machine) == bytes(len(KEPT))


def test_what_is_kept_outlives_every_reset_but_that_of_the_supply(elf: Path) -> None:
    master = ready(elf)
    machine = master.machine
    machine.write("kept", KEPT)
    master.command(Command.RESTART)
    machine.run(milliseconds=START_MS)
    assert (machine.resets[-1], kept(machine)) == ("software", KEPT)
    machine.reset()
    machine.run(milliseconds=START_MS)
    assert (machine.resets[-1], kept(machine)) == ("pin", KEPT)
    run_code(master, UNDEFINED)
    die(master)
    assert (machine.resets[-1], kept(machine)) == ("watchdog", KEPT)
    assert master.start()[0] is Start.FAULT
    machine.brown_out()
    machine.run(milliseconds=START_MS)
    assert (machine.resets[-1], kept(machine)) == ("brown-out", bytes(len(KEPT)))
    master.wait_idle()
    assert master.start() == (Start.POWER, 0, 0, "")


# ------------------------------------------------------------------------------------------------- after all that


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
    master.machine.run(milliseconds=BLANK_MS)
    assert master.start() == (Start.POWER, 0, 0, "")
