"""Cycles by the manual's table, each sum worked out by hand: on samples/core.c."""

from __future__ import annotations

import pytest

from . import Machine
from .chip import SRAM
from .conftest import Builder
from .cycles import REFILL, WAIT_STATES, Cycles, cost
from .flash import BASE

RETURN = 1 + REFILL


def cycles(sample: Builder, function: str, *arguments: int, slow: tuple[range, ...] = ()) -> int:
    elf = sample("core")
    machine = Machine(elf)
    machine.run_to("ready")
    with Cycles(machine, elf, slow) as counted:
        machine.call(function, *arguments)
    return counted.cycles


def test_loads_one_behind_another_are_pipelined(sample: Builder) -> None:
    assert cycles(sample, "three_loads", SRAM + 64) == 2 + 1 + 1 + RETURN


def test_loads_that_step_their_pointer_are_not(sample: Builder) -> None:
    assert cycles(sample, "loads_that_step", SRAM + 64) == 2 + 2 + 2 + RETURN


def test_the_flash_is_waited_for_once_a_line(sample: Builder) -> None:
    in_ram = 2 + 1 + 1 + RETURN
    assert cycles(sample, "three_loads", BASE + 64) == in_ram + 2 * WAIT_STATES
    assert (
        cycles(sample, "three_loads", SRAM + 64, slow=(range(SRAM, SRAM + 128),)) == in_ram + 2 * WAIT_STATES
    )
    assert cycles(sample, "three_loads", SRAM + 64, slow=(range(SRAM, SRAM + 80),)) == in_ram + WAIT_STATES


def test_a_taken_branch_refills(sample: Builder) -> None:
    assert cycles(sample, "three_times") == 1 + 3 + 2 * (1 + REFILL) + 1 + RETURN


@pytest.mark.parametrize("number", [9, 2])
def test_what_an_it_skips_takes_its_cycle(sample: Builder, number: int) -> None:
    assert cycles(sample, "it_block", number) == 1 + 1 + 3 + RETURN


@pytest.mark.parametrize(
    ("name", "operands", "expected"),
    [
        ("smlald", "r0, r1, r2, r3", (1, False)),
        ("bic.w", "r0, r0, #3", (1, False)),
        ("ldrd", "r0, r1, [r2], #8", (3, False)),
        ("ldmia.w", "sp!, {r4, r5, r6, pc}", (5, True)),
        ("push", "{r4-r7, lr}", (6, False)),
        ("vpush", "{d8-d9}", (5, False)),
        ("str", "r0, [r1, #4]", (1, False)),
        ("strh.w", "r0, [r1], #2", (1, False)),
        ("str.w", "r0, [r1, r2]", (2, False)),
        ("ldr.w", "pc, [r0]", (2, True)),
        ("bls.n", "8013904 <wide+0x170>", (1, True)),
        ("blx", "r3", (1, True)),
        ("cbnz", "r0, 80138ba", (1, True)),
        ("vmla.f32", "s0, s1, s2", (3, False)),
        ("vdiv.f32", "s0, s1, s2", (14, False)),
        ("vldr", "d0, [r0]", (3, False)),
    ],
)
def test_the_table(name: str, operands: str, expected: tuple[int, bool]) -> None:
    assert cost(name, operands) == expected
