"""A live recording, step by step, for a page that learns from it: what host.record does, and its file as a text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from host.core.channels import NAMES, ordered
from host.core.wire import RATE_MAX, RATE_MIN
from host.data.labels import ByChannel, Fixed, by_channel
from host.data.recorded import Recorded, begin
from host.data.recorder import Recorder
from host.data.recording import is_label
from host.errors import NeuronError, counted
from host.node.node import Node
from host.node.samples import sampled
from host.web.asked import own_folder
from host.web.fields import Check, fields_of, list_of, one_of, positive, whole, word, wrong
from host.web.shown import SCANS_MAX, RecordStep


def _label(field: str, value: Any) -> str:
    found = word(field, value)
    if not is_label(found):
        raise wrong(field, value, "no label: one word or more, without commas and quotes")
    return found


def _by_channel(field: str, value: Any) -> ByChannel:
    return by_channel(word(field, value))


FIELDS: dict[str, Check] = {
    "seconds": positive,
    "channels": list_of(one_of(*NAMES), 1, len(NAMES), "channels"),
    "label": _label,
    "label_channel": _by_channel,
    "rate": whole(RATE_MIN, RATE_MAX),
}
"""Every field of a RecordRequest."""


def checked(request: object) -> dict[str, Any]:
    """The fields of a RecordRequest; NeuronError for what is none."""
    found = fields_of(request, FIELDS, "a recording", '{"seconds": 10, "channels": ["a0"]}')
    if missing := [field for field in ("seconds", "channels") if field not in found]:
        raise NeuronError(f"{missing[0]} is missing: a recording is of some channels, for some seconds")
    if "label" in found and "label_channel" in found:
        raise NeuronError("label and label_channel: give one of them")
    return found


def record(node: Node, request: object, now: Callable[[], float] = time.monotonic) -> Iterator[RecordStep]:
    """Record as a RecordRequest asks for it, a look at the node a step. The last step has the text, as host.record
    writes it; where the node fails on the way it is what had come by then, and says so. Whoever closes this gets
    nothing. A node that was not asked to sample before is not afterwards. now: the clock, s."""
    found = checked(request)
    lines, recorder = list[str](), None
    labels = Fixed(found["label"]) if "label" in found else found.get("label_channel")
    with own_folder() as folder:
        path = folder / "recording.csv"
        begun = begin(
            str(path), ordered(found["channels"]), found.get("rate"), {}, labelled=labels is not None
        )
        names = begun.channels + (labels.channels if labels else ())
        try:
            with sampled(node, names, begun.rate) as sampling:
                recorder = Recorder(
                    node,
                    Recorded(begun, sampling.rate),
                    sampling,
                    labels=labels,
                    seconds=found["seconds"],
                    say=lines.append,
                    now=now,
                )
                _require_few(recorder)
                lines += recorder.doubts()
                yield from _drained(recorder, lines)
        except NeuronError as error:
            if recorder is None or not recorder.file.added:
                raise
            lines.append(f"{error}; {counted(recorder.file.added, 'sample')} had come by then")
        yield _step(recorder, 0.0, lines, path.read_text(encoding="utf-8"))


def _require_few(recorder: Recorder) -> None:
    if (recorder.wanted or 0) > SCANS_MAX:
        raise NeuronError(
            f"seconds: {recorder.wanted} scans, {SCANS_MAX} at most here: record for a shorter time, at a lower rate, "
            "or with python -m host.record"
        )


def _drained(recorder: Recorder, lines: list[str]) -> Iterator[RecordStep]:
    """Until it is done. However it ends, what was got is in the file."""
    done = False
    try:
        while not recorder.done:
            pause = recorder.step()
            yield _step(recorder, pause, lines)
        done = True
        recorder.finish(ask=True)
    finally:
        if not done:
            with suppress(NeuronError):  # the first is the cause
                recorder.finish(ask=False)


def _step(recorder: Recorder, pause: float, lines: list[str], text: str = "") -> RecordStep:
    """With what there is to be said since the last one."""
    said = lines[:]
    lines.clear()
    wanted = recorder.wanted or 0
    return {
        "done": min(recorder.passed, wanted),
        "total": wanted,
        "label": recorder.label,
        "lost": recorder.file.lost,
        "pause": pause,
        "lines": said,
        "text": text,
    }
