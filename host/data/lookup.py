"""A model's inputs in the columns of a table that comes later."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from host.data.rows import Row
from host.errors import NeuronError, counted

WITH_COMMA = re.compile(r"\s*[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class _Place:
    """column: its number; word: the cell that makes the input 1, None: the cell is a number."""

    column: int
    word: str | None = None


class Lookup:
    """Which column gives which input: the one of its name, or where the model has no names, the one in its place. An
    input `colour=red` is also found in a column `colour`: 1 where that says red, else 0.

    inputs: their names, () for none; count: how many; header: the columns; where: what the table is called; comma: its
    numbers may have decimal commas.
    """

    def __init__(
        self, inputs: Sequence[str], count: int, header: Sequence[str], where: str, *, comma: bool = False
    ) -> None:
        self._where, self._header, self._may_have_comma = where, header, comma
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
        columns = {name: column for column, name in enumerate(self._header)}
        places, missing = [], []
        for name in inputs:
            parts = name.split("=")
            ways = [("=".join(parts[:end]), "=".join(parts[end:])) for end in range(len(parts) - 1, 0, -1)]
            words = [_Place(columns[column], word) for column, word in ways if column in columns]
            if name in columns:
                places.append(_Place(columns[name]))
            elif words:
                places.append(words[0])
            else:
                missing.append(ways[0][0] if ways else name)
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
            word = row.cells[column].strip()
            if word not in words:
                said = repr(word[:20]) if word else "the cell is empty: that"
                raise NeuronError(f"{self._at(row, column)}: {said} is none of {', '.join(words)}")
        return [
            self._number(row, place.column)
            if place.word is None
            else float(row.cells[place.column].strip() == place.word)
            for place in self._places
        ]

    def written(self, value: float) -> str:
        """A number with all its digits, as this table writes numbers."""
        text = repr(value).removesuffix(".0")
        return text.replace(".", ",") if self._has_comma else text

    def _at(self, row: Row, column: int) -> str:
        return f"{self._where}, row {row.number}, {self._header[column]}"

    def _number(self, row: Row, column: int) -> float:
        text = row.cells[column]
        if self._may_have_comma and ("," in text or "." in text):
            has_comma = bool(WITH_COMMA.fullmatch(text))
            if self._has_comma not in (None, has_comma):
                raise NeuronError(
                    f"{self._at(row, column)}: {text.strip()[:20]} has another decimal sign than the numbers before: "
                    "write all with one of them"
                )
            self._has_comma = has_comma
            text = text.replace(",", ".") if has_comma else text
        try:
            value = float(text.replace("_", "?"))
        except ValueError:
            said = f"{text.strip()[:20]!r} is not a number" if text.strip() else "the cell is empty"
            raise NeuronError(f"{self._at(row, column)}: {said}") from None
        if not math.isfinite(value):
            raise NeuronError(f"{self._at(row, column)}: {text.strip()} is not a finite number")
        return value
