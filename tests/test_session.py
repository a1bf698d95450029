"""A session: an image in blocks, that come in any order, twice, or not at all."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from host.core.crc import crc32
from host.core.hashes import hash_of
from host.core.image import encode
from host.core.modbus import (
    ILLEGAL_ADDRESS,
    write_registers_pdu,
)
from host.core.registers import bytes_registers
from host.core.wire import (
    BLOCK_BYTES,
    BLOCKS_MAX,
    BY_NAME,
    IMAGE_MAX,
    Command,
    Reason,
    Session,
    Table,
)
from host.node.broadcast import block, blocks_of, opening
from tests.e2e.scenario import AND, OR, crc_of
from tests.memory_node import MemoryNode
from tests.models import largest_models
from tests.pdus import command_pdu
from tests.sessions import (
    GO,
    assert_runs,
    block_pdu,
    bring,
    bytes_of,
    close_pdu,
    go_pdu,
    missing,
    open_pdu,
    reason,
    refused,
    send_blocks,
    state,
)

ILLEGAL_VALUE = 3
OLD, NEW = encode(OR), encode(AND)
LARGEST = encode(largest_models(np.random.default_rng(12))[0])
OTHER_GO = bytes(reversed(GO))


# ------------------------------------------------------------------------------------------------------------ the way


def test_an_image_comes_in_blocks_and_runs_at_go(node: MemoryNode) -> None:
    node.deploy(OLD)
    assert len(LARGEST) == IMAGE_MAX
    node.ask(open_pdu(LARGEST))
    assert (state(node), missing(node)) == (Session.OPEN, set(range(BLOCKS_MAX)))
    for index in blocks_of(LARGEST):
        assert index in missing(node)
        node.ask(block_pdu(LARGEST, index))
        assert index not in missing(node)
    assert_runs(node, OLD, None)
    node.work()
    assert (state(node), missing(node), reason(node)) == (Session.VERIFIED, set(), Reason.NONE)
    assert bytes_of(node, "STAGED_HASH") == hash_of(LARGEST)
    assert (node.get("STAGED"), node.get("STAGED_CRC")) == (1, int.from_bytes(LARGEST[-4:], "little"))
    assert_runs(node, OLD, None)
    node.ask(go_pdu())
    assert_runs(node, LARGEST, OLD)
    assert (state(node), node.get("TRIAL_LEFT")) == (Session.DONE, 30)
    node.ask(command_pdu(Command.CONFIRM, crc=int.from_bytes(LARGEST[-4:], "little")))
    node.work()
    assert_runs(node, LARGEST, OLD)
    node.power_cycle()
    assert_runs(node, LARGEST, OLD)
    assert (state(node), missing(node)) == (Session.NONE, set())


def test_all_of_it_comes_by_broadcast_but_the_opening(node: MemoryNode) -> None:
    node.ask(open_pdu(NEW, seconds=0))
    for index in blocks_of(NEW):
        assert node.broadcast(block_pdu(NEW, index)) == b""
    node.work()
    assert state(node) is Session.VERIFIED
    assert node.broadcast(go_pdu()) == b""
    assert_runs(node, NEW, None)
    node.work()
    node.power_cycle()
    assert_runs(node, NEW, None)


@pytest.mark.parametrize("length", [len(NEW), BLOCK_BYTES, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 4, IMAGE_MAX])
def test_blocks_in_any_order_and_twice(node: MemoryNode, length: int) -> None:
    """Of images and of bytes that are none, but have their hash: those end at the image's own check."""
    rng = random.Random(length)
    image = {len(NEW): NEW, IMAGE_MAX: LARGEST}.get(length, rng.randbytes(length))
    node.ask(open_pdu(image))
    left = set(blocks_of(image))
    order = [*left, *left]
    rng.shuffle(order)
    for index in order:
        node.ask(block_pdu(image, index))
        left.discard(index)
        assert missing(node) == left
        assert state(node) is (Session.OPEN)
        if left:
            node.work()
            assert state(node) is Session.OPEN
    node.work()
    good = length in (len(NEW), IMAGE_MAX)
    assert state(node) is (Session.VERIFIED if good else Session.REFUSED)
    assert reason(node) is (Reason.NONE if good else Reason.MAGIC)


