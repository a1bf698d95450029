"""Stage 1, data: the articles' built-in sets, and CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from host.errors import NeuronError
from host.fixed import INT16_MAX
from host.wire import FRACTION_MIN, UNITS_MAX

VALUE_MAX = math.ldexp(INT16_MAX, -FRACTION_MIN)
"""The largest value that a node can hold."""


@dataclass(frozen=True)
class Dataset:
    """Samples in their order. x: (samples, inputs); y: (samples,); rows: where each stands in its file."""

    name: str
    inputs: tuple[str, ...]
    target: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    rows: tuple[int, ...]
    note: str = ""

    def __len__(self) -> int:
        return len(self.y)


def _built_in(name: str, inputs: str, samples: list[list[float]]) -> Dataset:
    table = np.array(samples, dtype=np.float64)
    rows = tuple(range(1, len(table) + 1))
    return Dataset(name, tuple(inputs.split()), "y", table[:, :-1], table[:, -1], rows)


BUILT_IN = {
    "wx": _built_in("wx", "x", [[1, 2], [2, 4], [3, 6]]),
    "and": _built_in("and", "x1 x2", [[1, 0, -1], [0, 1, -1], [0, 0, -1], [1, 1, 1]]),
}
"""The articles' sets, in the articles' order."""


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


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(row number as an editor counts it, cells) of each row that is not blank."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
    except UnicodeDecodeError:
        raise NeuronError(f"{path}: not a text file in UTF-8; save it as CSV (UTF-8)") from None
    except csv.Error as error:
        raise NeuronError(f"{path}, row {reader.line_num}: not CSV: {error}") from None
    except OSError as error:
        raise NeuronError(f"cannot read {path}: {error.strerror or error}") from None


def read_csv(path: str | Path) -> Dataset:
    """A CSV file with a header row; the last column is the target. What is wrong is named by its row."""
    path = Path(path)
    records = _records(path)
    _, header = next(records, (0, []))
    if not header:
        raise NeuronError(f"{path} is empty: it needs a header row and then a sample a row")
    names = [cell.strip() or f"column {index}" for index, cell in enumerate(header, 1)]
    if all(_is_number(cell) for cell in header):
        raise NeuronError(f"{path}, row 1: no header: the first row must name the columns, as in x1,x2,y")
    if len(names) < 2:
        commas = any(c in header[0] for c in ";\t")
        hint = "separate columns by commas" if commas else "the last one is the target"
        raise NeuronError(f"{path}, row 1: one column only, at least two are needed: {hint}")
    if len(names) - 1 > UNITS_MAX:
        raise NeuronError(f"{path}, row 1: {len(names) - 1} inputs, a node takes at most {UNITS_MAX}")
    rows, table = [], []
    for row, cells in records:
        if len(cells) != len(names):
            raise NeuronError(f"{path}, row {row}: {len(cells)} cells where the header has {len(names)}")
        table.append([_number(c, f"{path}, row {row}, {n}") for c, n in zip(cells, names, strict=True)])
        rows.append(row)
    if not table:
        raise NeuronError(f"{path}: a header but no data rows below it")
    values = np.array(table, dtype=np.float64)
    return Dataset(path.stem, tuple(names[:-1]), names[-1], values[:, :-1], values[:, -1], tuple(rows))


def with_sign_targets(data: Dataset) -> Dataset:
    """The data for a neuron that decides: targets -1/1 as they are, 0/1 taken as -1/1."""
    zero_one = bool((data.y == 0).any())
    allowed = (0.0, 1.0) if zero_one else (-1.0, 1.0)
    wrong = ~np.isin(data.y, allowed)
    if wrong.any():
        index = int(np.argmax(wrong))
        beside = " beside 0" if zero_one and data.y[index] == -1 else ""
        raise NeuronError(
            f"{data.name}, row {data.rows[index]}: target {data.target} is {data.y[index]:g}{beside}; "
            "a neuron that decides needs targets -1 and 1, or 0 and 1"
        )
    if not zero_one:
        return data
    return replace(data, y=np.where(data.y == 0, -1.0, 1.0), note=f"target {data.target}: 0 is taken as -1")
