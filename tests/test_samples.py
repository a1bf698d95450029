"""A node's ring of samples and of events, read by our own requests: nothing is lost by the way, and what is is seen."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest

from host.core.channels import mask_of
from host.core.modbus import READ_HOLDING, WRITE_READ
from host.core.wire import EVENT_WORDS, EVENTS, SAMPLE_WORDS, UNITS_MAX, Command, EventKind, Reason, Start
from host.errors import NeuronError
from host.node import client
from host.node.client import NoAnswer, NodeError
from host.node.events import Events
from host.node.identity import Strange
from host.node.node import Node, Refused
from host.node.samples import TURN, Changed, Ring, extended, read_sampling, sampled, start_sampling
from tests.ring_node import RingNode, value
from tests.virtual_link import Answer, VirtualLink

MIXED = ("a0", "a3", "d1")


def opened(answer: Answer) -> Node:
    return Node(VirtualLink(answer, baud=115200), 1)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SETTLE_SECONDS", 0.0)


def drained(ring: Ring, names: tuple[str, ...]) -> tuple[list[int], list[tuple[int, int]]]:
    """The numbers of all that is there, each of the right value, and the gaps."""
    numbers, gaps = [], []
    while ring.next < ring.head or not numbers:
        scans = ring.read()
        samples = scans.samples.tolist()
        expected = [[value(number % TURN, name) for name in names] for number in samples]
        assert scans.channels(ring.sampling, names).tolist() == expected
        numbers += samples
        gaps += scans.gaps
    return numbers, gaps


@pytest.mark.parametrize("number", [0, 4_000_000_000, TURN - 3000, TURN - 1, 5 * TURN - 7])
def test_every_scan_is_read_once_whatever_its_number(number: int) -> None:
    fake = RingNode(number=number)
    node = opened(fake)
    ring = Ring(node, start_sampling(node, MIXED, 1000), least=7 * TURN)
    assert ring.next % TURN == number % TURN
    assert 7 * TURN <= ring.next < 8 * TURN
    first = ring.next
    for scans in (1, 39, 40, 41, 5000):
        fake.advance(scans)
        start = ring.next
        assert drained(ring, MIXED) == (list(range(start, start + scans)), [])
    assert ring.next == first + 5121
    assert len(ring.read().samples) == 0


def test_numbers_of_the_wire_become_the_nearest() -> None:
    assert extended(5, 0) == 5
    assert extended(5, 3 * TURN + 100) == 3 * TURN + 5
    assert extended(2, TURN - 2) == TURN + 2
    assert extended(TURN - 2, TURN + 2) == TURN - 2


def test_no_more_is_read_than_is_wanted() -> None:
    fake = RingNode()
    node = opened(fake)
    ring = Ring(node, start_sampling(node, ("a0",), 1000))
    fake.advance(100)
    assert ring.read(30).samples.tolist() == list(range(30))
    assert len(ring.read(30).samples) == 0
    assert ring.read().samples.tolist() == list(range(30, 100))


def test_scans_that_the_node_has_lost_are_gaps() -> None:
    fake = RingNode()
    node = opened(fake)
    ring = Ring(node, start_sampling(node, ("a0", "d3"), 1000))
    fake.advance(60)
    fake.lose([0, 1, 17, 30, 31, 32, 59])
    scans = ring.read()
    assert scans.gaps == ((0, 2), (17, 1), (30, 3), (59, 1))
    assert not scans.overrun
    assert scans.samples.tolist() == [n for n in range(60) if n not in fake.missing]
    assert ring.next == 60


@pytest.mark.parametrize("all_kept", [True, False])
def test_what_the_ring_keeps_no_longer_is_a_gap(all_kept: bool) -> None:
    fake = RingNode()
    node = opened(fake)
    ring = Ring(node, start_sampling(node, ("a0", "a1"), 1000))
    kept = SAMPLE_WORDS // 2
    fake.advance(kept + 10)
    scans = ring.read(all_kept=all_kept)
    first = 10 if all_kept else 10 + kept // 2
    assert (scans.gaps, scans.overrun) == (((0, first),), True)
    assert scans.samples.tolist() == (list(range(10, 70)) if all_kept else [])
    assert ring.read().samples[0] == (70 if all_kept else first)


def test_a_reply_to_another_master_is_no_gap() -> None:
    fake, others = RingNode(), [150]
    node = opened(fake)
    ring = Ring(node, start_sampling(node, ("a0",), 1000))
    fake.advance(200)

    def answer(pdu: bytes) -> bytes:
        if pdu[0] == WRITE_READ and others:
            return fake(pdu[:-4] + struct.pack(">I", others.pop()))
        return fake(pdu)

    node.link.answer = answer  # type: ignore[attr-defined]
    assert drained(ring, ("a0",)) == (list(range(200)), [])
    assert others == []


def test_a_ring_that_began_anew_is_a_gap_and_no_slow_line() -> None:
    fake = RingNode()
    node = opened(fake)
    ring = Ring(node, start_sampling(node, ("a0",), 1000))
    fake.advance(200)
    fake.origin = 150
    scans = ring.read()
    assert (scans.gaps, scans.overrun, scans.samples.tolist()) == (((0, 150),), False, list(range(150, 200)))


def test_a_late_reply_with_less_is_no_gap() -> None:
    fake = RingNode()
    node = opened(fake)
    ring = Ring(node, start_sampling(node, ("a0",), 1000))
    fake.advance(30)
    late: list[bytes] = []
    fake.before = lambda pdu: late.append(pdu)
    ring.read(0)
    reply = fake(late[0])
    fake.advance(30)
    ring.look()
    node.link.answer = lambda pdu: reply  # type: ignore[attr-defined]
    scans = ring.read()
    assert (scans.gaps, scans.samples.tolist()) == ((), list(range(30)))


def test_what_was_asked_for_and_is_not_sampled_is_said() -> None:
    fake = RingNode()
    node = opened(fake)
    start_sampling(node, ("a0",), 1000)
    known = fake.known
    fake.known = lambda: known() | {"SAMPLING_CHANNELS": 0}  # type: ignore[method-assign]
    assert "does not sample what it was told" in refused(lambda: start_sampling(node, ("a0",), 1000))


def test_a_gap_ends_where_reading_shall_end() -> None:
    fake = RingNode()
    node = opened(fake)
    ring = Ring(node, start_sampling(node, ("a0",), 1000))
    fake.advance(3 * SAMPLE_WORDS)
    assert ring.read(100, all_kept=True).gaps == ((0, 100),)
    assert ring.next == 100


def test_replies_that_are_lost_or_come_twice_lose_nothing() -> None:
    generator = np.random.default_rng(5)
    fake = RingNode(pace=90)
    last: list[bytes] = []

    def answer(pdu: bytes) -> bytes | None:
        reply = fake(pdu)
        kind = generator.integers(0, 6)
        if kind == 0 or pdu[0] == 8:
            return reply if pdu[0] == 8 else None
        if kind == 1 and last and last[0][:2] == reply[:2]:
            return last[0]  # the one before comes once more, in place of this
        last[:] = [reply]
        return reply

    node = opened(fake)
    sampling = start_sampling(node, ("a0",), 1000)
    ring = Ring(node, sampling)
    node.link.answer = answer  # type: ignore[attr-defined]
    numbers = []
    for _ in range(300):
        with suppress(NoAnswer, Strange):  # of several in a row
            numbers += ring.read().samples.tolist()
    assert numbers == list(range(ring.next))
    assert len(numbers) > 10_000


def test_what_is_sampled_already_is_left_alone() -> None:
    fake = RingNode()
    node = opened(fake)
    start_sampling(node, ("a0", "d0"), 500)
    fake.advance(10)
    assert start_sampling(node, ("d0", "a0"), 500) == read_sampling(node)
    assert start_sampling(node, ("a0", "d0"), None).rate == 500
    assert fake.origin == 0
    assert start_sampling(node, ("a0",), 500).channels == 1
    assert fake.origin == 10


def test_the_channels_of_a_model_stand_in_the_scans_too() -> None:
    fake = RingNode()
    fake.model = mask_of(["a1", "d2"]), 250
    node = opened(fake)
    sampling = start_sampling(node, MIXED, None)
    assert (sampling.rate, sampling.names) == (250, ("a0", "a1", "a3", "d1", "d2"))
    ring = Ring(node, sampling)
    fake.advance(100)
    assert drained(ring, MIXED) == (list(range(100)), [])


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(NeuronError) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_a_node_cannot_do_is_one_line() -> None:
    fake = RingNode(board=0)
    assert refused(lambda: start_sampling(opened(fake), ("a0",), 1000)) == (
        "the node's board has no channels to sample"
    )
    fake = RingNode()
    assert refused(lambda: start_sampling(opened(fake), ("a0", "a6", "a7"), 1000)) == (
        "the node's board has no a6, a7: its channels are a0,a1,a2,a3,a4,a5,d0,d1,d2,d3"
    )
    assert "say it with --rate" in refused(lambda: start_sampling(opened(fake), ("a0",), None))
    fake.model = 1, 250
    with pytest.raises(Refused) as error:
        start_sampling(opened(fake), ("a0",), 500)
    assert error.value.reason is Reason.SAMPLING
    fake = RingNode()
    fake.model = 1, 250
    assert refused(lambda: start_sampling(opened(fake), ("a0",), 1000)) == (
        "the node samples 250 times a second, as its model wants it: record with --rate 250"
    )


def test_an_older_node_is_told_from_one_without_channels() -> None:
    def older(pdu: bytes) -> bytes:
        return bytes([pdu[0] | 0x80, 2])

    assert "does not sample channels" in refused(lambda: read_sampling(opened(older)))
    assert "keeps no events" in refused(lambda: Events(opened(older)))


CHANGES: dict[str, Callable[[RingNode], object]] = {
    "the node now samples nothing": RingNode.restart,
    "the node now samples a0,a1": lambda fake: fake.values.update(SAMPLE_CHANNELS=3),
    "the node counts its samples anew": lambda fake: (
        fake.restart(),
        fake.values.update(SAMPLE_CHANNELS=1),
    ),
}


@pytest.mark.parametrize("said", CHANGES)
def test_a_node_that_samples_something_else_is_noticed_at_the_next_request(said: str) -> None:
    fake = RingNode(number=1000)
    node = opened(fake)
    ring = Ring(node, start_sampling(node, ("a0",), 1000))
    fake.advance(50)
    ring.read()
    CHANGES[said](fake)
    with pytest.raises(Changed, match=said):
        ring.read()


def test_what_no_request_shows_is_noticed_by_looking() -> None:
    fake = RingNode(number=1000)
    node = opened(fake)
    ring = Ring(node, start_sampling(node, ("a0",), 1000))
    fake.advance(50)
    ring.confirm()
    fake.values["SAMPLE_RATE"] = 500
    ring.read()
    with pytest.raises(Changed, match="the node now samples a0 500 times a second"):
        ring.confirm()
    fake.values["SAMPLE_RATE"] = 1000
    ring.confirm()
    fake.restart()
    fake.values["SAMPLE_CHANNELS"] = 1
    fake.advance(900)  # not yet so many that time would be seen to have gone back
    ring.next = 800
    ring.read()
    with pytest.raises(Changed, match="the node has started again"):
        ring.confirm()


LIES = {
    "SAMPLES": {"SAMPLES": [4096] * 120},
    "SAMPLES_FIRST": {"SAMPLES_FIRST": 3_000_000},
    "SAMPLING_CHANNELS": {"SAMPLING_CHANNELS": 0x80},
    "SAMPLING_RATE": {"SAMPLING_RATE": 10_001},
    "CHANNELS": {"CHANNELS": 0x1000},
    "EVENT_KIND": {"EVENT_NUMBER": 0, "EVENTS_HEAD": 1, "EVENT_KIND": len(EventKind)},
    "EVENT_NUMBER": {"EVENT_NUMBER": 2, "EVENTS_HEAD": 1, "EVENT_KIND": 1},
    "EVENT_COUNT": {"EVENT_NUMBER": 0, "EVENTS_HEAD": 1, "EVENT_KIND": 2, "EVENT_COUNT": 65},
    "EVENT_COUNT of what is gone": {
        "EVENT_NUMBER": 0,
        "EVENTS_HEAD": 1,
        "EVENT_KIND": 2,
        "EVENT_COUNT": 0x8041,
    },
    "EVENT_COUNT of nothing": {"EVENT_NUMBER": 0, "EVENTS_HEAD": 1, "EVENT_KIND": 2, "EVENT_COUNT": 0x8000},
    "EVENT_DETAIL": {"EVENT_NUMBER": 0, "EVENTS_HEAD": 1, "EVENT_KIND": 6, "EVENT_DETAIL": 99},
}


@pytest.mark.parametrize("name", LIES)
def test_what_no_node_can_say_is_not_believed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = RingNode()
    node = opened(fake)
    ring, events = Ring(node, start_sampling(node, ("a0", "d0"), 1000)), Events(node)
    fake.advance(100)
    known = fake.known()
    monkeypatch.setattr(fake, "known", lambda: known | LIES[name])
    read = (
        events.read if name.startswith("EVENT") else ring.read if name.startswith("SAMPLES") else ring.confirm
    )
    assert refused(read).startswith(f"the node says {name.partition(' ')[0]} is ")


# -------------------------------------------------------------------------------------------------------- events


def test_every_event_is_read_once_with_what_it_says() -> None:
    fake = RingNode()
    fake.happen(EventKind.START, Start.POWER)
    node = opened(fake)
    start_sampling(node, ("a0",), 1000)
    events = Events(node)
    assert events.read() == []
    fake.advance(5)
    fake.happen(EventKind.DECISION, 1, 77, (5, -6))
    fake.advance(3)
    fake.happen(EventKind.DECISION, 0, 78, (1, 2))
    first, second = events.read()
    assert (first.number, first.sample, first.kind, first.value, first.inputs) == (1, 5, 2, 77, (5, -6))
    assert (second.number, second.sample, second.detail, second.inputs) == (2, 8, 0, (1, 2))
    assert events.read() == []
    assert events.lost == 0


WORDS = {
    (EventKind.START, 3, 0): "the node started: WATCHDOG",
    (EventKind.DECISION, 1, 9): "the decision is on",
    (EventKind.DECISION, 0, 9): "the decision is off",
    (EventKind.CLIPPED, 1, 0): "an input is clipped",
    (EventKind.CLIPPED, 0, 0): "no input is clipped any more",
    (EventKind.BUS_LOST, 1, 0): "the bus is lost",
    (EventKind.BUS_LOST, 0, 0): "the bus is back",
    (EventKind.MODEL, 0, 0x12AB): "model 0x000012ab runs",
    (EventKind.MODEL, 0, 0): "no model runs",
    (EventKind.FAULT, 24, 0): "the crystal does not oscillate: the node runs from its internal oscillator",
    (EventKind.GAP, 0, 1): "1 sample lost",
    (EventKind.LATE, 0, 2): "2 windows not decided",
    (EventKind.OVERRIDE, 1, 0): "the bus may write what channels give",
    (EventKind.OVERRIDE, 0, 0): "inputs come from channels again",
    (EventKind.TRIAL, 1, 0x12AB): "model 0x000012ab is on trial",
    (EventKind.TRIAL, 2, 0x12AB): "model 0x000012ab was on trial and is kept",
    (EventKind.TRIAL, 0, 0x12AB): "the trial of model 0x000012ab is over, the model of before is back",
    (EventKind.ORDER, Command.RESTART, 77): "an order was carried out: RESTART, counter 77",
}


def test_every_kind_of_event_has_its_words() -> None:
    fake = RingNode()
    events = Events(opened(fake))
    for kind, detail, number in WORDS:
        fake.happen(kind, detail, number)
    assert [event.in_words() for event in events.read()] == list(WORDS.values())
    assert {kind for kind, _, _ in WORDS} == set(EventKind) - {EventKind.NONE}


def test_events_that_are_kept_no_longer_are_counted() -> None:
    fake = RingNode()
    events = Events(opened(fake))
    for number in range(EVENTS + 7):
        fake.happen(EventKind.GAP, 0, number)
    assert [event.value for event in events.read()] == list(range(7, EVENTS + 7))
    assert events.lost == 7


def test_inputs_that_are_kept_no_longer_are_said() -> None:
    fake = RingNode()
    events = Events(opened(fake))
    wide = [(number, *range(UNITS_MAX - 1)) for number in range(EVENTS)]
    for inputs in wide:
        fake.happen(EventKind.DECISION, 1, inputs=inputs)
    found = events.read()
    gone = EVENTS - EVENT_WORDS // UNITS_MAX
    assert [event.inputs for event in found] == [*[None] * gone, *wide[gone:]]
    assert found[0].as_dict()["inputs"] is None
    assert found[0].in_words() == "the decision is on; its inputs are kept no longer"
    assert found[gone].in_words() == "the decision is on"
    assert events.lost == 0


def test_the_events_of_a_node_that_starts_again_are_read_from_the_first() -> None:
    fake = RingNode()
    for number in range(10):
        fake.happen(EventKind.GAP, 0, number)
    events = Events(opened(fake))
    fake.restart()
    assert [event.kind for event in events.read()] == [EventKind.START]
    assert events.lost == 0


def test_a_start_shows_though_the_events_come_out_the_same() -> None:
    """START, MODEL, as ever, at the same times."""
    fake, model = RingNode(), 0x12AB
    fake.happen(EventKind.START)
    fake.happen(EventKind.MODEL, 1, model)
    events = Events(opened(fake))
    assert events.read() == []
    for _ in range(2):
        before = fake.events
        fake.restart()
        fake.happen(EventKind.MODEL, 1, model)
        assert fake.events == before
        assert [(event.number, event.kind) for event in events.read()] == [
            (0, EventKind.START),
            (1, EventKind.MODEL),
        ]
        assert events.read() == []
    assert events.lost == 0


def test_another_reader_of_the_events_takes_none_away() -> None:
    fake = RingNode()
    fake.happen(EventKind.START)
    both = [Events(opened(fake)) for _ in range(2)]
    for turn in range(1, 4):
        fake.happen(EventKind.GAP, 0, turn)
        for events in both:
            assert [event.value for event in events.read()] == [turn]
            assert events.read() == []


def test_a_look_at_no_new_event_is_one_request_that_only_reads() -> None:
    fake, asked = RingNode(), list[int]()
    fake.happen(EventKind.START)
    fake.before = lambda pdu: asked.append(pdu[0])
    events = Events(opened(fake))
    asked.clear()
    assert events.read() == []
    assert asked == [READ_HOLDING]


def test_a_node_samples_for_as_long_as_it_is_asked_to() -> None:
    fake = RingNode()
    node, before = opened(fake), dict(fake.values)
    during = []
    with suppress(KeyboardInterrupt), sampled(node, MIXED, 500):
        during = [fake.rate, fake.channels]
        raise KeyboardInterrupt
    assert during == [500, mask_of(MIXED)]
    assert fake.values == before
    with sampled(node, ("a0",), 500), sampled(node, ("a0",), 500):
        pass
    assert fake.values == before


def test_what_another_master_has_asked_for_stays() -> None:
    fake = RingNode()
    node = opened(fake)
    start_sampling(node, ("a1",), 100)
    with sampled(node, ("a0",), 500):
        pass
    assert fake.channels == 1  # it was sampled before, if other channels
    fake = RingNode()
    node = opened(fake)
    with sampled(node, ("a0",), 500):
        start_sampling(node, ("a0", "a1"), 500)
    assert (fake.rate, fake.channels) == (500, 3)


def test_the_rate_of_a_model_is_left_alone() -> None:
    fake = RingNode()
    fake.model = (1, 200)
    with sampled(opened(fake), ("a1",), None):
        assert (fake.rate, fake.channels) == (200, 3)
    assert (fake.rate, fake.channels) == (200, 1)


def test_a_node_that_failed_is_not_asked_once_more() -> None:
    fake = RingNode()
    asked = 0

    def count(pdu: bytes) -> None:
        nonlocal asked
        asked += 1

    with suppress(NodeError), sampled(opened(fake), ("a0",), 500):
        fake.before = count
        raise NodeError("no answer")
    assert asked == 0
