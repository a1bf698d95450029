"""A whole table that comes later, as a model that is there takes it. host.data.lookup does the same row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from host.data.columns import nearest
from host.data.dataset import Dataset
from host.data.lookup import column_of
from host.data.table import Table, Text, Wanted, read_table
from host.data.targets import class_of, numbers_of, plain
from host.errors import NeuronError
from host.progress import Progress, silent

Float = NDArray[np.float64]


def read_for(
    path: str | Path,
    inputs: Sequence[str] | Callable[[Sequence[str]], Sequence[str]],
    targets: Sequence[str] = (),
    classes: Sequence[str] = (),
    drop_missing: bool = False,
    progress: Progress = silent,
) -> Dataset:
    """A file's rows as a model takes them whose inputs, and whose targets and classes, have these names; a name like
    colour=red is an input one-hot. Other columns are left out, and named in the note.

    inputs: their names, or what makes them of the header's.
    y: as a training would have it, with 0 and 1 for two classes; (rows, 0) where a target is not in the file.
    NeuronError: an input is not in the file, or a word or class is none that the model knows.
    """
    named: list[str] = []
    sources: list[int] = []
    found: list[int] = []

    def choose(names: Sequence[str]) -> Wanted:
        named.extend(inputs(names) if callable(inputs) else inputs)
        sources.extend(_source_of(name, names, str(path)) for name in named)
        if all(name in names for name in targets):
            found.extend(names.index(name) for name in targets)
        text = {number for name, number in zip(named, sources, strict=True) if names[number] != name}
        known = list(dict.fromkeys([*sources, *found]))
        return Wanted(known, frozenset(found), frozenset(text), drop_missing)

    table = read_table(path, choose, progress)
    x = np.column_stack(
        [_input(table, name, number, named) for name, number in zip(named, sources, strict=True)]
    )
    y = _answers(table, found, classes) if found else np.empty((len(table.rows), 0))
    others = [name for number, name in enumerate(table.names) if number not in (*sources, *found)]
    notes = [*table.notes, *([f"not used: {', '.join(others)}"] if others else [])]
    return Dataset(
        table.name,
        tuple(named),
        tuple(targets) if found else (),
        x,
        y,
        table.rows,
        "\n".join(notes),
        tuple(classes) if found else (),
    )


def _source_of(name: str, names: Sequence[str], path: str) -> int:
    found = column_of(name, names)
    if found is None:
        raise NeuronError(f"{path} has no column {name}, an input of the model{nearest(name, names)}")
    return found


def _input(table: Table, name: str, number: int, inputs: Sequence[str]) -> Float:
    column, header = table.column(number), table.names[number]
    if not isinstance(column, Text):
        return column
    known = [other.removeprefix(f"{header}=") for other in inputs if other.startswith(f"{header}=")]
    for code, word in enumerate(column.words):
        if word not in known:
            row = int(np.argmax(column.codes == code))
            raise NeuronError(
                f"{table.where(row, number)}: the model does not know {word!r}, only {', '.join(known)}"
            )
    word = name.removeprefix(f"{header}=")
    return np.asarray(np.array([one == word for one in column.words])[column.codes], np.float64)


def _answers(table: Table, targets: Sequence[int], classes: Sequence[str]) -> Float:
    if not classes or len(targets) > 1:
        columns = [numbers_of(table, number) for number in targets]
        return columns[0] if len(columns) == 1 else np.column_stack(columns)
    column, number = table.column(targets[0]), targets[0]
    words: Sequence[str]
    if isinstance(column, Text):
        words, codes = plain(column.words), column.codes
    else:
        values, codes = np.unique(column, return_inverse=True)
        words = [class_of(value) for value in values.tolist()]
    places = [_place_of(word, classes) for word in words]
    for code, (word, place) in enumerate(zip(words, places, strict=True)):
        if place is None:
            row = int(np.argmax(codes == code))
            raise NeuronError(
                f"{table.where(row, number)}: {word} is no class of the model, which has {', '.join(classes)}"
            )
    labels = np.array(places, np.int64)[codes]
    return np.eye(len(classes))[labels] if len(classes) > 2 else labels.astype(np.float64)


BOOLEANS = {"false": "0", "0": "false", "true": "1", "1": "true"}


def _place_of(word: str, classes: Sequence[str]) -> int | None:
    """Which class a word of a file means: its own; else the only one in other letters; else, where the classes are two,
    true and false for 1 and 0 and the other way round."""
    if word in classes:
        return classes.index(word)
    folded, meant = [name.casefold() for name in classes], word.casefold()
    if folded.count(meant) == 1:
        return folded.index(meant)
    if sorted(folded) in (["0", "1"], ["false", "true"]) and BOOLEANS.get(meant) in folded:
        return folded.index(BOOLEANS[meant])
    return None
