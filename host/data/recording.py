"""A recording of a node's channels: a CSV file, and what else is known of it in a JSON file beside it.

    FILE.csv    sample,time,a0,a1,d0,label
                81920,81.920000,2047,13,1,normal

sample: the node's number of the scan, and it rises: numbers that are missing were not recorded. Its low 32 bits are the
node's own, which wrap; where a node has begun to count anew, the rest goes up as well, so that a hole lies between.
time: sample / rate, s. Channels: raw, 0..4095 for a0..a7, 0 or 1 for d0..d3. label: only where there are labels; empty:
none. Nothing is quoted, and each line ends.

    FILE.json   {"version": 1, "rate": 1000, "channels": ["a0", "a1", "d0"],
                 "scale": {"a0": [0.00537, 0.0, "mA"]}, "samples": 90000, "gaps": [[85000, 12]],
                 "sessions": [{"first": 81920, "last": 171931, "uid": "...", "firmware": "0.1", "began": "..."}],
                 "events": [...]}

rate: scans/s; scale: of a channel its factor, offset and unit, value = raw * factor + offset; gaps: of scans that were
lost, and not left out, the first number and how many; sessions: what was recorded in one go lies in first..last. A CSV
file alone is a recording too: its rate is that of its times.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.channels import NAMES, highest
from host.core.wire import ANALOG, RATE_MAX, RATE_MIN
from host.data.blocks import Block, Source
from host.errors import NeuronError, counted
from host.progress import Progress, silent

VERSION = 1
"""Of the JSON file's form."""
SAMPLE, TIME, LABEL = "sample", "time", "label"
DIGITS = 18
"""Of a whole number, at most."""

SCALE_MAX = 1e30
"""Of a factor and an offset; a factor is at least one over that."""

Scale = tuple[float, float, str]
"""Factor, offset and unit: value = raw * factor + offset."""


@dataclass(frozen=True)
class Recording:
    """What a node has measured, a scan a row.

    name: of the file, without .csv; rate: scans/s, 1..10000; channels: of `raw`, as in a0, d0; samples: (n,) numbers of
    the scans, rising; raw: (n, channels), 0..4095, of digital channels 0 or 1; labels: a word a scan, "" for none, or
    None where the file has no such column; scale: of the channels that have one.
    """

    name: str
    rate: int
    channels: tuple[str, ...]
    samples: NDArray[np.int64]
    raw: NDArray[np.int64]
    labels: tuple[str, ...] | None
    scale: Mapping[str, Scale]

    def runs(self) -> list[slice]:
        """Rows between which no scan is missing, in their order; a window lies in one of them."""
        breaks = (np.flatnonzero(np.diff(self.samples) != 1) + 1).tolist()
        return [slice(a, b) for a, b in zip([0, *breaks], [*breaks, len(self.samples)], strict=True)]


def beside(path: str | Path) -> Path:
    """The JSON file of a recording."""
    return Path(path).with_suffix(".json")


def read_recording(path: str | Path, progress: Progress = silent) -> Recording:
    """Read FILE.csv and, where it is there, FILE.json. NeuronError names what is wrong by its line."""
    source = Source(path, progress)
    _require_ended(source.path)
    form, parts = None, []
    for block in source.blocks():
        if form is None:
            head, _, rest = block.text.partition(b"\n")
            form = _form_of(head, source.path)
            block = Block(rest, 1)
        if block.text:
            parts.append(_Part(form, block))
    if form is None or not parts:
        what = "is empty" if form is None else "has a header but no scans"
        raise NeuronError(f"{source.path} {what}: it is no recording yet")
    samples = np.concatenate([part.samples for part in parts])
    times = np.concatenate([part.times for part in parts])
    _require_rising(samples, form)
    known = read_notes(path)
    if known is None:
        rate, scale = _rate_of(samples, times, form), {}
    else:
        rate, scale = known["rate"], {name: (a, b, unit) for name, (a, b, unit) in known["scale"].items()}
        if tuple(known["channels"]) != form.channels:
            raise NeuronError(
                f"{beside(path)} says channels {','.join(known['channels'])}, {form.path} has "
                f"{','.join(form.channels)}: they belong to two recordings"
            )
    _require_times(samples, times, rate, form, from_notes=known is not None)
    return Recording(
        source.name,
        rate,
        form.channels,
        samples,
        np.concatenate([part.raw for part in parts]),
        tuple(word for part in parts for word in part.labels) if form.labelled else None,
        scale,
    )


# ------------------------------------------------------------------------------------------------------- the CSV


@dataclass(frozen=True)
class _Form:
    path: str
    channels: tuple[str, ...]
    labelled: bool

    @property
    def names(self) -> tuple[str, ...]:
        return (SAMPLE, TIME, *self.channels, *[LABEL] * self.labelled)

    def error(self, line: int, what: str) -> NeuronError:
        return NeuronError(f"{self.path}, line {line}: {what}")


