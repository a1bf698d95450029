"""Power is cut at every word and erase that keeps a key or a counter, with any of a word's bits landed: afterwards it
is the old key or the new, no counter has come back, and no key is lost. And how long the flash lasts.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from host.core.order import NO_KEY, coils_arguments, floor_arguments, key_arguments
from host.core.wire import ORDER_AHEAD, Command, OrderResult, Reason
from tests.memory_node import SECTOR_SIZE, MemoryNode
from tests.owner import Owner, bytes_of, ended, order_pdu, outcome, refused
from tests.trust_flash import MARK_SIZE, SECTORS, SIZE, kept

START, END = SECTORS[0] * SECTOR_SIZE, (SECTORS[-1] + 1) * SECTOR_SIZE
LANDINGS = 3
"""Random ones of each word, beside none and all of its bits."""
ERASED = 16
"""Of an erase."""
ENDURANCE = 10_000
"""Erases that a sector lasts at least: STM32F407 data sheet, flash memory endurance."""
LIFE = 100_000
"""Orders that a sector set has to last."""
QUIET = 6
"""Rounds in which nothing is written: nothing is left to do."""
NOTHING = coils_arguments(1, 1, 0)


class Step(NamedTuple):
    """What one piece of work did to the sectors of trust: from this to that."""

    before: bytes
    after: bytes

    @property
    def erases(self) -> bool:
        return any(b & ~a for a, b in zip(self.before, self.after, strict=True))

    def landings(self, rng: random.Random) -> Iterator[bytes]:
        """What a cut in its midst may leave."""
        yield from (self.before, self.after)
        places = [i for i, (a, b) in enumerate(zip(self.before, self.after, strict=True)) if a != b]
        for number in range(ERASED if self.erases else LANDINGS):
            share = rng.random() if number % 2 else rng.choice([0.02, 0.98])
            flash = bytearray(self.before)
            for i in places:
                landed = sum(1 << bit for bit in range(8) if rng.random() < share)
                flash[i] ^= (flash[i] ^ self.after[i]) & landed
            yield bytes(flash)


@pytest.fixture(scope="module")
def lone() -> Iterator[MemoryNode]:
    """One compiler's is enough here, and optimised: it starts some thousand times."""
    with MemoryNode(flags=["-O2"]) as node:
        yield node


@pytest.fixture(scope="module")
def sanitized() -> Iterator[MemoryNode]:
    with MemoryNode() as node:
        yield node


def trust_flash(node: MemoryNode) -> bytes:
    return node.flash()[START:END]


def put(node: MemoryNode, flash: bytes) -> None:
    """Start with that in the sectors of trust."""
    now = trust_flash(node)
    changed = [i for i, (a, b) in enumerate(zip(now, flash, strict=True)) if a != b]
    if changed:
        low, high = changed[0], changed[-1] + 1
        mask = bytes(a ^ b for a, b in zip(now[low:high], flash[low:high], strict=True))
        node.rot(START + low, mask)
    node.power_cycle()


def steps(node: MemoryNode) -> list[Step]:
    """Work until there is nothing to do, piece by piece."""
    found, before, quiet = [], trust_flash(node), 0
    while quiet < QUIET:
        node.work(1)
        after = trust_flash(node)
        quiet = 0 if after != before else quiet + 1
        if after != before:
            found.append(Step(before, after))
        before = after
    return found


# ------------------------------------------------------------------------------------------------------------- cuts


class Case(NamedTuple):
    """before: makes the node ready, and answers whose key it has; command: what is cut, and whose key may be in force
    afterwards."""

    before: Callable[[MemoryNode, Owner], None]
    command: Callable[[Owner, Owner], tuple[Command, bytes]]
    keys: Callable[[Owner, Owner], set[bytes]]


def alone(node: MemoryNode, owner: Owner) -> None:
    """Nobody has a key, and someone is at the board."""
    node.present()
    node.power_cycle()
    node.work()


def owned(node: MemoryNode, owner: Owner) -> None:
    owner.install(node)


def closed(node: MemoryNode, *sectors: int) -> None:
    """Nothing more goes into these sectors until they are erased."""
    for sector in sectors:
        node.rot(START + (sector + 1) * SECTOR_SIZE - 4, bytes([0xFF]))
    node.power_cycle()


def full(node: MemoryNode, owner: Owner) -> None:
    """The next record goes into the other sector, which is prepared."""
    owner.install(node)
    closed(node, 0)
    node.work()
    owner.counter = int(node.get("ORDER_COUNTER"))


def just_moved(node: MemoryNode, owner: Owner) -> None:
    """After the next record the sector that was left is erased."""
    full(node, owner)
    owner.give(node, Command.COILS, NOTHING)
    node.power_cycle()
    owner.counter = int(node.get("ORDER_COUNTER"))


def both_full(node: MemoryNode, owner: Owner) -> None:
    """While the next record is asked for, a sector is being erased: it has to wait."""
    owner.install(node)
    closed(node, 0, 1)
    owner.counter = int(node.get("ORDER_COUNTER"))


def installed(owner: Owner, other: Owner) -> tuple[Command, bytes]:
    return Command.KEY, key_arguments(owner.key)


