"""A search by UID at the firmware in memory: who answers at the address that is nobody's, when, and as whom."""

from __future__ import annotations

import random
import struct

import pytest

from host.core.modbus import (
    frame_seal,
    frame_valid,
    read_pdu,
    registers_of,
    write_read_pdu,
    write_registers_pdu,
)
from host.core.registers import Block, bytes_registers, placed
from host.core.wire import (
    BY_NAME,
    SEARCH_ADDRESS,
    SEARCH_SECONDS,
    UID_BYTES,
    WIRE_VERSION,
    Command,
    Table,
    WatchdogFor,
)
from tests.memory_node import MemoryNode
from tests.node_model import UID

BITS = 8 * UID_BYTES
FOUND = Block.between("FOUND_UID", "FOUND_VERSION")
SEARCH = BY_NAME["SEARCH_BITS"].address
OURS = int.from_bytes(UID, "little")
"""Bit n of the UID is bit n here."""
READ_VERSION = read_pdu(4, BY_NAME["WIRE_VERSION"].address, 1)


def first(bits: int, uid: int = OURS) -> bytes:
    """The first bits of a UID, the others 0."""
    return (uid & (1 << bits) - 1).to_bytes(UID_BYTES, "little")


def search_pdu(bits: int, uid: bytes, at: int = FOUND.address, count: int = FOUND.count) -> bytes:
    address, words = placed(SEARCH_BITS=bits, SEARCH_UID=uid)
    return write_read_pdu(address, words, at, count)


def called(node: MemoryNode, pdu: bytes) -> bytes:
    """What is answered at the address of the search, by whoever: a PDU, or b""."""
    reply = node.request(frame_seal(bytes([SEARCH_ADDRESS]) + pdu))
    node.idle(1)
    assert not reply or (frame_valid(reply) and reply[0] == SEARCH_ADDRESS)
    return reply[1:-2]


def found(node: MemoryNode, bits: int, uid: bytes) -> bool:
    """Whether the node answers a search, and then rightly."""
    reply = called(node, search_pdu(bits, uid))
    if reply:
        values = FOUND.unpack(registers_of(reply))
        assert values == {"FOUND_UID": UID, "FOUND_ADDRESS": node.address, "FOUND_VERSION": WIRE_VERSION}
    return bool(reply)


def selected(node: MemoryNode) -> bool:
    """Whether it answers there as at its own address."""
    reply = called(node, READ_VERSION)
    assert reply in (b"", struct.pack(">BBH", 4, 2, WIRE_VERSION))
    return bool(reply)


# ------------------------------------------------------------------------------------------------------ who answers


@pytest.mark.parametrize("bits", range(BITS + 1))
def test_its_own_beginnings_are_answered_and_no_others(node: MemoryNode, bits: int) -> None:
    assert found(node, bits, first(bits))
    for wrong in {*range(max(0, bits - 9), bits), *range(0, bits, 7)}:
        assert not found(node, bits, first(bits, OURS ^ 1 << wrong)), wrong


def test_any_search_is_answered_as_the_arithmetic_says(node: MemoryNode) -> None:
    rng = random.Random(12)
    hits = 0
    for _ in range(3000):
        bits = rng.choice([0, 1, 2, 7, 8, 9, 15, 16, 17, 95, 96, 97, 104, 0xFFFF, rng.randrange(97)])
        uid = OURS ^ sum(1 << rng.randrange(BITS) for _ in range(rng.choice([0, 0, 1, 2])))
        asked = first(min(bits, BITS), uid)
        if rng.random() < 0.2:
            asked = (int.from_bytes(asked, "little") | 1 << rng.randrange(BITS)).to_bytes(UID_BYTES, "little")
        wanted = bits <= BITS and first(bits) == asked
        assert found(node, bits, asked) == wanted, (bits, asked.hex())
        hits += wanted
        assert selected(node) == (wanted and bits == BITS)
    assert 300 < hits < 2700


@pytest.mark.parametrize("bits", [0, 1, 17, 95])
def test_what_stands_behind_the_bits_is_zero(node: MemoryNode, bits: int) -> None:
    for behind in range(bits, BITS):
        uid = (int.from_bytes(first(bits), "little") | 1 << behind).to_bytes(UID_BYTES, "little")
        assert not found(node, bits, uid)


@pytest.mark.parametrize("bits", [97, 128, 0x60 + 256, 0xFFFF])
def test_more_bits_than_there_are_match_nobody(node: MemoryNode, bits: int) -> None:
    assert not found(node, bits, UID)
    assert not selected(node)


def test_only_a_whole_search_is_one(node: MemoryNode) -> None:
    words = [0, *bytes_registers(bytes(UID_BYTES))]
    whole = search_pdu(0, bytes(UID_BYTES))
    others = [
        write_read_pdu(SEARCH, words[:1], FOUND.address, 8),
        write_read_pdu(SEARCH, words[:6], FOUND.address, 8),
        write_read_pdu(SEARCH + 1, words[1:], FOUND.address, 8),
        write_read_pdu(0, words, FOUND.address, 8),
        write_read_pdu(SEARCH, words, FOUND.address, 9),
        write_read_pdu(SEARCH, words, FOUND.address, 0),
        write_read_pdu(SEARCH, words, FOUND.address + 1, 7),
        write_read_pdu(SEARCH, words, SEARCH, 7),
        write_registers_pdu(SEARCH, words),
        read_pdu(3, FOUND.address, 8),
        whole[:-1],
        whole + b"\0",
        whole[:9] + bytes([12]) + whole[10:],
        b"\x17",
        bytes([17]),
    ]
    for pdu in others:
        assert called(node, pdu) == b"", pdu.hex()
    assert called(node, search_pdu(0, bytes(UID_BYTES), count=1))[2:] == UID[:2]


