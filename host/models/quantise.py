"""Stage 3, quantise: float layers -> a fixed-point model that cannot saturate, and a report of what was lost.

Fraction bits come from interval arithmetic over the declared input ranges, never from luck: the exact
interval of every accumulator goes through all layers, and each scale is the finest that holds it. A bound on
the error goes with it: rounding of inputs (float32, then int16), weights, biases, outputs, and the tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.fixed import INT16_MAX, INT16_MIN, INT32_MAX, VALUE_MAX, Int16, Int64, fixed_from_float
from host.core.image import Layer, Model, encode, image_lowest, image_narrow, image_size
from host.core.infer import dequantise_outputs, infer, infer_layer, quantise_inputs
from host.core.wire import (
    FRACTION_MAX,
    FRACTION_MIN,
    IMAGE_MAX,
    LAYERS_MAX,
    SHIFT_MAX,
    SHIFT_MIN,
    SIGMOID_IN_FRACTION,
    TANH_IN_FRACTION,
    UNITS_MAX,
    VECTORS_MAX,
    Activation,
)
from host.errors import NeuronError
from host.models.bounds import CURVES, ROUND_UP, Span, Sums, after_curve, after_linear, after_step, products
from host.models.dense import Dense, Float, reference

Ranges = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Decision:
    """A data row of a step output: float sums; whether fixed point provably, and really, decides alike."""

    inputs: list[float]
    sums: list[float]
    proven: bool
    unchanged: bool


DECISIONS_MAX = 1000
"""Rows whose decisions a report lists."""


@dataclass(frozen=True)
class Unlisted:
    """Decisions that a report only counts: how many; how many are proven; how many changed."""

    decisions: int = 0
    proven: int = 0
    changed: int = 0


@dataclass(frozen=True)
class LayerFormat:
    """Scales of a layer. weight_fraction: an entry an input. narrow: 32 bits are enough to accumulate in."""

    activation: str
    weight_fraction: list[int]
    acc_fraction: int
    out_fraction: int
    narrow: bool


@dataclass(frozen=True)
class Report:
    """What quantising cost. Errors are of the output, or of the sum that a step decides on: `error_of`.

    decisions: those of a step output, all, or of many rows those that changed and those nearest to 0."""

    ranges: list[tuple[float, float]]
    input_fraction: list[int]
    layers: list[LayerFormat]
    error_of: str
    error_bound: float
    error_observed: float
    led_output: int
    led_threshold: float
    decisions: list[Decision]
    margin: float | None
    image_bytes: int
    unlisted: Unlisted = Unlisted()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


# ---------------------------------------------------------------------------------------------------- scales


def _input_fraction(low: float, high: float) -> int:
    """The finest scale that holds low..high, as the node converts them."""
    for fraction in range(FRACTION_MAX, FRACTION_MIN - 1, -1):
        # The converter saturates: half a step wider must still be inside.
        scaled = np.floor(np.ldexp(np.array([low, high], np.float32).astype(np.float64), fraction) + 0.5)
        if scaled[0] >= INT16_MIN and scaled[1] <= INT16_MAX:
            return fraction
    raise NeuronError(
        f"inputs of {low:g}..{high:g} are more than a node holds (up to {VALUE_MAX:.0f}); scale them"
    )


def _input_span(ranges: Ranges) -> Span:
    low, high = np.array(ranges, dtype=np.float64).reshape(-1, 2).T
    fraction = np.array([_input_fraction(*pair) for pair in ranges], dtype=np.int32)
    q_low, q_high = (
        np.array([fixed_from_float(v, int(f)) for v, f in zip(end, fraction, strict=True)], dtype=np.int64)
        for end in (low, high)
    )
    # Half a step of int16; before it half a step of float32, whose smallest is 2**-149.
    error = np.ldexp(0.5, -fraction) + 2.0**-24 * np.maximum(np.abs(low), np.abs(high)) + 2.0**-150
    return Span(low, high, q_low, q_high, fraction, error * ROUND_UP)


def _round(value: Any, fraction: Any) -> Float:
    with np.errstate(over="ignore"):
        return np.asarray(np.floor(np.ldexp(value, fraction) + 0.5))


def _scaled(layer: Dense, before: Span, acc_fraction: int) -> tuple[Float, Float]:
    """Weights and biases as (still float) integers for an accumulator of that scale."""
    return _round(layer.weights, acc_fraction - before.fraction), _round(layer.bias, acc_fraction)


def _fits(weights: Float, bias: Float) -> bool:
    inside = (weights >= INT16_MIN) & (weights <= INT16_MAX)
    return bool(inside.all() and (np.abs(bias) <= INT32_MAX).all())


ACC_LIMITS = {
    Activation.IDENTITY: (FRACTION_MIN + SHIFT_MIN, FRACTION_MAX + SHIFT_MAX),
    Activation.RELU: (FRACTION_MIN + SHIFT_MIN, FRACTION_MAX + SHIFT_MAX),
    Activation.STEP: (-128, 127),
    Activation.SIGMOID: (SIGMOID_IN_FRACTION + SHIFT_MIN, SIGMOID_IN_FRACTION + SHIFT_MAX),
    Activation.TANH: (TANH_IN_FRACTION + SHIFT_MIN, TANH_IN_FRACTION + SHIFT_MAX),
}
"""Accumulator scales that an image can say (an int8, and the shift behind it)."""


def _is_narrow(layer: Dense, before: Span, acc_fraction: int) -> bool:
    weights, bias = (part.astype(np.int64) for part in _scaled(layer, before, acc_fraction))
    return image_narrow(bias, weights, before.lowest)


def _acc_fraction(layer: Dense, before: Span, index: int) -> int:
    """The finest accumulator scale that holds all weights and biases; a bit coarser if 32 bits do then."""
    lowest, highest = ACC_LIMITS[layer.activation]
    for fraction in range(highest, lowest - 1, -1):
        if not _fits(*_scaled(layer, before, fraction)):
            continue
        if not _is_narrow(layer, before, fraction) and fraction > lowest:
            return fraction - _is_narrow(layer, before, fraction - 1)
        return fraction
    largest = max(np.abs(layer.weights).max(), np.abs(layer.bias).max())
    raise NeuronError(
        f"layer {index}: a weight or bias of {largest:g} is too large for a node; scale the data or targets"
    )


def _unsaturated(acc: Int64, shift: int) -> Int64:
    """`fixed_rescale` before it saturates."""
    return (acc + (1 << (shift - 1))) >> shift if shift > 0 else acc << -shift


def _out_fraction(sums: Sums, relu: bool, index: int) -> int:
    """The finest output scale at which no accumulator of the interval saturates."""
    # What is below 0 becomes 0 in a relu, saturated or not.
    acc = np.concatenate([np.maximum(sums.acc_low, 0) if relu else sums.acc_low, sums.acc_high])
    finest, coarsest = (
        min(FRACTION_MAX, sums.acc_fraction - SHIFT_MIN),
        max(FRACTION_MIN, sums.acc_fraction - SHIFT_MAX),
    )
    for fraction in range(finest, coarsest - 1, -1):
        scaled = _unsaturated(acc, sums.acc_fraction - fraction)
        if scaled.min() >= INT16_MIN and scaled.max() <= INT16_MAX:
            return fraction
    worst = np.ldexp(float(np.abs(acc).max()), -sums.acc_fraction)
    raise NeuronError(
        f"layer {index}: outputs reach {worst:.4g}, a node holds up to {VALUE_MAX:.0f}; "
        "scale the target or narrow the input ranges"
    )


# ---------------------------------------------------------------------------------------------------- layers


def _quantise_sums(layer: Dense, before: Span, index: int) -> tuple[Int16, NDArray[np.int32], Sums]:
    """Integer weights and biases of a layer, and its sums."""
    acc_fraction = _acc_fraction(layer, before, index)
    weights, bias = (part.astype(np.int64) for part in _scaled(layer, before, acc_fraction))
    acc_low, acc_high = (end + bias for end in products(weights, before.q_low, before.q_high))

    # |w'x' - wx| <= |w'| |x' - x| + |w' - w| |x|; the slack is the float reference's own rounding.
    real = np.ldexp(weights.astype(np.float64), before.fraction - acc_fraction)
    real_bias = np.ldexp(bias.astype(np.float64), -acc_fraction)
    slack = np.abs(layer.weights) @ before.magnitude + np.abs(layer.bias)
    slack = slack * (layer.weights.shape[1] + 4) * 2.0**-52
    error = np.abs(real) @ before.error + np.abs(real - layer.weights) @ before.magnitude
    error = (error + np.abs(real_bias - layer.bias) + slack) * ROUND_UP

    low, high = products(layer.weights, before.low, before.high)
    low, high = low + layer.bias - slack, high + layer.bias + slack
    sums = Sums(low, high, acc_low, acc_high, acc_fraction, error)
    return weights.astype(np.int16), bias.astype(np.int32), sums


def _quantise_layer(layer: Dense, before: Span, index: int) -> tuple[Layer, Span, Float]:
    """The fixed layer, what is known of its outputs, and the bound on its sums' error."""
    weights, bias, sums = _quantise_sums(layer, before, index)
    match layer.activation:
        case Activation.STEP:
            after = after_step(sums)
        case Activation.SIGMOID | Activation.TANH:
            after = after_curve(sums, CURVES[layer.activation])
        case _:
            relu = layer.activation is Activation.RELU
            after = after_linear(sums, relu, _out_fraction(sums, relu, index))
    return (
        Layer(weights, bias, layer.activation, sums.acc_fraction, int(after.fraction[0])),
        replace(after, lowest=image_lowest(layer.activation)),
        sums.error,
    )


