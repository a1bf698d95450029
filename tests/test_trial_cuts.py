"""The power goes at every word that the flash is to take in a switch: the old model or the new, and all goes on.

After a cut in the middle of a word any of its bits may stand. test_store.py does the same with words that cannot make
up their mind, and with cuts of the recovery; here is the whole node, and what it says of itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from host.core.hashes import hash_of
from host.core.image import encode
from host.core.registers import bytes_registers
from host.core.wire import BY_NAME, Command, Reason, Session
from host.node.broadcast import blocks_of
from tests.e2e.scenario import largest
from tests.memory_node import SECTOR_SIZE, MemoryNode
from tests.sessions import assert_runs, block_pdu, bring, bytes_of, go_pdu, open_pdu, state
from tests.test_trial import CRC, NEW, OLD, OTHER, begin, pdu

LARGEST = encode(largest())
CRC[LARGEST] = int.from_bytes(LARGEST[-4:], "little")
MASKS = (0, 0xFFFFFFFF, 0x0000FFFF, 0xFFFF0000)
"""Bits that a word has taken when the power goes; others are drawn."""


@pytest.fixture(scope="module")
def node() -> Iterator[MemoryNode]:
    with MemoryNode() as running:
        yield running


def confirmed(node: MemoryNode, image: bytes) -> None:
    """On trial by a command, then kept."""
    node.ask(pdu(Command.CONFIRM, image))
    node.work()


def switched(node: MemoryNode, image: bytes) -> None:
    """By the one frame for many, and kept at once."""
    node.broadcast(go_pdu())
    node.work()


def rolled_back(node: MemoryNode, image: bytes) -> None:
    node.ask(pdu(Command.ROLLBACK, image))
    node.work()


def on_trial(node: MemoryNode, image: bytes) -> None:
    begin(node, image)


def in_session(node: MemoryNode, image: bytes) -> None:
    bring(node, image, seconds=0)


def nothing(node: MemoryNode, image: bytes) -> None:
    pass


def closed(flash: bytes) -> bytes:
    """Both of the models' sectors are: by a word where nothing should be. The new record needs an erase."""
    full = bytearray(flash)
    for sector in range(2):
        full[(sector + 1) * SECTOR_SIZE - 4 : (sector + 1) * SECTOR_SIZE] = bytes(4)
    return bytes(full)


def as_it_is(flash: bytes) -> bytes:
    return flash


CASES: dict[
    str,
    tuple[
        Callable[[MemoryNode, bytes], None],
        Callable[[MemoryNode, bytes], None],
        bytes,
        Callable[[bytes], bytes],
    ],
] = {
    "CONFIRM": (on_trial, confirmed, NEW, as_it_is),
    "CONFIRM with an erase": (on_trial, confirmed, NEW, closed),
    "GO": (in_session, switched, NEW, as_it_is),
    "GO with an erase": (in_session, switched, NEW, closed),
    "ROLLBACK": (nothing, rolled_back, OTHER, as_it_is),
}


def before(node: MemoryNode) -> bytes:
    """A flash in which OTHER stands, and OLD, which runs."""
    node.factory()
    node.work()
    node.deploy(OTHER)
    node.deploy(OLD)
    return node.flash()


def whole_image(node: MemoryNode) -> bytes:
    """The running one, as it is read."""
    row, words = BY_NAME["IMAGE"], []
    size = node.get("MODEL_LENGTH") // 2
    for at in range(0, size, 120):
        words += node.read(row.table, row.address + at, min(120, size - at))
    return b"".join(word.to_bytes(2, "big") for word in words)


def assert_old_or_new(node: MemoryNode, image: bytes, filled: bool, context: object) -> bool:
    """Whether it is the new one; either of them as a whole, and what is said of it is true. filled: by words that look
    like rot, which is said as well."""
    found = whole_image(node)
    assert found in (OLD, image), context
    assert bytes_of(node, "MODEL_HASH") == hash_of(found), context
    assert node.get("FAULTS") in (0, 1 << Reason.ROTTEN_MODEL if filled else 0), context
    assert (node.get("TRIAL_LEFT"), state(node)) == (0, Session.NONE), context
    previous = node.get("PREVIOUS_CRC")
    assert previous in (0, CRC[OTHER] if found == OLD else CRC[OLD]), context
    return found == image


