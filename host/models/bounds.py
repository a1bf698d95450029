"""How far a fixed-point model can be from its float reference, anywhere in its input ranges: a bound, not an estimate.

Rounding of inputs (to float32, less the offset, to int16), weights, biases, sums and outputs, and the tables' errors go
through all layers in affine arithmetic (de Figueiredo and Stolfi, Numerical Algorithms 37, 2004): a quantity is
c + g @ e, where e are unknowns in -1..1. All of a layer share them, so that what cancels in a sum cancels in its bound.
A relu or curve becomes a straight line and what lies beside it, one unknown more for each unit. Intervals alone say
little of a deep network: each layer multiplies them by the sum of its weights' sizes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.fixed import INT16_MAX, INT16_MIN, Int16, fixed_sigmoid, fixed_tanh
from host.core.image import Model
from host.core.wire import SIGMOID_IN_FRACTION, TANH_IN_FRACTION, UNIT_OUT_FRACTION, Activation
from host.models.dense import Dense, Float, sigmoid
from host.models.formats import absorb

ROUND_UP = 1 + 2.0**-40
"""A bound computed in float64 is itself rounded: this much more makes it a bound again."""

ULP = 2.0**-50
"""A few roundings of float64, relative."""


@dataclass(frozen=True)
class Curve:
    """A tabulated activation: the true one, its slope, which grows towards 0, the table, and its argument's scale."""

    true: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    table: Callable[[Any], Int16]
    in_fraction: int


CURVES = {
    Activation.SIGMOID: Curve(
        sigmoid, lambda z: sigmoid(z) * sigmoid(-z), fixed_sigmoid, SIGMOID_IN_FRACTION
    ),
    Activation.TANH: Curve(np.tanh, lambda z: 1 - np.tanh(z) ** 2, fixed_tanh, TANH_IN_FRACTION),
}


@functools.cache
def _table_error(curve: Curve) -> float:
    """The largest distance of a table from its true curve, arguments beyond the table's ends included."""
    q = np.arange(INT16_MIN, INT16_MAX + 1)
    true = curve.true(np.ldexp(q.astype(np.float64), -curve.in_fraction))
    table = np.ldexp(curve.table(q).astype(np.float64), -UNIT_OUT_FRACTION)
    return float(np.abs(table - true).max() + (1 - true[-1])) + 1e-14


# --------------------------------------------------------------------------------------------------- forms


@dataclass(frozen=True)
class Affine:
    """Quantities of n units: centre (n) + noise (n, k) @ e, for the k unknowns e in -1..1 of the whole model."""

    centre: Float
    noise: Float

    @property
    def radius(self) -> Float:
        return np.asarray(np.abs(self.noise).sum(axis=1) * ROUND_UP)

    @property
    def size(self) -> Float:
        return np.abs(self.centre) + self.radius

    def mapped(self, matrix: Float) -> Affine:
        return Affine(matrix @ self.centre, matrix @ self.noise)

    def line(self, line: Line, width: Float) -> Affine:
        """slope * self + centre, and an unknown more for each unit, of this width."""
        fresh = np.diag(line.width + np.abs(line.slope) * width)
        noise = np.hstack([line.slope[:, np.newaxis] * self.noise, fresh])
        return Affine(line.slope * self.centre + line.centre, noise)

    def widened(self, count: int) -> Affine:
        """With so many unknowns more, which others have."""
        return Affine(self.centre, np.hstack([self.noise, np.zeros((len(self.noise), count))]))


@dataclass(frozen=True)
class Line:
    """y lies within width of slope * z + centre, an entry a unit."""

    slope: Float
    centre: Float
    width: Float


@dataclass(frozen=True)
class Known:
    """What is known between two layers: the float reference's values, as a form and as an interval, and the error of
    the integers, in their own units, as a form of the same unknowns."""

    value: Affine
    low: Float
    high: Float
    error: Affine


# -------------------------------------------------------------------------------------------------- layers