# ------------------------------------------------------------------------------------------- the whole model


def default_ranges(x: Float) -> list[tuple[float, float]]:
    """Twice as far from 0 as the data go, so that a node also answers some way beside them."""
    low, high = np.minimum(2 * x.min(axis=0), 0.0), np.maximum(2 * x.max(axis=0), 0.0)
    low, high = np.where(low == high, -1.0, low), np.where(low == high, 1.0, high)
    low, high = np.maximum(low, -VALUE_MAX), np.minimum(high, VALUE_MAX)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def quantise(
    name: str,
    layers: Sequence[Dense],
    x: ArrayLike,
    *,
    ranges: Ranges | None = None,
    led_output: int = 0,
    led_threshold: float = 0.0,
    nearest_threshold: bool = False,
) -> tuple[Model, Report]:
    """The fixed-point model of float layers, and what was lost. x: (samples, inputs), the training data.

    ranges: (low, high) of each input, within which nothing saturates; default: `default_ranges` of the data.
    led_threshold: in output units; the LED is lit when output number led_output is greater.
    nearest_threshold: one beyond what the output can show becomes the nearest that it can.
    """
    data = np.asarray(x, dtype=np.float64)
    ranges = list(ranges) if ranges is not None else default_ranges(data)
    check_shape([data.shape[1], *(len(layer.weights) for layer in layers)], data, ranges)
    for index, layer in enumerate(layers):
        if not (np.isfinite(layer.weights).all() and np.isfinite(layer.bias).all()):
            raise NeuronError(f"layer {index} has a weight that is not a finite number")
    span = _input_span(ranges)
    input_fraction = tuple(int(f) for f in span.fraction)
    fixed: list[Layer] = []
    for index, layer in enumerate(layers):
        quantised, span, sum_error = _quantise_layer(layer, span, index)
        fixed.append(quantised)
    model = Model(
        name="".join(c if " " <= c <= "~" else "?" for c in name),
        input_fraction=input_fraction,
        layers=tuple(fixed),
        led_output=led_output,
        led_threshold=_led_threshold(led_threshold, fixed[-1].out_fraction, nearest_threshold),
        vector_inputs=np.zeros((0, len(ranges)), dtype=np.int16),
        vector_outputs=np.zeros((0, fixed[-1].outputs), dtype=np.int16),
    )
    model = _with_vectors(model, data, ranges)
    return model, _report(model, layers, data, ranges, span, sum_error)


