"""Which fixed-point scales hold a float model: per input, per layer, per output of a linear last layer.

Twin of firmware/core/formats.c, bit for bit. Scales come from interval arithmetic over the declared
input ranges, never from luck: the exact interval of every accumulator goes through all layers, and each scale is the
finest that holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.fixed import (
    INT16_MAX,
    INT16_MIN,
    INT32_MAX,
    VALUE_MAX,
    Int64,
    fixed_from_float,
    fixed_rescale,
    fixed_sigmoid,
    fixed_tanh,
)
from host.core.image import Layer, image_lowest, image_narrow
from host.core.wire import (
    FRACTION_MAX,
    FRACTION_MIN,
    SHIFT_MAX,
    SHIFT_MIN,
    SIGMOID_IN_FRACTION,
    STEP_OUT_FRACTION,
    TANH_IN_FRACTION,
    UNIT_OUT_FRACTION,
    Activation,
)
from host.errors import NeuronError
from host.models.dense import Dense, Float

Ranges = Sequence[tuple[float, float]]
Int32 = NDArray[np.int32]

WEIGHT_BITS = 16
"""Of a weight, its sign included. Fewer make a coarser model of the same form: what a shorter word would cost."""

OFFSET_BITS = 2
"""An input gets an offset where that makes its scale finer by so many bits: one bit is not worth the subtraction."""

NO_FRACTION = INT16_MIN
"""The scale of what no scale holds: infinite, or not a number."""


@dataclass(frozen=True)
class Span:
    """What is known of the integers between two layers, one entry a unit.

    low..high: int64, their interval. fraction: their scale. lowest: `image_lowest` of the layer before.
    """

    low: Int64
    high: Int64
    fraction: Int32
    lowest: int = INT16_MIN


# ---------------------------------------------------------------------------------------------------- inputs


def _range_fraction(low: np.float32, high: np.float32) -> int:
    """The finest scale that holds low..high, as the node converts them; FRACTION_MIN and more is one of the node's."""
    ends = np.array([low, high], dtype=np.float64)
    if not np.isfinite(ends).all():
        return NO_FRACTION
    # The converter saturates: half a step wider must still be inside. Every float32 is one at -128.
    for fraction in range(FRACTION_MAX, -128, -1):
        scaled = np.floor(np.ldexp(ends, fraction) + 0.5)
        if scaled[0] >= INT16_MIN and scaled[1] <= INT16_MAX:
            return fraction
    return NO_FRACTION


def _input_scale(low: float, high: float) -> tuple[float, int, int, int]:
    """Offset, fraction bits and the integers at both ends. NeuronError where no scale holds them."""
    with np.errstate(over="ignore", invalid="ignore"):
        ends = np.array([low, high], dtype=np.float64).astype(np.float32)
        middle = np.float32((np.float64(low) + high) * 0.5)
        shifted = ends - middle
    fraction, offset = _range_fraction(*ends), np.float32(0.0)
    around = _range_fraction(*shifted)
    if around - fraction >= OFFSET_BITS:
        ends, fraction, offset = shifted, around, middle
    if fraction < FRACTION_MIN:
        raise NeuronError(
            f"inputs of {low:g}..{high:g} are more than a node holds (up to {VALUE_MAX:.0f}); scale them"
        )
    q_low, q_high = fixed_from_float(ends, fraction).tolist()
    return float(offset), fraction, q_low, q_high


def input_scales(ranges: Ranges) -> tuple[tuple[float, ...], Span]:
    """The inputs' offsets, float32 values, and what is known of their integers.

    An input's value is offset + q * 2**-fraction. The offset is the middle of the range where that gains OFFSET_BITS,
    else 0: what lies far from 0 and close together, 290..310, then costs no bits for the way from 0.
    """
    offset, fraction, low, high = zip(*(_input_scale(*pair) for pair in ranges), strict=True)
    return offset, Span(np.array(low, np.int64), np.array(high, np.int64), np.array(fraction, np.int32))


def absorb(layers: Sequence[Dense], offsets: Sequence[float]) -> list[Dense]:
    """The same model of inputs less their offsets: the first layer's biases take w * offset, in index order."""
    first = layers[0]
    bias = first.bias.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for column, offset in zip(first.weights.T, offsets, strict=True):
            bias += column * offset
    return [replace(first, bias=bias), *layers[1:]]


# ---------------------------------------------------------------------------------------------------- layers