def _inputs(model: Model, ranges: Sequence[tuple[float, float]]) -> Known:
    """What is known of the inputs less their offsets."""
    ends = np.array(ranges, dtype=np.float64).reshape(-1, 2)
    offset = np.array(model.input_offset, dtype=np.float64)
    low, high = (ends - offset[:, np.newaxis]).T
    # Half a step of int16; before it half a step of float32, of the value and of what the subtraction leaves.
    as_float32 = float32_step(np.abs(ends).max(axis=1)) / 2
    subtracted = np.where(offset == 0, 0.0, float32_step(np.maximum(-low, high) + as_float32) / 2)
    # (ends - offset is rounded too, and the reference's x is not: a few roundings more.)
    own = np.abs(ends).max(axis=1) * ULP
    error = np.ldexp(0.5, -np.array(model.input_fraction, dtype=np.int32)) + as_float32 + subtracted + own
    count, none = len(low), np.zeros((len(low), len(low)))
    value = Affine((low + high) / 2, np.hstack([np.diag((high - low) / 2 + own), none]))
    return Known(
        value, low - own, high + own, Affine(np.zeros(count), np.hstack([none, np.diag(error * ROUND_UP)]))
    )


def float32_step(size: ArrayLike) -> Float:
    """The distance of neighbouring float32 of this size or, where that is more, of the next larger ones'."""
    with np.errstate(over="ignore"):
        return np.spacing(np.asarray(size, dtype=np.float64).astype(np.float32)).astype(np.float64)


