"""What is kept of whom a node trusts is damaged in the flash: it obeys nobody, sooner than somebody else."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from host.core.modbus import write_registers_pdu
from host.core.order import coils_arguments, floor_arguments, key_arguments
from host.core.wire import (
    BY_NAME,
    FIRMWARE_MAJOR,
    FIRMWARE_MINOR,
    ORDER_AHEAD,
    Command,
    OrderResult,
    Reason,
    State,
    Table,
    Trust,
)
from tests.memory_node import SECTOR_SIZE, MemoryNode
from tests.owner import (
    FIRST,
    Owner,
    bits,
    bytes_of,
    ended,
    order_pdu,
    outcome,
    refused,
    settings_words,
)
from tests.pdus import command_pdu
from tests.trust_flash import MARK_SIZE, SECTORS, SIZE, Kept, kept, rewrite

VERSION = FIRMWARE_MAJOR << 8 | FIRMWARE_MINOR
START = SECTORS[0] * SECTOR_SIZE
LAMP_TEST = coils_arguments(0, 1, 1)
SETS = 300
"""Of bits that rot together."""


def flip(node: MemoryNode, at: int, *flips: int) -> None:
    """Bits of the flash, counted from the byte `at` on, turn over."""
    for bit in flips:
        node.rot(at + bit // 8, bytes([1 << bit % 8]))


def rotten(node: MemoryNode) -> bool:
    return bool(node.get("FAULTS") >> Reason.ROTTEN_TRUST & 1)


def faults(node: MemoryNode) -> set[Reason]:
    return {reason for reason in Reason if node.get("FAULTS") >> reason & 1}


@pytest.fixture
def newest(keyed: MemoryNode, owner: Owner) -> Kept:
    """What a node keeps after an order: its newest record."""
    owner.give(keyed, Command.FLOOR, floor_arguments(3, 1))
    return kept(keyed.flash())[-1]


# --------------------------------------------------------------------------------------------------- as it is kept


def test_what_is_kept(keyed: MemoryNode, owner: Owner, newest: Kept) -> None:
    assert newest[1:] == (2, owner.counter + ORDER_AHEAD, 3, 1, 0, owner.key)
    assert newest.at == START + MARK_SIZE + SIZE


# ----------------------------------------------------------------------------------------------------------- closed


def is_closed(node: MemoryNode, *owners: Owner) -> None:
    """It obeys none of them, nor anybody else, and says so."""
    assert rotten(node)
    for owner in owners:
        order = owner.order(Command.COILS, LAMP_TEST, counter=2**32 - 1)
        assert refused(node, order_pdu(order)) == Reason.ROTTEN_TRUST
        key = owner.order(Command.KEY, key_arguments(owner.key), counter=2**32 - 1)
        assert refused(node, order_pdu(key)) == Reason.PRESENCE
    for pdu in (
        command_pdu(Command.RESTART),
        command_pdu(Command.SAVE_SETTINGS),
        write_registers_pdu(BY_NAME["INPUTS"].address, [1]),
        struct.pack(">BHH", 5, 0, 0xFF00),
        struct.pack(">BHH", 8, 4, 0),
    ):
        assert refused(node, pdu) == Reason.ROTTEN_TRUST
    node.work()
    assert node.read(Table.COIL, 0) == [0]


def test_a_rotten_record_closes_the_node(keyed: MemoryNode, owner: Owner, newest: Kept) -> None:
    flip(keyed, newest.at + 24, 300, 301)
    keyed.power_cycle()
    is_closed(keyed, owner)
    keyed.work()
    keyed.power_cycle()
    is_closed(keyed, owner)
    assert faults(keyed) == {Reason.ROTTEN_TRUST}


def test_a_replaced_key_is_never_obeyed_again(keyed: MemoryNode, owner: Owner) -> None:
    after = Owner(2)
    owner.give(keyed, Command.KEY, key_arguments(after.key))
    flip(keyed, kept(keyed.flash())[-1].at + 24, 300)
    keyed.power_cycle()
    assert bytes_of(keyed, "KEY") == owner.key, "that is what is left"
    is_closed(keyed, owner, after)


def test_someone_at_the_board_installs_a_key_anew(keyed: MemoryNode, owner: Owner, newest: Kept) -> None:
    old = Owner().order(Command.KEY, key_arguments(owner.key))
    flip(keyed, newest.at + 24, 7)
    keyed.present()
    keyed.power_cycle()
    keyed.work()
    assert refused(keyed, order_pdu(old)) == Reason.COUNTER, (
        "the first key's own order, which anybody may have"
    )
    other = Owner(2, owner.counter + ORDER_AHEAD)
    assert refused(keyed, order_pdu(other.order(Command.COILS, LAMP_TEST))) == Reason.ROTTEN_TRUST
    removal = other.order(Command.KEY, key_arguments(bytes(32)))
    assert refused(keyed, order_pdu(removal)) == Reason.ROTTEN_TRUST
    other.give(keyed, Command.KEY, key_arguments(other.key))
    assert faults(keyed) == set()
    other.give(keyed, Command.COILS, LAMP_TEST)
    keyed.present(False)
    keyed.power_cycle()
    assert (faults(keyed), bytes_of(keyed, "KEY")) == (set(), other.key)
    assert ended(keyed, owner.order(Command.COILS, LAMP_TEST, counter=2**32 - 1))[1] == Reason.SIGNATURE


@pytest.mark.parametrize("values", [{"flags": 2}, {"flags": 0xFFFF}])
def test_what_no_firmware_of_ours_keeps(
    keyed: MemoryNode, owner: Owner, newest: Kept, values: dict[str, int]
) -> None:
    rewrite(keyed, newest._replace(**values))
    keyed.power_cycle()
    is_closed(keyed, owner)


def test_a_record_of_another_length(node: MemoryNode, owner: Owner) -> None:
    """Settings, say, where the key should be."""
    node.write(BY_NAME["ADDRESS"].address, settings_words(ADDRESS=9))
    node.command(Command.SAVE_SETTINGS)
    node.work()
    node.address = 9
    flash = node.flash()
    settings, trust = (flash[sector * SECTOR_SIZE : (sector + 1) * SECTOR_SIZE] for sector in (2, SECTORS[0]))
    node.rot(START, bytes(a ^ b for a, b in zip(settings, trust, strict=True)))
    node.power_cycle()
    is_closed(node, owner)


# ------------------------------------------------------------------------------------------------------ whatever rots


def check(node: MemoryNode, owner: Owner, last: Owner, counter: int) -> str:
    """After a start: the key and a counter above all that were used, or closed, or as good as new where all that was
    there is gone. `owner`, whose key was replaced by that of `last`, is obeyed in no case."""
    if rotten(node):
        is_closed(node, owner, last)
        return "closed"
    assert bits(node) == {Trust.CRYPTO, Trust.KEYED}
    assert bytes_of(node, "KEY") == last.key
    assert node.get("ORDER_COUNTER") >= counter
    assert refused(node, command_pdu(Command.RESTART)) == Reason.UNSIGNED
    return "good"


@pytest.fixture(scope="module")
def lone() -> Iterator[MemoryNode]:
    """One compiler's is enough here."""
    with MemoryNode() as node:
        yield node


