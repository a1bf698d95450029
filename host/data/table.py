"""A file's columns, block by block."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from host.core.fixed import VALUE_MAX
from host.data import dialect
from host.data.blocks import Block, Source
from host.data.part import EMPTY, Form, Part, require_held
from host.errors import NeuronError, counted
from host.progress import Progress, silent


@dataclass(frozen=True)
class Text:
    """A column of words. codes: (rows,) which of `words`, each of which is there."""

    codes: NDArray[np.int64]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """Columns by their number: all that are wanted; those that may be text; those that are, whatever stands there.
    drop_missing: leave rows out in which one that is wanted is empty; if_text: what to do where another turns out to be
    text, to which its name is added."""

    columns: Sequence[int]
    may_be_text: frozenset[int] = frozenset()
    text: frozenset[int] = frozenset()
    drop_missing: bool = False
    if_text: str = ""


@dataclass(frozen=True)
class Table:
    """The wanted columns, by number, and where each row stands in the file. places: which column of `numbers`."""

    form: Form
    name: str
    rows: Sequence[int]
    numbers: NDArray[np.float64]
    places: dict[int, int]
    texts: dict[int, Text]
    notes: list[str]

    @property
    def path(self) -> str:
        return self.form.path

    @property
    def names(self) -> tuple[str, ...]:
        return self.form.names

    def where(self, row: int, column: int) -> str:
        """How a cell is named in what is said of it. row: counted from 0."""
        return f"{self.path}, row {self.rows[row]}, {self.names[column]}"

    def column(self, number: int) -> NDArray[np.float64] | Text:
        return self.texts[number] if number in self.texts else self.numbers[:, self.places[number]]

    def matrix(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """(rows, columns) of numbers; no copy where they stand side by side."""
        places = [self.places[column] for column in columns]
        if places and places == list(range(places[0], places[0] + len(places))):
            return self.numbers[:, places[0] : places[0] + len(places)]
        return self.numbers[:, places]


def read_table(
    path: str | Path, choose: Callable[[Sequence[str]], Wanted], progress: Progress = silent
) -> Table:
    """The columns that `choose` picks by the header's names. NeuronError names what is wrong by row and column."""
    source = Source(path, progress)
    first = next(source.blocks(), None)
    if first is None or not first.text.strip():
        raise NeuronError(f"{source.path} is empty: it needs a header row and then a sample a row")
    separator = dialect.separator_of(first, source.path)
    sample = dialect.sample_of(first, separator, source.path)
    if not sample:
        raise NeuronError(f"{source.path} is empty: it needs a header row and then a sample a row")
    (header, cells), rows = sample[0], sample[1:]
    names = names_of(cells, source.path)
    wanted = choose(names)
    decimal = dialect.decimal_of(rows, wanted.columns, separator, source.path)
    form = Form(source.path, names, separator, decimal)
    texts = set(wanted.text)
    while True:
        reading = _Reading(source, form, wanted, texts)
        found = reading.read(header)
        if found is None:
            break
        texts.add(found)
    if not reading.count:
        why = f", and {counted(reading.left_out, 'row')} with an empty cell" if reading.left_out else ""
        raise NeuronError(f"{source.path}: a header but no data rows below it{why}")
    notes = dialect.note_of(rows, wanted.columns, separator, decimal)
    if reading.left_out:
        notes.append(f"{counted(reading.left_out, 'row')} with an empty cell left out, {reading.count} kept")
    return reading.table(notes)


def names_of(header: Sequence[str], path: str) -> tuple[str, ...]:
    """The columns' names; NeuronError where the first row cannot be a header."""
    numeric = [cell for cell in header if dialect.is_number(cell)]
    counted_up = (
        [str(int(numeric[0]) + i) for i in range(len(numeric))] if "".join(numeric).isdecimal() else []
    )
    if len(numeric) == len(header) or numeric != counted_up:
        raise NeuronError(f"{path}, row 1: no header: the first row must name the columns, as in x1,x2,y")
    names = tuple(dialect.shown(cell) or f"column {index}" for index, cell in enumerate(header, 1))
    if len(names) < 2:
        raise NeuronError(f"{path}, row 1: one column only, at least two are needed, separated by commas")
    if twice := [name for name in names if names.count(name) > 1]:
        raise NeuronError(f"{path}, row 1: two columns are named {twice[0]}: give each its own name")
    return names


