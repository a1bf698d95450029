"""A whole training: epoch after epoch of host/core/learn.py, or of its C twin where that pays, until it is to stop."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from host.core.learn import Config, begin, step
from host.errors import NeuronError, counted
from host.models.dense import Float
from host.progress import Progress
from host.training import fast
from host.training.stability import mean_loss, require_stable


@dataclass(slots=True)
class Epoch:
    """One pass over the data: the loss of its last step, before that step, and the parameters after it.

    The last step of batch descent has seen all samples, that of sgd one. w, b: of a single neuron, b None
    without a bias; of anything larger w has all parameters, layer by layer, weights before biases.
    validation: the loss a sample of the validation part, after the epoch.
    """

    epoch: int
    loss: float
    w: Sequence[float]
    b: float | None
    validation: float | None = None

    @property
    def parameters(self) -> Sequence[float]:
        return self.w if self.b is None else [*self.w, self.b]


@dataclass(frozen=True)
class Fit:
    """A training's history; the epoch that counts, which with patience is that of the lowest validation loss; why it
    ended.

    history: every epoch, or of a long training each of those whose number is a multiple of `every`, and of the others
    the first FIRST, that of the lowest validation loss, and the last. losses: every epoch where that was asked for, of
    anything larger than a neuron without its parameters.
    """

    history: list[Epoch]
    end: Epoch
    stopped: str = ""
    every: int = 1
    losses: list[Epoch] | None = None

    @property
    def epochs(self) -> int:
        """How many epochs were done."""
        return self.history[-1].epoch + 1

    @property
    def spread(self) -> list[Epoch]:
        """Those of the history that are evenly apart, and the last."""
        return [epoch for epoch in self.history if epoch.epoch % self.every == 0 or epoch is self.history[-1]]


KEPT_MIN, KEPT_MAX = 1000, 10_000
KEPT_NUMBERS = 4_000_000
"""Epochs that a history keeps, between both limits: as many as have these numbers, 32 MB, in all."""
FIRST = 100
"""Epochs from the first on that it keeps in any case."""


class _History:
    """The epochs so far, thinned as they come. best: that of the lowest validation loss, or the first."""

    def __init__(self, parameters: int, every_loss: bool) -> None:
        self._most = max(KEPT_MIN, min(KEPT_MAX, KEPT_NUMBERS // parameters))
        self._kept: list[Epoch] = []
        self._losses: list[Epoch] | None = [] if every_loss else None
        self._every = 1
        self.best = self.last = Epoch(-1, math.inf, (), None)

    def add(self, epoch: Epoch) -> None:
        self.last = epoch
        if epoch.epoch == 0 or (
            epoch.validation is not None and epoch.validation < (self.best.validation or 0.0)
        ):
            self.best = epoch
        if self._losses is not None:
            self._losses.append(replace(epoch, w=()) if isinstance(epoch.w, array) else epoch)
        if self._is_kept(epoch):
            self._kept.append(epoch)
        if len(self._kept) > self._most:
            self._every *= 2
            self._kept = list(filter(self._is_kept, self._kept))

    def _is_kept(self, epoch: Epoch) -> bool:
        return epoch.epoch < FIRST or epoch.epoch % self._every == 0

    def fit(self, end: Epoch, stopped: str) -> Fit:
        kept = {epoch.epoch: epoch for epoch in (*self._kept, self.best, self.last)}
        history = [kept[number] for number in sorted(kept)]
        return Fit(history, end, stopped, self._every, self._losses)


class Diverged(NeuronError):
    """A training that led away from its start, and how far it came."""

    def __init__(self, why: str, start: Sequence[float], fit: Fit) -> None:
        super().__init__(why)
        self.start, self.fit = start, fit


def fit(
    config: Config,
    x: ArrayLike,
    y: ArrayLike,
    start: Sequence[float],
    *,
    weights: Float | None = None,
    validation: tuple[Float, Float] | tuple[Float, Float, Float | None] | None = None,
    patience: int = 0,
    every_loss: bool = False,
    progress: Progress | None = None,
) -> Fit:
    """Train from these parameters. x: (samples, inputs); y: (samples,) or (samples, outputs); weights: (samples,), by
    which each counts, None for 1; validation: x and y, and perhaps weights, of other samples.

    patience: epochs that the validation loss may go without a new minimum; 0 for ever. every_loss: keep that of every
    epoch, however many. A training that diverges is Diverged; its line names, for a linear model, the largest stable
    rate.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    history = _History(config.count, every_loss)
    stopped, first, before = "", math.nan, math.nan
    tolerance = config.dtype(config.tolerance)
    neuron = config.is_neuron
    for number, (loss, parameters) in enumerate(epochs(config, x, y, start, weights)):
        epoch = Epoch(number, loss, parameters if neuron else array("d", parameters), None)
        if neuron and config.bias:
            epoch.w, epoch.b = parameters[:-1], parameters[-1]
        first = loss if number == 0 else first
        settled = bool(tolerance) and abs(config.dtype(loss) - config.dtype(before)) < tolerance
        if validation:
            epoch.validation = mean_loss(config, parameters, *validation)
        history.add(epoch)
        if progress:
            progress("training", number + 1, config.epochs)
        if settled:
            stopped = f"the loss changed by less than {config.tolerance:g}"
            break
        if patience and validation and number - history.best.epoch >= patience:
            stopped = f"no lower validation loss for {counted(patience, 'epoch')}"
            break
        before = loss
    last = history.last
    try:
        require_stable(config, x, y, start, last.parameters, (first, last.loss), last.epoch + 1, weights)
    except NeuronError as error:
        raise Diverged(str(error), start, history.fit(last, "")) from None
    return history.fit(history.best if patience and validation else last, stopped)


def epochs(
    config: Config, x: Float, y: Float, start: Sequence[float], weights: Float | None = None
) -> Iterator[tuple[float, list[float]]]:
    """(loss, parameters) of each epoch, up to the first that is not finite: the same bits from C and Python."""
    if fast.pays(config, len(x)):
        yield from fast.epochs(config, x, y, start, weights)
        return
    learner = begin(config, x, y, start, weights)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(config.epochs):
            while not step(learner):
                pass
            loss, parameters = float(learner.loss), [float(value) for value in learner.parameters]
            yield loss, parameters
            if not all(map(math.isfinite, (loss, *parameters))):
                return
