"""Which of many features to keep: forward selection, by the parts that are not the test part.

Each step takes the feature with which a least squares fit to the training part's targets errs least in the validation
part (the training part, where there is none), until none takes GAIN of the targets' variance more away, or MOST are
taken. Plain, the same every time, and cheap: what is chosen by a straight fit also serves the model that is then
trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from host.data.dataset import Dataset
from host.data.scaler import scaler_of
from host.errors import NeuronError
from host.models.dense import Float

MOST = 8
"""Features that are kept at most: more cost the node time, and few help."""
GAIN = 0.01
"""Share of the targets' variance that a further feature has to explain."""
RIDGE = 1e-6
"""Of the samples: keeps a fit defined where features say the same."""


@dataclass(frozen=True)
class Selection:
    """kept: columns, the most telling first; errors: what share of the targets' variance is left with so many."""

    kept: tuple[int, ...]
    errors: tuple[float, ...]


def select(training: Dataset, judge: Dataset, count: int | None = None) -> Selection:
    """Of the inputs that `training` has. judge: the part that chooses; count: so many are to be kept, None: as few as
    GAIN says."""
    x, other, target, wanted = _scaled(training, judge)
    useful = np.flatnonzero(np.isfinite(x).all(axis=0) & (x.std(axis=0) > 0)).tolist()
    if not useful:
        raise NeuronError("every feature is the same in all windows: there is nothing to learn from")
    if count is not None and count > len(useful):
        raise NeuronError(
            f"--layers begins with {count}, only {len(useful)} features change from window to window"
        )
    error = float(((wanted - target.mean(axis=0)) ** 2).sum())
    whole = error or 1.0
    kept: list[int] = []
    errors: list[float] = []
    while len(kept) < min(MOST if count is None else count, len(useful)):
        found = [(_error(x, target, other, wanted, [*kept, one]), one) for one in useful if one not in kept]
        best, one = min(found)
        if count is None and kept and error - best < GAIN * whole:
            break
        kept.append(one)
        error = best
        errors.append(best / whole)
    return Selection(tuple(kept), tuple(errors))


def _scaled(training: Dataset, judge: Dataset) -> tuple[Float, Float, Float, Float]:
    """Inputs of both parts, standardised by the training part, and targets."""
    scaler = scaler_of(training.x)
    return scaler.apply(training.x), scaler.apply(judge.x), training.targets, judge.targets


def _error(x: Float, target: Float, other: Float, wanted: Float, columns: Sequence[int]) -> float:
    """The squared error of a fit to x and target, on other and wanted."""
    a, mean = x[:, columns], target.mean(axis=0)
    gram = a.T @ a + RIDGE * len(a) * np.eye(len(columns))
    weights = np.linalg.solve(gram, a.T @ (target - mean))
    return float(((other[:, columns] @ weights + mean - wanted) ** 2).sum())
