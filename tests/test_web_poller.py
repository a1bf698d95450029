"""The gateway's polling, in the line's own time: what a round costs, and that nobody holds up the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile

import pytest

from host.core.image import encode
from host.core.wire import BY_NAME, Gap
from host.errors import NeuronError
from host.node.events import Event
from host.node.identity import bit_of
from host.node.node import Node
from host.node.staging import deploy
from host.web.poller import BACKOFF_FIRST, BACKOFF_MOST, LOOKS, MISSES, Polled, Poller
from tests.e2e.scenario import AND
from tests.fleet_line import FleetLine
from tests.memory_fleet import InMemory, memory_fleet

WAIT = 0.1
IMAGE = BY_NAME["IMAGE"].address.to_bytes(2, "big")


@dataclass
class Told:
    """What a poller says, and when on the line's clock."""

    line: FleetLine
    lamps: dict[str, tuple[float, bool]] = field(default_factory=dict)
    events: list[tuple[str, Event]] = field(default_factory=list)
    owns: list[tuple[str, str | None]] = field(default_factory=list)

    def node(self, polled: Polled) -> None:
        lit = bit_of(polled.bits, "LED")
        if self.lamps.get(polled.uid, (0.0, None))[1] != lit:
            self.lamps[polled.uid] = self.line.seconds, lit

    def event(self, polled: Polled, event: Event) -> None:
        self.events.append((polled.uid, event))

    def own(self, kind: str, text: str, uid: str | None) -> None:
        self.owns.append((kind, uid))


@dataclass
class Rig:
    nodes: list[InMemory]
    line: FleetLine
    told: Told
    poller: Poller

    def polled(self, number: int) -> Polled:
        return self.poller.nodes[self.nodes[number].uid]

    def rounds(self, count: int) -> None:
        for _ in range(count):
            self.poller.round()

    def until_all_are_well(self) -> None:
        while any(polled.state != "ok" or polled.look is None for polled in self.poller.nodes.values()):
            self.poller.round()
            assert self.poller.rounds < 1000


@contextmanager
def rig(count: int, *, same: bool = False, baud: int = 115200) -> Iterator[Rig]:
    with memory_fleet(count, same=same, flags=("-O1",)) as nodes:
        line = FleetLine(nodes, baud=baud)
        told = Told(line)
        poller = Poller(told, clock=lambda: line.seconds)
        poller.open(line, WAIT)
        yield Rig(nodes, line, told, poller)


def known(rig: Rig) -> None:
    """As a fleet's file has it."""
    rig.poller.adopt((node.uid, f"n{number}", 11 + number) for number, node in enumerate(rig.nodes))
    rig.until_all_are_well()


def feed(rig: Rig, number: int, *values: float) -> None:
    """Another way to its inputs than the line: in no time."""
    line = FleetLine([rig.nodes[number]])
    Node(line, 11 + number).evaluate_float([values], 1)


def test_a_search_finds_who_is_there_and_polls_them() -> None:
    with rig(5) as here:
        assert here.poller.search(WAIT) == 5
        here.until_all_are_well()
        assert [polled.address for polled in here.poller.nodes.values()] == [11, 12, 13, 14, 15]
        assert here.poller.trouble == ""


def test_nodes_that_share_an_address_are_said_and_left_alone() -> None:
    with rig(2, same=True) as here:
        assert here.poller.search(WAIT) == 2
        assert "2 nodes share address 11" in here.poller.trouble
        assert here.poller.nodes == {}


def test_a_round_is_a_request_a_node_and_a_look_at_some() -> None:
    with rig(12) as here:
        known(here)
        here.rounds(12)  # what is asked for once a second has been asked for
        before = len(here.line.frames)
        here.poller.round()
        spent = len(here.line.frames) - before
        assert 12 + 3 * LOOKS <= spent <= 12 + 7 * LOOKS