def _own_fractions(model: Model, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Fraction bits of a layer's inputs, and of the accumulator of each of its rows."""
    layer = model.layers[index]
    before = model.input_fraction if index == 0 else (model.layers[index - 1].out_fraction,) * layer.inputs
    rows = np.full(layer.outputs, layer.acc_fraction)
    if index + 1 == len(model.layers):
        rows += np.array(model.output_fraction) - layer.out_fraction
    return np.array(before, dtype=np.int32), rows.astype(np.int32)


def _sums(
    model: Model, index: int, layer: Dense, before: Known, magnitude: Float
) -> tuple[Known, Float, Float]:
    """What is known of a layer's sums, and how wide the unknowns are that come anew: of the values, of the errors.

    w'x' - wx = w'(x' - x) + (w' - w)x. magnitude: of the float reference's inputs, offsets included, whose own rounding
    is an error too.
    """
    inputs, rows = _own_fractions(model, index)
    fixed = model.layers[index]
    real = np.ldexp(fixed.weights.astype(np.float64), inputs - rows[:, np.newaxis])
    missed = real - layer.weights
    missed_bias = np.ldexp(fixed.bias.astype(np.float64), -rows) - layer.bias
    value = before.value.mapped(layer.weights)
    value = Affine(value.centre + layer.bias, value.noise)
    through, beside = before.error.mapped(real), before.value.mapped(missed)
    error = Affine(through.centre + beside.centre + missed_bias, through.noise + beside.noise)

    terms = layer.weights.shape[1] + 4
    size = np.maximum(before.value.size, magnitude)
    slack = (np.abs(layer.weights) @ size + np.abs(layer.bias)) * terms * ULP
    anew = (
        slack + (np.abs(real) @ before.error.size + np.abs(missed) @ size + np.abs(missed_bias)) * terms * ULP
    )
    if fixed.shift > 0:
        anew += np.ldexp(0.5, fixed.shift - rows)

    ends = layer.weights * before.low, layer.weights * before.high
    low = np.minimum(*ends).sum(axis=1) + layer.bias - slack
    high = np.maximum(*ends).sum(axis=1) + layer.bias + slack
    reach = value.radius + slack
    low, high = np.maximum(low, value.centre - reach), np.minimum(high, value.centre + reach)
    return Known(value, low, high, error), slack, anew


def _relu(low: Float, high: Float, error_low: Float, error_high: Float) -> tuple[Line, Line]:
    """The lines of relu(z), z in low..high, and of relu(z + e) - relu(z): between 0 and e."""
    above = (low >= 0) & (low + error_low >= 0)
    below = (high <= 0) & (high + error_high <= 0)
    # The chord of a relu, and half of its greatest distance from it.
    chord = np.where(low >= 0, 1.0, np.where(high <= 0, 0.0, high / np.where(high > low, high - low, 1.0)))
    half = np.where((low < 0) & (high > 0), -chord * low / 2, 0.0)
    value = Line(chord, half, half * ROUND_UP)
    # Whatever the slope between the shares of both ends, what lies beside the line is as wide: the least slope.
    down, up = np.maximum(-error_low, 0.0), np.maximum(error_high, 0.0)
    share = np.minimum(down, up) / np.where(down + up > 0, down + up, 1.0)
    top, bottom = (np.maximum((1 - share) * a, share * b) for a, b in ((up, down), (down, up)))
    unsure = ~(above | below)
    slope = np.where(above, 1.0, np.where(below, 0.0, share))
    width = np.where(unsure, (top + bottom) / 2 * ROUND_UP, 0.0)
    return value, Line(slope, np.where(unsure, (top - bottom) / 2, 0.0), width)


def _curve(curve: Curve, low: Float, high: Float, error_low: Float, error_high: Float) -> tuple[Line, Line]:
    """The lines of f(z), z in low..high, and of table(z + e) - f(z) = f' e and the table's error."""
    error = np.maximum(-error_low, error_high)
    flattest = np.maximum(np.minimum(curve.slope(low), curve.slope(high)) - 1e-15, 0.0)
    # f(z) - flattest * z does not fall from low to high.
    ends = [curve.true(end) - flattest * end for end in (low, high)]
    slack = (2 + np.maximum(-low, high)) * 1e-15
    value = Line(flattest, (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2 + slack)

    left, right = low - error, high + error
    least = np.maximum(np.minimum(curve.slope(left), curve.slope(right)) - 1e-15, 0.0)
    nearest = np.where(left > 0, left, np.where(right < 0, right, 0.0))
    most = curve.slope(nearest) + 1e-15
    slope, width = (least + most) / 2, (most - least) / 2 * error + _table_error(curve)
    anywhere = slope * error + width > 2  # no two values of a curve are farther apart
    return value, Line(
        np.where(anywhere, 0.0, slope), np.zeros(len(low)), np.where(anywhere, 2.0, width) * ROUND_UP
    )


def _step(low: Float, high: Float, error_low: Float, error_high: Float) -> tuple[Line, Line]:
    lit = (low > 0) & (low + error_low > 0)
    dark = (high <= 0) & (high + error_high <= 0)
    none, (first, last) = np.zeros(len(low)), ((end > 0).astype(np.float64) for end in (low, high))
    return Line(none, (first + last) / 2, (last - first) / 2), Line(
        none, none, np.where(lit | dark, 0.0, 1.0)
    )


def _after(activation: Activation, sums: Known, slack: Float, anew: Float) -> Known:
    """What is known behind an activation."""
    radius = sums.error.radius + anew
    ends = sums.low, sums.high, sums.error.centre - radius, sums.error.centre + radius
    one, none = np.ones(len(radius)), np.zeros(len(radius))
    match activation:
        case Activation.IDENTITY:
            value = error = Line(one, none, none)
            low, high = sums.low, sums.high
        case Activation.RELU:
            value, error = _relu(*ends)
            low, high = np.maximum(sums.low, 0.0), np.maximum(sums.high, 0.0)
        case Activation.STEP:
            value, error = _step(*ends)
            low, high = (sums.low > 0).astype(np.float64), (sums.high > 0).astype(np.float64)
        case _:
            curve = CURVES[activation]
            value, error = _curve(curve, *ends)
            low, high = curve.true(sums.low) - 1e-15, curve.true(sums.high) + 1e-15
    units = len(radius)
    after = sums.value.line(value, slack)
    # Where the interval says much more than the form, it becomes the form.
    boxed = (high - low) / 2 < after.radius / 2
    box = np.where(boxed, (high - low) / 2 * ROUND_UP, np.diag(after.noise[:, -units:]))
    noise = np.hstack([np.where(boxed[:, np.newaxis], 0.0, after.noise[:, :-units]), np.diag(box)])
    after = Affine(np.where(boxed, (low + high) / 2, after.centre), noise)
    wrong = sums.error.widened(units).line(error, anew)
    return Known(after.widened(units), low, high, wrong)


def error_bounds(
    model: Model, layers: Sequence[Dense], ranges: Sequence[tuple[float, float]]
) -> tuple[Float, Float]:
    """Bounds on |fixed - float| within the input ranges, (outputs) each: of the last layer's sums before a step (of
    others, their rounding included), and of the outputs, in their own units.

    layers: the float reference of the model, computed in float64; ranges: (low, high) of each input.
    """
    known = _inputs(model, ranges)
    magnitude = np.abs(np.array(ranges, dtype=np.float64)).max(axis=1)
    for index, layer in enumerate(absorb(layers, model.input_offset)):
        sums, slack, anew = _sums(model, index, layer, known, magnitude)
        known = _after(layer.activation, sums, slack, anew)
        magnitude = np.maximum(np.abs(known.low), np.abs(known.high))
    return (sums.error.size + anew) * ROUND_UP, known.error.size * ROUND_UP
