"""The writing side of a recording: a file that grows by whole lines, and its JSON file, which is always whole.

Nothing is written before there are scans. What a disk did not take, or an interrupt cut short, is taken back to the
last line that was whole.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from host.data.blocks import DATA_MAX
from host.data.recording import LABEL, SAMPLE, TIME, VERSION, Scale, beside, read_notes, read_recording
from host.errors import NeuronError
from host.files import replace_file, require_writable

Rows = Sequence[tuple[int, Sequence[int], str]]
"""Number of the scan, raw values of the channels, label."""


@dataclass(frozen=True)
class Begun:
    """A recording that is there, or is to be. rate: None, it is not known yet; size, scans: of the CSV file now; last:
    number of its last scan, -2 for none, so that the next is no continuation whatever its number."""

    path: str
    channels: tuple[str, ...]
    rate: int | None
    labelled: bool
    notes: Mapping[str, Any]
    size: int
    scans: int
    last: int


def begin(
    path: str,
    channels: tuple[str, ...] | None,
    rate: int | None,
    scale: Mapping[str, Scale],
    *,
    labelled: bool,
) -> Begun:
    """See whether these can be recorded into `path`: a new file, or one of the same channels and rate that goes on.
    Nothing is written yet. channels: None, as the file's; rate: None, as the file's, or not known yet; scale: of some
    channels, the file's for others."""
    if not path.endswith(".csv"):
        raise NeuronError(f"a recording is a CSV file: {path} does not end in .csv")
    require_writable(path)
    require_writable(beside(path))
    notes = read_notes(path) or {}
    size = os.path.getsize(path) if os.path.exists(path) else 0
    written = {name: list(values) for name, values in scale.items()}
    if not size:
        if channels is None:
            raise NeuronError(f"{path} is not there yet: say what to record with --channels")
        return Begun(path, channels, rate, labelled, {"scale": written}, 0, 0, -2)
    found = read_recording(path)
    if channels is not None and set(found.channels) != set(channels):
        raise other(path, f"has the channels {','.join(found.channels)}, not {','.join(channels)}")
    if rate not in (None, found.rate):
        raise other(path, f"is recorded {found.rate} times a second, not {rate}")
    if labelled and found.labels is None:
        raise other(path, "has no labels")
    if strange := [name for name in scale if name not in found.channels]:
        raise other(path, f"has no {strange[0]}, which --scale is for")
    scales = {name: list(values) for name, values in found.scale.items()}
    if changed := [name for name in written if scales.get(name, written[name]) != written[name]]:
        raise other(path, f"has another scale of {changed[0]}")
    return Begun(
        path,
        found.channels,
        found.rate,
        found.labels is not None,
        {**notes, "scale": {**scales, **written}},
        size,
        len(found.samples),
        int(found.samples[-1]),
    )


def other(path: str, why: str) -> NeuronError:
    return NeuronError(f"{path} {why}: record into another file")


class Recorded:
    """The file. channels: in the order of its columns; gaps: what was lost now, first number and how many; events: of
    the node, as JSON has them; labels: how many scans each has now, where there are labels."""

    def __init__(self, begun: Begun, rate: int) -> None:
        self.path, self.rate, self.channels, self.labelled = begun.path, rate, begun.channels, begun.labelled
        self.gaps: list[tuple[int, int]] = []
        self.events: list[dict[str, Any]] = []
        self.labels: Counter[str] = Counter()
        self._sessions: list[dict[str, Any]] = []
        self._begun = begun
        self._file: int | None = None
        self._state = begun.size, begun.last, begun.scans  # all at once: an interrupt may come between two
        self._said = (0, 0, 0)

    @property
    def size(self) -> int:
        """Bytes."""
        return self._state[0]

    @property
    def last(self) -> int:
        """Number of the last scan."""
        return self._state[1]

    @property
    def scans(self) -> int:
        """In the file."""
        return self._state[2]

    @property
    def added(self) -> int:
        """Scans that have come now."""
        return self.scans - self._begun.scans

    @property
    def lost(self) -> int:
        """Scans in the gaps."""
        return sum(count for _, count in self.gaps)

    def session(self, uid: str, firmware: str) -> None:
        """What comes from here on is of this node, whose numbers may begin anew."""
        began = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._sessions.append({"first": None, "last": None, "uid": uid, "firmware": firmware, "began": began})

    def append(self, rows: Rows) -> None:
        """Scans with rising numbers; those that are in the file already are left out."""
        rows = [row for row in rows if row[0] > self.last]
        if not rows:
            return
        head = [] if self.size else [",".join([SAMPLE, TIME, *self.channels, *[LABEL] * self.labelled])]
        data = "\n".join([*head, *map(self._line, rows), ""]).encode()
        if self.size + len(data) > DATA_MAX:
            raise NeuronError(f"{self.path} is full, {DATA_MAX >> 20} MB: go on in another file")
        with self._opened() as file:
            left = data
            while left:
                left = left[os.write(file, left) :]
            self._state = self.size + len(data), rows[-1][0], self.scans + len(rows)
        if self.labelled:
            self.labels.update(label for _, _, label in rows)
        session = self._sessions[-1]
        if session["first"] is None:
            session["first"] = rows[0][0]
        session["last"] = rows[-1][0]

    def _line(self, row: tuple[int, Sequence[int], str]) -> str:
        number, raw, label = row
        cells = [str(number), f"{number / self.rate:.6f}", *map(str, raw), *[label] * self.labelled]
        return ",".join(cells)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, at its end. What was not written whole is taken back."""
        try:
            if self._file is None:
                self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            if os.lseek(self._file, 0, os.SEEK_END) != self.size:
                raise NeuronError(
                    f"{self.path} is written by another program too: record into a file of its own"
                )
            try:
                yield self._file
            finally:
                os.ftruncate(self._file, self.size)
        except OSError as error:
            raise NeuronError(f"cannot write {self.path}: {error.strerror or error}") from None

    def keep_news(self) -> None:
        """Write the JSON file where more is to be said than how many scans there are."""
        news = len(self._sessions), len(self.gaps), len(self.events)
        if news != self._said:
            self._keep_notes()
            self._said = news

    def _keep_notes(self) -> None:
        if not self.added:
            return
        before, sessions = self._begun.notes, [one for one in self._sessions if one["first"] is not None]
        known = {
            "version": VERSION,
            "rate": self.rate,
            "channels": self.channels,
            "scale": before["scale"],
            "uid": sessions[-1]["uid"],
            "firmware": sessions[-1]["firmware"],
            "samples": self.scans,
            "gaps": [*before.get("gaps", []), *self.gaps],
            "sessions": [*before.get("sessions", []), *sessions],
            "events": [*before.get("events", []), *self.events],
        }
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in known.items())
        replace_file(beside(self.path), f"{{\n{lines}\n}}\n".encode())

    def close(self) -> None:
        """What was written stands on the disk, and so do the notes."""
        if self._file is not None:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise NeuronError(f"cannot write {self.path}: {error.strerror or error}") from None
            finally:
                os.close(self._file)
                self._file = None
        self._keep_notes()
