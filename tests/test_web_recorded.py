"""A live recording for a page: step by step, and the same text that host.record writes."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from host.data.recording import read_recording
from host.errors import NeuronError
from host.node import client
from host.node.client import NoAnswer
from host.web.learning import Training
from host.web.recorded import record
from host.web.shown import RecordStep
from tests.desk import Desk
from tests.ring_node import RingNode, value

ASKED: dict[str, Any] = {"seconds": 3, "channels": ["d0", "a1"], "rate": 500, "label": "normal"}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(client, "SETTLE_SECONDS", 0.0)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "unused.csv")


def steps(desk: Desk, request: Any) -> list[RecordStep]:
    """All of them, as somebody takes them who waits as they say."""
    found = []
    for step in record(desk.node, request, lambda: desk.clock):
        found.append(step)
        desk.link.wait(step["pause"])
    json.dumps(found, allow_nan=False)
    assert os.listdir(tempfile.gettempdir()) == []
    return found


def lines(found: list[RecordStep]) -> list[str]:
    return [line for step in found for line in step["lines"]]


def test_the_text_is_a_recording_of_what_the_node_measures(desk: Desk, tmp_path: Path) -> None:
    found = steps(desk, ASKED)
    assert len(found) > 5
    assert [step["text"] for step in found[:-1]] == [""] * (len(found) - 1)
    assert (found[-1]["done"], found[-1]["total"], found[-1]["label"]) == (1500, 1500, "normal")
    assert [step["done"] for step in found] == sorted(step["done"] for step in found)
    assert lines(found) == []
    path = tmp_path / "again.csv"
    path.write_text(found[-1]["text"])
    recording = read_recording(path)
    assert (recording.rate, recording.channels, len(recording.samples)) == (500, ("a1", "d0"), 1500)
    assert recording.raw.tolist() == [
        [value(number, name) for name in ("a1", "d0")] for number in recording.samples.tolist()
    ]
    assert set(recording.labels or ()) == {"normal"}
    assert desk.fake.rate == 0  # it does not sample any more


def test_a_channel_that_is_not_recorded_says_the_labels(desk: Desk, tmp_path: Path) -> None:
    asked = {"seconds": 1, "channels": ["a1"], "rate": 500, "label_channel": "d0=off,running"}
    path = tmp_path / "again.csv"
    path.write_text(steps(desk, asked)[-1]["text"])
    recording = read_recording(path)
    assert recording.channels == ("a1",)
    assert list(recording.labels or ()) == [
        ("off", "running")[value(number, "d0")] for number in recording.samples.tolist()
    ]


def test_a_training_takes_two_of_them(desk: Desk) -> None:
    texts = []
    for label in ("normal", "worn"):
        text = steps(desk, {**ASKED, "label": label})[-1]["text"]
        texts.append({"name": f"{label}.csv", "text": text})
    training = Training("1", {"model": "logistic", "recordings": texts, "window": 64, "epochs": 50})
    training.run()
    assert training.state == "trained", training.error
    assert training.as_dict()["classes"] == ["normal", "worn"]


def test_what_is_lost_is_said_once(desk: Desk) -> None:
    going = record(desk.node, {**ASKED, "rate": 1000}, lambda: desk.clock)
    desk.link.wait(next(going)["pause"])
    desk.fake.lose(range(600, 700))
    found = []
    for step in going:
        found.append(step)
        desk.link.wait(step["pause"])
    assert lines(found) == ["100 samples lost from number 600 on (0.1 s)"]
    assert found[-1]["lost"] == 100
    assert found[-1]["text"].count("\n") == 1 + 3000 - 100


def test_what_a_line_cannot_carry_is_said_first(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "unused.csv", baud=19200)
    first = next(record(desk.node, {**ASKED, "rate": 5000, "seconds": 20}, lambda: desk.clock))
    assert "19200 baud carry" in first["lines"][0]


def test_a_node_that_fails_leaves_what_had_come(desk: Desk) -> None:
    going = record(desk.node, {**ASKED, "seconds": 60}, lambda: desk.clock)
    while (step := next(going))["done"] < 2000:
        desk.link.wait(step["pause"])
    desk.link.answer = lambda pdu: None
    *_, last = going
    assert last["lines"][-1].startswith("no answer from address 1")
    assert last["lines"][-1].endswith("samples had come by then")
    assert last["text"].count("\n") >= 2000
    assert os.listdir(tempfile.gettempdir()) == []


def test_a_node_that_says_nothing_leaves_nothing(desk: Desk) -> None:
    going = record(desk.node, ASKED, lambda: desk.clock)
    desk.link.answer = lambda pdu: None
    with pytest.raises(NoAnswer):
        next(going)


def test_who_closes_it_leaves_the_node_as_it_was(desk: Desk) -> None:
    going = record(desk.node, {**ASKED, "seconds": 60}, lambda: desk.clock)
    while next(going)["done"] < 100:
        desk.link.wait(0.1)
    assert desk.fake.rate == 500
    going.close()
    assert desk.fake.rate == 0
    assert os.listdir(tempfile.gettempdir()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seconds": None}, "seconds is missing"),
        ({"channels": None}, "channels is missing"),
        ({"seconds": 0}, "seconds: 0 is not above 0"),
        ({"seconds": "3"}, 'seconds: "3" is not a finite number'),
        ({"seconds": 1e9}, "seconds: 500000000000 scans, 200000 at most here: record for a shorter time"),
        ({"seconds": 0.0001}, "is less than a scan at 500 a second"),
        ({"channels": []}, "channels: [] is not a list of channels"),
        ({"channels": ["a9"]}, 'channels: "a9" is none of a0, a1'),
        ({"channels": ["a7"]}, "the node's board has no a7"),
        ({"label": ""}, 'label: "" is no name'),
        ({"label": "a,b"}, 'label: "a,b" is no label: one word or more, without commas and quotes'),
        ({"rate": 0}, "rate: 0 is not a whole number of 1..10000"),
        ({"rate": None}, "the node runs no model that says how often to sample: say it with --rate"),
        (
            {"file": "x"},
            "'file' is no field of a recording, which has seconds, channels, label, label_channel, rate",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_recorded_is_one_line(desk: Desk, change: dict[str, Any], says: str) -> None:
    with pytest.raises(NeuronError) as caught:
        steps(desk, {**ASKED, **change})
    assert says in str(caught.value)
    assert desk.fake.rate == 0


def test_a_model_that_senses_says_how_often(tmp_path: Path) -> None:
    node = RingNode()
    node.model = (0b10, 200)
    desk = Desk(tmp_path / "unused.csv", node=node)
    assert steps(desk, {"seconds": 1, "channels": ["a1"]})[-1]["text"].startswith("sample,time,a1\n")