def _round(value: Any, fraction: Any) -> Float:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.floor(np.ldexp(value, fraction) + 0.5))


def _scaled(layer: Dense, before: Span, acc_fraction: Int32) -> tuple[Float, Float]:
    """Weights and biases as (still float) integers for accumulators of these scales, one a row."""
    weights = _round(layer.weights, acc_fraction[:, np.newaxis] - before.fraction)
    return weights, _round(layer.bias, acc_fraction)


ACC_LIMITS = {
    Activation.IDENTITY: (FRACTION_MIN + SHIFT_MIN, FRACTION_MAX + SHIFT_MAX),
    Activation.RELU: (FRACTION_MIN + SHIFT_MIN, FRACTION_MAX + SHIFT_MAX),
    Activation.STEP: (-128, 127),
    Activation.SIGMOID: (SIGMOID_IN_FRACTION + SHIFT_MIN, SIGMOID_IN_FRACTION + SHIFT_MAX),
    Activation.TANH: (TANH_IN_FRACTION + SHIFT_MIN, TANH_IN_FRACTION + SHIFT_MAX),
}
"""Accumulator scales that an image can say (an int8, and the shift behind it)."""


def _each(fraction: int, rows: int) -> Int32:
    """(int32: numpy's ldexp takes no wider exponents everywhere.)"""
    return np.full(rows, fraction, dtype=np.int32)


def _is_narrow(layer: Dense, before: Span, acc_fraction: Int32) -> bool:
    weights, bias = (part.astype(np.int64) for part in _scaled(layer, before, acc_fraction))
    return image_narrow(bias, weights, before.lowest)


def _acc_fractions(layer: Dense, before: Span, index: int, own: bool, weight_bits: int) -> Int32:
    """The finest accumulator scales, a row's own or one of all, that hold its weights and biases; all of them a bit
    coarser if 32 bits do then."""
    most = (1 << (weight_bits - 1)) - 1
    lowest, highest = ACC_LIMITS[layer.activation]
    rows = len(layer.weights)
    finest = _each(NO_FRACTION, rows)
    for fraction in range(highest, lowest - 1, -1):
        weights, bias = _scaled(layer, before, _each(fraction, rows))
        fits = ((weights >= -most - 1) & (weights <= most)).all(axis=1) & (np.abs(bias) <= INT32_MAX)
        finest = np.where(fits, np.maximum(finest, fraction), finest).astype(np.int32)
        if fits.all():
            break
    if finest.min() < lowest:
        largest = max(np.abs(layer.weights).max(), np.abs(layer.bias).max())
        raise NeuronError(
            f"layer {index}: a weight or bias of {largest:g} is too large for a node; scale the data or targets"
        )
    if not own:
        finest = _each(int(finest.min()), rows)
    if finest.min() > lowest and not _is_narrow(layer, before, finest):
        finest -= _is_narrow(layer, before, finest - 1)
    return finest


@dataclass(frozen=True)
class _Rows:
    """A layer's integers at accumulators of these scales, and the interval of each accumulator."""

    acc_fraction: Int32
    weights: Int64
    bias: Int64
    low: Int64
    high: Int64


def _rows(layer: Dense, before: Span, acc_fraction: Int32) -> _Rows:
    weights, bias = (part.astype(np.int64) for part in _scaled(layer, before, acc_fraction))
    ends = weights * before.low, weights * before.high
    low, high = np.minimum(*ends).sum(axis=1) + bias, np.maximum(*ends).sum(axis=1) + bias
    return _Rows(acc_fraction, weights, bias, low, high)


def _unsaturated(acc: int, shift: int) -> int:
    """`fixed_rescale` before it saturates."""
    return (acc + (1 << (shift - 1))) >> shift if shift > 0 else acc << -shift


def _holds(low: int, high: int, shift: int, relu: bool) -> bool:
    """Whether no accumulator of low..high saturates. What is below 0 becomes 0 in a relu, saturated or not."""
    low = max(low, 0) if relu else low
    return _unsaturated(low, shift) >= INT16_MIN and _unsaturated(high, shift) <= INT16_MAX