def test_a_block_that_has_come_stays_as_it_is(node: MemoryNode) -> None:
    """While it is hashed, and after: what was checked is what runs."""
    forged = bytearray(LARGEST)
    forged[5 * BLOCK_BYTES] ^= 1
    tag, words = block(LARGEST, 5)[0], block(LARGEST, 5)[1][:3] + block(bytes(forged), 5)[1][3:]
    attempt = write_registers_pdu(tag, words)
    node.ask(open_pdu(LARGEST))
    send_blocks(node, LARGEST)
    node.ask(attempt)
    for _ in range(60):
        node.work(1)
        node.ask(attempt)
    assert state(node) is Session.VERIFIED
    node.ask(attempt)
    node.ask(go_pdu())
    assert_runs(node, LARGEST, None)
    row = BY_NAME["IMAGE"]
    assert node.read(row.table, row.address + 5 * BLOCK_BYTES // 2, 4) == bytes_registers(
        LARGEST[5 * BLOCK_BYTES : 5 * BLOCK_BYTES + 8]
    )


def test_an_image_of_another_hash_is_refused(node: MemoryNode) -> None:
    node.deploy(OLD)
    forged = bytearray(NEW)
    forged[20] ^= 1
    forged[-4:] = crc32(bytes(forged[:-4])).to_bytes(4, "little")
    node.ask(open_pdu(NEW))
    address, words = block(NEW, 0)
    node.ask(write_registers_pdu(address, words[:3] + bytes_registers(bytes(forged))))
    node.work()
    assert (state(node), reason(node)) == (Session.REFUSED, Reason.HASH)
    assert node.get("STAGED") == 0
    assert refused(node, go_pdu()) is Reason.SESSION
    assert refused(node, block_pdu(NEW, 0)) is Reason.SESSION
    assert_runs(node, OLD, None)
    bring(node, NEW, OTHER_GO)


def test_an_image_that_fails_its_own_test_is_refused(node: MemoryNode) -> None:
    node.deploy(OLD)
    bad = bytearray(NEW)
    bad[-8] ^= 1  # the expected output of the last vector
    bad[-4:] = crc32(bytes(bad[:-4])).to_bytes(4, "little")
    node.ask(open_pdu(bytes(bad)))
    send_blocks(node, bytes(bad))
    node.work()
    assert (state(node), reason(node)) == (Session.REFUSED, Reason.SELF_TEST)
    assert refused(node, go_pdu()) is Reason.SESSION
    assert_runs(node, OLD, None)


def test_checking_goes_piece_by_piece(node: MemoryNode) -> None:
    node.ask(open_pdu(LARGEST))
    send_blocks(node, LARGEST)
    rounds = 0
    while state(node) is Session.OPEN:  # each look at it is some rounds
        node.work(1)
        rounds += 1
        assert rounds < 100
    assert rounds > 8
    assert state(node) is Session.VERIFIED


# ---------------------------------------------------------------------------------------------------------- openings


def test_a_repeated_opening_changes_nothing(node: MemoryNode) -> None:
    node.ask(open_pdu(LARGEST))
    send_blocks(node, LARGEST, range(10))
    node.ask(open_pdu(LARGEST))
    assert missing(node) == set(range(10, BLOCKS_MAX))
    send_blocks(node, LARGEST, range(10, BLOCKS_MAX))
    node.work()
    node.ask(open_pdu(LARGEST))
    assert state(node) is Session.VERIFIED
    node.ask(go_pdu())
    node.ask(open_pdu(LARGEST))
    assert state(node) is Session.DONE
    assert_runs(node, LARGEST, None)
    node.command(Command.REVERT, crc=int.from_bytes(LARGEST[-4:], "little"))
    node.ask(open_pdu(LARGEST))
    assert state(node) is Session.OPEN, "what it had begun is over"


@pytest.mark.parametrize(
    "other",
    [open_pdu(NEW), open_pdu(LARGEST, OTHER_GO), open_pdu(LARGEST, seconds=31)],
    ids=["image", "go", "s"],
)
def test_another_opening_begins_anew(node: MemoryNode, other: bytes) -> None:
    bring(node, LARGEST)
    node.ask(other)
    assert (state(node), node.get("STAGED"), 0 in missing(node)) == (Session.OPEN, 0, True)


def test_lengths_out_of_range(node: MemoryNode) -> None:
    address, words = opening(LARGEST, GO, 30)
    at = BY_NAME["SESSION_LENGTH"].address - address
    for length in (1, 2, 6, IMAGE_MAX + 4, IMAGE_MAX + 1, 0x10000, 0xFFFFFFFC, 0xFFFFFFFF):
        words[at : at + 2] = length >> 16, length & 0xFFFF
        assert refused(node, write_registers_pdu(address, words)) is Reason.LENGTH
        assert state(node) is Session.NONE
    bring(node, NEW)
    assert refused(node, write_registers_pdu(address, words)) is Reason.LENGTH
    assert state(node) is Session.VERIFIED, "what is refused changes nothing"


