"""A model's inputs in the columns of a table that comes later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from host.data.dialect import THOUSANDS, WITH_COMMA, either_of, shown
from host.data.part import number_of
from host.data.rows import Row
from host.errors import NeuronError, counted


@dataclass(frozen=True)
class _Place:
    """column: its number; word: the cell that makes the input 1, None: the cell is a number."""

    column: int
    word: str | None = None


def column_of(name: str, names: Sequence[str]) -> int | None:
    """The column that an input comes from, None where there is none: the one of its name, or of colour=red colour."""
    if name in names:
        return names.index(name)
    parts = name.split("=")
    ends = range(len(parts) - 1, 0, -1)
    return next((names.index(column) for end in ends if (column := "=".join(parts[:end])) in names), None)


class Lookup:
    """Which column gives which input: the one of its name, or where the model has no names, the one in its place. An
    input `colour=red` is also found in a column `colour`: 1 where that says red, else 0.

    inputs: their names, () for none; count: how many; header: the columns; where: what the table is called; separator:
    of its columns, if it is no comma then numbers may have decimal commas.
    """

    def __init__(
        self, inputs: Sequence[str], count: int, header: Sequence[str], where: str, separator: str = ","
    ) -> None:
        self._where, self._separator = where, separator
        self._header = header = [shown(name) for name in header]
        self._has_comma: bool | None = None
        twice = [name for name in header if header.count(name) > 1]
        if inputs and set(twice) & set(inputs):
            raise NeuronError(f"{where}: column {twice[0]} is there twice: which one is meant?")
        self._places = self._by_name(inputs) if inputs else self._by_order(count)
        used = {place.column for place in self._places}
        self.unused = [name for column, name in enumerate(header) if column not in used]
        self._words: dict[int, list[str]] = {}
        for place in self._places:
            if place.word is not None:
                self._words.setdefault(place.column, []).append(place.word)

    def _by_name(self, inputs: Sequence[str]) -> list[_Place]:
        places, missing = [], []
        for name in inputs:
            column = column_of(name, self._header)
            if column is None:
                missing.append(name.rpartition("=")[0] or name)
            elif self._header[column] == name:
                places.append(_Place(column))
            else:
                places.append(_Place(column, name.removeprefix(f"{self._header[column]}=")))
        if missing:
            missing = list(dict.fromkeys(missing))
            raise NeuronError(
                f"{self._where}: nothing for {counted(len(missing), 'input')} of the model, {', '.join(missing)}; "
                f"there is {', '.join(self._header)}"
            )
        return places

    def _by_order(self, count: int) -> list[_Place]:
        if len(self._header) < count:
            raise NeuronError(
                f"{self._where}: the model takes {counted(count, 'input')}, not {len(self._header)}"
            )
        return [_Place(column) for column in range(count)]

    def values(self, row: Row) -> list[float]:
        """The inputs in a row; NeuronError where a cell is none."""
        for column, words in self._words.items():
            word = shown(row.cells[column])
            if word not in words:
                said = repr(word[:20]) if word else "the cell is empty: that"
                raise NeuronError(f"{self._at(row, column)}: {said} is none of {', '.join(words)}")
        return [
            self._number(row, place.column)
            if place.word is None
            else float(shown(row.cells[place.column]) == place.word)
            for place in self._places
        ]

    def written(self, value: float) -> str:
        """A number with all its digits, as this table writes numbers."""
        text = repr(value).removesuffix(".0")
        return text.replace(".", ",") if self._has_comma else text

    def _at(self, row: Row, column: int) -> str:
        return f"{self._where}, row {row.number}, {self._header[column]}"

    def _number(self, row: Row, column: int) -> float:
        text, where = row.cells[column].strip(), self._at(row, column)
        if not text:
            raise NeuronError(f"{where}: the cell is empty")
        return number_of(text, self._decimal_of(text, where), where, "")

    def _decimal_of(self, text: str, where: str) -> str:
        """The decimal sign of a number; all of the table's have the same one."""
        if self._separator == "," or not ("," in text or "." in text):
            return "."
        has_comma = bool(WITH_COMMA.fullmatch(text))
        if self._has_comma is None and self._separator == "\t" and THOUSANDS.fullmatch(text):
            raise either_of(text, where)
        if self._has_comma not in (None, has_comma):
            raise NeuronError(
                f"{where}: {text[:20]} has another decimal sign than the numbers before: write all with one of them"
            )
        self._has_comma = has_comma
        return "," if has_comma else "."