@dataclass
class _Reading:
    """One way through the file. texts: the columns that are text."""

    source: Source
    form: Form
    wanted: Wanted
    texts: set[int]
    held: bytearray = field(default_factory=bytearray)
    codes: dict[int, list[NDArray[np.int64]]] = field(default_factory=dict)
    words: dict[int, dict[str, int]] = field(default_factory=dict)
    rows: list[Sequence[int]] = field(default_factory=list)
    count: int = 0
    left_out: int = 0

    @property
    def numeric(self) -> list[int]:
        return [column for column in self.wanted.columns if column not in self.texts]

    def read(self, header: int) -> int | None:
        """Below the header, which ends on that line. A column that turns out to be text, if it may be: begin again."""
        self.codes = {column: [] for column in self.texts}
        self.words = {column: {} for column in self.texts}
        for block in self.source.blocks():
            if block.line < header:
                lines = block.text.split(b"\n", header - block.line)
                block = Block(lines[-1], header)
            blank = len(block.text) - len(block.text.lstrip(b" \t\n"))
            begin = block.text.rfind(b"\n", 0, blank) + 1
            block = Block(block.text[begin:], block.line + block.text.count(b"\n", 0, begin))
            if block.text and (found := self._take(Part(self.form, block, self.texts))) is not None:
                return found
        return None

    def _take(self, part: Part) -> int | None:
        """A column that turns out to be text."""
        columns = []
        for number in self.numeric:
            name = self.form.names[number]
            hint = f"; {self.wanted.if_text} {name!r}" if self.wanted.if_text else ""
            column = part.numbers(number, None if number in self.wanted.may_be_text else hint)
            if column is None:
                return number
            columns.append(column)
        values = np.array(columns).reshape(len(columns), len(part)).T
        self._keep(part, values, {number: self._coded(part, number) for number in self.texts})
        return None

    def _coded(self, part: Part, number: int) -> NDArray[np.int64]:
        words = self.words[number]
        codes, found = part.text(number)
        known = [-1 if word in EMPTY else words.setdefault(word, len(words)) for word in found]
        return np.asarray(np.array([*known, -1], np.int64)[codes])

    def _keep(self, part: Part, values: NDArray[np.float64], texts: dict[int, NDArray[np.int64]]) -> None:
        """The rows that are not blank, if they are whole and a node holds them."""
        lines = part.lines
        if not _are_held(values) or any((codes < 0).any() for codes in texts.values()):
            missing = self._missing(
                part, np.column_stack([np.isnan(values), *(c < 0 for c in texts.values())])
            )
            for index, place in np.argwhere(np.abs(values) > VALUE_MAX)[:1].tolist():
                where, cell = part.cell(index, self.numeric[place])
                require_held(values[index, place], cell, where)
            kept = np.flatnonzero(~missing).tolist()
            values, lines = values[kept], [lines[index] for index in kept]
            texts = {number: codes[kept] for number, codes in texts.items()}
        self.held += np.ascontiguousarray(values).data
        for number, codes in texts.items():
            self.codes[number].append(codes)
        self.rows.append(lines)
        self.count += len(values)

    def _missing(self, part: Part, empty: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(rows,) where a cell is empty; NeuronError where that may not be. empty: (rows, columns), those of numbers
        first."""
        missing = np.asarray(empty.any(axis=1))
        blank = [index for index in np.flatnonzero(empty.all(axis=1)).tolist() if part.is_blank(index)]
        told = missing.copy()
        told[blank] = False
        if self.wanted.drop_missing:
            self.left_out += int(np.count_nonzero(told))
        elif told.any():
            index = int(np.argmax(told))
            columns = np.array([*self.numeric, *self.texts])
            where, cell = part.cell(index, int(columns[empty[index]].min()))
            what = f"{cell!r} is no value" if cell else "the cell is empty"
            raise NeuronError(f"{where}: {what}; --missing drop leaves such rows out")
        return missing

    def table(self, notes: list[str]) -> Table:
        numbers = np.frombuffer(self.held, np.float64).reshape(self.count, len(self.numeric))
        texts = {}
        for number in self.texts:
            used, codes = np.unique(np.concatenate(self.codes[number]), return_inverse=True)
            words = tuple(self.words[number])
            texts[number] = Text(codes, tuple(words[code] for code in used.tolist()))
        places = {number: place for place, number in enumerate(self.numeric)}
        return Table(self.form, self.source.name, _joined(self.rows), numbers, places, texts, notes)


def _are_held(values: NDArray[np.float64]) -> bool:
    """All are numbers that a node holds; False also where one is NaN."""
    by_columns = values.T  # as they lie in memory
    return not values.size or bool(by_columns.max() <= VALUE_MAX and by_columns.min() >= -VALUE_MAX)


def _joined(parts: Sequence[Sequence[int]]) -> Sequence[int]:
    """Ascending numbers, one part after the other: a range if none is missing."""
    filled = [part for part in parts if len(part)]
    first, last = filled[0][0], filled[-1][-1]
    if last - first + 1 == sum(map(len, filled)):
        return range(first, last + 1)
    return tuple(itertools.chain.from_iterable(filled))