@pytest.fixture
def rotated(lone: MemoryNode, owner: Owner) -> tuple[Owner, int]:
    """The node's second owner, and the counter of his last order."""
    lone.factory()
    lone.work()
    owner.install(lone)
    last = Owner(2)
    owner.give(lone, Command.KEY, key_arguments(last.key))
    last.counter = owner.counter
    for _ in range(3):
        lone.power_cycle()
        lone.work()
        last.counter = int(lone.get("ORDER_COUNTER"))
        last.give(lone, Command.COILS, coils_arguments(1, 1, 0))
    return last, last.counter


def test_any_one_bit(lone: MemoryNode, owner: Owner, rotated: tuple[Owner, int]) -> None:
    """Of the newest record, its sector's mark and what is blank behind it; of the older records every seventh."""
    last, counter = rotated
    before = lone.flash()
    records = kept(before)
    assert len(records) == 5
    newest = 8 * (records[-1].at - START)
    end = newest + 8 * (SIZE + 8)
    found: Counter[str] = Counter()
    for bit in (*range(8 * MARK_SIZE), *range(8 * MARK_SIZE, newest, 7), *range(newest, end)):
        flip(lone, START, bit)
        lone.power_cycle()
        found[check(lone, owner, last, counter)] += 1
        flip(lone, START, bit)
    assert lone.flash() == before
    # Header and payload of the newest record. Its verdict stands three times, what is older does not matter.
    assert found["closed"] == 8 * (SIZE - 24), found
    assert found["good"] > found["closed"]