def test_a_damaged_search_is_none(node: MemoryNode) -> None:
    frame = frame_seal(bytes([SEARCH_ADDRESS]) + search_pdu(BITS, UID))
    for bit in range(8 * len(frame)):
        wrong = bytearray(frame)
        wrong[bit // 8] ^= 1 << bit % 8
        assert node.request(bytes(wrong)) == b""
    assert node.request(frame, damaged=5) == b""
    assert not selected(node)


# --------------------------------------------------------------------------------------------------------- selected


def test_a_selected_node_answers_all_functions(node: MemoryNode) -> None:
    assert found(node, BITS, UID)
    row = BY_NAME["INPUTS"].address
    assert called(node, write_registers_pdu(row, [7])) == write_registers_pdu(row, [7])[:5]
    assert node.read(Table.HOLDING, row) == [7]
    assert called(node, bytes([17]))[0] == 17
    assert called(node, bytes([43, 14, 1, 0]))[0] == 43
    assert called(node, struct.pack(">BHH", 5, 2, 0xFF00))
    assert node.read(Table.COIL, 2) == [1]
    assert called(node, bytes([99])) == bytes([99 | 0x80, 1])
    assert called(node, read_pdu(4, 0xFF00, 1)) == bytes([0x84, 2])


@pytest.mark.parametrize("bits", [0, 40, 95])
def test_another_search_ends_it(node: MemoryNode, bits: int) -> None:
    assert found(node, BITS, UID)
    assert selected(node)
    assert found(node, bits, first(bits))
    assert not selected(node)
    assert found(node, BITS, UID)
    assert not found(node, BITS, first(BITS, OURS ^ 1 << bits))
    assert not selected(node)


def test_time_ends_it(node: MemoryNode) -> None:
    assert found(node, BITS, UID)
    for _ in range(5):
        node.advance(1000 * SEARCH_SECONDS - 1)
        node.idle(1)
        assert selected(node), "each frame to it counts"
    node.advance(1000 * SEARCH_SECONDS - 1)
    node.idle(1)
    node.read(Table.HOLDING, 0)  # one to its own address does not
    node.advance(1)
    node.idle(1)
    assert not selected(node)


def test_a_node_that_moves_stays_selected(node: MemoryNode) -> None:
    assert found(node, BITS, UID)
    assert called(node, write_registers_pdu(BY_NAME["ADDRESS"].address, [77]))
    assert called(node, write_registers_pdu(BY_NAME["COMMAND"].address, [Command.SAVE_SETTINGS]))
    node.work()
    assert selected(node)
    node.address = 77
    assert found(node, 3, first(3))


def test_a_start_ends_it(node: MemoryNode) -> None:
    assert found(node, BITS, UID)
    node.watchdog()
    assert not selected(node)


# ----------------------------------------------------------------------------------------------------------- others


def test_at_its_own_address_the_registers_are_but_registers(node: MemoryNode) -> None:
    node.write(SEARCH, [BITS, *bytes_registers(UID)])
    assert node.read(Table.HOLDING, SEARCH, 7) == [BITS, *bytes_registers(UID)]
    assert not selected(node)
    values = FOUND.unpack(node.read(Table.HOLDING, FOUND.address, FOUND.count))
    assert values == {"FOUND_UID": UID, "FOUND_ADDRESS": 1, "FOUND_VERSION": WIRE_VERSION}
    for at in range(FOUND.address, FOUND.address + FOUND.count):
        assert node.refusal(write_registers_pdu(at, [0])) == 2


def counters(node: MemoryNode) -> dict[str, int]:
    names = ("bus messages", "bus errors", "exceptions", "server messages", "no responses")
    return {
        name: struct.unpack(">BHH", node.ask(struct.pack(">BHH", 8, 11 + i, 0)))[2]
        for i, name in enumerate(names)
    }


def test_what_is_for_others_is_counted_as_the_standard_says(node: MemoryNode) -> None:
    before = counters(node)
    own = len(before)
    for bit in range(10):
        assert not found(node, 96, first(96, OURS ^ 1 << bit))
    after = counters(node)
    assert after["bus messages"] == before["bus messages"] + own + 10
    assert after["server messages"] == before["server messages"] + own
    assert {after[name] - before[name] for name in ("bus errors", "exceptions", "no responses")} == {0}
    assert found(node, 0, bytes(UID_BYTES))
    assert counters(node)["server messages"] == after["server messages"] + own + 1


def test_the_watchdog_hears_only_what_is_answered(node: MemoryNode) -> None:
    node.write(BY_NAME["WATCHDOG"].address, [10, WatchdogFor.FRAME])
    node.command(Command.SAVE_SETTINGS)
    node.work()
    lost = BY_NAME["BUS_LOST"].address

    def after(uid: int) -> int:
        """BUS_LOST half a second after that, a whole one after the last frame before it."""
        node.advance(500)
        found(node, 96, first(96, uid))
        node.advance(500)
        node.idle(1)
        bit = node.read(Table.DISCRETE, lost)[0]
        node.idle(1)
        return bit

    assert after(OURS ^ 1) == 1
    assert after(OURS) == 0


def test_a_node_that_only_listens_is_silent(node: MemoryNode) -> None:
    node.request(frame_seal(bytes([node.address, 8, 0, 4, 0, 0])))
    assert not found(node, 0, bytes(UID_BYTES))
    assert not found(node, BITS, UID)
    node.request(frame_seal(bytes([node.address, 8, 0, 1, 0, 0])))
    assert found(node, BITS, UID)
