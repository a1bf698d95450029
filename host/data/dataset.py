"""Stage 1, data: the articles' built-in sets, CSV files, and a seeded split."""

from __future__ import annotations

import csv
import functools
import io
import itertools
import math
import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from host.core.fixed import VALUE_MAX
from host.core.pcg32 import Pcg32
from host.core.wire import UNITS_MAX
from host.data import decimals
from host.errors import NeuronError, counted
from host.progress import Progress, silent


@dataclass(frozen=True)
class Dataset:
    """Samples in their order. x: (samples, inputs); rows: where each stands in its file.

    y: (samples,), or (samples, outputs) where there are several: a column a target, or, where a target says one of
    three or more classes, a column a class (one-hot). Two classes are one column: 0 and 1, or -1 and 1 for a step.
    targets_named: the columns of the file that y comes from; classes: their names in the order of `labels`, empty
    where targets are numbers; dropped: inputs left out, since they are the same in every row.
    """

    name: str
    inputs: tuple[str, ...]
    targets_named: tuple[str, ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    rows: Sequence[int]
    note: str = ""
    classes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    @property
    def target(self) -> str:
        """The first target."""
        return self.targets_named[0]

    @property
    def targets(self) -> NDArray[np.float64]:
        """y as (samples, outputs)."""
        return self.y.reshape(len(self.y), -1)

    @property
    def outputs_named(self) -> tuple[str, ...]:
        """What each column of `targets` stands for: a target, or a class."""
        one_hot = len(self.classes) > 1 and self.targets.shape[1] == len(self.classes)
        return self.classes if one_hot else self.targets_named

    @property
    def labels(self) -> NDArray[np.int64]:
        """(samples,) the number of each sample's class: of one column 1 above the middle of its two values, of
        several the largest."""
        if self.targets.shape[1] > 1:
            return np.asarray(self.targets.argmax(axis=1), np.int64)
        first = self.targets[:, 0]
        return np.asarray(first > (0.0 if first.min() < 0 else 0.5), np.int64)

    def part(self, indices: Sequence[int]) -> Dataset:
        """Some of the samples, in the order that they had."""
        chosen = sorted(indices)
        rows = tuple(self.rows[index] for index in chosen)
        return replace(self, x=self.x[chosen], y=self.y[chosen], rows=rows)


def _built_in(name: str, inputs: str, samples: list[list[float]]) -> Dataset:
    table = np.array(samples, dtype=np.float64)
    rows = range(1, len(table) + 1)
    return Dataset(name, tuple(inputs.split()), ("y",), table[:, :-1], table[:, -1], rows)


BUILT_IN = {
    "wx": _built_in("wx", "x", [[1, 2], [2, 4], [3, 6]]),
    "and": _built_in("and", "x1 x2", [[1, 0, -1], [0, 1, -1], [0, 0, -1], [1, 1, 1]]),
    "wxb": _built_in("wxb", "x", [[1, 2], [2, 4], [3, 6], [4, 8], [5, 10]]),
    "logistic": _built_in("logistic", "hours", [[1, 0], [2, 0], [3, 1]]),
    "xor": _built_in("xor", "x1 x2", [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]),
}
"""The articles' sets, in the articles' order."""


@functools.cache
def synthetic() -> Dataset:
    """233 samples of 10 inputs and 10 targets for the 10-7-10 network: what another such network says, and noise."""
    random = Pcg32(233)

    def uniform(rows: int, columns: int) -> NDArray[np.float64]:
        return np.array([[random.uniform(-1, 1) for _ in range(columns)] for _ in range(rows)])

    x = uniform(233, 10)
    hidden = np.maximum((x[:, :, np.newaxis] * uniform(10, 7)).sum(axis=1), 0)
    y = (hidden[:, :, np.newaxis] * uniform(7, 10)).sum(axis=1) + 0.05 * uniform(233, 10)
    x_names, y_names = (tuple(f"{letter}{i}" for i in range(1, 11)) for letter in "xy")
    return Dataset("synthetic", x_names, y_names, x, y.round(6), range(1, 234))


# ------------------------------------------------------------------------------------------------- CSV files


def _number(text: str, where: str) -> float:
    try:
        value = float(text.replace("_", "?"))
    except ValueError:
        shown = f"{text.strip()[:20]!r} is not a number" if text.strip() else "the cell is empty"
        raise NeuronError(f"{where}: {shown}") from None
    if not math.isfinite(value):
        raise NeuronError(f"{where}: {text.strip()} is not a finite number")
    if abs(value) > VALUE_MAX:
        raise NeuronError(f"{where}: {value:g} is more than a node holds (up to {VALUE_MAX:.0f}); scale it")
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


LINE_MAX = 1 << 20
DATA_MAX = 1 << 28
"""Characters of a line, and of all: what is longer is no data, and may have no end."""
PIECE = 1 << 18
"""Bytes of a file that are read and worked on at once: a cache holds them and what becomes of them."""
READING = "read the data, MB"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise NeuronError(f"cannot read {path}: {error.strerror or error}") from None


def _require_size(size: int, path: Path) -> None:
    if size > DATA_MAX:
        raise NeuronError(f"{path}: more than {DATA_MAX} characters: train with fewer rows")


def _size(file: BinaryIO) -> int:
    """Of a file, in bytes; 0 of a pipe."""
    return os.fstat(file.fileno()).st_size


@dataclass
class _Place:
    """How far a file is read: bytes, characters and lines."""

    offset: int = 0
    size: int = 0
    line: int = 0


def _lines(file: BinaryIO, path: Path, start: _Place, progress: Progress) -> Iterator[str]:
    total, size = _size(file) >> 20, start.size
    with io.TextIOWrapper(file, "utf-8" if start.line else "utf-8-sig", newline="") as text:
        while line := text.readline(LINE_MAX + 1):
            size += len(line)
            if len(line) > LINE_MAX:
                raise NeuronError(f"{path}: not CSV: a line of more than {LINE_MAX} characters")
            _require_size(size, path)
            progress(READING, size >> 20, total)
            yield line


def _records(path: Path, start: _Place, progress: Progress) -> Generator[tuple[int, list[str]]]:
    """(row number as an editor counts it, cells) of each row that is not blank."""
    with _opened(path) as file:
        if start.offset:
            file.seek(start.offset)
        reader = csv.reader(_lines(file, path, start, progress), strict=True)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield start.line + reader.line_num, cells
        except UnicodeDecodeError:
            raise NeuronError(f"{path}: not a text file in UTF-8; save it as CSV (UTF-8)") from None
        except csv.Error as error:
            raise NeuronError(f"{path}, row {start.line + reader.line_num}: not CSV: {error}") from None


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """The rest of a file, some whole lines at a time; the last may lack its end. May end before a line of more than
    PIECE bytes."""
    rest = b""
    while block := file.read(PIECE):
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
        else:
            rest += block
            if len(rest) > PIECE:
                return
    if rest:
        yield rest


BLANKS_AROUND = rb"(?<![ \t])[ \t]*([,\n])[ \t]*"
"""The end of a cell with all blanks before and behind it; each run of blanks is looked at once, however long."""


def _plain(
    piece: bytes, before: int, columns: int, table: Callable[[bytes, int], NDArray[np.float64] | None]
) -> tuple[Sequence[int], NDArray[np.float64], int] | None:
    """The rows of these lines, their values, and how many lines they are, if all are plain numbers that a node holds.
    before: lines before; table: as decimals.table."""
    if b"\r" in piece:
        piece = piece.replace(b"\r\n", b"\n")
    if b" " in piece or b"\t" in piece:
        piece = re.sub(BLANKS_AROUND, rb"\1", piece.lstrip(b" \t"))
    if not piece.endswith(b"\n"):
        piece += b"\n"
    values = table(piece, columns)
    if values is not None:
        lines = len(values)
        rows: Sequence[int] = range(before + 1, before + lines + 1)
    else:  # with blank lines, perhaps
        ends = np.flatnonzero(np.frombuffer(piece, np.uint8) == ord("\n"))
        rows, lines = (np.flatnonzero(np.diff(ends, prepend=-1) > 1) + before + 1).tolist(), len(ends)
        if not rows:
            return rows, np.empty((0, columns)), lines
        values = table(re.sub(rb"\n+", b"\n", piece).lstrip(b"\n"), columns) if len(rows) < lines else None
    if values is None or max(values.max(), -values.min()) > VALUE_MAX:
        return None
    return rows, values, lines


def _plain_rows(
    path: Path, header: int, columns: int, progress: Progress
) -> tuple[list[Sequence[int]], bytearray, _Place]:
    """Rows and values below the header, which ends with that line, as far as they are plain; where that is. Values are
    float64, one row after the other.

    Nothing, up to the file's start, where the file cannot be read twice, its lines do not end in LF, or the header is
    longer than a line may be."""
    rows: list[Sequence[int]] = []
    values = bytearray()
    if not path.is_file():
        return rows, values, _Place()
    with _opened(path) as file:
        lines = [file.readline(LINE_MAX + 1) for _ in range(header)]
        first = b"".join(lines)
        text = first.decode("utf-8-sig", errors="ignore")
        if b"\r" in first.replace(b"\r\n", b"") or not all(line.endswith(b"\n") for line in lines):
            return rows, values, _Place()
        place = _Place(len(first), len(text), header)
        size = _size(file)
        table = decimals.reader(size)
        for piece in _pieces(file):
            plain = _plain(piece, place.line, columns, table)
            if plain is None:
                break
            rows.append(plain[0])
            values += plain[1].data
            place = _Place(place.offset + len(piece), place.size + len(piece), place.line + plain[2])
            _require_size(place.size, path)
            progress(READING, place.size >> 20, size >> 20)
    return rows, values, place


def _names(header: list[str], targets: int, path: Path) -> list[str]:
    """The columns' names; NeuronError where the first row cannot be a header."""
    if not header:
        raise NeuronError(f"{path} is empty: it needs a header row and then a sample a row")
    names = [cell.strip() or f"column {index}" for index, cell in enumerate(header, 1)]
    if all(_is_number(cell) for cell in header):
        raise NeuronError(f"{path}, row 1: no header: the first row must name the columns, as in x1,x2,y")
    if len(names) < 2:
        commas = any(c in header[0] for c in ";\t")
        hint = "separate columns by commas" if commas else "the last one is the target"
        raise NeuronError(f"{path}, row 1: one column only, at least two are needed: {hint}")
    inputs = len(names) - targets
    if inputs < 1:
        raise NeuronError(
            f"{path}, row 1: {len(names)} columns, {targets + 1} or more are needed: the last "
            f"{targets} are the targets"
        )
    if inputs > UNITS_MAX:
        raise NeuronError(f"{path}, row 1: {inputs} inputs, a node takes at most {UNITS_MAX}")
    return names


def read_csv(path: str | Path, targets: int = 1, progress: Progress = silent) -> Dataset:
    """A CSV file with a header row; the last columns are the targets. What is wrong is named by its row.

    Plain lines of numbers are read many at once; from the first that is anything else on, each cell is looked at.
    """
    path = Path(path)
    records = _records(path, _Place(), progress)
    header, first = next(records, (0, []))
    names = _names(first, targets, path)
    inputs = len(names) - targets
    rows, held, place = _plain_rows(path, header, len(names), progress)
    if place.offset:
        records.close()
        records = _records(path, place, progress)
    numbers, table = [], []
    for row, cells in records:
        if len(cells) != len(names):
            raise NeuronError(
                f"{path}, row {row}: {counted(len(cells), 'cell')} where the header has {len(names)}"
            )
        table.append([_number(c, f"{path}, row {row}, {n}") for c, n in zip(cells, names, strict=True)])
        numbers.append(row)
    held += np.array(table, np.float64).data
    if not held:
        raise NeuronError(f"{path}: a header but no data rows below it")
    values = np.frombuffer(held, np.float64).reshape(-1, len(names))
    all_rows = _joined([*rows, numbers])
    y = values[:, -1] if targets == 1 else values[:, inputs:]
    return Dataset(path.stem, tuple(names[:inputs]), tuple(names[inputs:]), values[:, :inputs], y, all_rows)


def _joined(parts: Sequence[Sequence[int]]) -> Sequence[int]:
    """Ascending numbers, one part after the other: a range if none is missing."""
    filled = [part for part in parts if part]
    first, last = filled[0][0], filled[-1][-1]
    if last - first + 1 == sum(map(len, filled)):
        return range(first, last + 1)
    return tuple(itertools.chain.from_iterable(filled))


# -------------------------------------------------------------------------------------------------- decisions


def with_sign_targets(data: Dataset) -> Dataset:
    """The data for a neuron that decides: targets -1/1 as they are, 0/1 taken as -1/1."""
    return _with_two_targets(data, -1.0)


def with_zero_one_targets(data: Dataset) -> Dataset:
    """The data for a neuron that answers a probability: targets 0/1 as they are, -1/1 taken as 0/1."""
    return _with_two_targets(data, 0.0)


def _with_two_targets(data: Dataset, low: float) -> Dataset:
    zero_one = bool((data.y == 0).any()) or (low == 0 and not (data.y == -1).any())
    allowed = (0.0, 1.0) if zero_one else (-1.0, 1.0)
    wrong = ~np.isin(data.y, allowed)
    if wrong.any():
        index = int(np.argmax(wrong))
        beside = " beside 0" if zero_one and data.y[index] == -1 else ""
        raise NeuronError(
            f"{data.name}, row {data.rows[index]}: target {data.target} is {data.y[index]:g}{beside}; "
            "a neuron that decides needs targets -1 and 1, or 0 and 1"
        )
    if allowed[0] == low:
        return data
    note = f"target {data.target}: {allowed[0]:g} is taken as {low:g}"
    return replace(data, y=np.where(data.y == allowed[0], low, 1.0), note=note)
