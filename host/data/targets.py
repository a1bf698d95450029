"""What a model is to answer: numbers, or which class. A class is a word or a whole number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from host.core.wire import UNITS_MAX
from host.data.dialect import is_number
from host.data.part import number_of
from host.data.table import Table, Text
from host.errors import NeuronError, listed

Float = NDArray[np.float64]
Int = NDArray[np.int64]

FEW = 20
"""Whole numbers of so many different values, each seen twice or more, are taken for classes."""
SHOWN = 5
LEARN_CLASSES = "; --model logistic and mlp learn classes"


@dataclass(frozen=True)
class Answers:
    """The wish: task "classes" or "numbers", None: by the data; low: of two classes in one column the first, -1 or 0;
    one_hot: two classes take two columns."""

    task: str | None = None
    low: float = 0.0
    one_hot: bool = False


@dataclass(frozen=True)
class Targets:
    """y: as host.data.dataset.Dataset has it; classes: their names; notes: what is said of it."""

    y: Float
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def targets_of(table: Table, columns: Sequence[int], wish: Answers) -> Targets:
    """NeuronError where the columns do not say what is wished."""
    if len(columns) != 1:
        return _several(table, columns, wish)
    number = columns[0]
    column, name = table.column(number), table.names[number]
    if wish.task == "numbers" or (wish.task is None and not _are_classes(column)):
        hint = "" if wish.task else "; --task classes takes words beside numbers for classes"
        return Targets(numbers_of(table, number, hint or LEARN_CLASSES))
    classes, labels = classes_of(table, number)
    if wish.low < 0 and len(classes) > 2:
        raise NeuronError(
            f"{table.path}: target {name} has {len(classes)} classes, {listed(classes, SHOWN)}: a neuron that decides "
            "takes two; use --model logistic or mlp"
        )
    notes = _notes(name, classes, labels, wish)
    if wish.task is None and not isinstance(column, Text) and len(classes) > 2:
        notes = (*notes, "whole numbers, and few, are taken for classes; --task numbers learns numbers")
    if len(classes) > 2 or wish.one_hot:
        return Targets(np.eye(len(classes))[labels], classes, notes)
    return Targets(np.where(labels == 1, 1.0, wish.low), classes, notes)


def _several(table: Table, columns: Sequence[int], wish: Answers) -> Targets:
    """Numbers, or each of two classes; where each row has just one that is 1, they are the classes."""
    names = tuple(table.names[number] for number in columns)
    if wish.task != "classes":
        return Targets(np.column_stack([numbers_of(table, n, LEARN_CLASSES) for n in columns]))
    found = [classes_of(table, number) for number in columns]
    for name, (classes, _) in zip(names, found, strict=True):
        if len(classes) > 2:
            raise NeuronError(
                f"{table.path}: target {name} has {len(classes)} classes, {listed(classes, SHOWN)}: of several targets "
                "each has two; give the one whose classes are to be told apart"
            )
    labels = np.column_stack([labels for _, labels in found])
    if (
        wish.low == 0
        and all(classes == ("0", "1") for classes, _ in found)
        and (labels.sum(axis=1) == 1).all()
    ):
        return Targets(labels.astype(np.float64), names, (f"one class a row: {listed(names, SHOWN)}",))
    notes = [note for name, (c, one) in zip(names, found, strict=True) for note in _notes(name, c, one, wish)]
    return Targets(np.where(labels == 1, 1.0, wish.low), (), tuple(notes))


def _are_classes(column: Float | Text) -> bool:
    """What a target means, where nobody has said it: words beside numbers are no classes, but slips of the pen."""
    if isinstance(column, Text):
        return not any(is_number(word) for word in column.words)
    if (column[:FEW] != np.round(column[:FEW])).any():  # most are told by these
        return False
    values = np.unique(column)
    whole = bool((values == np.round(values)).all())
    return whole and 1 < len(values) <= FEW and len(column) >= 2 * len(values)


def numbers_of(table: Table, number: int, hint: str = "") -> Float:
    """A target of numbers; NeuronError names the first cell that is none, and what else to do."""
    column = table.column(number)
    if not isinstance(column, Text):
        return column
    rows = np.unique(column.codes, return_index=True)[1].tolist()
    values = np.empty(len(rows))
    for code in np.argsort(rows).tolist():  # as they come in the file: the first that is wrong is named
        where = table.where(rows[code], number)
        values[code] = number_of(column.words[code], table.form.decimal, where, hint)
    return np.asarray(values[column.codes])


def classes_of(table: Table, number: int) -> tuple[tuple[str, ...], Int]:
    """The classes of a column in their order, and the number of each row's: numbers ascend, words go by the alphabet
    (no before yes, false before true)."""
    column, name = table.column(number), table.names[number]
    if isinstance(column, Text):
        words = plain(column.words)
        classes = tuple(sorted(set(words), key=lambda word: (word.casefold(), word)))
        labels = np.array([classes.index(word) for word in words])[column.codes]
    else:
        values, labels = np.unique(column + 0.0, return_inverse=True)
        if (values != np.round(values)).any():
            row = int(np.argmax(column != np.round(column)))
            raise NeuronError(
                f"{table.where(row, number)}: {column[row]:g} is no class: a class is a word or a whole number; "
                "--model wxb and mlp learn numbers"
            )
        if len(values) == 1 and values[0] in (-1.0, 0.0, 1.0):  # the other is known
            other = [-1.0, 1.0] if values[0] == -1 else [0.0, 1.0]
            labels = labels + other.index(values[0])
            values = np.array(other)
        classes = tuple(map(class_of, values.tolist()))
    if len(classes) == 1:
        raise NeuronError(
            f"{table.path}: target {name} is {classes[0]} in every row: there is nothing to tell apart"
        )
    if len(classes) > UNITS_MAX:
        raise NeuronError(
            f"{table.path}: target {name} has {len(classes)} different values, {listed(classes, SHOWN)}: a node tells "
            f"at most {UNITS_MAX} classes apart; --model wxb and mlp with --task numbers learn numbers"
        )
    return classes, np.asarray(labels, np.int64)


def class_of(value: float) -> str:
    """The name of a class that is a number."""
    return f"{value:.0f}" if value == round(value) else repr(value)


def plain(words: Sequence[str]) -> Sequence[str]:
    """True, TRUE and true are one word, and so with false, yes and no, where there are no others."""
    folded = [word.casefold() for word in words]
    return folded if set(folded) <= {"true", "false"} or set(folded) <= {"yes", "no"} else words


def _notes(name: str, classes: tuple[str, ...], labels: Int, wish: Answers) -> tuple[str, ...]:
    notes = []
    if len(classes) > 2 or wish.one_hot:
        notes.append(f"target {name}: {len(classes)} classes, {listed(classes, SHOWN)}")
    else:
        taken = [
            f"{c} is taken as {v:g}" for c, v in zip(classes, (wish.low, 1.0), strict=True) if c != f"{v:g}"
        ]
        if taken:
            notes.append(f"target {name}: " + ", ".join(taken))
    if len(np.unique(labels)) == 1:
        notes.append(
            f"target {name} is {classes[int(labels[0])]} in every row: there is nothing to tell apart"
        )
    numbers = [one for one in classes if is_number(one)]
    if numbers and len(numbers) < len(classes):
        other = next(one for one in classes if one not in numbers)
        notes.append(f"target {name}: {other!r} beside numbers is taken for a class")
    folded: dict[str, str] = {}
    for one in classes:
        other = folded.setdefault(one.casefold(), one)
        if other != one:
            notes.append(f"target {name}: {other} and {one} are taken for two classes")
    return tuple(notes)