@pytest.mark.parametrize("case", CASES)
def test_power_is_cut_at_every_word(node: MemoryNode, case: str) -> None:
    prepare, act, image, change = CASES[case]
    rng = random.Random(case)
    flash = change(before(node))

    def ready() -> None:
        node.fill_flash(flash)
        node.work(ROUNDS)
        prepare(node, image)

    ready()
    begun = node.operations()
    act(node, image)
    operations = node.operations() - begun
    assert node.get("MODEL_CRC") == CRC[image]
    assert operations > len(image) // 4
    if change is closed:
        assert operations > len(image) // 4 + 15, "and an erase"
    seen = [0, 0]
    for number in range(1, operations + 1):
        for landed in (*MASKS, rng.getrandbits(32), rng.getrandbits(32)):
            ready()
            node.cut(number, landed)
            cut_off(node, act, image)
            new = assert_old_or_new(node, image, change is closed, (number, hex(landed)))
            seen[new] += 1
            if rng.random() < 0.2:  # and once more, while it recovers
                node.cut(rng.randint(1, 4), rng.getrandbits(32))
                node.work()
                node.cut(0)
                assert assert_old_or_new(node, image, change is closed, (number, hex(landed), "again")) == new
            if rng.random() < 0.1:
                node.work()
                node.deploy(LARGEST)
    assert min(seen) > 0
    print(f"{case}: {operations} operations, old {seen[0]}, new {seen[1]}")


ROUNDS = 100_000


def cut_off(node: MemoryNode, act: Callable[[MemoryNode, bytes], None], image: bytes) -> None:
    """Act; the power goes on the way."""
    act(node, image)
    assert node.operations() < 50, "it has started again"


def test_a_session_writes_nothing_before_go(node: MemoryNode) -> None:
    before(node)
    node.power_cycle()
    node.work()
    begun = node.operations()
    bring(node, LARGEST)
    node.ask(go_pdu())
    node.work()
    assert_runs(node, LARGEST, OLD)
    assert node.operations() == begun


@pytest.mark.parametrize("reset", ["watchdog", "power_cycle"])
def test_a_reset_at_every_block(node: MemoryNode, reset: str) -> None:
    """The blocks go on, as to all others; the node that was away never runs what it has not got whole."""
    flash = before(node)
    for lost in blocks_of(LARGEST):
        node.fill_flash(flash)
        node.work()
        node.ask(open_pdu(LARGEST))
        for index in blocks_of(LARGEST):
            if index == lost:
                getattr(node, reset)()
            node.broadcast(block_pdu(LARGEST, index))
        node.work()
        assert state(node) is Session.NONE
        node.broadcast(go_pdu())
        assert_runs(node, OLD, OTHER)
    bring(node, LARGEST)
    node.ask(go_pdu())
    assert_runs(node, LARGEST, OLD)


def test_a_block_lost_is_never_made_up(node: MemoryNode) -> None:
    """What stood in the stage before is of another image; GO before the repair changes nothing."""
    flash = before(node)
    for lost in blocks_of(LARGEST):
        node.fill_flash(flash)
        node.work()
        node.write(BY_NAME["STAGE"].address, bytes_registers(LARGEST[:-2] + bytes(2)))
        node.ask(open_pdu(LARGEST))
        for index in blocks_of(LARGEST):
            if index != lost:
                node.broadcast(block_pdu(LARGEST, index))
        node.work()
        assert state(node) is Session.OPEN
        node.broadcast(go_pdu())
        assert_runs(node, OLD, OTHER)
        node.ask(block_pdu(LARGEST, lost))
        node.work()
        node.broadcast(go_pdu())
        assert_runs(node, LARGEST, OLD)
