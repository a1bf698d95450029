"""Train a stack of dense layers by gradient descent. Twin of firmware/core/learn.c, bit for bit.

    x -> layer 0 -> layer 1 -> ... -> outputs        layer: a = activation(weights x + bias)

The order of operations is the contract; no fused multiply-add:

    sum        z = 0 + w0 x0 + w1 x1 + ... + b      features in order, then the bias
    error      e = a - y
    loss       (0 + e0 e0 + e1 e1 + ...) / outputs  outputs in order; HALF times 1/2; SUM undivided
    slope      2 e / outputs                        HALF e / outputs; SUM 2 e
    cross      0 + ((max(z, 0) - z y) + log1p(exp(-|z|))) + ..., / outputs; its delta (a - y) / outputs
    softmax    e = exp(z - the largest z), s = 0 + e0 + e1 + ..., n = 0 + y0 + y1 + ...
               0 + y0 (log(s) - (z0 - the largest z)) + ...; its delta e (n / s) - y
    delta      slope activation'                    at the last sums
    weighted   loss weight, delta weight            where samples have weights, at the last sums
    back       (0 + w0 delta0 + w1 delta1 + ...) activation'    at the sums before, outputs in order
    gradient   0 + delta x + ...                    samples of the batch in order; of a bias, delta alone
    batch      loss and gradient / samples          SUM undivided
    L2         gradient + l2 w                      with l2; of a bias the gradient alone
    descent    w - rate gradient
    Adam       m = 0.9 m + 0.1 g                    c1 = 0.9 c1 + 0.1
               v = 0.999 v + 0.001 (g g)            c2 = 0.999 c2 + 0.001
               w - (rate / c1) (m / (sqrt(v) / sqrt(c2) + 1e-8))
    relu' = 1 above 0, else 0     sigmoid' = a (1 - a)     tanh' = 1 - a a

C takes sample by sample. Here the same expressions take one sample, with a scalar for each feature, or all
samples of a batch at once, with a column for each: only `total` differs, and it adds in the samples' order.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.pcg32 import Pcg32
from host.core.wire import Activation, Loss

Number = Any
"""A scalar, or a column of scalars (one a sample), of the training's type: both take the same operations."""

COLUMNS_FROM = 32
"""Samples of a batch from which columns are faster than scalars, one sample after the other."""


@dataclass(frozen=True)
class Config:
    """A network and how to train it. units: inputs, then outputs of each layer; batch: samples a step, 0 all.

    A step activation is trained as identity. Loss.SOFTMAX wants identity outputs, one a class, and targets that are
    each class's share. tolerance: the change of the loss from one epoch to the next below which training ends.
    l2: from 0; descent is that of the loss + l2 / 2 times the sum of all squared weights, not of the biases, but the
    loss that is told is the data's alone.
    """

    units: tuple[int, ...]
    activation: tuple[Activation, ...]
    bias: bool = True
    loss: Loss = Loss.MEAN
    adam: bool = False
    shuffle: bool = False
    seed: int = 0
    batch: int = 0
    epochs: int = 1
    rate: float = 0.01
    tolerance: float = 0.0
    l2: float = 0.0
    dtype: type[np.floating[Any]] = np.float64

    @functools.cached_property
    def layers(self) -> list[tuple[int, int, int, Activation]]:
        """(number of the first parameter, inputs, outputs, activation) of each layer."""
        layers, first = [], 0
        for (inputs, outputs), activation in zip(
            itertools.pairwise(self.units), self.activation, strict=True
        ):
            layers.append((first, inputs, outputs, activation))
            first += (inputs + self.bias) * outputs
        return layers

    @property
    def is_neuron(self) -> bool:
        """Whether it is a single neuron: one layer, of one unit."""
        return self.units[1:] == (1,)

    @property
    def decay(self) -> bool:
        """Whether weights are drawn towards 0, in the training's type."""
        return bool(self.dtype(self.l2))

    @functools.cached_property
    def count(self) -> int:
        """Number of parameters: layer by layer, weights (outputs, inputs), then biases (outputs)."""
        return sum((inputs + self.bias) * outputs for _, inputs, outputs, _ in self.layers)