def test_every_node_is_looked_at_in_turn() -> None:
    with rig(12) as here:
        known(here)
        begun = here.line.seconds
        here.rounds(12 // LOOKS)
        assert all(polled.looked >= begun for polled in here.poller.nodes.values())


def test_a_hundred_nodes_show_every_lamp_within_a_round() -> None:
    """The bar is one polling round and 50 ms: a glance is told at once, whatever is to be looked at later."""
    with rig(100) as here:
        image = encode(AND)
        for number in range(100):
            deploy(Node(FleetLine([here.nodes[number]]), 11 + number), image)
        known(here)
        changed: dict[str, float] = {}
        longest = 0.0

        def set_on(number: int, frame: bytes) -> None:
            """In the middle of a round, before one of its frames, another lamp changes."""
            if number in moments:
                which = moments[number]
                changed[here.nodes[which].uid] = here.line.seconds
                feed(here, which, 1, 1)

        begin = len(here.line.frames)
        moments = {begin + 1 + 3 * which: which for which in range(100)}
        here.line.at = set_on
        while len(changed) < 100 or any(not here.told.lamps[uid][1] for uid in changed):
            here.poller.round()
            longest = max(longest, here.poller.cycle_seconds)
        late = [here.told.lamps[uid][0] - when for uid, when in changed.items()]
        assert max(late) <= longest + 0.05
        assert longest < 1.0  # what a hundred of them take at 115,200 baud
        here.rounds(100 // LOOKS + 1)
        decided = [uid for uid, event in here.told.events if event.kind.name == "DECISION" and event.detail]
        assert set(decided) == set(changed)


def test_a_dead_node_is_asked_ever_more_seldom_and_comes_back() -> None:
    with rig(3) as here:
        known(here)
        here.nodes[1].off = True
        here.rounds(MISSES)
        assert here.polled(1).state == "lost"
        assert ("LOST", here.nodes[1].uid) in here.told.owns
        gaps, last = [], here.line.seconds
        while here.polled(1).backoff < BACKOFF_MOST or len(gaps) < 8:
            before = here.polled(1).misses
            here.poller.round()
            here.line.wait(0.05)
            if here.polled(1).misses > before:
                gaps.append(here.line.seconds - last)
                last = here.line.seconds
        growing = list(takewhile(lambda gap: gap < BACKOFF_MOST, gaps))
        assert growing == sorted(growing)
        assert gaps[0] < 4 * BACKOFF_FIRST
        assert BACKOFF_MOST <= max(gaps) < BACKOFF_MOST + 2
        here.nodes[1].off = False
        here.line.wait(BACKOFF_MOST)
        here.rounds(2)
        assert here.polled(1).state == "ok"
        assert here.told.owns[-1] == ("BACK", here.nodes[1].uid)


@pytest.mark.parametrize("dead", [1, 8])
def test_the_dead_take_a_small_share_of_the_lines_time(dead: int) -> None:
    def seconds_of(off: int) -> float:
        with rig(16) as here:
            known(here)
            for node in here.nodes[:off]:
                node.off = True
            here.rounds(40)  # they are known to be dead, and are asked in vain once
            alive = here.nodes[dead:]
            begun, rounds = here.line.seconds, here.poller.rounds
            while here.line.seconds - begun < 20:
                here.poller.round()
            assert all(here.poller.nodes[node.uid].state == "ok" for node in alive)
            return (here.line.seconds - begun) / (here.poller.rounds - rounds)

    assert seconds_of(dead) < 1.15 * seconds_of(0)


def test_one_lost_answer_is_no_lost_node() -> None:
    with rig(2) as here:
        known(here)
        here.nodes[0].off = True
        here.rounds(MISSES - 1)
        here.nodes[0].off = False
        here.rounds(2)
        assert here.polled(0).state == "ok"
        assert here.told.owns == []
        assert here.line.counts.unanswered >= MISSES - 1


def test_a_node_that_is_another_is_in_trouble_and_not_believed() -> None:
    with rig(1) as here:
        here.poller.adopt([("ab" * 12, "pump", 11)])
        here.poller.round()
        polled = here.poller.nodes["ab" * 12]
        assert polled.state == "trouble"
        assert f"is {here.nodes[0].uid}, not {'ab' * 12}" in polled.trouble


def test_a_line_that_is_gone_is_not_the_nodes_trouble() -> None:
    with rig(2) as here:
        known(here)
        here.line.gone = True
        with pytest.raises(NeuronError, match="has gone"):
            here.poller.round()
        assert {polled.state for polled in here.poller.nodes.values()} == {"ok"}


def test_events_while_a_node_was_away_come_when_it_is_back() -> None:
    with rig(2) as here:
        deploy(Node(FleetLine([here.nodes[0]]), 11), encode(AND))
        known(here)
        here.told.events.clear()
        here.nodes[0].off = True
        here.rounds(MISSES)
        here.nodes[0].off = False
        feed(here, 0, 1, 1)
        feed(here, 0, 0, 1)
        here.line.wait(1)
        here.rounds(3)
        assert [event.in_words() for _, event in here.told.events] == [
            "the decision is on",
            "the decision is off",
        ]


def test_events_while_the_line_was_away_come_over_the_next() -> None:
    with rig(2) as here:
        deploy(Node(FleetLine([here.nodes[0]]), 11), encode(AND))
        known(here)
        here.told.events.clear()
        feed(here, 0, 1, 1)
        for polled in here.poller.nodes.values():
            polled.state = "waiting"
        here.poller.open(FleetLine(here.nodes), WAIT)
        here.until_all_are_well()
        here.rounds(1)
        assert [event.in_words() for _, event in here.told.events] == ["the decision is on"]


def test_an_image_that_is_known_is_not_read_again() -> None:
    with rig(8) as here:
        image = encode(AND)
        for number in range(8):
            deploy(Node(FleetLine([here.nodes[number]]), 11 + number), image)
        known(here)
        reads = [frame for frame in here.line.frames if frame[1:4] == b"\x04" + IMAGE]
        assert len(reads) == 1


def test_who_wants_something_of_a_node_gets_it_now_or_is_told_why() -> None:
    with rig(2) as here:
        known(here)
        here.nodes[1].off = True
        here.rounds(MISSES)
        with (
            pytest.raises(NeuronError, match="no answer from address 12"),
            here.poller.patient(here.nodes[1].uid),
        ):
            pass
        here.nodes[1].off = False
        with here.poller.patient(here.nodes[1].uid) as polled:
            assert polled.node is not None
            assert polled.node.identity().uid == here.nodes[1].uid
        with pytest.raises(NeuronError, match="no node"), here.poller.patient("00" * 12):
            pass
        assert here.line.gap is Gap.STANDARD
