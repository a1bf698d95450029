"""Does a training diverge? The largest stable rate of linear models, and what to say when a rate was too large.

No part of the training's arithmetic: all of this is float64 and for people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from host.core.learn import Config, forward, measure
from host.core.wire import Activation, Loss
from host.errors import NeuronError, counted
from host.models.dense import Float


def mean_loss(config: Config, parameters: Sequence[float], x: Float, y: Float) -> float:
    """The loss a sample, over all samples: sums over samples are divided by their number too."""
    with np.errstate(over="ignore", invalid="ignore"):
        z, values = forward(config, parameters, list(x.T))
        loss, _ = measure(config, z, values[-1], list(y.reshape(len(x), -1).T))
        return float(np.mean(loss))


def is_linear(config: Config) -> bool:
    """Whether the loss is a parabola: one linear layer, squared errors."""
    flat = config.activation[0] in (Activation.IDENTITY, Activation.STEP)
    return len(config.activation) == 1 and flat and config.loss is not Loss.CROSS


def _with_bias(config: Config, x: Float) -> Float:
    """The data as the loss sees it: the bias is the weight of a column of ones."""
    return np.hstack([x, np.ones((len(x), 1))]) if config.bias else x


def _slope(config: Config) -> float:
    """The second derivative of a sample's loss by one of its outputs."""
    return {Loss.MEAN: 2 / config.units[-1], Loss.HALF: 1 / config.units[-1]}.get(config.loss, 2.0)


def _batches(config: Config, x: Float) -> list[Float]:
    """The Hessian of each step's loss is a'a of these."""
    a = _with_bias(config, x)
    slope = _slope(config)
    size = min(config.batch or len(a), len(a))
    parts = [a[first : first + size] for first in range(0, len(a), size)]
    return [part * math.sqrt(slope / (1 if config.loss is Loss.SUM else len(part))) for part in parts]


def stable_rate(config: Config, x: Float) -> float:
    """2 / the largest eigenvalue of any step's Hessian: a larger rate climbs along that eigenvector."""
    if config.batch == 1 and len(x) > 1:
        curvature = _slope(config) * float(((x * x).sum(axis=1)).max() + config.bias)
    else:
        curvature = max(float(np.linalg.eigvalsh(part.T @ part)[-1]) for part in _batches(config, x))
    return 2 / curvature if curvature > 0 else math.inf


def _epoch_expands(config: Config, x: Float) -> bool:
    """Whether an epoch's steps I - rate a'a, one after the other, drive the weights apart for ever.

    Above the stable rate of the worst step the others may still hold it: sgd hovers, and has not diverged.
    """
    parts = _batches(config, x)
    _, scale, axes = np.linalg.svd(np.vstack(parts), full_matrices=False)
    reached = axes[scale > 1e-12 * scale[0]].T  # the directions that the data do not reach stay as they are
    product = np.eye(reached.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for part in parts:
            a = part @ reached
            product -= config.rate * (a.T @ (a @ product))
    return not np.isfinite(product).all() or bool(np.abs(np.linalg.eigvals(product)).max() > 1 - 1e-9)


def _constant_loss(config: Config, y: Float) -> float:
    """The loss of a model that always answers the mean of the targets."""
    y = y.reshape(len(y), -1)
    mean = y.mean(axis=0)
    if config.loss is Loss.CROSS:
        p = np.clip(mean, 1e-12, 1 - 1e-12)
        return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
    squares = ((y - mean) ** 2).mean(axis=0)
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
) -> None:
    """A training that diverged is a NeuronError of one line that says what to do. losses: of the first and the last of
    so many epochs."""
    linear = is_linear(config) and not config.adam
    whole = config.batch == 0 or config.batch >= len(x)
    if not all(map(math.isfinite, (losses[-1], *end))):
        what = f"the loss is no longer finite in epoch {epochs - 1}"
    elif linear and ((whole and losses[-1] < losses[0]) or config.rate <= stable_rate(config, x)):
        return
    else:
        before, after = (mean_loss(config, parameters, x, y) for parameters in (start, end))
        if linear:
            expands = after > before and (whole or _epoch_expands(config, x))
        else:
            worst = 2 * max(before, _constant_loss(config, y)) + 1e-9 * float(np.mean(y * y))
            expands = not after <= worst
        if not expands:
            return
        what = f"the loss grew from {before:.4g} to {after:.4g} in {counted(epochs, 'epoch')}"
    limit = stable_rate(config, x) if linear else 0.0
    if not linear:
        advice = f"try --lr {config.rate / 10:.2g}, or --standardise the data"
    elif config.rate > limit:
        advice = f"the largest stable rate for this data is {limit:.6g}: try --lr {limit / 2:.2g}"
    else:
        advice = f"rates up to {limit:.6g} are stable for it, so start from smaller weights or scale the data"
    raise NeuronError(f"training diverges with --lr {config.rate:.6g}: {what}; {advice}")
