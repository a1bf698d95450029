"""Flash operations, their times, and power cuts at any moment, on samples/storage.c."""

from __future__ import annotations

import random

import pytest
from unicorn import arm_const as arm

from . import Machine, Violation
from .conftest import Builder
from .flash import Operation, torn

SECTOR1 = 0x0800_4000


def test_erase_and_program_take_their_time(sample: Builder) -> None:
    machine = Machine(sample("storage"))
    machine.run_to("ready")
    machine.call("unlock")
    begun = machine.us
    machine.call("erase", 3)
    assert machine.us - begun == pytest.approx(250_000, rel=0.001)
    begun = machine.us
    machine.call("program", 0x0800_C000, 0x12345678)
    assert machine.us - begun == pytest.approx(16, abs=1)
    assert machine.word(0x0800_C000) == 0x12345678
    machine.call("program", 0x0800_C000, 0x12340000)
    assert machine.word(0x0800_C000) == 0x12340000
    assert machine.chip.flash.erases[3] == 1


def test_a_refused_write_leaves_a_flag(sample: Builder) -> None:
    machine = Machine(sample("storage"))
    machine.run_to("ready")
    machine.call("unlock")
    machine.chip.flash.refuse_next = True
    machine.call("program", SECTOR1, 0)
    assert machine.word(SECTOR1) == 0xFFFF_FFFF
    assert machine.chip.flash.reg["SR"] & 1 << 4


def test_code_rewritten_in_flash_runs_anew(sample: Builder) -> None:
    machine = Machine(sample("storage"))
    machine.run_to("ready")
    for value in (0x17, 0x11):
        machine.write(SECTOR1, (0xE7FE_2000 | value).to_bytes(4, "little"))  # movs r0, #value; b .
        machine.jump(SECTOR1)
        machine.run(instructions=10)
        assert machine.chip.engine.reg(arm.UC_ARM_REG_R0) == value


@pytest.mark.parametrize("landed", [0, 0xFFFF_FFFF, 0x0F0F_0F0F, 1])
def test_a_torn_word_holds_the_bits_that_landed(sample: Builder, landed: int) -> None:
    machine = Machine(sample("storage"))
    machine.run_until(lambda: machine.chip.flash.busy, 1e6)
    operation = machine.cut_power(landed=landed)
    assert operation is not None
    new = 1  # the first word of the first record: its number
    assert machine.word(SECTOR1) == 0xFFFF_FFFF & (new | ~landed)


def test_torn_erases_reach_every_stage() -> None:
    rng = random.Random(1)
    old = rng.randbytes(64)
    operation = Operation("erase", 0, old, b"\xff" * 64, 0, 1)
    results = {torn(operation, rng) for _ in range(200)}
    assert old in results
    assert b"\xff" * 64 in results
    bits = int.from_bytes(old, "little")
    lowered = [r for r in results if int.from_bytes(r, "little") & ~bits == 0 and r != old]
    raised = [r for r in results if int.from_bytes(r, "little") & bits == bits and r != old]
    assert lowered
    assert raised


def test_hundreds_of_cuts_leave_an_old_or_a_new_record(sample: Builder) -> None:
    """The sample keeps a counter and a value bound to it; after whatever cut, the pair must match."""
    rng = random.Random(485)
    machine = Machine(sample("storage"))
    machine.run_to("ready")
    torn_kinds = {"program": 0, "erase": 0}
    last = 0
    for round_number in range(300):
        # Half of the cuts fall into the 64 us of programming, which a uniform choice would hardly ever meet.
        if round_number % 2:
            machine.run(milliseconds=rng.uniform(0, 600))
        else:
            for _ in range(rng.randrange(1, 9)):
                machine.run_to("program", 2e6)
            machine.run(microseconds=rng.uniform(0, 20))
        before = machine.word("generation")
        operation = machine.cut_power(seed=round_number)
        if operation is not None:
            torn_kinds[operation.kind] += 1
        machine.boot()
        machine.run_to("ready")
        generation, value = machine.word("generation"), machine.word("value")
        assert generation in (before - 1, before)
        assert generation >= last
        assert value == generation * 1000003 % (1 << 32)
        last = generation
    assert min(torn_kinds.values()) > 50


def test_a_reset_in_an_erase_tears_it_too(sample: Builder) -> None:
    machine = Machine(sample("storage"), seed=1)
    machine.run_until(lambda: machine.chip.flash.erases[1], 2e6)
    machine.run(milliseconds=100)
    before = machine.read(SECTOR1, 0x4000)
    machine.reset()
    assert machine.read(SECTOR1, 0x4000) not in (before, b"\xff" * 0x4000)
    machine.run_to("ready")
    assert machine.word("generation") == 2


def test_flash_moves_to_another_machine(sample: Builder) -> None:
    machine = Machine(sample("storage"))
    machine.run_until(lambda: machine.word("generation") == 2, 1e6)
    machine.cut_power(landed=0)
    second = Machine(sample("storage"), flash=machine.flash_image)
    second.run_to("ready")
    assert second.word("generation") == 1


def beside(sample: Builder, function: str) -> Machine:
    """samples/ram.c at the beginning of `function`."""
    machine = Machine(sample("ram"))
    machine.run_to("ready")
    machine.write(SECTOR1, bytes(0x4000))
    machine.jump(function)
    return machine


def test_code_in_ram_runs_beside_an_erase(sample: Builder) -> None:
    machine = beside(sample, "erase_spinning")
    machine.chip.flash.slowness = 0.1
    begun = machine.us
    machine.run_to("ready")
    assert machine.us - begun == pytest.approx(25_000, rel=0.001)
    assert machine.word("turns") > 100_000
    assert machine.read(SECTOR1, 0x4000) == b"\xff" * 0x4000


def test_code_in_ram_sleeps_beside_an_erase(sample: Builder) -> None:
    machine = beside(sample, "erase_dozing")
    machine.run_to("ready")
    assert machine.word("ticks_seen") == 251  # 250 ticks, and the end of the erase
    assert machine.read(SECTOR1, 4) == b"\xff" * 4


def test_code_in_ram_runs_beside_a_program(sample: Builder) -> None:
    machine = beside(sample, "program")
    machine.write(SECTOR1, b"\xff" * 4)
    begun = machine.us
    machine.run_to("ready")
    assert machine.us - begun == pytest.approx(16, abs=1.5)
    assert machine.word("in_time") != 0
    assert machine.word("turns") == 0xCAFE


@pytest.mark.parametrize("function", ["read_beside", "leave_early", "take_interrupt"])
def test_a_busy_flash_is_not_to_be_touched(sample: Builder, function: str) -> None:
    """By a read, a return to code there, or an interrupt whose vector and handler are there."""
    machine = beside(sample, function)
    with pytest.raises(Violation, match="while it is busy"):
        machine.run(milliseconds=300)


def test_power_may_go_beside_an_erase(sample: Builder) -> None:
    machine = beside(sample, "erase_spinning")
    machine.run(milliseconds=10)
    operation = machine.cut_power(seed=3)
    assert operation is not None
    assert operation.kind == "erase"
    machine.boot()
    machine.run_to("ready")