def test_bits_that_rot_together(lone: MemoryNode, owner: Owner, rotated: tuple[Owner, int]) -> None:
    last, counter = rotated
    rng = random.Random(485)
    newest = kept(lone.flash())[-1].at
    found: Counter[str] = Counter()
    for _ in range(SETS):
        flips = {rng.randrange(8 * SIZE) for _ in range(rng.randint(2, 8))}
        flip(lone, newest, *flips)
        lone.power_cycle()
        found[check(lone, owner, last, counter)] += 1
        flip(lone, newest, *flips)
    assert min(found["closed"], found["good"]) > 0, found


# ------------------------------------------------------------------------------------------------- below the floor


def test_firmware_below_its_floor_obeys_nothing(keyed: MemoryNode, owner: Owner, newest: Kept) -> None:
    """As when an older one was flashed: inputs go on, nothing else."""
    rewrite(keyed, newest._replace(firmware_floor=VERSION + 1))
    keyed.power_cycle()
    keyed.work()
    assert keyed.get("FIRMWARE_FLOOR") == VERSION + 1
    owner.counter = int(keyed.get("ORDER_COUNTER"))
    for command, arguments in ((Command.COILS, LAMP_TEST), (Command.KEY, key_arguments(bytes(32)))):
        assert refused(keyed, order_pdu(owner.order(command, arguments))) == Reason.FLOOR
    assert refused(keyed, command_pdu(Command.RESTART)) == Reason.FLOOR
    keyed.write(BY_NAME["INPUTS"].address, [1])
    rewrite(keyed, newest._replace(firmware_floor=VERSION))
    keyed.power_cycle()
    owner.give(keyed, Command.COILS, LAMP_TEST)
    rewrite(keyed, kept(keyed.flash())[-1]._replace(key=bytes(32), firmware_floor=0xFFFF))
    keyed.power_cycle()
    assert refused(keyed, command_pdu(Command.RESTART)) == Reason.FLOOR, "without a key too"


# ------------------------------------------------------------------------------------------------- the flash is worn


def test_an_order_that_the_flash_does_not_keep_is_not_carried_out(keyed: MemoryNode, owner: Owner) -> None:
    """A cell of its record loses what was programmed."""
    first = kept(keyed.flash())[-1]
    keyed.ask(order_pdu(owner.order(Command.COILS, LAMP_TEST)))
    while keyed.flash().count(owner.key) == 1:
        keyed.work(1)
    flip(keyed, first.at + SIZE + 60, 5)
    keyed.work()
    assert outcome(keyed)[:2] == (OrderResult.REFUSED, Reason.FLASH)
    assert (faults(keyed), keyed.get("STATE"), keyed.read(Table.COIL, 0)) == ({Reason.FLASH}, State.IDLE, [0])
    owner.give(keyed, Command.COILS, LAMP_TEST)
    keyed.power_cycle()
    assert keyed.get("ORDER_COUNTER") >= owner.counter
    assert owner.counter > FIRST