def _out_fractions(rows: _Rows, relu: bool, index: int, own: bool) -> Int32:
    """The finest output scales, a row's own or one of all, at which no accumulator saturates."""
    found = []
    for low, high, acc in zip(rows.low.tolist(), rows.high.tolist(), rows.acc_fraction.tolist(), strict=True):
        finest, coarsest = min(FRACTION_MAX, acc - SHIFT_MIN), max(FRACTION_MIN, acc - SHIFT_MAX)
        scales = range(finest, coarsest - 1, -1)
        found.append(next((f for f in scales if _holds(low, high, acc - f, relu)), NO_FRACTION))
    if min(found) == NO_FRACTION:
        raise _too_large(rows, index)
    return np.array(found if own else [min(found)] * len(found), dtype=np.int32)


def _too_large(rows: _Rows, index: int) -> NeuronError:
    worst = np.ldexp(
        np.maximum(np.abs(rows.low), np.abs(rows.high)).astype(np.float64), -rows.acc_fraction
    ).max()
    return NeuronError(
        f"layer {index}: outputs reach {worst:.4g}, a node holds up to {VALUE_MAX:.0f}; "
        "scale the target or narrow the input ranges"
    )


def _common_shift(acc: Int32, out: Int32, before: Span) -> int:
    """The shift from accumulator to output that costs no row much. acc, out: the finest scales of each.

    Rows have scales of their own but one shift: a row gives up bits of its output where the shift is more than its
    own, and of its weights where it is less. What it then errs by, against what it would at its own shift, is an
    output's step and about that of one weight at the largest input: roundings of many cancel. The worst of these ratios
    is the least; no output is coarser than with one scale for all.
    """
    reach = float(np.maximum(np.abs(before.low), np.abs(before.high)).max())
    apart = acc - out
    least = 1.0 + np.ldexp(reach, -apart)

    def worst(shift: int) -> float:
        taken = np.minimum(out, acc - shift)
        error = np.ldexp(1.0, out - taken) + np.ldexp(reach, out - taken - shift)
        return float((error / least).max())

    return min(range(int(apart.min()), int(acc.min() - out.min()) + 1), key=worst)


def _linear(layer: Dense, before: Span, finest: _Rows, index: int, own: bool) -> tuple[_Rows, Int32]:
    """The rows of an identity or a relu as they are taken, and the scales of their outputs."""
    relu = layer.activation is Activation.RELU
    out = _out_fractions(finest, relu, index, own)
    shift = _common_shift(finest.acc_fraction, out, before)
    out = np.minimum(out, finest.acc_fraction - shift)
    while True:  # coarser weights may reach a little farther
        rows = _rows(layer, before, out + np.int32(shift))
        ends = zip(rows.low.tolist(), rows.high.tolist(), strict=True)
        held = np.array([_holds(low, high, shift, relu) for low, high in ends])
        if held.all():
            return rows, out
        out = out - ~held
        if out.min() < FRACTION_MIN:
            raise _too_large(rows, index)


def quantise_layer(
    layer: Dense, before: Span, index: int, own: bool, weight_bits: int = WEIGHT_BITS
) -> tuple[Layer, Span]:
    """The fixed layer, and what is known of its outputs. own: each output of this linear layer gets its own finest
    scale, `Span.fraction`, d bits finer than the layer's: its row's accumulator then is d bits finer as well.
    weight_bits: 2..WEIGHT_BITS; a node's own models have them all."""
    rows = _rows(layer, before, _acc_fractions(layer, before, index, own, weight_bits))
    ends = np.stack([rows.low, rows.high])
    acc = rows.acc_fraction[0]
    q: NDArray[Any]
    match layer.activation:
        case Activation.STEP:
            out, q = _each(STEP_OUT_FRACTION, len(rows.bias)), ends > 0
        case Activation.SIGMOID:
            out = _each(UNIT_OUT_FRACTION, len(rows.bias))
            q = fixed_sigmoid(fixed_rescale(ends, int(acc - SIGMOID_IN_FRACTION)))
        case Activation.TANH:
            out = _each(UNIT_OUT_FRACTION, len(rows.bias))
            q = fixed_tanh(fixed_rescale(ends, int(acc - TANH_IN_FRACTION)))
        case _:
            rows, out = _linear(layer, before, rows, index, own)
            acc = rows.acc_fraction.min()
            q = fixed_rescale(np.stack([rows.low, rows.high]), int(acc - out.min()))
            q = np.maximum(q, 0) if layer.activation is Activation.RELU else q
    q_low, q_high = q.astype(np.int64)
    return (
        Layer(
            rows.weights.astype(np.int16),
            rows.bias.astype(np.int32),
            layer.activation,
            int(acc),
            int(out.min()),
        ),
        Span(q_low, q_high, out, image_lowest(layer.activation)),
    )