# --------------------------------------------------------------------------------------- exp, log1p and log

EXP_LOWEST = {np.float32: -87, np.float64: -708}
EXP_TERMS = {np.float32: 8, np.float64: 14}
LOG_TERMS = {np.float32: 8, np.float64: 17}
LN2 = {
    np.float32: (0.693359375, -2.12194440e-4),
    np.float64: (6.93147180369123816490e-01, 1.90821492927058770002e-10),
}


def exp(x: Number) -> Number:
    """e**x for x <= 0: Cody and Waite's reduction by ln 2 in two parts, then the Taylor series."""
    x = np.asarray(x)
    dtype = x.dtype.type
    lowest, (ln2_high, ln2_low) = EXP_LOWEST[dtype], LN2[dtype]
    inside = np.where(x >= lowest, x, 0)
    k = (inside * 1.4426950408889634 - 0.5).astype(np.int32)
    r = (inside - k.astype(dtype) * ln2_high) - k.astype(dtype) * ln2_low
    total = np.ones_like(r)  # 1 + r / 1 (1 + r / 2 (1 + ... r / (terms - 1)))
    for n in range(EXP_TERMS[dtype] - 1, 0, -1):
        total = 1 + r * total / n
    return np.where(x >= lowest, np.ldexp(total, k), np.where(x < lowest, 0, x))[()]


def log1p(e: Number) -> Number:
    """log(1 + e) for 0 <= e <= 1: the series of 2 atanh(e / (2 + e))."""
    dtype = np.asarray(e).dtype.type
    s = e / (2 + e)
    square = s * s
    total: Number = dtype(0)
    for n in range(LOG_TERMS[dtype] - 1, -1, -1):
        total = total * square + dtype(2) / dtype(2 * n + 1)
    return s * total


def log(s: Number) -> Number:
    """log(s) for 1 <= s <= UNITS_MAX: k log(2) in two parts and log1p of what s is above 2^k, 2^k the largest power
    of two up to s."""
    s = np.asarray(s)
    ln2_high, ln2_low = LN2[s.dtype.type]
    k = np.frexp(np.where(np.isfinite(s), s, 1))[1] - 1
    power = k.astype(s.dtype)
    return (power * ln2_high + (power * ln2_low + log1p(np.ldexp(s, -k) - 1)))[()]


# ---------------------------------------------------------------------------------------------- activations


def choose(condition: Any, yes: Number, no: Number) -> Number:
    """yes where the condition holds, else no."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def activate(activation: Activation, z: Number) -> Number:
    match activation:
        case Activation.RELU:
            return choose(z > 0, z, 0)
        case Activation.SIGMOID:
            e = exp(-abs(z))
            return choose(z < 0, e, 1) / (1 + e)
        case Activation.TANH:
            e = exp(-2 * abs(z))
            return choose(z < 0, e - 1, 1 - e) / (1 + e)
        case _:
            return z


def through(activation: Activation, delta: Number, a: Number) -> Number:
    """delta at z from that at a = activate(z)."""
    match activation:
        case Activation.RELU:
            return choose(a > 0, delta, 0)
        case Activation.SIGMOID:
            return delta * (a * (1 - a))
        case Activation.TANH:
            return delta * (1 - a * a)
        case _:
            return delta


# -------------------------------------------------------------------------------------------------- a sample


def dot(w: Sequence[Number], x: Sequence[Number]) -> Number:
    z: Number = 0
    for wi, xi in zip(w, x, strict=True):
        z = z + wi * xi
    return z


def forward(
    config: Config, parameters: Sequence[Number], x: Sequence[Number]
) -> tuple[list[Number], list[list[Number]]]:
    """The sums of the last layer, and the activations of every layer, the inputs first."""
    z, values = [], [list(x)]
    for first, inputs, outputs, activation in config.layers:
        bias = first + outputs * inputs
        z = [
            dot(parameters[first + j * inputs : first + (j + 1) * inputs], values[-1]) for j in range(outputs)
        ]
        if config.bias:
            z = [z[j] + parameters[bias + j] for j in range(outputs)]
        values.append([activate(activation, zj) for zj in z])
    return z, values


def measure(
    config: Config, z: Sequence[Number], a: Sequence[Number], y: Sequence[Number]
) -> tuple[Number, list[Number]]:
    """The sample's loss, and the gradient at the last layer's sums."""
    if config.loss is Loss.SOFTMAX:
        return softmax(z, y)
    outputs, last = len(a), config.activation[-1]
    loss: Number = 0
    delta = []
    for zj, aj, yj in zip(z, a, y, strict=True):
        error = aj - yj
        if config.loss is Loss.CROSS:
            loss = loss + ((choose(zj > 0, zj, 0) - zj * yj) + log1p(exp(-abs(zj))))
            delta.append(error / outputs)
            continue
        loss = loss + error * error
        slope = error if config.loss is Loss.HALF else 2 * error
        if config.loss is not Loss.SUM:
            slope = slope / outputs
        delta.append(through(last, slope, aj))
    if config.loss is not Loss.SUM:
        loss = loss / outputs
    return (0.5 * loss if config.loss is Loss.HALF else loss), delta


def softmax(z: Sequence[Number], y: Sequence[Number]) -> tuple[Number, list[Number]]:
    """Loss.SOFTMAX: the cross-entropy of the classes' shares e^z / (e^z0 + e^z1 + ...), and its gradient at z."""
    largest = functools.reduce(lambda most, zj: choose(zj > most, zj, most), z)
    z = [zj - largest for zj in z]
    e = [exp(zj) for zj in z]
    s: Number = functools.reduce(operator.add, e, 0)
    share = functools.reduce(operator.add, y, 0) / s
    log_s, loss = log(s), 0
    for zj, yj in zip(z, y, strict=True):
        loss = loss + yj * (log_s - zj)
    return loss, [ej * share - yj for ej, yj in zip(e, y, strict=True)]


