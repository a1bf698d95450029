"""Exhaustive search: the loss at every point of a grid of parameters, and the best of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.learn import Config, forward, measure
from host.errors import NeuronError, counted
from host.progress import Progress
from host.training.fit import Epoch, Fit

POINTS_MAX = 10_000_000
CHUNK = 100_000
"""Points evaluated at once."""


def axes(triples: Sequence[tuple[float, float, float]]) -> list[list[float]]:
    """The values of each parameter, from low, high, step: low, low + step, .. up to high.

    Rounded as people write them, so that 7 steps of 0.1 are at 0.7.
    """
    counts = [math.floor((high - low) / step + 1e-9) + 1 for low, high, step in triples]
    if math.prod(counts) > POINTS_MAX:
        points = " x ".join(map(str, counts))
        raise NeuronError(f"a grid of {points} points is more than {POINTS_MAX}: take a larger step")
    return [
        [float(f"{low + k * step:.12g}") for k in range(count)]
        for (low, _, step), count in zip(triples, counts, strict=True)
    ]


def axes_of(ends: Sequence[float] | None, parameters: int) -> list[list[float]]:
    """--grid low,high,step for all parameters, or low,high,step,low,high,step,... for each."""
    ends = list(ends or [0.0, 4.0, 0.1])
    if len(ends) == 3:
        ends = ends * parameters
    if len(ends) != 3 * parameters:
        raise NeuronError(
            f"--grid has {counted(len(ends), 'number')}: give 3 (low,high,step) or {3 * parameters}"
        )
    triples = list(zip(ends[::3], ends[1::3], ends[2::3], strict=True))
    for low, high, step in triples:
        if step <= 0 or high < low:
            raise NeuronError(
                f"--grid {low:g},{high:g},{step:g} has no points: give low,high,step, step above 0"
            )
    return axes(triples)


def loss_at(
    config: Config, points: Sequence[NDArray[np.float64]], x: ArrayLike, y: ArrayLike
) -> NDArray[np.float64]:
    """The loss over all samples, in the written order, at each point: a column of values for each parameter."""
    sums = np.zeros(len(points[0]))
    targets = np.asarray(y, np.float64).reshape(len(np.asarray(x)), -1)
    for xi, yi in zip(np.asarray(x, np.float64).tolist(), targets.tolist(), strict=True):
        z, values = forward(config, points, xi)
        sums = sums + measure(config, z, values[-1], yi)[0]
    return sums / len(targets)


def search(
    config: Config, x: ArrayLike, y: ArrayLike, axes: Sequence[list[float]], progress: Progress | None = None
) -> Fit:
    """Every point of the axes, one axis a parameter, the last running fastest. The history: each new best."""
    count = math.prod(len(values) for values in axes)
    history: list[Epoch] = []
    for first, chunk in _chunks(axes):
        losses = loss_at(config, list(chunk.T), x, y)
        best = history[-1].loss if history else np.inf
        lowest = np.minimum.accumulate(losses)
        for index in np.flatnonzero(losses < np.concatenate([[best], np.minimum(best, lowest[:-1])])):
            point = chunk[index].tolist()
            w, b = (point[:-1], point[-1]) if config.bias else (point, None)
            history.append(Epoch(first + int(index), float(losses[index]), w, b))
        if progress:
            progress("searching", min(first + CHUNK, count), count)
    return Fit(history, history[-1], counted(count, "point"))


def _chunks(axes: Sequence[list[float]]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    points = itertools.product(*axes)
    first = 0
    while chunk := list(itertools.islice(points, CHUNK)):
        yield first, np.array(chunk)
        first += len(chunk)
