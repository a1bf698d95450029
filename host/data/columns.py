"""Which of a file's columns are what: to learn from, and later to run a model on."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from host.core.wire import UNITS_MAX
from host.data.dataset import Dataset
from host.data.table import Table, Text, Wanted, read_table
from host.data.targets import Answers, class_of, numbers_of, plain, targets_of
from host.errors import NeuronError, counted, listed
from host.progress import Progress, silent

Float = NDArray[np.float64]
COUNTING_MIN = 20
"""Rows from which a column of 1, 2, 3 ... is no accident."""


@dataclass(frozen=True)
class Choice:
    """What somebody asked for. target: names of columns, empty: the last `outputs`, or the last one if that leaves
    just `inputs`; drop: columns to leave out; only: the only inputs; categorical: inputs of text, an input a word;
    drop_missing: leave rows with an empty cell out; outputs, inputs: of the model, as far as they are known."""

    target: Sequence[str] = ()
    drop: Sequence[str] = ()
    only: Sequence[str] = ()
    categorical: Sequence[str] = ()
    drop_missing: bool = False
    outputs: int = 1
    inputs: int | None = None


@dataclass(frozen=True)
class _Roles:
    """Columns by their number."""

    inputs: list[int]
    targets: list[int]
    categorical: list[int]


def read_data(
    path: str | Path,
    choice: Choice | None = None,
    answers: Answers | None = None,
    progress: Progress = silent,
) -> Dataset:
    """A file with a header row, and a sample a row. NeuronError names what is wrong by row and column."""
    choice, answers = choice or Choice(), answers or Answers()
    found: list[_Roles] = []

    def choose(names: Sequence[str]) -> Wanted:
        found.append(_roles_of(names, choice, str(path)))
        roles = found[-1]
        return Wanted(
            [*roles.inputs, *roles.targets],
            may_be_text=frozenset(roles.targets),
            text=frozenset(roles.categorical),
            drop_missing=choice.drop_missing,
            if_text="if the column is text: --categorical or --drop",
        )

    table = read_table(path, choose, progress)
    roles = found[0]
    targets = targets_of(table, roles.targets, answers)
    inputs, index = _without_index(table, roles.inputs)
    inputs, notes, dropped = _without_constants(table, inputs)
    x, names = _inputs(table, inputs)
    notes += index
    notes += [note for note in _counting(table, inputs) if len(names) > 1]
    return Dataset(
        table.name,
        names,
        tuple(table.names[number] for number in roles.targets),
        x,
        targets.y,
        table.rows,
        "\n".join([*table.notes, *targets.notes, *notes]),
        targets.classes,
        dropped,
    )


def _places(wanted: Sequence[str], names: Sequence[str], path: str, option: str) -> list[int]:
    for name in wanted:
        if name not in names:
            raise NeuronError(f"{path} has no column {name}{option}{nearest(name, names)}")
    return [names.index(name) for name in wanted]


def nearest(name: str, names: Sequence[str]) -> str:
    """What may have been meant."""
    folded = {known.casefold(): known for known in names}
    if name.casefold() in folded:
        return f": did you mean {folded[name.casefold()]}?"
    close = difflib.get_close_matches(name.casefold(), folded, n=3)
    if close:
        return f": did you mean {' or '.join(folded[known] for known in close)}?"
    return f": its columns are {listed(names, 8)}"


def _roles_of(names: Sequence[str], choice: Choice, path: str) -> _Roles:
    dropped = set(_places(choice.drop, names, path, " (--drop)"))
    left = [number for number in range(len(names)) if number not in dropped]
    if choice.target:
        targets = _places(choice.target, names, path, " (--target)")
    else:
        beside = len(left) - 1 - (0 in left and _is_unnamed(names, 0))
        several = 1 if beside == choice.inputs else choice.outputs
        if len(left) <= several:
            there = f"{counted(len(left), 'column')}" + (
                f" of {len(names)} left by --drop" if dropped else ""
            )
            last = "the last one is the target" if several == 1 else f"the last {several} are the targets"
            raise NeuronError(
                f"{path}, row 1: {there}, {several + 1} or more are needed: {last}; --target names others"
            )
        targets = left[len(left) - several :]
    inputs = [number for number in left if number not in targets]
    if choice.only:
        inputs = _places(choice.only, names, path, " (--columns)")
        if both := set(inputs) & set(targets):
            raise NeuronError(f"{path}: {names[min(both)]} is the target: give another one by --target")
    if not inputs:
        raise NeuronError(f"{path}: no input is left beside {', '.join(names[number] for number in targets)}")
    categorical = _places(choice.categorical, names, path, " (--categorical)")
    if others := [names[number] for number in categorical if number not in inputs]:
        raise NeuronError(f"{path}: --categorical {others[0]}: it is no input")
    named = [
        number for number in (*inputs, *targets) if number or number in targets
    ]  # pandas' index has no name
    if unnamed := [names[number] for number in named if _is_unnamed(names, number)]:
        name = unnamed[0]
        raise NeuronError(
            f"{path}, row 1: {name} has no name: give it one, or leave it out by --drop '{name}'"
        )
    return _Roles(inputs, targets, categorical)


def _is_unnamed(names: Sequence[str], number: int) -> bool:
    return names[number] == f"column {number + 1}"


INDEX_ROWS = 2
"""Times the rows that an index may count: as many may be gone as are there."""


def _without_index(table: Table, inputs: list[int]) -> tuple[list[int], list[str]]:
    """(inputs, notes) without a first column that has no name and counts the rows from 0 or 1, a few of which may be
    gone: pandas and R write one."""
    if inputs[0] != 0 or not _is_unnamed(table.names, 0):
        return inputs, []
    column = table.column(0)
    counts = (
        not isinstance(column, Text)
        and column[0] in (0, 1)
        and (np.diff(column) > 0).all()
        and (column == np.round(column)).all()
        and column[-1] - column[0] < INDEX_ROWS * len(column)
    )
    if not counts or len(inputs) == 1:
        raise NeuronError(
            f"{table.path}, row 1: column 1 has no name: give it one, or leave it out by --drop 'column 1'"
        )
    return inputs[1:], ["left out: column 1, which has no name and counts the rows"]


def _is_constant(column: Float | Text) -> bool:
    values = column.codes if isinstance(column, Text) else column
    return bool(values.min() == values.max())


def _without_constants(table: Table, inputs: list[int]) -> tuple[list[int], list[str], tuple[str, ...]]:
    """(inputs, notes, names): those that change, and what is said of the others, which tell nothing. One row is all
    there is to learn from."""
    if len(table.rows) == 1:
        return inputs, [], ()
    constant = [number for number in inputs if _is_constant(table.column(number))]
    if len(constant) == len(inputs):
        raise NeuronError(
            f"{table.path}: every input is the same in all rows: there is nothing to learn from"
        )
    names = tuple(table.names[number] for number in constant)
    notes = []
    if names:
        notes = [f"left out, the same in every row: {listed(names, 5)}"]
    return [number for number in inputs if number not in constant], notes, names


def _counting(table: Table, inputs: Sequence[int]) -> list[str]:
    """Of inputs that only count the rows: a model finds the order of the file in them."""
    count = len(table.rows)
    if count < COUNTING_MIN:
        return []
    return [
        f"input {table.names[number]} only counts the rows: --drop {table.names[number]!r} leaves it out"
        for number in inputs
        if not isinstance(column := table.column(number), Text)
        and column[1] - column[0] == 1
        and (np.diff(column) == 1).all()
    ]


def _inputs(table: Table, inputs: Sequence[int]) -> tuple[Float, tuple[str, ...]]:
    """x and the inputs' names: a column a number, and of text a column a word."""
    texts = [number for number in inputs if number in table.texts]
    if len(inputs) > UNITS_MAX:
        raise NeuronError(
            f"{table.path}: {len(inputs)} inputs, a node takes at most {UNITS_MAX}: --columns names those to take"
        )
    if not texts:
        return table.matrix(inputs), tuple(table.names[number] for number in inputs)
    names: list[str] = []
    parts: list[Float] = []
    for number in inputs:
        if number not in table.texts:
            names.append(table.names[number])
            parts.append(table.matrix([number]))
            continue
        words = sorted(table.texts[number].words, key=lambda word: (word.casefold(), word))
        names += [f"{table.names[number]}={word}" for word in words]
        if len(names) > UNITS_MAX:
            raise NeuronError(
                f"{table.path}: --categorical {table.names[number]} has {len(words)} different words: "
                f"{len(names)} inputs, a node takes at most {UNITS_MAX}"
            )
        parts.append(one_hot(table.texts[number], words))
    return np.column_stack(parts), tuple(names)


def one_hot(text: Text, words: Sequence[str]) -> Float:
    """(rows, words): 1 where a row has that word."""
    place = np.array([words.index(word) for word in text.words])
    return np.asarray(place[text.codes][:, np.newaxis] == np.arange(len(words)), np.float64)


# -------------------------------------------------------------------------------------------- for a model that is there


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


def column_of(name: str, names: Sequence[str]) -> int | None:
    """The column that an input comes from, None where there is none: the one of its name, or of colour=red colour."""
    if name in names:
        return names.index(name)
    parts = name.split("=")
    ends = range(len(parts) - 1, 0, -1)
    return next((names.index(column) for end in ends if (column := "=".join(parts[:end])) in names), None)


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
