"""Which of a file's columns are what, to learn from."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from host.core.channels import NAMES
from host.core.wire import UNITS_MAX
from host.data.dataset import Dataset
from host.data.recording import SAMPLE, TIME
from host.data.table import Table, Text, Wanted, read_table
from host.data.targets import Answers, targets_of
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
    used = [names[number] for number in inputs]
    if used[:2] == [SAMPLE, TIME] and set(used[2:]) & set(NAMES):
        raise NeuronError(
            f"{path} is a recording, whose numbers and times tell its labels: --window N learns from what its channels "
            f"do, --drop {SAMPLE},{TIME} from single scans"
        )
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
