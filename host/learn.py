"""The algorithms: descent on the squared error of a neuron y = w . x + b. Twin of firmware/core/learn.c.

The order of operations is part of the contract, so that PC and board get the same bits: sums over features in
feature order and then the bias, sums over samples in sample order, no fused multiply-add. For a sample:

    error = w . x + b - y      loss = error * error      slope = 2 * error      gradient = slope * x, slope

Each algorithm is one function, from the weights before an epoch to those after it, float64 or float32 alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.errors import NeuronError

Float = NDArray[np.float64]
Number = Any
"""A scalar, or a column of scalars (one a sample), of the training's type: both take the same operations."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the data: the loss met on the way, and the weights after it. b is None without a bias.

    batch: the mean loss before the update; sgd: the loss of the last sample before its update.
    """

    epoch: int
    loss: float
    w: list[float]
    b: float | None


def forward(w: Sequence[Number], b: Number | None, x: Iterable[Number]) -> Number:
    """w . x + b. `x` holds a number, or a column of all samples, for each feature."""
    z: Number = 0
    for wj, xj in zip(w, x, strict=True):
        z = z + wj * xj
    return z if b is None else z + b


def total(column: NDArray[Any]) -> Number:
    """0 + the first sample + the next to the last, in order: numpy's own sum would go pairwise."""
    return np.add.accumulate(column)[-1] + 0  # + 0: a sum of -0 alone is 0


def batch(
    x: NDArray[Any], y: NDArray[Any], w: list[Number], b: Number | None, rate: Number
) -> tuple[Number, list[Number], Number | None]:
    """One step down the gradient of the mean loss. x is (samples, features)."""
    samples = y.dtype.type(len(y))
    error = forward(w, b, x.T) - y
    loss = total(error * error) / samples
    slope = 2 * error
    w = [wj - rate * (total(slope * xj) / samples) for wj, xj in zip(w, x.T, strict=True)]
    return loss, w, None if b is None else b - rate * (total(slope) / samples)


def sgd(
    x: NDArray[Any], y: NDArray[Any], w: list[Number], b: Number | None, rate: Number
) -> tuple[Number, list[Number], Number | None]:
    """One step down the gradient of each sample's loss, in order. x is (samples, features)."""
    loss: Number = 0
    for xi, yi in zip(_scalars(x), _scalars(y), strict=True):
        error = forward(w, b, xi) - yi
        loss = error * error
        slope = 2 * error
        w = [wj - rate * (slope * xj) for wj, xj in zip(w, xi, strict=True)]
        b = None if b is None else b - rate * slope
    return loss, w, b


ALGORITHMS = {"batch": batch, "sgd": sgd}


def _scalars(values: NDArray[Any]) -> list[Any]:
    """The same numbers as (rows of) scalars. A Python float is a float64, and much faster than numpy's."""
    if values.dtype == np.float64:
        return list(values.tolist())
    return [list(row) for row in values] if values.ndim == 2 else list(values)


def train(
    x: ArrayLike,
    y: ArrayLike,
    *,
    algorithm: str,
    rate: float,
    epochs: int,
    w: Sequence[float],
    b: float | None,
    dtype: type[np.floating[Any]] = np.float64,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Epoch]:
    """Every epoch of a training that starts from w, b. x: (samples, features); y: (samples,).

    A training that diverges is a NeuronError that names the largest stable rate.
    """
    x, y = np.asarray(x, dtype), np.asarray(y, dtype)
    *weights, learning_rate = _scalars(np.array([*w, rate], dtype))
    bias = None if b is None else _scalars(np.array([b], dtype))[0]
    history: list[Epoch] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for epoch in range(epochs):
            loss, weights, bias = ALGORITHMS[algorithm](x, y, weights, bias, learning_rate)
            history.append(
                Epoch(epoch, float(loss), [float(v) for v in weights], None if bias is None else float(bias))
            )
            if progress:
                progress("training", epoch + 1, epochs)
            if not _finite(history[-1]):
                break
    start = Epoch(-1, 0.0, list(w), b)
    _require_stable(x.astype(np.float64), y.astype(np.float64), start, history, algorithm, rate)
    return history


# ------------------------------------------------------------------------------------------------- stability


def _finite(epoch: Epoch) -> bool:
    return all(math.isfinite(v) for v in (epoch.loss, *epoch.w, epoch.b or 0.0))


def _with_bias(x: Float, bias: bool) -> Float:
    """The data as the loss sees it: the bias is the weight of a column of ones."""
    return np.hstack([x, np.ones((len(x), 1))]) if bias else x


def stable_rate(x: Float, bias: bool, algorithm: str) -> float:
    """2 / the largest eigenvalue of the loss's Hessian: a larger rate climbs along that eigenvector.

    batch: of the mean loss, 2/n X'X. sgd: of the single sample's loss that curves most, 2 x x'.
    """
    a = _with_bias(x, bias)
    if algorithm == "batch":
        curvature = 2 * float(np.linalg.eigvalsh(a.T @ a / len(a))[-1])
    else:
        curvature = 2 * float((a * a).sum(axis=1).max())
    return 2 / curvature if curvature > 0 else math.inf


def mean_loss(x: Float, y: Float, w: Sequence[float], b: float | None) -> float:
    """The loss over all samples, in float64: for people and for the stability check, no part of training."""
    with np.errstate(over="ignore", invalid="ignore"):
        error = forward(w, b, x.T) - y
        return float(np.mean(error * error))


def _epoch_expands(x: Float, bias: bool, rate: float) -> bool:
    """Whether sgd drives the weights apart for ever: the product of an epoch's steps I - 2 rate x x' grows.

    Above the stable rate of the worst sample the others may still hold it: sgd hovers, and has not diverged.
    """
    a = _with_bias(x, bias)
    _, scale, axes = np.linalg.svd(a, full_matrices=False)
    a = a @ axes[scale > 1e-12 * scale[0]].T  # the directions that the data do not reach stay as they are
    product = np.eye(a.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for row in a:
            product -= np.outer(2 * rate * row, row @ product)
    return not np.isfinite(product).all() or bool(np.abs(np.linalg.eigvals(product)).max() > 1 - 1e-9)


def _require_stable(
    x: Float, y: Float, start: Epoch, history: list[Epoch], algorithm: str, rate: float
) -> None:
    bias, end = start.b is not None, history[-1]
    limit = stable_rate(x, bias, algorithm)
    before = mean_loss(x, y, start.w, start.b)
    if _finite(end):
        after = mean_loss(x, y, end.w, end.b)
        expands = rate > limit and after > before and (algorithm == "batch" or _epoch_expands(x, bias, rate))
        if not expands:
            return
        what = f"the loss grew from {before:.4g} to {after:.4g} in {len(history)} epochs"
    else:
        what = f"the loss is no longer finite in epoch {end.epoch}"
    if rate > limit:
        advice = f"the largest stable rate for this data is {limit:.6g}: try --lr {limit / 2:.2g}"
    else:
        advice = f"rates up to {limit:.6g} are stable for it, so start from smaller weights or scale the data"
    raise NeuronError(f"training diverges with --lr {rate:.6g}: {what}; {advice}")
