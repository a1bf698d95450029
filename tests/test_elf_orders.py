"""Signed orders on the real ELF: the first key by whoever is at the board, and the bus served while one is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.boards import monocypher
from host.core.image import encode
from host.core.order import key_arguments, write_arguments
from host.core.wire import BAUD_MAX, BY_NAME, Command, Format, Gap, OrderResult, Reason, Table, Trust
from tests.e2e.scenario import AND
from tests.elf import Machine
from tests.elf.debug import UID
from tests.elf.firmware import START_MS, firmware_elf, ready
from tests.elf.master import Master, Refused
from tests.owner import Owner, order_pdu
from tests.test_elf_aside import late_us, left, paint, rounds, working

LOOK_MS = 20
LAMP_TEST_MS = 300
CHECK_MS = 150
CYCLES_PER_INSTRUCTION = 2
"""More than the chip takes, wait states included."""
INPUTS = BY_NAME["INPUTS"].address


@pytest.fixture(scope="module")
def elf() -> Path:
    if monocypher.source() is None:
        pytest.skip("Monocypher's source is missing")
    return firmware_elf()


def power_on(machine: Machine, held: bool) -> None:
    machine.pins["PD2"] = int(not held)
    machine.cut_power()
    machine.boot()
    machine.run(milliseconds=START_MS + LOOK_MS)


@pytest.fixture(scope="module")
def flash(elf: Path) -> bytes:
    """A node that runs AND at the highest speed."""
    master = ready(elf)
    master.deploy(encode(AND))
    master.set_line(BAUD_MAX, Format.F8E1, Gap.TRUE_CHARACTERS)
    return master.machine.flash_image


@pytest.fixture
def master(elf: Path, flash: bytes) -> Master:
    machine = Machine(elf, flash=flash)
    power_on(machine, held=True)
    master = Master(machine)
    master.follow(BAUD_MAX, Format.F8E1)
    return master


def give(master: Master, order: bytes) -> tuple[OrderResult, Reason]:
    """How it ends."""
    master.ask(order_pdu(order))
    for _ in range(100):
        master.wait_idle()
        if (result := OrderResult(master.value("ORDER_RESULT"))) not in (
            OrderResult.CHECKING,
            OrderResult.NONE,
        ):
            return result, Reason(master.value("ORDER_REASON"))
    raise AssertionError("the order never ends")


def trust(master: Master) -> set[Trust]:
    return {bit for bit in Trust if master.value("TRUST") >> bit & 1}


def test_the_first_key_needs_someone_at_the_board(master: Master) -> None:
    owner, machine = Owner(), master.machine
    order = owner.order(Command.KEY, key_arguments(owner.key), target=UID)
    power_on(machine, held=False)
    with pytest.raises(Refused):
        master.ask(order_pdu(order))
    assert master.reason()[0] is Reason.PRESENCE
    power_on(machine, held=True)
    assert give(master, order) == (OrderResult.DONE, Reason.NONE)
    power_on(machine, held=False)
    assert trust(master) == {Trust.KEYED, Trust.CRYPTO}
    assert master.bytes_of("KEY") == owner.key
    with pytest.raises(Refused):
        master.command(Command.RESTART)
    assert master.reason()[0] is Reason.UNSIGNED


def check(master: Master, order: bytes) -> float:
    """Milliseconds of the check of an order that is carried out. Meanwhile requests are answered at once, and the
    rounds come."""
    machine = master.machine
    machine.bus.send(master.frame(order_pdu(order)), delay_us=100)
    machine.run_until(lambda: working(machine), 20_000)
    begun, before, asked, longest = machine.instructions, rounds(machine), 0, 0.0
    while working(machine):
        longest = max(longest, late_us(master, bytes.fromhex("04 02 01 00 01")))
        asked += 1
    took_ms = (machine.instructions - begun) * CYCLES_PER_INSTRUCTION / 168_000
    assert asked > 5
    assert longest < 150
    assert rounds(machine) - before >= asked
    master.wait_idle()
    assert OrderResult(master.value("ORDER_RESULT")) is OrderResult.DONE
    return took_ms


def test_the_bus_is_served_while_a_signature_is_checked(master: Master) -> None:
    """From the order's last byte on; the longest check is that of another key, which is looked at too. And the stack is
    deep enough."""
    owner, other, machine = Owner(), Owner(2), master.machine
    assert (
        give(master, owner.order(Command.KEY, key_arguments(owner.key, True), target=UID))[0]
        is OrderResult.DONE
    )
    machine.run(milliseconds=LAMP_TEST_MS)
    paint(machine)
    write = check(master, owner.order(Command.WRITE, write_arguments(INPUTS, [0x4000, 0x4000]), target=UID))
    assert master.read(Table.HOLDING, INPUTS, 2) == [0x4000, 0x4000]
    assert machine.led
    key = check(master, owner.order(Command.KEY, key_arguments(other.key), target=UID))
    assert master.bytes_of("KEY") == other.key
    print(f"{write:.1f} ms, {key:.1f} ms for a key; {left(machine)} bytes of the stack are left")
    assert write < key < CHECK_MS
    assert left(machine) > 2048


def test_a_forged_order_changes_nothing(master: Master) -> None:
    owner = Owner()
    assert give(master, owner.order(Command.KEY, key_arguments(owner.key), target=UID))[0] is OrderResult.DONE
    order = bytearray(owner.order(Command.RESTART, target=UID))
    order[-20] ^= 1
    assert give(master, bytes(order)) == (OrderResult.REFUSED, Reason.SIGNATURE)
    assert master.machine.resets[-1] == "power"
