"""A fixed-point model beside its float reference: the intervals of both, and how far apart they can be.

Bounds, not estimates: `quantise` chooses scales by the integer intervals and reports the errors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.fixed import INT16_MAX, INT16_MIN, Int16, Int64, fixed_rescale, fixed_sigmoid, fixed_tanh
from host.core.wire import (
    SIGMOID_IN_FRACTION,
    STEP_OUT_FRACTION,
    TANH_IN_FRACTION,
    UNIT_OUT_FRACTION,
    Activation,
)
from host.models.dense import Float, sigmoid

ROUND_UP = 1 + 2.0**-40
"""A bound computed in float64 is itself rounded: this much more makes it a bound again."""


@dataclass(frozen=True)
class Curve:
    """A tabulated activation: the true one, the table, the scale of its argument, and the steepest slope."""

    true: Callable[[Any], Any]
    table: Callable[[Any], Int16]
    in_fraction: int
    slope: float


CURVES = {
    Activation.SIGMOID: Curve(sigmoid, fixed_sigmoid, SIGMOID_IN_FRACTION, 0.25),
    Activation.TANH: Curve(np.tanh, fixed_tanh, TANH_IN_FRACTION, 1.0),
}


@functools.cache
def _table_error(curve: Curve) -> float:
    """The largest distance of a table from its true curve, arguments beyond the table's ends included."""
    q = np.arange(INT16_MIN, INT16_MAX + 1)
    true = curve.true(np.ldexp(q.astype(np.float64), -curve.in_fraction))
    table = np.ldexp(curve.table(q).astype(np.float64), -UNIT_OUT_FRACTION)
    return float(np.abs(table - true).max() + (1 - true[-1])) + 1e-14


# -------------------------------------------------------------------------------------------- between layers


@dataclass(frozen=True)
class Span:
    """What is known of the values between two layers, one entry a unit.

    low..high: of the float reference. q_low..q_high: of the integers. fraction: their scale.
    error: no integer, in its own units, is farther than this from the reference.
    lowest: `image_lowest` of the layer before.
    """

    low: Float
    high: Float
    q_low: Int64
    q_high: Int64
    fraction: NDArray[np.int32]
    error: Float
    lowest: int = INT16_MIN

    @property
    def magnitude(self) -> Float:
        return np.maximum(np.abs(self.low), np.abs(self.high))


def each(fraction: int, units: NDArray[Any]) -> NDArray[np.int32]:
    """The scale that all units share. (int32: numpy's ldexp takes no wider exponents everywhere.)"""
    return np.full(len(units), fraction, dtype=np.int32)


# -------------------------------------------------------------------------------------------- within a layer


@dataclass(frozen=True)
class Sums:
    """What is known of a layer's sums before its activation, an entry a unit; acc_*: of the integers."""

    low: Float
    high: Float
    acc_low: Int64
    acc_high: Int64
    acc_fraction: int
    error: Float

    def rescaled(self, fraction: int) -> tuple[Int64, Int64, Float]:
        """The integers' ends at another scale, and the error with that rounding."""
        shift = self.acc_fraction - fraction
        low, high = (fixed_rescale(acc, shift).astype(np.int64) for acc in (self.acc_low, self.acc_high))
        return low, high, self.error + (np.ldexp(0.5, -fraction) if shift > 0 else 0.0)


def products(weights: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """The interval of weights @ x for low <= x <= high; exact for integers."""
    ends = weights * low, weights * high
    return np.minimum(*ends).sum(axis=1), np.maximum(*ends).sum(axis=1)


def after_linear(sums: Sums, relu: bool, fraction: int) -> Span:
    """Behind an identity or a relu that gives its outputs at that scale without saturating."""
    q_low, q_high, error = sums.rescaled(fraction)
    low, high = (np.maximum(end, 0.0) if relu else end for end in (sums.low, sums.high))
    q_low, q_high = (np.maximum(end, 0) if relu else end for end in (q_low, q_high))
    return Span(low, high, q_low, q_high, each(fraction, error), error * ROUND_UP)


def after_step(sums: Sums) -> Span:
    certain = (sums.low > sums.error) | (sums.high + sums.error <= 0)
    low, high = ((end > 0).astype(np.float64) for end in (sums.low, sums.high))
    q_low, q_high = ((end > 0).astype(np.int64) for end in (sums.acc_low, sums.acc_high))
    return Span(low, high, q_low, q_high, each(STEP_OUT_FRACTION, low), np.where(certain, 0.0, 1.0))


def after_curve(sums: Sums, curve: Curve) -> Span:
    q_low, q_high, error = sums.rescaled(curve.in_fraction)
    return Span(
        curve.true(sums.low) - 1e-15,
        curve.true(sums.high) + 1e-15,
        curve.table(q_low).astype(np.int64),
        curve.table(q_high).astype(np.int64),
        each(UNIT_OUT_FRACTION, error),
        np.minimum((curve.slope * error + _table_error(curve)) * ROUND_UP, 2.0),
    )
