"""The search by UIDs over lines that are made up: how many requests it takes, what noise does to it, what it says of
copies; and how long an empty line takes. The firmware's half is in tests/test_search_node.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import pytest

from host.core.wire import UID_BYTES, WIRE_VERSION, Gap
from host.errors import NeuronError
from host.node.client import NodeError
from host.node.scanning import BAUDS, FORMATS, USUAL, Speed, scan
from host.node.search import (
    EVERYBODY,
    NODES_MAX,
    REQUESTS,
    REQUESTS_A_NODE,
    UID_BITS,
    Ask,
    Found,
    Heard,
    Prefix,
    asking,
    search,
    search_pdu,
)
from tests.virtual_link import VirtualLink

AT_MOST = 12
"""Requests for a node, where UIDs are random."""
FURTHER = 3
"""Requests to a node that was found: it is selected, and asked two questions."""


def random_uids(rng: random.Random, count: int) -> list[bytes]:
    return [rng.randbytes(UID_BYTES) for _ in range(count)]


def line(nodes: Iterable[Found]) -> Ask:
    """Each node answers at once; answers that differ damage each other."""
    every = list(nodes)

    def ask(prefix: Prefix) -> Found | Heard:
        answers = {node for node in every if prefix.matches(node.uid)}
        if len(answers) > 1:
            return Heard.DAMAGE
        return answers.pop() if answers else Heard.SILENCE

    return ask


def nodes_of(uids: Iterable[bytes], address: int = 1) -> list[Found]:
    return [Found(uid, address, 2) for uid in uids]


def forks(uids: Sequence[bytes]) -> int:
    """Beginnings that more than one UID has: where the search hears damage."""
    numbers = {int.from_bytes(uid, "little") for uid in uids}
    count = 0
    for bits in range(UID_BITS):
        begun = [number & (1 << bits) - 1 for number in numbers]
        count += len({one for one in begun if begun.count(one) > 1})
    return count


# ------------------------------------------------------------------------------------------------------- arithmetic


def test_halves_are_what_begins_so() -> None:
    rng = random.Random(1)
    for uid in random_uids(rng, 200):
        bits = rng.randrange(UID_BITS)
        prefix = Prefix(bits, int.from_bytes(uid, "little") & (1 << bits) - 1)
        assert prefix.matches(uid)
        assert [half.matches(uid) for half in prefix.halves()].count(True) == 1
        bit = uid[bits // 8] >> bits % 8 & 1
        assert prefix.halves()[bit].matches(uid)
        assert Prefix.of(uid).uid == uid
        wrong = (int.from_bytes(uid, "little") ^ 1 << rng.randrange(bits + 1)).to_bytes(UID_BYTES, "little")
        assert not prefix.halves()[bit].matches(wrong)


@pytest.mark.parametrize("count", range(65))
def test_everybody_is_found_in_few_requests(count: int) -> None:
    """3 questions a fork and 2 more is all that it takes: a fork is asked once, each of its ends twice."""
    a_node = []
    for seed in range(25):
        uids = random_uids(random.Random(1000 * count + seed), count)
        roll = search(line(nodes_of(uids)))
        assert {found.uid for found in roll.found} == set(uids)
        assert roll.clashes == ()
        assert roll.requests == 3 * forks(uids) + 2
        a_node.append((roll.requests + FURTHER * count) / max(1, count))
    if count:
        assert sum(a_node) / len(a_node) <= 8
    if count >= 5:  # two of a few may have more bits in common than others make up for
        assert max(a_node) <= AT_MOST


@pytest.mark.parametrize("common", [1, 32, 88, 95])
@pytest.mark.parametrize("count", [2, 3, 20])
def test_long_common_beginnings(common: int, count: int) -> None:
    rng = random.Random(common)
    count = min(count, 1 << UID_BITS - common)
    begun, rest = rng.getrandbits(common), rng.sample(range(min(1 << UID_BITS - common, 1 << 60)), count)
    uids = [(begun | one << common).to_bytes(UID_BYTES, "little") for one in rest]
    roll = search(line(nodes_of(uids)))
    assert {found.uid for found in roll.found} == set(uids)
    assert roll.requests == 3 * forks(uids) + 2


def test_neighbours_of_one_lot() -> None:
    """As the maker counts: places on a wafer in the first bytes, the rest the same."""
    uids = [bytes([x, 0, y, 0]) + b"\x0511Q4567" for x in range(8) for y in range(8)]
    roll = search(line(nodes_of(uids)))
    assert len(roll.found) == 64
    assert roll.requests <= AT_MOST * 64


# ---------------------------------------------------------------------------------------------------------- copies


def test_copies_at_different_addresses_are_told() -> None:
    uids = random_uids(random.Random(3), 6)
    roll = search(line([*nodes_of(uids), Found(uids[2], 9, 2)]))
    assert roll.clashes == (uids[2],)
    assert {found.uid for found in roll.found} == {*uids} - {uids[2]}


def test_copies_that_say_the_same_are_one_until_they_are_asked_more() -> None:
    uids = random_uids(random.Random(3), 3)
    roll = search(line([*nodes_of(uids), *nodes_of(uids[:1])]))
    assert {found.uid for found in roll.found} == {*uids}


# ----------------------------------------------------------------------------------------------------------- noise


def noisy(ask: Ask, rng: random.Random, lost: float, damaged: float) -> Ask:
    """What the line does to answers that come."""

    def hear(prefix: Prefix) -> Found | Heard:
        heard = ask(prefix)
        if heard is not Heard.SILENCE and rng.random() < lost:
            return Heard.SILENCE
        return Heard.DAMAGE if rng.random() < damaged else heard

    return hear


@pytest.mark.parametrize("number", range(60))
@pytest.mark.parametrize("what", [Heard.SILENCE, Heard.DAMAGE])
def test_one_wrong_moment_hides_nobody(number: int, what: Heard) -> None:
    for seed in range(12):
        uids = random_uids(random.Random(seed), seed)
        left, perfect = number, line(nodes_of(uids))

        def ask(prefix: Prefix, perfect: Ask = perfect) -> Found | Heard:
            nonlocal left
            left -= 1
            return what if left == -1 else perfect(prefix)

        roll = search(ask)
        assert {found.uid for found in roll.found} == set(uids), (seed, number)
        assert roll.clashes == ()


def test_one_of_two_that_misses_a_request_is_found() -> None:
    """The other's answer is whole then, and is no proof that it is alone."""
    uids = random_uids(random.Random(8), 2)
    for number in range(8):
        left, both, alone = number, line(nodes_of(uids)), line(nodes_of(uids[:1]))

        def ask(prefix: Prefix, both: Ask = both, alone: Ask = alone) -> Found | Heard:
            nonlocal left
            left -= 1
            return (alone if left == -1 else both)(prefix)

        assert {found.uid for found in search(ask).found} == set(uids), number


