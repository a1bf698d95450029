"""A whole training: epoch after epoch of host/core/learn.py, or of its C twin where that pays, until it is to stop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from host.core.learn import Config, begin, step
from host.errors import counted
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
    w: list[float]
    b: float | None
    validation: float | None = None

    @property
    def parameters(self) -> list[float]:
        return self.w if self.b is None else [*self.w, self.b]


@dataclass(frozen=True)
class Fit:
    """Every epoch; the one that counts, which with patience is that of the lowest validation loss; why it ended."""

    history: list[Epoch]
    end: Epoch
    stopped: str = ""


def fit(
    config: Config,
    x: ArrayLike,
    y: ArrayLike,
    start: Sequence[float],
    *,
    validation: tuple[Float, Float] | None = None,
    patience: int = 0,
    progress: Progress | None = None,
) -> Fit:
    """Train from these parameters. x: (samples, inputs); y: (samples,) or (samples, outputs).

    patience: epochs that the validation loss may go without a new minimum; 0 for ever. A training that
    diverges is a NeuronError that, for a linear model, names the largest stable rate.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    history: list[Epoch] = []
    best, stopped = 0, ""
    tolerance = config.dtype(config.tolerance)
    neuron = len(config.units) == 2 and config.units[1] == 1 and config.bias
    for loss, parameters in epochs(config, x, y, start):
        w, b = (parameters[:-1], parameters[-1]) if neuron else (parameters, None)
        epoch = Epoch(len(history), loss, w, b)
        history.append(epoch)
        if progress:
            progress("training", len(history), config.epochs)
        if tolerance and len(history) > 1:
            change = abs(config.dtype(loss) - config.dtype(history[-2].loss))
            if change < tolerance:
                stopped = f"the loss changed by less than {config.tolerance:g}"
                break
        if validation:
            epoch.validation = mean_loss(config, parameters, *validation)
            best = epoch.epoch if epoch.validation < (history[best].validation or 0.0) else best
            if patience and epoch.epoch - best >= patience:
                stopped = f"no lower validation loss for {counted(patience, 'epoch')}"
                break
    last = history[-1]
    require_stable(config, x, y, start, last.parameters, [epoch.loss for epoch in history])
    return Fit(history, history[best] if patience and validation else last, stopped)


def epochs(config: Config, x: Float, y: Float, start: Sequence[float]) -> Iterator[tuple[float, list[float]]]:
    """(loss, parameters) of each epoch, up to the first that is not finite: the same bits from C and Python."""
    if fast.pays(config, len(x)):
        yield from fast.epochs(config, x, y, start)
        return
    learner = begin(config, x, y, start)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(config.epochs):
            while not step(learner):
                pass
            loss, parameters = float(learner.loss), [float(value) for value in learner.parameters]
            yield loss, parameters
            if not all(map(math.isfinite, (loss, *parameters))):
                return
