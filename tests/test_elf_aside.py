"""The real ELF while it works aside: the bus is served, time passes, nothing is lost, and the stack is deep enough."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import pytest
from unicorn import arm_const as arm

from host.core.image import encode
from host.core.modbus import DEVICE_BUSY, frame_seal, write_registers_pdu
from host.core.registers import placed
from host.core.wire import BAUD_MAX, BY_NAME, RATE_MAX, Command, Format, Gap, Table
from tests.e2e.scenario import AND, OR
from tests.elf import Machine
from tests.elf.firmware import firmware_elf, powered, ready
from tests.elf.master import Master, Refused
from tests.elf.nvic import PENDSV

CODE = 0x2001_8000
"""Behind all variables."""
MEANWHILE = CODE + 0x100
CORE_HZ = 168_000_000
TICK_US = 1000
SECTOR_2 = range(0x8000, 0xC000)
ROUND = ("node_listen", "node_work", "node_show")
STACK_OF_WORK = 1732
DEEP = bytes.fromhex("adf2c46d"), bytes.fromhex("0df2c46d")
"""subw sp, #1732, as the check of a signature does, and addw back."""
BUSY = bytes.fromhex("013cfdd1")
"""subs r4, #1; bne: two instructions for each of r4."""


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


@pytest.fixture(scope="module")
def flash(elf: Path) -> bytes:
    """A node that runs AND at the highest speed."""
    master = ready(elf)
    master.deploy(encode(AND))
    master.set_line(BAUD_MAX, Format.F8E1, Gap.TRUE_CHARACTERS)
    return master.machine.flash_image


@pytest.fixture
def master(elf: Path, flash: bytes) -> Master:
    master = powered(elf, flash=flash)
    master.follow(BAUD_MAX, Format.F8E1)
    master.machine.run(milliseconds=300)  # the lamp test
    return master


def move(opcode: int, half: int) -> bytes:
    """MOVW or MOVT to r3 (ARMv7-M ARM, A7.7.76 and A7.7.79)."""
    return struct.pack(
        "<HH", opcode | half >> 12 | (half >> 11 & 1) << 10, (half >> 8 & 7) << 12 | 0x300 | half & 0xFF
    )


def routine(*parts: bytes | int) -> bytes:
    """A function in Thumb code: instructions that find its argument in r4, and calls of others with that argument."""
    code = b"\x10\xb5\x04\x46"  # push {r4, lr}; mov r4, r0
    for part in parts:
        if isinstance(part, bytes):
            code += part
        else:
            code += move(0xF240, part & 0xFFFF) + move(0xF2C0, part >> 16)
            code += b"\x20\x46\x98\x47"  # mov r0, r4; blx r3
    return code + b"\x10\xbd"  # pop {r4, pc}


def begin_aside(machine: Machine, milliseconds: float, *rounds: str) -> None:
    """In place of its next work, the main loop has something to do aside, with these functions in between."""
    machine.run_to("node_work")
    machine.write(CODE, routine(DEEP[0], BUSY, DEEP[1]))
    machine.write(MEANWHILE, routine(*(machine.address(name) | 1 for name in rounds)))
    engine = machine.chip.engine
    engine.set_reg(arm.UC_ARM_REG_R3, engine.reg(arm.UC_ARM_REG_R0))  # the node
    engine.set_reg(arm.UC_ARM_REG_R0, CODE | 1)
    engine.set_reg(arm.UC_ARM_REG_R1, int(milliseconds * CORE_HZ / 2000))
    engine.set_reg(arm.UC_ARM_REG_R2, MEANWHILE | 1)
    machine.jump("port_aside")
    machine.run(instructions=100)
    assert working(machine)


def working(machine: Machine) -> bool:
    return machine.word("aside") != 0


def rounds(machine: Machine) -> int:
    return machine.chip.cpu.entries.get(PENDSV, 0)


def late_us(master: Master, pdu: bytes) -> float:
    """How long the answer waits after the silence that ends the request."""
    bus = master.machine.bus
    heard = len(bus.received)
    reply = master.ask(pdu)
    assert reply
    return bus.received[heard].start_us - bus.host_end_us - 3.5 * bus.character() / 1e9