def test_a_noisy_line_hides_few() -> None:
    """One answer in a hundred lost and one damaged: of 20 nodes none is hidden in 95 of 100 searches."""
    whole = 0
    for seed in range(100):
        rng = random.Random(seed)
        uids = random_uids(rng, 20)
        roll = search(noisy(line(nodes_of(uids)), rng, 0.01, 0.01))
        assert {found.uid for found in roll.found} <= set(uids)
        assert roll.requests <= AT_MOST * 20
        whole += {found.uid for found in roll.found} == set(uids)
    assert whole >= 95


def test_nobody_and_noise() -> None:
    roll = search(noisy(line([]), random.Random(1), 0, 0.3))
    assert roll.found == ()


def test_a_line_that_carries_nothing_whole_is_given_up() -> None:
    asked = 0

    def ask(prefix: Prefix) -> Heard:
        nonlocal asked
        asked += 1
        return Heard.DAMAGE

    with pytest.raises(NeuronError, match="every answer to the search is damaged") as error:
        search(ask)
    assert asked < 200
    assert "\n" not in str(error.value)


NO_END: dict[str, Ask] = {
    "noise that halves do not end": lambda prefix: Heard.DAMAGE if prefix.bits < 40 else Heard.SILENCE,
    "a node for every question": lambda prefix: (
        Heard.DAMAGE if prefix.bits < 14 else Found(prefix.uid, 1, WIRE_VERSION)
    ),
    "always another": lambda prefix: Found(random.randbytes(UID_BYTES), 1, WIRE_VERSION),
}