def rotated(owner: Owner, other: Owner) -> tuple[Command, bytes]:
    return Command.KEY, key_arguments(other.key, guarded=True)


def removed(owner: Owner, other: Owner) -> tuple[Command, bytes]:
    return Command.KEY, key_arguments(NO_KEY)


def counted(owner: Owner, other: Owner) -> tuple[Command, bytes]:
    return Command.COILS, NOTHING


def raised(owner: Owner, other: Owner) -> tuple[Command, bytes]:
    return Command.FLOOR, floor_arguments(0, 1)


CASES = {
    "first key, then an erase": Case(alone, installed, lambda owner, other: {NO_KEY, owner.key}),
    "another key": Case(owned, rotated, lambda owner, other: {owner.key, other.key}),
    "another key in the other sector": Case(full, rotated, lambda owner, other: {owner.key, other.key}),
    "another key, then an erase": Case(just_moved, rotated, lambda owner, other: {owner.key, other.key}),
    "another key behind an erase": Case(both_full, rotated, lambda owner, other: {owner.key, other.key}),
    "no key": Case(owned, removed, lambda owner, other: {owner.key, NO_KEY}),
    "counter": Case(owned, counted, lambda owner, other: {owner.key}),
    "counter, then an erase": Case(just_moved, counted, lambda owner, other: {owner.key}),
    "counter behind an erase": Case(both_full, counted, lambda owner, other: {owner.key}),
    "floor": Case(owned, raised, lambda owner, other: {owner.key}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_cut_leaves_the_old_or_the_new(lone: MemoryNode, owner: Owner, name: str) -> None:
    cut(lone, owner, name)


def test_nor_does_it_with_sanitizers(sanitized: MemoryNode, owner: Owner) -> None:
    """Of the cases the one that does most."""
    cut(sanitized, owner, "another key behind an erase", every=5)


def cut(lone: MemoryNode, owner: Owner, name: str, every: int = 1) -> None:
    """every: of so many steps one is cut."""
    case, other = CASES[name], Owner(2)
    rng = random.Random(f"485 {name}")
    lone.factory()
    lone.work()
    case.before(lone, owner)
    used = int(lone.get("ORDER_COUNTER"))
    lone.ask(order_pdu(owner.order(*case.command(owner, other))))
    done = steps(lone)
    assert outcome(lone) == (OrderResult.DONE, Reason.NONE, owner.counter)
    assert len(done) >= SIZE // 4 - 6, "words of a record, its refusal aside"
    assert any(step.erases for step in done) == ("erase" in name)
    ceiling = kept(lone.flash())[-1].ceiling
    again = [order_pdu(whose.order(Command.COILS, NOTHING, counter=used or 1)) for whose in (owner, other)]
    seen: Counter[tuple[bytes, int]] = Counter()
    for step in [*done[:-1:every], done[-1]]:
        for flash in step.landings(rng):
            put(lone, flash)
            assert not lone.get("FAULTS"), "a cut is no damage"
            lone.work()
            key, counter = bytes_of(lone, "KEY"), int(lone.get("ORDER_COUNTER"))
            assert key in case.keys(owner, other)
            assert counter in (used, ceiling)
            seen[key, counter] += 1
            if any(key):
                assert {refused(lone, pdu) for pdu in again} == {Reason.COUNTER}, "as used before"
        for whose in (owner, other):
            if whose.key == bytes_of(lone, "KEY"):  # and all goes on
                whose.counter = int(lone.get("ORDER_COUNTER"))
                whose.give(lone, Command.COILS, NOTHING)
    assert len(seen) == 2, "the old or the new, whole"


# ------------------------------------------------------------------------------------------------------------- wear


def test_a_sector_set_lasts_for_enough_orders(lone: MemoryNode, owner: Owner) -> None:
    """At its worst: a start before every order, so that each of them writes."""
    lone.factory()
    lone.work()
    owner.install(lone)
    room = (SECTOR_SIZE - MARK_SIZE) // SIZE
    records, erased = [0, 0], [0, 0]
    for orders in range(1, 3 * room):  # noqa: B007
        lone.power_cycle()
        owner.counter = int(lone.get("ORDER_COUNTER"))
        order = owner.order(Command.COILS, NOTHING)
        assert ended(lone, order) == (OrderResult.DONE, Reason.NONE, owner.counter)
        now = Counter(record.at // SECTOR_SIZE - SECTORS[0] for record in kept(lone.flash()))
        for sector in (0, 1):
            erased[sector] += now[sector] < records[sector]
            records[sector] = now[sector]
        if min(erased) > 0:
            break
    assert erased == [1, 1]
    assert orders == 2 * room + 1 == 357, (
        "the first key took a place, and the last found none in either sector"
    )
    assert ENDURANCE * (orders - 1) == 3_560_000 >= LIFE


def test_orders_in_a_row_write_one_record(lone: MemoryNode, owner: Owner) -> None:
    lone.factory()
    lone.work()
    owner.install(lone)
    before = len(kept(lone.flash()))
    for _ in range(ORDER_AHEAD + 1):
        owner.give(lone, Command.COILS, NOTHING)
    assert len(kept(lone.flash())) == before + 1
    owner.give(lone, Command.COILS, NOTHING)
    assert len(kept(lone.flash())) == before + 2
