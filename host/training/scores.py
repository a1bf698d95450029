"""How good a model is: what it says on data beside what is true, and beside what one says who has learnt nothing."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.data.dataset import Dataset
from host.errors import NeuronError, listed
from host.models.dense import Float
from host.models.lamp import Labels, Lamp

Decide = Callable[[Float], Labels]
Scores = dict[str, Any]
"""As `score` returns them, ready for JSON."""
LISTED_MAX = 8
"""Names that a refusal lists."""


def lamp_named(
    name: str | None, threshold: float | None, classes: Sequence[str], targets: Sequence[str], outputs: int
) -> tuple[int, bool]:
    """(Lamp.output, Lamp.of_class) for --led; NeuronError where nothing has that name.

    name: of a class or of a target, None: the last class, or the first target; threshold: what was asked for, None if
    nothing: of several classes it is on the output of the one that is named.
    """
    among, what = (classes, "class") if classes else (targets, "target")
    if name is None:
        number = len(classes) - 1 if classes else 0
    elif name in among:
        number = among.index(name)
    else:
        near = difflib.get_close_matches(name, among, 1)
        hint = f"did you mean {near[0]}?" if near else f"they have {listed(among, LISTED_MAX)}"
        raise NeuronError(f"--led {name}: the data have no such {what}; {hint}")
    if not classes:
        return number, False
    if outputs == 1:
        # The one output says class 1 above its threshold.
        return 0, number == 0
    return number, threshold is None


def each(outputs: Float) -> Labels:
    """(rows, outputs): what each of several steps or probabilities says, 1 or 0."""
    return np.asarray(outputs.astype(np.float32) > 0.5, np.int64)


def changed(lamp: Lamp, one: Float, other: Float, decide: Decide | None) -> NDArray[np.bool_]:
    """The rows of which two models' outputs (rows, outputs) do not light the LED alike, or do not decide alike. decide:
    as for `score`."""
    rows = lamp.lit(one) != lamp.lit(other)
    if decide is None:
        return np.asarray(rows)
    return np.asarray(rows | (decide(one) != decide(other)).reshape(len(rows), -1).any(axis=1))


# --------------------------------------------------------------------------------------------------- scores


def score(data: Dataset, outputs: Float, decide: Decide | None = None) -> Scores:
    """How good outputs (samples, outputs), in their own units, are for the data.

    decide: (samples, outputs) -> the class of each sample, as host.data.dataset.Dataset.labels numbers them, or as
    `each` where every one of several targets has two classes; None where the targets are numbers.

    Of classes: rows; accuracy; confusion, a row a true class and a column a said one; precision and recall of each
    class, None where no row was said, or is, of it. Of numbers: rows; r2, 1 - squared errors / squared distances from
    the mean, None where the targets are all the same; rmse. Of several targets `targets` has these for each: accuracy
    is of the rows in which all are right, r2 and rmse are means of those that have one.
    """
    if decide is None:
        return _of_numbers(data.targets, outputs, data.targets_named)
    said = decide(outputs)
    if said.ndim == 1:
        return of_classes(data.labels, said, max(2, len(data.classes), outputs.shape[1]))
    return _of_each(_each_true(data), said, data.targets_named)


def baseline(training: Dataset, data: Dataset, classes: Sequence[str], decide: Decide | None) -> Scores:
    """The scores of one who always says the most frequent class of the training part, or the mean of its targets;
    what that is stands as `says`. classes: the names of what `decide` says, as for `score`."""
    if decide is None:
        mean = training.targets.mean(axis=0)
        found = _of_numbers(data.targets, np.tile(mean, (len(data), 1)), data.targets_named)
        return found | {"says": mean.tolist()}
    if classes:
        often = int(np.bincount(training.labels).argmax())
        return {"accuracy": float((data.labels == often).mean()), "says": classes[often]}
    usual = (_each_true(training).mean(axis=0) > 0.5).astype(np.int64)
    found = _of_each(_each_true(data), np.tile(usual, (len(data), 1)), data.targets_named)
    return found | {"says": usual.tolist()}


def _each_true(data: Dataset) -> Labels:
    """(samples, targets): which of its two classes each target is of, -1 and 1 or 0 and 1."""
    middle = np.where(data.targets.min(axis=0) < 0, 0.0, 0.5)
    return np.asarray(data.targets > middle, np.int64)


def _of_each(true: Labels, said: Labels, names: Sequence[str]) -> Scores:
    return {
        "rows": len(true),
        "accuracy": float((true == said).all(axis=1).mean()),
        "targets": [
            {"name": name, **of_classes(a, b, 2)} for name, a, b in zip(names, true.T, said.T, strict=True)
        ],
    }


def confusion_of(true: Labels, said: Labels, classes: int) -> Labels:
    """(classes, classes): the rows that are of one class (down) and are said to be of another (across)."""
    return np.bincount(true * classes + said, minlength=classes * classes).reshape(classes, classes)


def of_classes(true: Labels, said: Labels, classes: int) -> Scores:
    """The scores of what was said, as `score` has them. true, said: (samples,) 0..classes - 1."""
    confusion = confusion_of(true, said, classes)
    right = confusion.diagonal()
    return {
        "rows": len(true),
        "accuracy": float(right.sum() / len(true)),
        "confusion": confusion.tolist(),
        "precision": _shares(right, confusion.sum(axis=0)),
        "recall": _shares(right, confusion.sum(axis=1)),
    }


def _shares(parts: Labels, wholes: Labels) -> list[float | None]:
    return [
        part / whole if whole else None for part, whole in zip(parts.tolist(), wholes.tolist(), strict=True)
    ]


def _of_numbers(true: Float, said: Float, names: Sequence[str]) -> Scores:
    errors = ((said - true) ** 2).sum(axis=0)
    spread = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    # Equal targets have no spread, whatever the rounding of their mean makes of it.
    r2 = [
        float(1 - e / s) if low < high and s else None
        for e, s, low, high in zip(errors, spread, true.min(axis=0), true.max(axis=0), strict=True)
    ]
    rmse = np.sqrt(errors / len(true)).tolist()
    defined = [value for value in r2 if value is not None]
    scores: Scores = {
        "rows": len(true),
        "r2": math.fsum(defined) / len(defined) if defined else None,
        "rmse": math.fsum(rmse) / len(rmse),
    }
    if len(names) > 1:
        scores["targets"] = [
            {"name": name, "r2": a, "rmse": b} for name, a, b in zip(names, r2, rmse, strict=True)
        ]
    return scores


def confused(scores: Scores) -> list[tuple[int, int, int]]:
    """(true class, said class, how many), the most frequent first."""
    confusion = np.array(scores["confusion"])
    np.fill_diagonal(confusion, 0)
    order = np.argsort(-confusion, axis=None, kind="stable")
    pairs = [divmod(int(index), len(confusion)) for index in order[: np.count_nonzero(confusion)]]
    return [(true, said, int(confusion[true, said])) for true, said in pairs]


# -------------------------------------------------------------------------------------------------- the node

ASKED_UNSEEN, ASKED_SEEN = 400, 16
"""Rows that a node is asked at most, over its bus: of a part that was held out, or of what it has learnt from."""


@dataclass(frozen=True)
class Question:
    """What a node is asked. part: whose samples; x: their inputs (rows, inputs), each once and sorted; data: the
    samples that have one of these; row_of: which one each of them has; of: rows that there are."""

    part: str
    x: Float
    data: Dataset
    row_of: NDArray[np.intp]
    of: int

    def score(self, outputs: Float, decide: Decide | None) -> Scores:
        """How good the answers (rows, outputs) are, as `score` says it."""
        return score(self.data, outputs[self.row_of], decide)


def question_of(parts: dict[str, Dataset]) -> Question:
    """The rows of the last part; some, evenly spread, where there are many."""
    part, data = list(parts.items())[-1]
    rows, row_of = np.unique(data.x, axis=0, return_inverse=True)
    chosen = evenly(len(rows), ASKED_SEEN if part == "training" else ASKED_UNSEEN)
    asked = np.flatnonzero(np.isin(row_of.reshape(-1), chosen))
    row_of = np.searchsorted(chosen, row_of.reshape(-1)[asked])
    return Question(part, rows[chosen], data.part(asked.tolist()), row_of, len(rows))


def evenly(count: int, most: int) -> list[int]:
    """Numbers of 0..count - 1, all or so many, evenly spread with both ends."""
    chosen: list[int] = np.linspace(0, count - 1, min(most, count)).round().astype(int).tolist()
    return chosen
