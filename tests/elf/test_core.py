"""Clocks, exceptions, faults and resets on samples/core.c."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import pytest

from . import Machine, Violation
from .conftest import Builder


def started(sample: Builder, function: str | None = None, **options: Any) -> Machine:
    machine = Machine(sample("core"), **options)
    machine.run_to("ready")
    if function is not None:
        machine.jump(function)
    return machine


def order(machine: Machine) -> list[int]:
    first = machine.address("order")
    return [machine.word(first + 4 * index) for index in range(machine.word("order_count"))]


def test_start_takes_the_time_of_the_oscillators(sample: Builder) -> None:
    machine = started(sample)
    assert 2200 < machine.us < 2500
    assert machine.chip.rcc.hclk == 168_000_000
    assert machine.chip.rcc.pclk1 == 42_000_000


def test_dead_crystal_is_never_ready(sample: Builder) -> None:
    machine = Machine(sample("core"), crystal=False)
    machine.run(milliseconds=20)
    assert machine.where.startswith("clock_168")


def test_systick_paces_the_lamp_in_virtual_time(sample: Builder) -> None:
    machine = started(sample)
    machine.run(milliseconds=100.5)
    assert machine.word("ticks") == 100
    edges = machine.chip.board.led_edges[2:]
    assert [edge.level for edge in edges] == [1, 0] * 5
    gaps = [later.us - earlier.us for earlier, later in itertools.pairwise(edges)]
    assert gaps == pytest.approx([10_000] * 9, abs=1)


def test_a_nop_takes_a_cycle(sample: Builder) -> None:
    assert started(sample).word("cycles_of_1000") == 3 * 250 + 3


def test_factory_area(sample: Builder) -> None:
    machine = started(sample, uid=bytes(range(12)))
    assert machine.word("uid_word") == 0x03020100
    assert machine.word("flash_kib") == 1024


def test_nested_interrupts_keep_every_float(sample: Builder) -> None:
    machine = started(sample, "nest")
    machine.run_to("ready")
    assert order(machine) == [2, 3, 4, 30, 20]
    assert machine.word("bad_floats") == 0
    assert machine.word("seen_ipsr") == 16 + 30
    assert machine.chip.cpu.tail_chains == 0


def test_one_priority_group_does_not_nest(sample: Builder) -> None:
    machine = started(sample, "nest_in_one_group")
    machine.run_until(lambda: machine.word("preempted"), 1000)
    machine.run_to("ready")
    assert order(machine) == [2, 20, 3, 30, 4]


def test_float_flags_are_restored(sample: Builder) -> None:
    machine = started(sample, "float_flags")
    machine.run_to("ready")
    assert order(machine) == [4, 0x6000_0000]


def test_equal_priorities_are_tail_chained_by_number(sample: Builder) -> None:
    machine = started(sample, "chain")
    machine.run_to("ready")
    assert order(machine) == [2, 20, 3, 30, 4]
    assert machine.chip.cpu.tail_chains == 2


def test_masks_hold_an_interrupt_to_the_instruction(sample: Builder) -> None:
    machine = started(sample, "mask")
    machine.run_to("ready")
    assert machine.word("entries_before_unmask") == 0
    assert machine.word("entries_after_unmask") == 1
    assert machine.word("masked_entries") == 12


def test_svc_and_pendsv_on_the_process_stack(sample: Builder) -> None:
    machine = started(sample, "call_svc")
    machine.run_to("ready")
    assert order(machine) == [1, 11, 14, 5]


def test_one_pulse_timer_fires_once_on_time(sample: Builder) -> None:
    machine = started(sample, "one_pulse")
    machine.run_to("ready")
    begun = machine.us
    machine.run_until(lambda: machine.word("timer_fired"), 1000)
    assert machine.us - begun == pytest.approx(250, abs=1)
    machine.run(milliseconds=5)
    assert machine.word("timer_fired") == 1


def test_wfi_wakes_under_primask_and_cyccnt_sleeps(sample: Builder) -> None:
    machine = started(sample, "sleep_masked")
    begun = machine.us
    machine.run_to("ready")
    assert machine.word("masked_entries") == 0
    assert machine.word("entries_after_unmask") == 1
    assert machine.us - begun == pytest.approx(100, abs=2)
    assert machine.word("cycles_of_1000") < 50  # of 16,800


def test_a_storm_of_interrupts_leaves_a_float_computation_alone(sample: Builder) -> None:
    machine = started(sample, "storm")
    machine.run_to("ready")
    assert machine.word("storms") >= 200
    assert machine.word("bad_floats") == 0
    assert machine.word("calm") == machine.word("stormy") != 0
    assert machine.word("preempted") == machine.word("storms") // 4


def test_bit_band_alias_of_ram(sample: Builder) -> None:
    machine = started(sample, "ram_bits")
    machine.run_to("ready")
    assert order(machine) == [0x8000_0000, 1]


FAULTS = {
    "undefined": "undefined instruction",
    "undefined_wide": "undefined instruction",
    "null_read": "BusFault: read of 0x00000000",
    "outside": "BusFault: write to 0x30000000",
    "even_jump": "even address",
    "breakpoint": "BKPT",
    "guard_read": "MemManage: read of",
    "guard_write": "MemManage: write to",
    "guard_frame": "stack overflow",
}


@pytest.mark.parametrize("function", FAULTS)
def test_a_fault_ends_the_test(sample: Builder, function: str) -> None:
    machine = started(sample, function)
    with pytest.raises(Violation, match=FAULTS[function]):
        machine.run(milliseconds=1)
    with pytest.raises(Violation):
        machine.run(milliseconds=1)


@pytest.mark.parametrize(
    ("function", "handler", "cfsr", "hfsr"),
    [
        ("undefined", 3, 1 << 16, 1 << 30),
        ("undefined_wide", 3, 1 << 16, 1 << 30),
        ("undefined_enabled", 6, 1 << 16, 0),
        ("null_read", 3, 0x8200, 1 << 30),
        ("outside", 3, 0x8200, 1 << 30),
        ("even_jump", 3, 1 << 17, 1 << 30),
        ("breakpoint", 3, 0, 1 << 31),
        ("guard_read", 3, 0x82, 1 << 30),
        ("guard_write", 4, 0x82, 0),
        ("guard_frame", 3, 0x92, 1 << 30),
    ],
)
def test_a_fault_reaches_its_handler_or_hardfault(
    sample: Builder, function: str, handler: int, cfsr: int, hfsr: int
) -> None:
    machine = started(sample, function)
    machine.chip.deliver_faults = True
    machine.run_to("fault_parked", 1000)
    assert machine.word("seen_ipsr") == handler
    assert machine.word("fault_cfsr") == cfsr
    assert machine.word("fault_hfsr") == hfsr
    if f"{function}_at" in machine.program.symbols:
        assert machine.word("fault_pc") == machine.address(f"{function}_at")
    if function == "guard_write":
        assert machine.word("fault_mmfar") == machine.address("guarded") + 28
        assert machine.word(machine.address("guarded") + 28) == 0


def test_a_fault_in_hardfault_locks_up(sample: Builder) -> None:
    machine = started(sample, "double_fault")
    machine.chip.deliver_faults = True
    with pytest.raises(Violation, match="lockup"):
        machine.run(milliseconds=1)


def test_memory_beside_the_guard_is_free(sample: Builder) -> None:
    machine = started(sample, "guard_beside")
    machine.run_to("ready")
    assert machine.word(machine.address("guarded") + 32) == 0x1234


def test_a_subregion_can_be_off(sample: Builder) -> None:
    machine = started(sample, "guard_hole")
    with pytest.raises(Violation, match=f"write to {machine.address('guarded') + 32:#010x}, which the MPU"):
        machine.run(milliseconds=1)


def test_reset_causes_and_what_ram_keeps(sample: Builder) -> None:
    machine = started(sample)
    assert machine.word("cause") == 0x0E  # POR, PIN, BOR
    machine.jump("restart")
    machine.run_to("ready")
    assert machine.word("cause") == 0x14  # software, PIN
    assert machine.word("survivor") == 0xCAFEF00D
    machine.reset()
    machine.run_to("ready")
    assert machine.word("cause") == 0x04
    machine.cut_power()
    machine.boot()
    machine.run_to("ready")
    assert machine.word("cause") == 0x0E
    assert machine.word("survivor") != 0xCAFEF00D
    assert machine.resets == ["power", "software", "pin", "power"]


def test_reset_flags_gather_until_they_are_removed(sample: Builder) -> None:
    machine = Machine(sample("core"))
    machine.chip.request_reset("watchdog")
    machine.run_to("ready")
    assert machine.word("cause") == 0x2E


def test_watchdog_bites_after_its_time(sample: Builder) -> None:
    machine = started(sample, "watchdog")
    machine.run_to("ready")
    begun = machine.us
    machine.run_until(lambda: machine.resets[-1] == "watchdog", 10_000)
    assert machine.us - begun == pytest.approx(4 * 32 / 32_000 * 1e6, rel=0.001)
    machine.run_to("ready")
    assert machine.word("cause") == 0x24  # IWDG, PIN


def test_calls_pass_arguments_and_count_instructions(sample: Builder) -> None:
    machine = started(sample)
    assert machine.call("add_many", 1, 2, 3, 4, 5, 6)[0] == 91
    assert machine.call("wide", -5, ctypes.c_int64(1 << 40), returns="i64")[0] == (1 << 40) - 5
    assert machine.call("scale", 1.5, 3, 0.25, returns="f32")[0] == 4.75
    assert machine.call("twice", ctypes.c_double(0.1), returns="f64")[0] == 0.2
    assert machine.call("sum_bytes", bytes(range(100)), 100)[0] == sum(range(100))
    # cmp, itte with its three, bx: six, whichever way the condition falls.
    assert machine.call("it_block", 9) == (2, 6)
    assert machine.call("it_block", 2) == (9, 6)
    machine.run(milliseconds=10.5)
    assert machine.word("ticks") == 10


def test_counting_between_symbols(sample: Builder) -> None:
    machine = started(sample, "it_block")
    assert machine.count_between("it_block", "it_block_end") == 5
    count = Machine(sample("core")).count_between("main", "clock_168")
    assert 5 <= count <= 20
    assert Machine(sample("core")).count_between("main", "clock_168") == count


def test_an_exact_number_of_instructions(sample: Builder) -> None:
    machine = Machine(sample("core"))
    machine.run(instructions=1000)
    assert machine.instructions == 1000
