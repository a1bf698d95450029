"""The communication watchdog: what it waits for, what the lamp shows meanwhile, and what ends it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from host.core.image import encode
from host.core.infer import quantise_inputs
from host.core.modbus import READ_FUNCTION, frame_seal, read_pdu, write_registers_pdu
from host.core.wire import BY_NAME, Command, EventKind, Safe, Table, WatchdogFor
from tests.e2e.scenario import AND
from tests.memory_node import MemoryNode

BIT = {name: BY_NAME[name].address for name in ("LED", "DECISION", "BUS_LOST")}
READ_BITS = read_pdu(READ_FUNCTION[Table.DISCRETE], 0, 16)
LIGHT, DARK = (
    write_registers_pdu(BY_NAME["INPUTS"].address, quantise_inputs(AND, row)[0].tolist())
    for row in ((1, 1), (0, 0))
)
WRAP = 1 << 32


@pytest.fixture
def node() -> Iterator[MemoryNode]:
    with MemoryNode() as running:
        running.deploy(encode(AND))
        yield running


def watch(
    node: MemoryNode, tenths: int, waits: WatchdogFor = WatchdogFor.FRAME, safe: Safe = Safe.OFF
) -> None:
    node.write(BY_NAME["WATCHDOG"].address, [tenths, waits, safe])
    node.command(Command.SAVE_SETTINGS)
    node.work()


def silent(node: MemoryNode, milliseconds: int) -> None:
    node.advance(milliseconds)
    node.idle(1)


def look(node: MemoryNode) -> tuple[int, ...]:
    """LED, DECISION, BUS_LOST; a frame, but none that writes."""
    bits = int.from_bytes(node.ask(READ_BITS)[2:], "little")
    return tuple(bits >> BIT[name] & 1 for name in BIT)


def lost(node: MemoryNode) -> bool:
    """As the next answer says, which still does when it ends it; and it does."""
    told = bool(look(node)[2])
    node.idle(1)
    return told


def heard(node: MemoryNode, frame: bytes) -> bool:
    """Whether a frame, after which the bus is silent for as long again, keeps the watchdog of 1 s from running out."""
    watch(node, 10)
    silent(node, 900)
    node.request(frame)
    silent(node, 900)
    return not lost(node)


def test_it_is_off_at_first(node: MemoryNode) -> None:
    silent(node, 10**7)
    assert look(node)[2] == 0


@pytest.mark.parametrize("uptime", [0, WRAP - 300])
def test_it_runs_out_at_its_time_and_the_next_frame_ends_it(node: MemoryNode, uptime: int) -> None:
    node.advance(uptime)
    watch(node, 5)
    silent(node, 499)
    assert not lost(node)
    silent(node, 500)
    assert lost(node)
    assert look(node)[2] == 0
    silent(node, 499)
    assert look(node)[2] == 0


def test_it_runs_from_the_start(node: MemoryNode) -> None:
    watch(node, 0xFFFF)
    node.power_cycle()
    silent(node, 6_553_499)
    node.idle(1)
    node.power_cycle()
    silent(node, 6_553_500)
    assert look(node)[2] == 1


@pytest.mark.parametrize(
    ("safe", "lit"), [(Safe.OFF, (0, 0)), (Safe.ON, (1, 1)), (Safe.HOLD, (1, 0)), (Safe.KEEP, (1, 0))]
)
def test_the_lamp_without_a_master(node: MemoryNode, safe: Safe, lit: tuple[int, int]) -> None:
    watch(node, 5, WatchdogFor.WRITE, safe)
    for pdu, shown in ((LIGHT, lit[0]), (DARK, lit[1])):
        node.ask(pdu)
        node.idle(1)
        decision = int(pdu == LIGHT)
        assert look(node) == (decision, decision, 0)
        silent(node, 500)
        assert look(node) == (shown, decision, 1)
        assert node.lamp() == bool(shown)
        for coil in ("LAMP_TEST", "IDENTIFY"):
            node.ask(struct.pack(">BHH", 5, BY_NAME[coil].address, 0xFF00))
            node.idle(1)
            silent(node, 500)
            assert look(node)[2] == 1, "a coil goes first even so"
            assert look(node)[0] == (coil == "LAMP_TEST" or node.get("UPTIME") // 250 % 2 == 0)
            node.ask(struct.pack(">BHH", 5, BY_NAME[coil].address, 0))
            node.idle(1)
            assert look(node)[2] == 0
    assert node.get("MODEL_VALID")


def test_hold_is_what_the_lamp_was_and_keep_goes_on(node: MemoryNode) -> None:
    """A write that changes the decision also ends it, a round later."""
    for safe, shown in ((Safe.HOLD, 1), (Safe.KEEP, 0)):
        watch(node, 5, WatchdogFor.WRITE, safe)
        node.ask(LIGHT)
        node.idle(1)
        silent(node, 500)
        node.request(frame_seal(bytes([node.address]) + DARK))
        assert node.lamp() == bool(shown)
        node.idle(1)
        assert not node.lamp()


def test_which_frames_count(node: MemoryNode) -> None:
    me, other = bytes([node.address]), bytes([node.address + 1])
    assert heard(node, frame_seal(me + READ_BITS))
    assert heard(node, frame_seal(me + bytes([99]))), "refused, but to this node"
    assert heard(node, frame_seal(b"\0" + DARK)), "to all"
    assert heard(node, frame_seal(me + struct.pack(">BHH", 8, 10, 0))), "sets the counters to 0"
    assert not heard(node, frame_seal(other + DARK))
    assert not heard(node, frame_seal(me + DARK)[:-1] + b"\0")
    assert not heard(node, b"")


def test_which_writes_count(node: MemoryNode) -> None:
    def counts(pdu: bytes, address: int = node.address) -> bool:
        watch(node, 10, WatchdogFor.WRITE)
        silent(node, 900)
        node.request(frame_seal(bytes([address]) + pdu))
        silent(node, 900)
        return look(node)[2] == 0

    coil = BY_NAME["LAMP_TEST"].address
    for pdu in (
        struct.pack(">BHH", 5, coil, 0),
        struct.pack(">BHH", 6, 0, 0),
        struct.pack(">BHHBB", 15, coil, 1, 1, 0),
        DARK,
        struct.pack(">BHHH", 22, 0, 0xFFFF, 0),
        struct.pack(">BHHHHBH", 23, 0, 1, 0, 1, 2, 0),
    ):
        assert counts(pdu), pdu[0]
    assert counts(DARK, address=0)
    assert counts(struct.pack(">BHH", 6, 0x7777, 0)), "refused, but there is a master that writes"
    for table in Table:
        assert not counts(read_pdu(READ_FUNCTION[table], 0, 1)), table
    for pdu in (bytes([17]), struct.pack(">BHH", 8, 0, 0), bytes([43, 14, 1, 0])):
        assert not counts(pdu), pdu[0]
    assert not counts(DARK, address=node.address + 1)


def test_a_setting_that_comes_in_force_ends_it_or_begins_it(node: MemoryNode) -> None:
    watch(node, 5, WatchdogFor.WRITE, Safe.ON)
    silent(node, 500)
    assert look(node)[:1] + look(node)[2:] == (1, 1)
    watch(node, 0)
    assert look(node)[2] == 0
    silent(node, 10**6)
    watch(node, 5)
    assert not lost(node), "from the write on"
    silent(node, 500)
    assert look(node)[2] == 1


def test_it_is_told_of_when_it_begins_and_ends(node: MemoryNode) -> None:
    watch(node, 5)
    first = node.get("EVENTS_HEAD")
    node.idle(1)
    silent(node, 700)
    assert lost(node)
    assert node.get("EVENTS_HEAD") == first + 2
    for number, detail in ((first, 1), (first + 1, 0)):
        node.write(BY_NAME["EVENT_FROM"].address, [number >> 16, number & 0xFFFF])
        assert (node.get("EVENT_KIND"), node.get("EVENT_DETAIL")) == (EventKind.BUS_LOST, detail)