@pytest.mark.parametrize("liar", NO_END)
def test_who_answers_whatever_is_asked_is_given_up(liar: str) -> None:
    """The tree of all UIDs has 2**96 ends: nobody may lead us through it."""
    asked = 0

    def ask(prefix: Prefix) -> Found | Heard:
        nonlocal asked
        asked += 1
        assert asked < REQUESTS + REQUESTS_A_NODE * (NODES_MAX + 1)
        return NO_END[liar](prefix)

    with suppress(NeuronError):
        assert len(search(ask).found) <= NODES_MAX


def test_two_of_three_questions_meet_noise() -> None:
    """More than one half of each question passes for several, so that each asks for more than one other."""
    for seed in range(30):
        rng, asked = random.Random(seed), 0

        def ask(prefix: Prefix, rng: random.Random = rng) -> Heard:
            nonlocal asked
            asked += 1
            assert asked <= REQUESTS + REQUESTS_A_NODE * 4
            return Heard.DAMAGE if rng.random() < 0.67 and prefix.bits < 90 else Heard.SILENCE

        with suppress(NeuronError):
            assert search(ask).found == ()


def test_the_longest_common_beginnings_are_no_noise() -> None:
    """Pairs that differ in their last bit alone: no nodes take more requests each."""
    rng = random.Random(485)
    begun = [rng.getrandbits(UID_BITS - 1) for _ in range(12)]
    uids = [(one | last << UID_BITS - 1).to_bytes(UID_BYTES, "little") for one in begun for last in (0, 1)]
    roll = search(line(nodes_of(uids)))
    assert len(roll.found) == len(uids)
    assert roll.requests <= REQUESTS_A_NODE * len(uids)


def test_answers_that_are_late_by_one_question() -> None:
    """As where a computer is slower than the patience: each question hears what the one before it asked for."""
    uids = random_uids(random.Random(5), 12)
    perfect = line(nodes_of(uids))
    for late_from in range(0, 40):
        before: Found | Heard | None = None
        number = -1

        def ask(prefix: Prefix, late_from: int = late_from) -> Found | Heard:
            nonlocal before, number
            number += 1
            now = perfect(prefix)
            if number == late_from and isinstance(now, Found):
                before = now
                return Heard.SILENCE
            if before is not None:
                now, before = before, None
            return now

        assert {found.uid for found in search(ask).found} == set(uids), late_from


# ------------------------------------------------------------------------------------------------------------ line


def test_an_empty_line_takes_less_than_two_seconds() -> None:
    """Of the line, with the silences and the patience that stand in it, at all usual rates and formats."""
    spent: list[VirtualLink] = []

    def open_line(speed: Speed) -> VirtualLink:
        link = VirtualLink(lambda pdu: None, baud=speed.baud, line_format=speed.line_format, gap=Gap.STANDARD)
        spent.append(link)
        return link

    found = scan(open_line, USUAL, wait=0.05)
    assert found.nodes == ()
    assert {(link.baud, link.line_format) for link in spent} == {(b, f) for b in BAUDS for f in FORMATS}
    assert {link.transactions for link in spent} == {2}, "silence counts when it comes twice"
    assert sum(link.seconds for link in spent) < 2


def answering(answer: Callable[[bytes], bytes | None]) -> Ask:
    return asking(VirtualLink(answer, baud=19200))


def test_a_device_that_answers_at_nobodys_address_is_named() -> None:
    with pytest.raises(NodeError, match="something at address 250"):
        search(answering(lambda pdu: bytes([pdu[0] | 0x80, 1])))


def test_what_is_asked_is_one_function_23() -> None:
    uid = bytes(range(12))
    pdu = search_pdu(Prefix.of(uid))
    assert pdu.hex() == "17f4870008f48000070e0060" + uid.hex()
    assert search_pdu(EVERYBODY).hex() == "17f4870008f48000070e0000" + bytes(12).hex()