@pytest.mark.parametrize("milliseconds", [20, 150])
def test_the_bus_is_served_meanwhile(master: Master, milliseconds: int) -> None:
    machine = master.machine
    begin_aside(machine, milliseconds, *ROUND)
    begun, asked, longest = machine.us, 0, 0.0
    inputs = BY_NAME["INPUTS"].address
    while working(machine):
        q = [0x4000 * (asked % 2)] * 2
        if asked % 5 == 4:
            machine.bus.send(frame_seal(b"\0" + write_registers_pdu(inputs, q)))
            machine.run(microseconds=600)
            assert master.read(Table.HOLDING, inputs, 2) == q
        else:
            longest = max(longest, late_us(master, write_registers_pdu(inputs, q)))
            assert master.evaluate(q, 1) == [asked % 2]
        assert machine.led == bool(master.value("LED"))
        asked += 1
        machine.run(milliseconds=milliseconds / 40)
    assert asked > 10
    assert longest < 150
    assert milliseconds * 1000 <= machine.us - begun < 1.6 * milliseconds * 1000
    done = rounds(machine)
    assert done >= milliseconds
    machine.run(milliseconds=20)
    assert rounds(machine) == done, "no rounds but those of the main loop"
    assert master.evaluate([0x4000, 0x4000], 1) == [1]
    assert machine.resets == ["power"]
    assert master.counter(18) == master.counter(12) == 0  # overruns, errors


def test_a_round_comes_at_every_tick_and_ends_before_the_work_goes_on(master: Master) -> None:
    machine = master.machine
    begin_aside(machine, 12, *ROUND)
    times: list[float] = []
    while len(times) < 12:
        machine.run_to(MEANWHILE)
        times.append(machine.us)
        depth = machine.chip.engine.reg(arm.UC_ARM_REG_SP)
        assert machine.chip.nvic.active == [PENDSV]
        machine.run_until(lambda: not machine.chip.nvic.active, 1000)
        assert machine.chip.engine.reg(arm.UC_ARM_REG_SP) > depth
    gaps = [late - early for early, late in itertools.pairwise(times)]
    assert max(gaps) < TICK_US + 5
    assert min(gaps) > TICK_US - 150, "nothing is said on the bus"


def erasing(machine: Machine) -> bool:
    return any(operation.kind == "erase" for operation in machine.chip.flash.operations)


def is_busy(master: Master) -> bool:
    try:
        master.value("STATE")
    except Refused as refused:
        return refused.code == DEVICE_BUSY
    return False


def test_an_erase_may_fall_into_a_round(elf: Path, flash: bytes) -> None:
    """Time passes within it, and the stall answers for the node; then the work goes on."""
    spoilt = (
        flash[: SECTOR_2.start] + bytes(len(SECTOR_2)) + flash[SECTOR_2.stop :]
    )  # erased when the node starts
    machine = Machine(elf, flash=spoilt)
    machine.chip.flash.slowness = 0.1
    begin_aside(machine, 20, *ROUND)
    machine.run_until(lambda: erasing(machine), 20_000)
    begun, busy = machine.us, 0
    master = Master(machine)
    master.follow(BAUD_MAX, Format.F8E1)
    while erasing(machine):
        busy += is_busy(master)
    assert busy > 30
    assert working(machine)
    assert machine.us - begun == pytest.approx(25_000, rel=0.05)
    assert master.value("UPTIME") == pytest.approx(machine.us / 1000, abs=5)
    machine.run_until(lambda: not working(machine), 30_000)
    assert machine.chip.flash.erases[2] == 1
    assert master.evaluate([0x4000, 0x4000], 1) == [1]
    assert machine.resets == ["power"]


PAINT = b"\xa5"


def paint(machine: Machine) -> None:
    """The stack, as far as it is free now."""
    low, free = machine.address("_stack_guard") + 32, machine.chip.engine.reg(arm.UC_ARM_REG_SP) - 64
    machine.write(low, PAINT * (free - low))


def left(machine: Machine) -> int:
    """Bytes of the stack that nobody has used since."""
    low = machine.address("_stack_guard") + 32
    stack = machine.read(low, machine.address("_estack") - low)
    return len(stack) - len(stack.lstrip(PAINT))


def test_the_stack_is_deep_enough(master: Master) -> None:
    """For rounds that check a model and serve all else, among scans, within work that takes what a signature does."""
    machine = master.machine
    paint(machine)
    begin_aside(machine, 10, *ROUND)
    master.write(*placed(SAMPLE_RATE=RATE_MAX, SAMPLE_CHANNELS=0xFFF))
    other = encode(OR)
    master.stage(other)
    master.command(Command.VERIFY, len(other), int.from_bytes(other[-4:], "little"))
    while working(machine):
        master.evaluate([0x4000, 0x4000], 1)
    assert STACK_OF_WORK < machine.address("_stack_size") - left(machine) < 4096
