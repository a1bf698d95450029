"""One block of a file, parsed by pandas. What pandas would swallow, guess or stumble over is named by its row.

pandas takes a number by its own parser where a column of a block has nothing but numbers, and each is what Python's
float() makes of it, bit for bit (from 3.1 on). Any other cell that should be a number is looked at by itself.
"""

from __future__ import annotations

import functools
import io
import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.fixed import VALUE_MAX
from host.data import dialect
from host.data.blocks import Block, Rows, rows_of
from host.errors import NeuronError, counted

PANDAS_MIN = (3, 1)
EMPTY = ("", "NA", "N/A", "n/a", "na", "NaN", "nan", "NAN", "null", "NULL", "#N/A", "<NA>", "?")
"""What an empty cell is written as."""
LIKE_A_NUMBER = re.compile(r"[+-]?\d[\d., ']*")


@functools.cache
def pandas() -> Any:
    """The library, which only those need who bring data."""
    least = ".".join(map(str, PANDAS_MIN))
    pip = f"{sys.executable} -m pip install 'pandas>={least}'"
    try:
        import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise NeuronError(f"data files are read by pandas, which is not installed: {pip}") from None
    if tuple(map(int, pandas.__version__.split(".")[:2])) < PANDAS_MIN:
        raise NeuronError(
            f"data files are read by pandas {least} or newer, here is {pandas.__version__}: {pip}"
        )
    return pandas


@dataclass(frozen=True)
class Form:
    """How a file is written. names: of its columns; decimal: the decimal sign."""

    path: str
    names: tuple[str, ...]
    separator: str
    decimal: str


class Part:
    """A block below the header. Rows are counted from 0 within it, blank ones too; columns by their number.

    texts: the columns that are text, whatever stands there.
    """

    def __init__(self, form: Form, block: Block, texts: Iterable[int]) -> None:
        self._form, self._block = form, block
        self._quoted = b'"' in block.text
        if self._quoted:
            _ = self._rows  # what is wrong with quotes pandas cannot name
        self._frame = self._parsed(dict.fromkeys(texts, str))
        if self._frame[len(form.names) - 1].hasnans:
            _ = self._rows  # a row that is too short ends in empty cells

    def __len__(self) -> int:
        return len(self._frame)

    @functools.cached_property
    def _rows(self) -> Rows:
        """NeuronError where a row that is not blank has not as many cells as the header."""
        rows, names = rows_of(self._block, self._form.separator, self._form.path), self._form.names
        for index in np.flatnonzero(rows.cells != len(names)).tolist():
            if self._is_blank(rows, index):
                continue
            cells = int(rows.cells[index])
            hint = ""
            if self._form.separator == "," and cells == 2 * len(names):
                hint = "; if commas are the decimal signs, separate columns by ;"
            raise NeuronError(
                f"{self._form.path}, row {rows.lines[index]}: {counted(cells, 'cell')} where the header has "
                f"{len(names)}{hint}"
            )
        return rows

    @functools.cached_property
    def lines(self) -> Sequence[int]:
        """Where each row begins, as an editor counts lines."""
        if self._quoted:
            lines: list[int] = self._rows.lines.tolist()
            return lines
        return range(self._block.line + 1, self._block.line + len(self) + 1)

    def is_blank(self, index: int) -> bool:
        return self._is_blank(self._rows, index)

    def _is_blank(self, rows: Rows, index: int) -> bool:
        return not self._text_of(rows, index).strip(b' \t\n"' + self._form.separator.encode())

    def _text_of(self, rows: Rows, index: int) -> bytes:
        end = rows.starts[index + 1] if index + 1 < len(rows.starts) else len(self._block.text)
        return self._block.text[rows.starts[index] : end]

    def cell(self, index: int, column: int) -> tuple[str, str]:
        """(how it is named in what is said of it, what stands there)."""
        row = Block(self._text_of(self._rows, index), int(self._rows.lines[index]) - 1)
        cells = dialect.cells_of(row, self._form.separator, self._form.path)
        return self._where(index, column), cells[column]

    def _where(self, index: int, column: int) -> str:
        return f"{self._form.path}, row {self.lines[index]}, {self._form.names[column]}"

    def _parsed(self, types: dict[int, Any]) -> Any:
        """A column for each of the file's, with NaN where a cell is empty."""
        form, library = self._form, pandas()
        try:
            frame = library.read_csv(
                io.BytesIO(self._block.text),
                sep=form.separator,
                decimal=form.decimal,
                header=None,
                dtype=types,
                keep_default_na=False,
                na_values=list(EMPTY),
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
            )
        except UnicodeDecodeError:
            dialect.decoded(self._block, form.path)
            raise
        except library.errors.ParserError:
            frame = None
        shape = None if frame is None else frame.shape
        if (
            shape is None
            or shape[1] != len(form.names)
            or (self._quoted and shape[0] != len(self._rows.lines))
        ):
            lines = self._rows.lines
            raise NeuronError(f"{form.path}, rows {lines[0]} to {lines[-1]}: not CSV: check the quotes there")
        return frame

    def text(self, number: int) -> tuple[NDArray[np.int64], list[str]]:
        """Which word each row of a column has, -1 where its cell is empty, and the words."""
        codes, words = pandas().factorize(self._frame[number])
        return np.asarray(codes), [dialect.shown(word) for word in words.tolist()]

    def numbers(self, number: int, hint: str | None) -> NDArray[np.float64] | None:
        """A column, with NaN where a cell is empty. hint: what NeuronError says of a cell that is no number; None: a
        column with such cells is None."""
        series = self._frame[number]
        if series.dtype.kind == "f":
            return np.asarray(series.to_numpy())
        if series.dtype.kind in "iu":
            if b"-0" in self._block.text:  # which would lose its sign
                series = self._parsed({number: np.float64})[number]
            return np.asarray(series.to_numpy(), np.float64)
        if hint is None:
            return None
        cells = self._parsed({number: str})[number].fillna("").str.strip().tolist()
        return np.array(
            [
                math.nan
                if cell in EMPTY
                else number_of(cell, self._form.decimal, self._where(i, number), hint)
                for i, cell in enumerate(cells)
            ]
        )


def number_of(cell: str, decimal: str, where: str, hint: str) -> float:
    """Of a cell that is no plain number. where: what names it; hint: what else it may be, if it is no number."""
    plain = cell.replace("_", "?")
    if decimal == ",":
        plain = plain.replace(".", "?").replace(",", ".")
    try:
        value = float(plain)
    except ValueError:
        if LIKE_A_NUMBER.fullmatch(cell):
            hint = f": write it with {decimal!r} for the decimal sign, and nothing between thousands"
        raise NeuronError(f"{where}: {cell[:20]!r} is not a number{hint}") from None
    require_held(value, cell, where)
    return value


def require_held(value: float, cell: str, where: str) -> None:
    """A node can hold it."""
    if not math.isfinite(value):
        raise NeuronError(f"{where}: {cell[:20]} is not a finite number")
    if abs(value) > VALUE_MAX:
        raise NeuronError(f"{where}: {cell[:20]} is more than a node holds (up to {VALUE_MAX:.0f}); scale it")
