"""What host.record is told of labels, and what it tells while it runs."""

from __future__ import annotations

import io
import re
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from rich.console import Console

from host.cli.recording import by_channel
from host.data.labels import ByChannel, ByMarks
from host.data.recording import beside
from host.node import client
from host.record import _so_far
from host.show.terminal import standing
from tests.desk import Desk


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.csv"


@pytest.mark.parametrize(
    ("text", "channels", "words"),
    [("D0=off,on", ("d0",), ("off", "on")), ("d1,d0=a,b,a,c d", ("d1", "d0"), ("a", "b", "a", "c d"))],
)
def test_channels_and_their_labels_as_they_are_typed(
    text: str, channels: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert by_channel(text) == ByChannel(channels, words)


@pytest.mark.parametrize(
    "text", ["d0", "d0=on", "a0=off,on", "d0,d1=off,on", "d0,d0=a,b,c,d", "d0,d1,=a,b,c,d"]
)
def test_channels_without_a_label_for_each_number_are_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not like d0=off,on or d0,d1="):
        by_channel(text)


def test_a_channel_s_label_must_be_one() -> None:
    with pytest.raises(ArgumentTypeError, match="' ' is no label"):
        by_channel("d0=off, ")


def test_what_is_recorded_is_told_in_seconds_samples_and_the_label(path: Path) -> None:
    desk, labels = Desk(path), ByMarks()
    recorder = desk.begin(labels=labels)
    desk.run(recorder, 3.2)
    assert re.fullmatch(r"record 3 s, 3[01]\d\d samples, no label", _so_far(recorder))
    desk.fake.lose(range(4000, 4100))
    recorder.mark("worn")
    desk.run(recorder, 2)
    told = re.fullmatch(r"record 5 s, (5[01]\d\d) samples, 100 lost, label worn", _so_far(recorder))
    assert told
    assert int(told[1]) + 100 == recorder.passed
    recorder.finish(ask=True)
    path.unlink()
    beside(path).unlink()
    assert _so_far(desk.begin(seconds=60)) == "record 0 s of 60, 0 samples"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_line_stands_on_a_terminal_only(terminal: bool) -> None:
    out = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with standing(out) as show:
        show("record 1 s, 1000 samples")
        show("record 2 s, 2000 samples")
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert ("record 2 s, 2000 samples" in text) == terminal
    assert text.endswith("\x1b[2K") or not terminal  # and is gone at the end
    assert terminal or text == ""