def check_shape(units: Sequence[int], x: Float, ranges: Ranges) -> None:
    """NeuronError where no node takes a model of these units, inputs first, and ranges, whatever its weights."""
    if len(units) - 1 > LAYERS_MAX:
        raise NeuronError(f"{len(units) - 1} layers, a node takes at most {LAYERS_MAX}")
    for index, pair in enumerate(itertools.pairwise(units)):
        if max(pair) > UNITS_MAX:
            raise NeuronError(f"layer {index} has {max(pair)} inputs or outputs, a node takes {UNITS_MAX}")
    smallest = image_size(units, 1)
    if smallest > IMAGE_MAX:
        raise NeuronError(
            f"the image takes {smallest} bytes, longer than the {IMAGE_MAX} bytes that a node keeps; "
            "use fewer inputs or units"
        )
    if len(ranges) != x.shape[1]:
        raise NeuronError(f"{len(ranges)} input ranges for {x.shape[1]} inputs")
    for number, ((low, high), column) in enumerate(zip(ranges, x.T, strict=True), 1):
        if not low <= high:
            raise NeuronError(f"input {number}: the range {low:g}..{high:g} has its ends swapped")
        if column.min() < low or column.max() > high:
            raise NeuronError(
                f"input {number}: the data go from {column.min():g} to {column.max():g}, "
                f"beyond the declared range {low:g}..{high:g}"
            )


