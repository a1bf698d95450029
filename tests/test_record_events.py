"""What a recorder makes of a node's events: it notes them, and of scans it may keep only those around them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from host.core.modbus import READ_INPUT
from host.core.wire import BY_NAME, EventKind
from host.data.recorder import Around
from host.errors import NeuronError
from tests.desk import Desk
from tests.ring_node import TURN, RingNode

SIX = tuple(f"a{i}" for i in range(6))
TOO_SLOW = "the line was too slow; more --baud, fewer channels or a lower --rate help"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.csv"


def test_events_stand_in_the_notes(path: Path) -> None:
    desk = Desk(path, node=RingNode(number=TURN - 1000))
    recorder = desk.begin(seconds=5)
    desk.run(recorder, 3)
    number = desk.fake.number
    desk.fake.happen(EventKind.DECISION, 1, 12, (3, -4))
    desk.run(recorder)
    recorder.finish(ask=True)
    (event,) = desk.notes()["events"]
    assert (event["kind"], event["sample"], event["inputs"]) == ("DECISION", number, [3, -4])
    assert event["text"] == "the decision is on"
    assert number > TURN


def test_only_scans_around_events(path: Path) -> None:
    desk = Desk(path)
    recorder = desk.begin(SIX, 500, around=Around(300, 200), seconds=20)
    first = desk.fake.number
    desk.run(recorder, 0.1)
    events = []
    for pause in (0.1, 4.0, 0.2, 5.0):  # the first has not so many before it; the third is near the second
        desk.run(recorder, pause)
        events.append(desk.fake.number)
        desk.fake.happen(EventKind.DECISION, 1)
    desk.run(recorder)
    recorder.finish(ask=True)
    found = desk.found()
    assert first - 10 < found.samples[0] <= first
    wanted = {n for event in events for n in range(max(int(found.samples[0]), event - 300), event + 200)}
    assert found.samples.tolist() == sorted(wanted)
    assert len(found.runs()) == 3
    assert (recorder.file.gaps, desk.said) == ([], [])
    assert recorder.passed >= 10_000
    assert len(desk.notes()["events"]) == 4


def test_what_the_ring_cannot_hold_before_an_event_is_refused(path: Path) -> None:
    with pytest.raises(NeuronError, match="too small for --before 2481: at most 2480 here"):
        Desk(path).begin(SIX, 500, around=Around(2481, 0))
    desk = Desk(path)
    recorder = desk.begin(SIX, 500, around=Around(2480, 10))
    desk.run(recorder, 8)
    number = desk.fake.number
    desk.fake.happen(EventKind.DECISION)
    desk.run(recorder, 6)
    recorder.finish(ask=True)
    assert desk.found().samples.tolist() == list(range(number - 2480, number + 10))
    assert recorder.file.gaps == []


def test_events_that_were_lost_are_said(path: Path) -> None:
    desk = Desk(path)
    recorder = desk.begin(seconds=3)
    for _ in range(70):
        desk.fake.happen(EventKind.GAP)
    desk.run(recorder)
    recorder.finish(ask=True)
    assert desk.said == ["6 events lost: more came than the node keeps"]
    assert recorder.events_lost == 6
    assert [event["number"] for event in desk.notes()["events"]] == list(range(6, 70))


def test_what_the_ring_no_longer_has_around_an_event_is_said(path: Path) -> None:
    """Nobody asks for so long that of one event nothing is kept any more, and of another not all."""
    desk = Desk(path)
    recorder = desk.begin(SIX, 500, around=Around(300, 200), seconds=40)
    desk.run(recorder, 2)
    first = desk.fake.number
    desk.fake.happen(EventKind.DECISION, 1)
    desk.link.wait(10)
    second = desk.fake.number
    desk.fake.happen(EventKind.DECISION, 0)
    desk.link.wait(5)
    desk.run(recorder)
    recorder.finish(ask=True)
    samples = desk.found().samples.tolist()
    assert second - 300 < samples[0] < second
    assert samples == list(range(samples[0], second + 200))
    lost = samples[0] - (second - 300)
    assert desk.said == [
        f"500 samples lost from number {first - 300} on (1 s): {TOO_SLOW}",
        f"{lost} samples lost from number {second - 300} on ({lost / 500:.3g} s): {TOO_SLOW}",
    ]
    assert recorder.file.gaps == [(first - 300, 500), (second - 300, lost)]
    assert [event["sample"] for event in desk.notes()["events"]] == [first, second]


def test_an_event_from_before_the_first_scan_is_said(path: Path) -> None:
    """It happens while the recorder begins, and all that was to be kept of it is over then."""
    desk = Desk(path)
    asked = struct.pack(">BHH", READ_INPUT, BY_NAME["UPTIME"].address, BY_NAME["UPTIME"].size)
    desk.fake.before = lambda pdu: desk.fake.happen(EventKind.DECISION, 1) if pdu == asked else None
    recorder = desk.begin(("a0",), 10_000, around=Around(100, 9), seconds=1)
    number = desk.fake.events[0]["EVENT_SAMPLE"]
    desk.fake.before = lambda pdu: None
    desk.run(recorder)
    recorder.finish(ask=True)
    assert desk.said == [
        f"of 'the decision is on' at sample {number} nothing is kept: it was before this began"
    ]
    assert recorder.file.added == 0


def test_an_event_just_before_the_end_is_kept_as_far_as_it_goes(path: Path) -> None:
    desk = Desk(path)
    recorder = desk.begin(SIX, 500, around=Around(300, 200))
    desk.run(recorder, 2)
    number = desk.fake.number
    desk.fake.happen(EventKind.DECISION, 1)
    desk.link.wait(0.1)
    recorder.finish(ask=True)
    samples = desk.found().samples.tolist()
    assert samples == list(range(number - 300, samples[-1] + 1))
    assert number + 45 < samples[-1] < number + 100
    assert desk.said == []