def _form_of(head: bytes, path: str) -> _Form:
    names = head.decode("utf-8", "replace").split(",")
    labelled = names[-1] == LABEL
    channels = tuple(names[2 : len(names) - labelled])
    if names[:2] != [SAMPLE, TIME] or not channels or not set(channels) <= set(NAMES):
        raise NeuronError(
            f"{path}, line 1: not the header of a recording, which is sample,time, channels of a0..a7 and d0..d3, "
            "and perhaps label"
        )
    if twice := [name for name in channels if channels.count(name) > 1]:
        raise NeuronError(f"{path}, line 1: two columns are named {twice[0]}")
    return _Form(path, channels, labelled)


class _Part:
    """A block of scans, checked but for what hangs on those before it."""

    def __init__(self, form: _Form, block: Block) -> None:
        self._form, self._block = form, block
        self._data = np.frombuffer(block.text, np.uint8)
        quote = block.text.find(b'"')
        if quote >= 0:
            raise form.error(block.line_at(quote), "a quote: nothing in a recording is quoted")
        self._ends = self._cells()
        starts = np.empty_like(self._ends)
        starts[:, 1:] = self._ends[:, :-1] + 1
        starts[0, 0], starts[1:, 0] = 0, self._ends[:-1, -1] + 1
        self._starts = starts
        self.samples = self._whole(0)
        self.times = self._decimal(1)
        self.raw = np.column_stack([self._raw(2 + i, name) for i, name in enumerate(form.channels)])
        self.labels = self._words(len(form.names) - 1) if form.labelled else []

    def _cells(self) -> NDArray[np.int64]:
        """(rows, columns) where each cell ends."""
        marks = np.flatnonzero((self._data == ord(",")) | (self._data == ord("\n")))
        cells = np.diff(np.flatnonzero(self._data[marks] == ord("\n")), prepend=-1)
        columns = len(self._form.names)
        if (wrong := cells != columns).any():
            row = int(np.argmax(wrong))
            what = f"{counted(int(cells[row]), 'cell')} where the header has {columns}"
            raise self._form.error(self._block.line + row + 1, what)
        return marks.reshape(-1, columns)

    def _refuse(self, wrong: NDArray[np.bool_], column: int, what: str) -> None:
        """NeuronError for the first row that is wrong."""
        if not wrong.any():
            return
        row = int(np.argmax(wrong))
        cell = self._block.text[self._starts[row, column] : self._ends[row, column]].decode(
            "utf-8", "replace"
        )
        shown = cell[:20] if cell.isprintable() else ascii(cell[:20])
        name = self._form.names[column]
        raise self._form.error(
            self._block.line + row + 1, f"{name} is {shown or 'empty'}, which is not {what}"
        )

    def _digits(
        self, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The numbers that stand there, and which of them have something else than digits; of none the number is 0."""
        lengths = ends - starts
        wrong = lengths > DIGITS
        values = np.zeros(len(starts), np.int64)
        for place in range(min(DIGITS, int(lengths.max()))):
            inside = place < lengths
            digits = self._data[np.where(inside, starts + place, 0)] - np.uint8(ord("0"))
            wrong |= inside & (digits > 9)
            values = np.where(inside, values * 10 + digits, values)
        return values, wrong

    def _whole(self, column: int) -> NDArray[np.int64]:
        starts, ends = self._starts[:, column], self._ends[:, column]
        values, wrong = self._digits(starts, ends)
        self._refuse(wrong | (starts == ends), column, "a whole number")
        return values

    def _decimal(self, column: int) -> NDArray[np.float64]:
        starts, ends = self._starts[:, column], self._ends[:, column]
        points = np.append(np.flatnonzero(self._data == ord(".")), len(self._data))
        points = np.minimum(points[np.searchsorted(points, starts)], ends)
        behind = np.minimum(points + 1, ends)
        before, wrong = self._digits(starts, points)
        parts, wrong_too = self._digits(behind, ends)
        self._refuse(wrong | wrong_too | (starts == points), column, "a number of seconds")
        return np.asarray(before + parts / 10.0 ** (ends - behind))

    def _raw(self, column: int, name: str) -> NDArray[np.int64]:
        values = self._whole(column)
        self._refuse(values > highest(name), column, f"0..{highest(name)}")
        return values

    def _words(self, column: int) -> list[str]:
        known: dict[bytes, str] = {}
        text, words = self._block.text, []
        bounds = zip(self._starts[:, column].tolist(), self._ends[:, column].tolist(), strict=True)
        for row, (start, end) in enumerate(bounds):
            cell = text[start:end]
            word = known.get(cell)
            if word is None:
                word = cell.decode("utf-8", "replace")
                if not is_label(word) and word:
                    raise self._form.error(self._block.line + row + 1, f"{word[:20]!a} is no label")
                known[cell] = word
            words.append(word)
        return words


def is_label(word: str) -> bool:
    """Whether a recording can have it: a word that can be printed, without commas, quotes or spaces around it."""
    return word.isprintable() and not set(word) & {",", '"', "\ufffd"} and word == word.strip() != ""


def _require_ended(path: str) -> None:
    """NeuronError where the last line has no end: its last number may be half of one."""
    try:
        with open(path, "rb") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) not in b"\r\n":
                    raise NeuronError(
                        f"{path}: the last line has no end, it may be cut: delete it, or end it"
                    )
    except OSError as error:
        raise NeuronError(f"cannot read {path}: {error.strerror or error}") from None


def _require_rising(samples: NDArray[np.int64], form: _Form) -> None:
    fallen = np.diff(samples) <= 0
    if fallen.any():
        row = int(np.argmax(fallen))
        raise form.error(row + 3, f"sample {samples[row + 1]} behind {samples[row]}: the numbers must rise")


def _rate_of(samples: NDArray[np.int64], times: NDArray[np.float64], form: _Form) -> int:
    """What the times say."""
    seconds = times[-1] - times[0]
    rate = round((samples[-1] - samples[0]) / seconds) if seconds > 0 else 0
    if not RATE_MIN <= rate <= RATE_MAX:
        raise NeuronError(
            f"{form.path}: its times do not tell a rate of {RATE_MIN}..{RATE_MAX} scans/s, "
            f"and there is no {beside(form.path)} that does"
        )
    return rate


def _require_times(
    samples: NDArray[np.int64], times: NDArray[np.float64], rate: int, form: _Form, *, from_notes: bool
) -> None:
    """NeuronError where a time is nearer to another sample than to its own."""
    wrong = np.abs(times * rate - samples) >= 0.5
    if wrong.any():
        row = int(np.argmax(wrong))
        whose = f"the rate of {beside(form.path)}" if from_notes else "the rate of the rest"
        raise form.error(
            row + 2,
            f"time {times[row]:g} s, but sample {samples[row]} is at {samples[row] / rate:g} s, by {whose}, "
            f"{rate} a second",
        )


# ------------------------------------------------------------------------------------------------------ the JSON


def read_notes(path: str | Path) -> dict[str, Any] | None:
    """What FILE.json of a recording says; None where there is none. NeuronError where that is not of its form."""
    file = beside(path)
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NeuronError(f"cannot read {file}: {error.strerror or error}") from None
    try:
        known = json.loads(text)
    except ValueError as error:
        raise NeuronError(f"{file}: not JSON: {error}") from None
    except RecursionError:
        raise NeuronError(
            f"{file}: not what belongs to a recording: brackets within brackets; move it away"
        ) from None
    if not isinstance(known, dict) or not _is_whole(known.get("version")):
        raise NeuronError(f"{file}: not what belongs to a recording: it names no version; move it away")
    if known["version"] != VERSION:
        raise NeuronError(f"{file}: of version {known['version']}, this program reads {VERSION}: update it")
    wrong = next((key for key, test in NOTES.items() if not test(known.get(key))), None)
    if wrong is not None:
        raise NeuronError(f"{file}: {wrong} is {json.dumps(known.get(wrong))[:40]}, which it cannot be")
    return known


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_scale(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(part, float) or _is_whole(part) for part in value[:2])
        and can_scale(*value[:2])
        and isinstance(value[2], str)
        and value[2].isprintable()
    )


def can_scale(factor: float, offset: float) -> bool:
    """Whether values are told from another by it, and can be squared."""
    return 1 / SCALE_MAX <= abs(factor) <= SCALE_MAX and abs(offset) <= SCALE_MAX


def _are_gaps(value: object) -> bool:
    pairs = value if isinstance(value, list) else [None]
    return all(isinstance(pair, list) and len(pair) == 2 and all(map(_is_whole, pair)) for pair in pairs)


NOTES: dict[str, Callable[[Any], bool]] = {
    "rate": lambda value: _is_whole(value) and RATE_MIN <= value <= RATE_MAX,
    "channels": lambda value: isinstance(value, list) and all(name in NAMES for name in value),
    "scale": lambda value: (
        isinstance(value, dict) and set(value) <= set(NAMES[:ANALOG]) and all(map(_is_scale, value.values()))
    ),
    "samples": _is_whole,
    "gaps": _are_gaps,
    "sessions": lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
    "events": lambda value: isinstance(value, list) and all(isinstance(event, dict) for event in value),
}
"""What each key must be."""