def test_an_opening_is_one_frame(node: MemoryNode) -> None:
    address, words = opening(NEW, GO, 30)
    for first, count in ((0, len(words) - 1), (1, len(words) - 1), (len(words) - 1, 1), (0, 16), (16, 2)):
        pdu = write_registers_pdu(address + first, words[first : first + count])
        assert node.refusal(pdu) == ILLEGAL_ADDRESS, (first, count)
    assert node.refusal(write_registers_pdu(address, [*words, 0])) == ILLEGAL_ADDRESS, "STATE is read only"
    assert state(node) is Session.NONE


def test_what_was_opened_can_be_read(node: MemoryNode) -> None:
    address, words = opening(NEW, GO, 30)
    node.ask(open_pdu(NEW))
    assert node.read(Table.HOLDING, address, len(words)) == words
    for first in range(len(words)):
        assert node.read(Table.HOLDING, address + first, 1) == words[first : first + 1]
    for name in ("BLOCK_TAG", "BLOCK", "GO"):
        row = BY_NAME[name]
        assert not any(node.read(row.table, row.address, row.size)), name


def test_length_0_closes_it(node: MemoryNode) -> None:
    node.ask(close_pdu())
    bring(node, NEW)
    node.ask(close_pdu())
    assert (state(node), node.get("STAGED"), missing(node)) == (Session.NONE, 0, set())
    assert refused(node, go_pdu()) is Reason.SESSION
    assert refused(node, block_pdu(NEW, 0)) is Reason.SESSION
    bring(node, NEW)
    node.ask(go_pdu())
    node.ask(close_pdu())
    assert state(node) is Session.NONE
    assert_runs(node, NEW, None)


def test_closing_leaves_the_image_that_another_has_verified(node: MemoryNode) -> None:
    node.ask(open_pdu(NEW))
    node.write(BY_NAME["STAGE"].address, bytes_registers(OLD))
    node.command(Command.VERIFY, len(OLD), crc_of(OR))
    node.ask(close_pdu())
    assert (node.get("STAGED"), node.get("STAGED_CRC")) == (1, crc_of(OR))


# ------------------------------------------------------------------------------------------------------------- blocks


def test_a_block_of_another_session_is_not_taken(node: MemoryNode) -> None:
    assert refused(node, block_pdu(NEW, 0)) is Reason.SESSION
    node.ask(open_pdu(LARGEST))
    assert refused(node, block_pdu(NEW, 0)) is Reason.SESSION
    assert missing(node) == set(range(BLOCKS_MAX))


def test_what_others_hear_is_no_reason_to_say_anything(node: MemoryNode) -> None:
    node.ask(open_pdu(NEW))
    address, words = block(NEW, 0)
    node.ask(write_registers_pdu(address, [*words[:3], *[0] * (len(words) - 3)]))
    node.work()
    assert (state(node), reason(node)) == (Session.REFUSED, Reason.HASH)
    node.broadcast(block_pdu(LARGEST, 3))
    node.broadcast(block_pdu(NEW, 0))
    node.broadcast(go_pdu(OTHER_GO))
    assert (state(node), reason(node), node.get("MISSED")) == (Session.REFUSED, Reason.HASH, 0)


def test_a_block_has_exactly_its_size_and_place(node: MemoryNode) -> None:
    node.ask(open_pdu(LARGEST))
    address, words = block(LARGEST, 1)
    last_address, last = block(LARGEST, BLOCKS_MAX - 1)
    assert len(last) < len(words) == 123
    stage = BY_NAME["STAGE"]
    before = node.read(stage.table, stage.address, 125)
    for bad in (words[:-1], [*last, 0], last[:-1], [*last[:2], 3, *last[3:]]):
        assert node.refusal(write_registers_pdu(address, bad)) == ILLEGAL_VALUE
    for index in (BLOCKS_MAX, BLOCKS_MAX + 1, 64, 65, 0x7FFF, 0xFFFF):
        assert node.refusal(write_registers_pdu(address, [*words[:2], index, *words[3:]])) == ILLEGAL_VALUE
    for first, values in ((0, words[:3]), (0, words[:2]), (0, words[:1]), (1, words[1:]), (3, words[3:])):
        assert node.refusal(write_registers_pdu(address + first, values)) == ILLEGAL_ADDRESS
    for offset in range(len(words)):
        assert node.refusal(struct.pack(">BHH", 6, address + offset, 0)) == ILLEGAL_ADDRESS
    assert missing(node) == set(range(BLOCKS_MAX))
    assert node.read(stage.table, stage.address, 125) == before
    node.ask(write_registers_pdu(last_address, last))
    assert missing(node) == set(range(BLOCKS_MAX - 1))