def total(terms: Number) -> Number:
    """A column's sum, 0 + the first sample + the next to the last: numpy's own sum would go pairwise."""
    return np.add.accumulate(terms)[-1] + 0 if isinstance(terms, np.ndarray) else terms


def backward(
    config: Config, parameters: Sequence[Number], values: list[list[Number]], delta: list[Number]
) -> list[Number]:
    """From the deltas of the last layer to the gradient of every parameter."""
    gradient: list[Number] = [0] * config.count
    for k, (first, inputs, outputs, _) in reversed(list(enumerate(config.layers))):
        x = values[k]
        back: list[Number] = [0] * inputs
        for j in range(outputs):
            row = first + j * inputs
            for i in range(inputs):
                if k:
                    back[i] = back[i] + parameters[row + i] * delta[j]
                gradient[row + i] = total(delta[j] * x[i])
            if config.bias:
                gradient[first + outputs * inputs + j] = total(delta[j])
        if k:
            delta = [through(config.activation[k - 1], back[i], x[i]) for i in range(inputs)]
    return gradient


# --------------------------------------------------------------------------------------------- a batch's step


Part = tuple[Sequence[Number], Sequence[Number], Number | None]
"""Inputs, targets and weight of a sample, or of many as columns."""


@dataclass
class Learner:
    """A training under way. x: (samples, inputs); y: (samples, outputs); weights: (samples,), or None where all count
    the same. loss: of the last batch."""

    config: Config
    x: NDArray[Any]
    y: NDArray[Any]
    weights: NDArray[Any] | None
    parameters: list[Number]
    rate: Number
    l2: Number
    moment: list[list[Number]]
    correction: list[Number]
    order: list[int]
    random: Pcg32
    epoch: int = 0
    sample: int = 0
    loss: Number = 0
    rows: list[Part] = field(default_factory=list)


def mean(learner: Learner, gradient: list[Number], samples: int) -> list[Number]:
    """A batch's gradient from the sums over its samples."""
    gradient = [g / samples for g in gradient]
    if learner.config.decay:
        for first, inputs, outputs, _ in learner.config.layers:
            for i in range(first, first + inputs * outputs):
                gradient[i] = gradient[i] + learner.l2 * learner.parameters[i]
    return gradient


def descend(learner: Learner, gradient: list[Number]) -> None:
    w = learner.parameters
    for i, g in enumerate(gradient):
        w[i] = w[i] - learner.rate * g


