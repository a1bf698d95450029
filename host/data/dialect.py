"""How a file of data is written: what separates its columns, and which decimal sign its numbers have."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Sequence

from host.data.blocks import Block
from host.errors import NeuronError

SEPARATORS = {"\t": "a tab", ";": ";", ",": ","}
SAMPLE = 1000
"""Rows that are looked at."""
WITH_POINT = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?")
WITH_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
WHOLE = re.compile(r"[+-]?\d+([eE][+-]?\d+)?")

Cells = tuple[int, list[str]]
"""The line on which a row ends, as an editor counts it, and its cells."""


def sample_of(block: Block, separator: str, path: str) -> list[Cells]:
    """The first rows that are not blank."""
    reader = csv.reader(io.StringIO(decoded(block, path)), delimiter=separator, skipinitialspace=True)
    rows = ((block.line + reader.line_num, [cell.strip() for cell in cells]) for cells in reader)
    try:
        return list(itertools.islice((row for row in rows if any(row[1])), SAMPLE))
    except csv.Error as error:
        raise NeuronError(f"{path}, row {block.line + reader.line_num}: not CSV: {error}") from None


def shown(text: str) -> str:
    """A name or word as it is known from here on: on one line, and without what a terminal would obey."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def cells_of(row: Block, separator: str, path: str) -> list[str]:
    """Of a block of one row."""
    return sample_of(row, separator, path)[0][1]


def is_number(cell: str) -> bool:
    return any(pattern.fullmatch(cell) for pattern in (WHOLE, WITH_POINT, WITH_COMMA))


def decoded(block: Block, path: str) -> str:
    try:
        return block.text.decode()
    except UnicodeDecodeError as error:
        row = block.line_at(error.start)
        raise NeuronError(f"{path}, row {row}: not a text file in UTF-8; save it as CSV (UTF-8)") from None


def separator_of(block: Block, path: str) -> str:
    """The one by which most rows have as many cells as the first; of two such, the one that makes more numbers."""
    ranks = {}
    for separator in SEPARATORS:
        (_, header), *rows = sample_of(block, separator, path) or [(0, [])]
        if len(header) < 2:
            continue
        cells = [cell for _, row in rows for cell in row]
        patterns = (WHOLE, WITH_POINT) if separator == "," else (WHOLE, WITH_POINT, WITH_COMMA)
        numbers = sum(any(pattern.fullmatch(cell) for pattern in patterns) for cell in cells)
        agree = sum(len(row) == len(header) for _, row in rows)
        ranks[separator] = (agree, numbers / max(1, len(cells)), len(header))
    return max(ranks, key=lambda separator: ranks[separator], default=",")


def _cells(rows: Sequence[Cells], columns: Sequence[int]) -> list[tuple[int, str]]:
    """(row, cell) of those columns."""
    return [(row, cells[column]) for row, cells in rows for column in columns if column < len(cells)]


def decimal_of(rows: Sequence[Cells], columns: Sequence[int], separator: str, path: str) -> str:
    """The decimal sign in these columns. NeuronError where both are there, or it may be that of thousands."""
    if separator == ",":
        return "."
    cells = _cells(rows, columns)
    points = [(row, cell) for row, cell in cells if WITH_POINT.fullmatch(cell)]
    commas = [(row, cell) for row, cell in cells if WITH_COMMA.fullmatch(cell)]
    if points and commas:
        raise NeuronError(
            f"{path}: row {points[0][0]} has {points[0][1]}, row {commas[0][0]} has {commas[0][1]}: "
            "which is the decimal sign? write all numbers with one of them"
        )
    if separator == "\t" and commas and all(THOUSANDS.fullmatch(cell) for _, cell in commas):
        row, cell = commas[0]
        raise either_of(cell, f"{path}, row {row}")
    return "," if commas or (separator == ";" and not points) else "."


def either_of(cell: str, where: str) -> NeuronError:
    """What is said of a comma that may be the decimal sign, or part thousands."""
    either = f"{cell.replace(',', '')} or {cell.replace(',', '.')}"
    return NeuronError(f"{where}: {cell} may be {either}: write numbers without commas")


def note_of(rows: Sequence[Cells], columns: Sequence[int], separator: str, decimal: str) -> list[str]:
    """What is said where a file is not the plain one with commas and decimal points."""
    if separator == ",":
        return []
    said = f"columns are separated by {SEPARATORS[separator]}"
    cells = [cell for _, cell in _cells(rows, columns) if decimal == "," and WITH_COMMA.fullmatch(cell)]
    return [f"{said} and {cells[0]} is read as {cells[0].replace(',', '.')}" if cells else said]
