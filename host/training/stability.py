"""Does a training diverge? The largest stable rate of linear models, and what to say when a rate was too large.

No part of the training's arithmetic: all of this is float64 and for people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from host.core.learn import Config, activate, measure
from host.core.wire import Activation, Loss
from host.errors import NeuronError, counted
from host.models.dense import Float


def mean_loss(
    config: Config, parameters: Sequence[float], x: Float, y: Float, weights: Float | None = None
) -> float:
    """The loss a sample, over all samples: sums over samples are divided by their number too. weights: (samples,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        z, a = _forward(config, np.asarray(parameters), x)
        loss, _ = measure(config, list(z.T), list(a.T), list(y.reshape(len(x), -1).T))
        return float(np.mean(loss if weights is None else loss * weights))


def _forward(config: Config, parameters: Float, x: Float) -> tuple[Float, Float]:
    """As host.core.learn.forward, to the last bit: (samples, outputs) of the last layer, before its activation and
    after. All outputs of a layer go at once: a network's loss is asked for after every epoch."""
    z = a = x
    for first, inputs, outputs, activation in config.layers:
        end = first + inputs * outputs
        weights = parameters[first:end].reshape(outputs, inputs)
        z = np.zeros((len(x), outputs))
        for i in range(inputs):
            z += a[:, i : i + 1] * weights[:, i]
        if config.bias:
            z += parameters[end : end + outputs]
        a = activate(activation, z)
    return z, a


def is_linear(config: Config) -> bool:
    """Whether the loss is a parabola, L2 or not: one linear layer, squared errors."""
    flat = config.activation[0] in (Activation.IDENTITY, Activation.STEP)
    return len(config.activation) == 1 and flat and config.loss not in (Loss.CROSS, Loss.SOFTMAX)


def _with_bias(config: Config, x: Float) -> Float:
    """The data as the loss sees it: the bias is the weight of a column of ones."""
    return np.hstack([x, np.ones((len(x), 1))]) if config.bias else x


def _slope(config: Config) -> float:
    """The second derivative of a sample's loss by one of its outputs; of cross-entropies the largest that it can be
    (Boehning 1992)."""
    outputs = config.units[-1]
    slopes = {
        Loss.MEAN: 2 / outputs,
        Loss.HALF: 1 / outputs,
        Loss.SUM: 2.0,
        Loss.CROSS: 0.25 / outputs,
        Loss.SOFTMAX: 0.5,
    }
    return slopes[config.loss]


def _batches(config: Config, x: Float, weights: Float | None) -> list[Float]:
    """The Hessian of each step's loss is a'a of these: L2 is as good as a sample more for each weight."""
    a = _with_bias(config, x)
    if weights is not None:
        a = a * np.sqrt(weights)[:, None]
    slope = _slope(config)
    size = min(config.batch or len(a), len(a))
    parts = [a[first : first + size] for first in range(0, len(a), size)]
    parts = [part * math.sqrt(slope / (1 if config.loss is Loss.SUM else len(part))) for part in parts]
    decay = math.sqrt(config.l2) * np.eye(x.shape[1], a.shape[1])
    return [np.vstack([part, decay]) for part in parts] if config.l2 else parts


def stable_rate(config: Config, x: Float, weights: Float | None = None) -> float:
    """2 / the largest eigenvalue of any step's Hessian: a larger rate climbs along that eigenvector. One sample at a
    time, L2 counts as if the bias had it too."""
    if config.batch == 1 and len(x) > 1:
        squares = (x * x).sum(axis=1) + config.bias
        squares = squares if weights is None else squares * weights
        curvature = _slope(config) * float(squares.max()) + config.l2
    else:
        curvature = max(float(np.linalg.eigvalsh(part.T @ part)[-1]) for part in _batches(config, x, weights))
    return 2 / curvature if curvature > 0 else math.inf


def _epoch_expands(config: Config, x: Float, weights: Float | None) -> bool:
    """Whether an epoch's steps I - rate a'a, one after the other, drive the weights apart for ever.

    Above the stable rate of the worst step the others may still hold it: sgd hovers, and has not diverged.
    """
    parts = _batches(config, x, weights)
    _, scale, axes = np.linalg.svd(np.vstack(parts), full_matrices=False)
    reached = axes[scale > 1e-12 * scale[0]].T  # the directions that the data do not reach stay as they are
    product = np.eye(reached.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for part in parts:
            a = part @ reached
            product -= config.rate * (a.T @ (a @ product))
    return not np.isfinite(product).all() or bool(np.abs(np.linalg.eigvals(product)).max() > 1 - 1e-9)


def constant_loss(config: Config, y: Float, weights: Float | None) -> float:
    """The loss of a model that always answers the mean of the targets."""
    y = y.reshape(len(y), -1)
    counts = np.ones((len(y), 1)) if weights is None else weights[:, None]
    mean = (counts * y).sum(axis=0) / counts.sum()
    if config.loss in (Loss.CROSS, Loss.SOFTMAX):
        p = np.clip(mean, 1e-12, 1 - 1e-12)
        if config.loss is Loss.SOFTMAX:
            return float(-np.mean((counts * y * np.log(p)).sum(axis=1)))
        return float(-np.mean(counts * (y * np.log(p) + (1 - y) * np.log(1 - p))))
    squares = (counts * (y - mean) ** 2).mean(axis=0)
    share = {Loss.MEAN: 1 / len(mean), Loss.HALF: 0.5 / len(mean)}.get(config.loss, 1.0)
    return float(squares.sum() * share)


def require_stable(
    config: Config,
    x: Float,
    y: Float,
    start: Sequence[float],
    end: Sequence[float],
    losses: tuple[float, float],
    epochs: int,
    weights: Float | None = None,
) -> None:
    """A training that diverged is a NeuronError of one line that says what to do. losses: of the first and the last of
    so many epochs."""
    linear = is_linear(config) and not config.adam
    whole = config.batch == 0 or config.batch >= len(x)
    if not all(map(math.isfinite, (losses[-1], *end))):
        what = f"the loss is no longer finite in epoch {epochs - 1}"
    elif linear and ((whole and losses[-1] < losses[0]) or config.rate <= stable_rate(config, x, weights)):
        return
    else:
        before, after = (mean_loss(config, parameters, x, y, weights) for parameters in (start, end))
        if linear:
            expands = after > before and (whole or _epoch_expands(config, x, weights))
        else:
            worst = max(before, constant_loss(config, y, weights))
            if config.l2:  # which may bring all weights to 0
                worst = max(worst, mean_loss(config, [0.0] * config.count, x, y, weights))
            expands = not after <= 2 * worst + 1e-9 * float(np.mean(y * y))
        if not expands:
            return
        what = f"the loss grew from {before:.4g} to {after:.4g} in {counted(epochs, 'epoch')}"
    limit = stable_rate(config, x, weights) if linear else 0.0
    if not linear:
        advice = f"try --lr {config.rate / 10:.2g} and standardised data"
    elif config.rate > limit:
        advice = f"the largest stable rate for this data is {limit:.6g}: try --lr {limit / 2:.2g}"
    else:
        advice = f"rates up to {limit:.6g} are stable for it, so start from smaller weights or scale the data"
    raise NeuronError(f"training diverges with --lr {config.rate:.6g}: {what}; {advice}")
