"""Recording: what stands in the files, whatever happens to the node, the line, the disk or the one who records.

How much a line carries is tests/test_record_line.py's.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.data.labels import ByChannel, ByMarks, Fixed
from host.data.recorder import CHECK_SECONDS, Around
from host.data.recording import beside, read_recording
from host.errors import NeuronError
from host.node import client
from host.node.client import NoAnswer, NodeError
from host.node.samples import TURN
from tests.desk import Desk
from tests.ring_node import UID, RingNode, value

SIX = tuple(f"a{i}" for i in range(6))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.csv"


# --------------------------------------------------------------------------------------------------- what is lost


def test_a_gap_of_the_node_is_one_line_and_stands_in_the_notes(path: Path) -> None:
    desk = Desk(path)
    recorder = desk.begin(seconds=4)
    desk.fake.lose([*range(600, 1100), 1500])
    desk.run(recorder)
    recorder.finish(ask=True)
    assert desk.said == [
        "500 samples lost from number 600 on (0.5 s)",
        "1 sample lost from number 1500 on (0.001 s)",
    ]
    assert recorder.file.gaps == [(600, 500), (1500, 1)]
    assert (recorder.file.added, len(desk.found().runs())) == (4000 - 501, 3)


def test_replies_that_are_lost_cost_time_only(path: Path) -> None:
    """A second each, until the answer is given up: the ring outlasts it."""
    desk = Desk(path, baud=1_000_000)
    recorder = desk.begin(SIX, 500, seconds=40)
    generator, lost = np.random.default_rng(11), 0

    def answer(pdu: bytes) -> bytes | None:
        nonlocal lost
        reply = desk.fake(pdu)
        is_lost = pdu[0] != 8 and generator.integers(0, 150) == 0
        lost += is_lost
        return None if is_lost else reply

    desk.link.answer = answer
    desk.run(recorder)
    recorder.finish(ask=True)
    assert lost > 5
    assert (recorder.file.added, desk.said) == (20_000, [])
    assert len(desk.found().runs()) == 1


@pytest.mark.parametrize("number", [0, 500, 100_000])
def test_a_node_that_starts_again_is_no_continuation(path: Path, number: int) -> None:
    desk = Desk(path, node=RingNode(number=number))
    recorder = desk.begin(("a0", "d1"), seconds=12)
    desk.run(recorder, 5)
    desk.fake.restart()
    desk.run(recorder)
    recorder.finish(ask=True)
    found = desk.found()
    first, second = found.runs()
    assert found.samples[second.start] >= TURN > found.samples[first.stop - 1]
    assert second.stop - second.start > 6000
    held = 5000 - (first.stop - first.start)  # what was not confirmed is not kept, and that is said
    assert 0 < held <= (CHECK_SECONDS + 0.5) * 1000
    lost = recorder.file.gaps[0]
    assert lost[0] == found.samples[first.stop - 1] + 1
    assert "samples nothing; what came since it was last seen to sample as before is not kept" in desk.said[0]
    assert desk.said[1].startswith(f"{lost[1]} samples lost from number {lost[0]} on")
    sessions = desk.notes()["sessions"]
    assert [(one["first"], one["last"]) for one in sessions] == [
        (int(found.samples[run.start]), int(found.samples[run.stop - 1])) for run in (first, second)
    ]
    assert {event["kind"] for event in desk.notes()["events"]} == {"START"}


def test_a_rate_that_was_changed_meanwhile_spoils_no_row(path: Path) -> None:
    desk = Desk(path)
    recorder = desk.begin(seconds=9)
    desk.run(recorder, 3)
    desk.fake.values["SAMPLE_RATE"] = 500
    desk.run(recorder)
    recorder.finish(ask=True)
    found = desk.found()
    first, second = found.runs()
    assert found.samples[first.stop - 1] < 3000
    assert any("the node now samples a0 500 times a second; what came" in line for line in desk.said)
    assert desk.fake.rate == 1000
    assert second.stop - second.start > 2000


# ------------------------------------------------------------------------------------------------------- the files


def test_a_recording_goes_on_where_it_was(path: Path) -> None:
    desk = Desk(path)
    scale = {"a0": (0.0805, -20.0, "mA")}
    desk.record(("a0", "d1"), seconds=1, scale=scale)
    first = path.read_bytes()
    begun = int(desk.found().samples[0])
    row = f"{begun},{begun / 1000:.6f},{value(begun, 'a0')},{value(begun, 'd1')}"
    assert first.decode().splitlines()[:2] == ["sample,time,a0,d1", row]
    desk.link.wait(2)
    recorder = desk.record(None, None, seconds=2)
    assert path.read_bytes().startswith(first)
    found = desk.found()
    assert [run.stop - run.start for run in found.runs()] == [1000, 2000]
    assert (recorder.file.added, recorder.file.scans) == (2000, 3000)
    assert found.scale == scale
    notes = desk.notes()
    assert (notes["samples"], notes["uid"], notes["firmware"]) == (3000, UID.hex(), "0.1")
    assert [(one["first"], one["last"]) for one in notes["sessions"]] == [
        (begun, begun + 999),
        (int(found.samples[1000]), int(found.samples[-1])),
    ]


@pytest.mark.parametrize("number", [0, 1099, 1100, 1101, TURN - 1])
def test_what_is_appended_never_looks_like_a_continuation(path: Path, number: int) -> None:
    """Also where the numbers of a node, started anew or another, fit by chance."""
    path.write_text("sample,time,a0\n" + "".join(f"{n},{n / 1000},{value(n, 'a0')}\n" for n in range(1100)))
    desk = Desk(path, node=RingNode(number=number))
    desk.fake.advance = lambda scans: None  # type: ignore[method-assign]
    recorder = desk.begin(None, seconds=1)
    del desk.fake.advance
    desk.run(recorder)
    recorder.finish(ask=True)
    found = desk.found()
    assert [run.stop - run.start for run in found.runs()] == [1100, 1000]
    assert found.samples[1100] % TURN == number


def test_a_bare_file_goes_on_too(path: Path) -> None:
    path.write_text("sample,time,a1,a0\n7,0.07,1050,49\n8,0.08,1057,56\n")
    desk = Desk(path)
    desk.record(("a0", "a1"), None, seconds=1)
    assert desk.found().channels == ("a1", "a0")
    assert (desk.notes()["rate"], desk.notes()["samples"]) == (100, 102)


DIFFER: dict[str, tuple[dict[str, Any], str]] = {
    "channels": ({"channels": ("a1",)}, "has the channels a0, not a1"),
    "rate": ({"rate": 500}, "is recorded 1000 times a second, not 500"),
    "labels": ({"labels": Fixed("x")}, "has no labels"),
    "scale": ({"scale": {"a0": (1.0, 0.0, "V")}}, "has another scale of a0"),
    "scale of nothing": (
        {"channels": None, "scale": {"a1": (1.0, 0.0, "V")}},
        "has no a1, which --scale is for",
    ),
}


@pytest.mark.parametrize("what", DIFFER)
def test_what_is_another_recording_is_left_alone(path: Path, what: str) -> None:
    Desk(path).record(seconds=1, scale={"a0": (2.0, 0.0, "V")})
    before = path.read_bytes(), beside(path).read_bytes()
    options, said = DIFFER[what]
    desk = Desk(path)
    with pytest.raises(NeuronError) as error:
        desk.begin(**options)
    assert str(error.value) == f"{path} {said}: record into another file"
    assert desk.link.transactions == 0
    assert (path.read_bytes(), beside(path).read_bytes()) == before


@pytest.mark.parametrize(
    "text", ["x1,x2,y\n1,2,3\n", "sample,time,a0\n0,0.0,4096\n", "sample,time,a0\n0,0.0,40"]
)
def test_what_is_no_recording_is_left_alone(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(NeuronError, match=r"run\.csv"):
        Desk(path).begin()
    assert path.read_text() == text
    path.unlink()
    beside(path).write_text('{"mine": 1}')
    with pytest.raises(NeuronError, match=r"run\.json: not what belongs to a recording"):
        Desk(path).begin()
    assert beside(path).read_text() == '{"mine": 1}'


def test_a_file_is_not_there_before_the_node_has_samples(path: Path) -> None:
    desk = Desk(path)
    recorder = desk.begin()
    assert os.listdir(path.parent) == []
    recorder.finish(ask=True)
    assert os.listdir(path.parent) == []
    path.touch()  # nor is an empty one filled
    recorder = desk.begin()
    recorder.finish(ask=True)
    assert path.read_bytes() == b""


def test_less_than_a_scan_is_refused(path: Path) -> None:
    with pytest.raises(NeuronError, match=r"--seconds 0\.01 is less than a scan at 10 a second"):
        Desk(path).begin(rate=10, seconds=0.01)


def test_a_full_disk_leaves_whole_lines(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(path)
    recorder = desk.begin()
    left, write = 100_000, os.write

    def short(file: int, data: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        size = min(left, len(data), 777)
        left -= size
        return write(file, data[:size])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(NeuronError) as error:
        desk.run(recorder)
    assert str(error.value) == f"cannot write {path}: No space left on device"
    with pytest.raises(NeuronError):
        recorder.finish(ask=False)
    assert 50_000 < path.stat().st_size < 100_000
    assert len(desk.found().samples) == recorder.file.added > 0


@pytest.mark.parametrize("when", ["before", "amid", "after"])
def test_an_interrupt_amid_a_write_doubles_nothing(
    path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(path)
    recorder = desk.begin()
    write, calls = os.write, 0

    def interrupted(file: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        size = 0 if calls != 2 or when == "before" else write(file, data[:1000] if when == "amid" else data)
        if calls == 2:
            raise KeyboardInterrupt
        return size or write(file, data)

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        desk.run(recorder)
    recorder.finish(ask=True)
    found = desk.found()
    assert len(found.runs()) == 1
    assert len(found.samples) == recorder.file.added > 3000


def test_a_file_that_another_writes_is_left_as_it_is(path: Path) -> None:
    desk = Desk(path)
    recorder = desk.begin()
    desk.run(recorder, 3)
    text = path.read_text() + "9999999,9999.999,1\n"
    path.write_text(text)
    with pytest.raises(NeuronError, match="is written by another program too"):
        desk.run(recorder)
    with pytest.raises(NeuronError):
        recorder.finish(ask=False)
    assert path.read_text() == text


def test_a_node_that_falls_silent_leaves_what_was_got(path: Path) -> None:
    desk = Desk(path)
    recorder = desk.begin()
    desk.run(recorder, 3.5)
    desk.link.answer = lambda pdu: None
    with pytest.raises(NoAnswer):
        desk.run(recorder)
    recorder.finish(ask=False)
    assert 3300 < len(desk.found().samples) == recorder.file.added
    assert desk.notes()["samples"] == recorder.file.added


def test_a_node_that_says_what_no_node_can_say_in_the_end_leaves_what_was_got(path: Path) -> None:
    desk = Desk(path)
    recorder = desk.begin()
    desk.run(recorder, 3.5)
    held = recorder.passed
    desk.link.answer = (
        lambda pdu: bytes([pdu[0], 2 * (count := int.from_bytes(pdu[3:5]))]) + b"\xff\xff" * count
    )
    recorder.finish(ask=True)
    assert desk.said[-1].endswith(": the last samples are kept as they came")
    assert len(desk.found().samples) == recorder.file.added == held


@pytest.mark.parametrize("around", [None, Around(10, 10)])
def test_a_node_that_takes_no_more_samples_is_not_waited_for(path: Path, around: Around | None) -> None:
    desk = Desk(path)
    recorder = desk.begin(rate=1, around=around)
    desk.run(recorder, 20)
    desk.fake.advance = lambda scans: None  # type: ignore[method-assign]
    with pytest.raises(NodeError, match="the node takes no more samples"):
        desk.run(recorder)
    recorder.finish(ask=False)
    assert recorder.file.added == (0 if around else 20)


def test_a_file_that_could_not_be_read_again_is_not_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host.data.recorded.DATA_MAX", 1 << 16)
    desk = Desk(path)
    recorder = desk.begin()
    with pytest.raises(NeuronError, match="is full, 0 MB: go on in another file"):
        desk.run(recorder)
    assert 0 < path.stat().st_size <= 1 << 16


# ---------------------------------------------------------------------------------------------------------- labels


def test_one_label_for_all(path: Path) -> None:
    desk = Desk(path)
    recorder = desk.record(labels=Fixed("worn bearing"), seconds=1)
    assert set(desk.found().labels or ()) == {"worn bearing"}
    assert recorder.file.labels == {"worn bearing": 1000}
    desk.record(None, seconds=1)
    assert set((desk.found().labels or ())[1000:]) == {""}


def test_labels_of_a_channel_that_is_not_written(path: Path) -> None:
    desk = Desk(path)
    desk.record(labels=ByChannel(("d2",), ("off", "on")), seconds=1)
    found = desk.found()
    assert found.channels == ("a0",)
    assert found.labels == tuple(("off", "on")[value(n, "d2")] for n in found.samples.tolist())


def test_a_key_labels_from_the_scan_that_the_node_then_takes(path: Path) -> None:
    desk = Desk(path)
    labels = ByMarks()
    recorder = desk.begin(labels=labels)
    desk.run(recorder, 1)
    begins = [(0, "")]
    for word in ("normal", "worn", "", "normal"):
        desk.link.wait(0.1)
        number = recorder.mark(word)
        assert abs(number - desk.fake.number) <= 1
        begins.append((number, word))
        desk.run(recorder, 1.5)
    recorder.finish(ask=True)
    found = desk.found()
    assert found.labels == tuple(
        next(word for number, word in reversed(begins) if number <= sample)
        for sample in found.samples.tolist()
    )


def test_labels_of_two_channels_by_their_number(path: Path) -> None:
    Desk(path).record(labels=ByChannel(("d3", "d0"), ("off", "low", "off", "high")), seconds=1)
    found = read_recording(path)
    assert found.labels == tuple(
        ("off", "low", "off", "high")[value(n, "d3") + 2 * value(n, "d0")] for n in found.samples.tolist()
    )
    assert set(found.labels) == {"off", "low", "high"}