def adam(learner: Learner, gradient: list[Number]) -> None:
    learner.correction[0] = 0.9 * learner.correction[0] + 0.1
    learner.correction[1] = 0.999 * learner.correction[1] + 0.001
    step, root = learner.rate / learner.correction[0], square_root(learner.correction[1])
    w, (m, v) = learner.parameters, learner.moment
    for i, g in enumerate(gradient):
        m[i] = 0.9 * m[i] + 0.1 * g
        v[i] = 0.999 * v[i] + 0.001 * (g * g)
        w[i] = w[i] - step * (m[i] / (square_root(v[i]) / root + 1e-8))


def square_root(value: Number) -> Number:
    return math.sqrt(value) if isinstance(value, float) else np.sqrt(value)


def begin(
    config: Config, x: ArrayLike, y: ArrayLike, start: Sequence[float], weights: ArrayLike | None = None
) -> Learner:
    """A training of these samples from these parameters. y: (samples,) will do for one output; weights: (samples,),
    by which each sample's loss and gradient count, None for 1."""
    table = np.asarray(x, config.dtype)
    targets = np.asarray(y, config.dtype).reshape(len(table), -1)
    count = config.count
    *parameters, rate, l2 = scalars(
        np.array([*start, config.rate, config.l2], config.dtype) + 0
    )  # + 0: no -0
    zero = scalars(np.zeros(1, config.dtype))[0]
    return Learner(
        config,
        table,
        targets,
        None if weights is None else np.asarray(weights, config.dtype),
        parameters,
        rate,
        l2,
        moment=[[zero] * count, [zero] * count],
        correction=[zero, zero],
        order=list(range(len(table))),
        random=Pcg32(config.seed),
    )


def scalars(values: NDArray[Any]) -> list[Any]:
    """The same numbers as scalars. A Python float is a float64, and much faster than numpy's."""
    return values.tolist() if values.dtype == np.float64 else list(values)


def parts(learner: Learner, rows: Sequence[int]) -> Iterator[Part]:
    """These samples: one by one, or many as columns."""
    weights = learner.weights
    if len(rows) >= COLUMNS_FROM:
        chosen = slice(None) if len(rows) == len(learner.x) and not learner.config.shuffle else rows
        yield (
            list(learner.x[chosen].T),
            list(learner.y[chosen].T),
            None if weights is None else weights[chosen],
        )
        return
    if not learner.rows:
        counted = [None] * len(learner.x) if weights is None else scalars(weights)
        learner.rows = [
            (scalars(x), scalars(y), weight)
            for x, y, weight in zip(learner.x, learner.y, counted, strict=True)
        ]
    yield from (learner.rows[row] for row in rows)


def step(learner: Learner) -> bool:
    """Take one batch forward and back, and step. True when that was the last of an epoch."""
    config, samples = learner.config, len(learner.order)
    if config.shuffle and learner.sample == 0:
        learner.random.shuffle(learner.order)
    rows = learner.order[learner.sample : learner.sample + (config.batch or samples)]
    gradient: list[Number] = [0] * config.count
    loss: Number = 0
    for x, y, weight in parts(learner, rows):
        z, values = forward(config, learner.parameters, x)
        sample_loss, delta = measure(config, z, values[-1], y)
        if weight is not None:
            sample_loss, delta = sample_loss * weight, [d * weight for d in delta]
        loss = loss + total(sample_loss)
        gradient = [
            g + d for g, d in zip(gradient, backward(config, learner.parameters, values, delta), strict=True)
        ]

    divisor = 1 if config.loss is Loss.SUM else len(rows)
    learner.loss = loss / divisor
    (adam if config.adam else descend)(learner, mean(learner, gradient, divisor))
    learner.sample += len(rows)
    if learner.sample < samples:
        return False
    learner.epoch += 1
    learner.sample = 0
    learner.loss = plain(learner.loss)
    learner.parameters = [plain(value) for value in learner.parameters]
    return True


def plain(value: Number) -> Number:
    """One bit pattern for what is not a number: x86 makes a negative one, ARM a positive one."""
    return type(value)(math.nan) if math.isnan(value) else value