def _led_threshold(threshold: float, fraction: int, nearest: bool) -> int:
    """The integer t with y > threshold exactly where q > t: rounded down, not half up."""
    q = np.floor(np.ldexp(np.float64(threshold), fraction))
    if nearest:
        q = np.clip(q, INT16_MIN, INT16_MAX)
    if not INT16_MIN <= q <= INT16_MAX:
        low, high = np.ldexp([INT16_MIN, INT16_MAX], -fraction)
        raise NeuronError(
            f"an LED threshold of {threshold:g} is beyond what the output can show ({low:g}..{high:g})"
        )
    return int(q)


def _with_self_test(model: Model, rows: Int16) -> Model:
    return replace(model, vector_inputs=rows, vector_outputs=infer(model, rows))


def _with_vectors(model: Model, x: Float, ranges: Ranges) -> Model:
    """The model with its self-test: data rows, spread over all of them, then corners of the ranges."""
    smallest = image_size([model.inputs, *(layer.outputs for layer in model.layers)], 1)
    room = min(VECTORS_MAX, 1 + (IMAGE_MAX - smallest) // (2 * (model.inputs + model.outputs)))
    rows = _distinct(quantise_inputs(model, x))
    rows = rows[np.linspace(0, len(rows) - 1, min(room, len(rows))).round().astype(int)]
    ends = [[high for _, high in ranges], [low for low, _ in ranges]]
    corners = [*ends, *itertools.islice(itertools.product(*ranges), VECTORS_MAX)]
    return _with_self_test(model, _distinct(np.vstack([rows, quantise_inputs(model, corners)]))[:room])


def _distinct(rows: Int16) -> Int16:
    """The rows without repeats, in their order."""
    return rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]


def _report(
    model: Model, layers: Sequence[Dense], x: Float, ranges: Ranges, span: Span, sum_error: Float
) -> Report:
    sums, outputs = reference(layers, x)
    q = quantise_inputs(model, x)
    decisions: list[Decision] = []
    unlisted = Unlisted()
    if layers[-1].activation is Activation.STEP:
        observed, bound = np.abs(fixed_sums(model, q) - sums), sum_error
        proven = np.asarray((np.abs(sums) > sum_error).all(axis=1))
        unchanged = np.asarray((infer(model, q) == outputs).all(axis=1))
        listed = _to_list(sums, unchanged)
        columns: list[Any] = [part[listed].tolist() for part in (x, sums, proven, unchanged)]
        decisions = [Decision(*row) for row in zip(*columns, strict=True)]
        rest = np.ones(len(x), dtype=bool)
        rest[listed] = False
        unlisted = Unlisted(int(rest.sum()), int(proven[rest].sum()), int((~unchanged[rest]).sum()))
    else:
        observed, bound = np.abs(dequantise_outputs(model, infer(model, q)) - outputs), span.error
    return Report(
        ranges=[(float(low), float(high)) for low, high in ranges],
        input_fraction=list(model.input_fraction),
        layers=_formats(model),
        error_of="sum" if decisions else "output",
        error_bound=float(bound.max()),
        error_observed=float(observed.max()),
        led_output=model.led_output,
        led_threshold=float(np.ldexp(model.led_threshold, -model.led_fraction)),
        decisions=decisions,
        margin=float(np.abs(sums).min()) if decisions else None,
        image_bytes=len(encode(model)),
        unlisted=unlisted,
    )


def _to_list(sums: Float, unchanged: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The rows whose decisions say most, in their order: changed ones from the first on, then those nearest to 0."""
    nearness = np.where(unchanged, np.abs(sums).min(axis=1), 0.0)
    return np.sort(np.lexsort((nearness, unchanged))[:DECISIONS_MAX])


def fixed_sums(model: Model, x: Int16) -> Float:
    """What the last layer's step decides on, in its own units."""
    for layer in model.layers[:-1]:
        x = infer_layer(layer, x)
    last = model.layers[-1]
    acc = x.astype(np.int64) @ last.weights.T.astype(np.int64) + last.bias
    return np.asarray(np.ldexp(acc.astype(np.float64), -last.acc_fraction))


def _formats(model: Model) -> list[LayerFormat]:
    fractions, lowest = list(model.input_fraction), INT16_MIN
    formats = []
    for layer in model.layers:
        formats.append(
            LayerFormat(
                activation=layer.activation.name.lower(),
                weight_fraction=[layer.acc_fraction - f for f in fractions],
                acc_fraction=layer.acc_fraction,
                out_fraction=layer.out_fraction,
                narrow=image_narrow(layer.bias, layer.weights, lowest),
            )
        )
        fractions, lowest = [layer.out_fraction] * layer.outputs, image_lowest(layer.activation)
    return formats
