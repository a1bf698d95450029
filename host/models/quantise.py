"""Stage 3, quantise: float layers -> a fixed-point model that cannot saturate, and a report of what was lost.

`formats` chooses the scales, `bounds` says how far the result can be from the float layers, `report` tells both.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from host.core.decide import AT_ONCE, Decision
from host.core.fixed import INT16_MAX, INT16_MIN, VALUE_MAX, Int16, Int64
from host.core.image import Layer, Model, Names, image_size, parts_size
from host.core.infer import dequantise_inputs, infer, quantise_inputs
from host.core.wire import IMAGE_MAX, LAYERS_MAX, UNITS_MAX, VECTORS_MAX, Activation
from host.errors import NeuronError
from host.models.dense import Dense, Float
from host.models.formats import WEIGHT_BITS, Ranges, absorb, input_scales, quantise_layer
from host.models.report import Report, report_of
from host.models.sensed import Sensed, integers

NO_NAMES = Names()

AWAY = 4
"""Data lie away from 0 where the nearest is so many times as far from it as they are wide: from there on twice as far
from 0 would cost two bits and more of what is theirs."""


def default_ranges(x: Float) -> list[tuple[float, float]]:
    """Twice as far from 0 as the data go, so that a node also answers some way beside them; where they lie away from 0,
    by AWAY, as far beyond each end as they are wide."""
    low, high = x.min(axis=0), x.max(axis=0)
    wide = high - low
    away = (wide > 0) & (np.maximum(low, -high) >= AWAY * wide)
    near_low = np.minimum(np.maximum(2 * low, -VALUE_MAX), np.minimum(low, 0.0))
    near_high = np.maximum(np.minimum(2 * high, VALUE_MAX), np.maximum(high, 0.0))
    nothing = (near_low == 0) & (near_high == 0)
    near_low, near_high = np.where(nothing, -1.0, near_low), np.where(nothing, 1.0, near_high)
    low, high = np.where(away, low - wide, near_low), np.where(away, high + wide, near_high)
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
    led_class: bool = False,
    names: Names = NO_NAMES,
    shared_outputs: bool = False,
    sensed: Sensed | None = None,
    numerators: Int64 | None = None,
    decision: Decision = AT_ONCE,
    off_threshold: float | None = None,
    release: int = 0,
    weight_bits: int = WEIGHT_BITS,
) -> tuple[Model, Report]:
    """The fixed-point model of float layers, and what was lost. x: (samples, inputs), the training data.

    ranges: (low, high) of each input, within which nothing saturates; default: `default_ranges` of the data.
    led_threshold: in output units; the LED is lit when output number led_output is greater. led_class: when the class
    is led_output; led_threshold then parts the two classes of a single output, and goes for nothing with several.
    nearest_threshold: one beyond what the output can show becomes the nearest that it can.
    names: of inputs, outputs and classes; where they do not fit beside SELF_TEST_LEAST vectors they are left out, and
    Report.notes say so. shared_outputs: all outputs of a linear last layer have one scale, not the finest of each.
    sensed, numerators: how the node itself measures the inputs, and what x was made of, (samples, inputs). decision:
    how the LED follows; off_threshold: in output units, what the output must fall to for it to go out; None: as
    led_threshold. release: as Model has it. weight_bits: 2..WEIGHT_BITS, of each weight with its sign.
    """
    data = np.asarray(x, dtype=np.float64)
    ranges = list(ranges) if ranges is not None else default_ranges(data)
    check_shape([data.shape[1], *(len(layer.weights) for layer in layers)], data, ranges)
    for index, layer in enumerate(layers):
        if not (np.isfinite(layer.weights).all() and np.isfinite(layer.bias).all()):
            raise NeuronError(f"layer {index} has a weight that is not a finite number")
    offsets, inputs = sensed.scales(ranges) if sensed else input_scales(ranges)
    span, fixed = inputs, list[Layer]()
    for index, layer in enumerate(absorb(layers, offsets)):
        own = index + 1 == len(layers) and layer.activation is Activation.IDENTITY and not shared_outputs
        quantised, span = quantise_layer(layer, span, index, own, weight_bits)
        fixed.append(quantised)
    model = Model(
        name="".join(c if " " <= c <= "~" else "?" for c in name),
        input_fraction=tuple(inputs.fraction.tolist()),
        layers=tuple(fixed),
        led_output=led_output,
        led_threshold=0,
        vector_inputs=np.zeros((0, len(ranges)), dtype=np.int16),
        vector_outputs=np.zeros((0, fixed[-1].outputs), dtype=np.int16),
        input_offset=offsets,
        input_low=tuple(inputs.low.tolist()),
        input_high=tuple(inputs.high.tolist()),
        output_fraction=tuple(span.fraction.tolist()),
        led_class=led_class,
        names=names,
        decision=decision,
        release=release,
    )
    if sensed:
        model = replace(model, senses=sensed.senses(model))
    if not led_class or model.outputs == 1:
        threshold = _led_threshold(led_threshold, model.led_fraction, nearest_threshold)
        model = replace(model, led_threshold=threshold)
    if off_threshold is not None:
        model = _with_hysteresis(model, off_threshold)
    model, notes = _with_room_for_names(model)
    model = _with_vectors(model, data, ranges, numerators)
    return model, report_of(model, layers, data, ranges, notes, numerators)


def check_shape(units: Sequence[int], x: Float, ranges: Ranges) -> None:
    """NeuronError where no node takes a model of these units, inputs first, and ranges, whatever its weights."""
    if len(units) - 1 > LAYERS_MAX:
        raise NeuronError(f"{len(units) - 1} layers, a node takes at most {LAYERS_MAX}")
    for index, pair in enumerate(itertools.pairwise(units)):
        if max(pair) > UNITS_MAX:
            raise NeuronError(f"layer {index} has {max(pair)} inputs or outputs, a node takes {UNITS_MAX}")
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
    # Ranges, offsets and the outputs' fractions, whether this model has them or not.
    most = image_size(units, 1) + 4 * units[0] + 4 * units[0] * any(input_scales(ranges)[0])
    most += units[-1] + -units[-1] % 4
    if most > IMAGE_MAX:
        raise NeuronError(
            f"the image takes {most} bytes, longer than the {IMAGE_MAX} bytes that a node keeps; "
            "use fewer inputs or units"
        )


def _with_hysteresis(model: Model, off_threshold: float) -> Model:
    """The LED goes out where its output is not above this."""
    if model.led_class:
        raise NeuronError(
            "--off-threshold is of an output that lights the LED above a threshold, not of the class that is the "
            "largest: leave it out, or give --led-threshold too"
        )
    off = _led_threshold(off_threshold, model.led_fraction, False)
    if off > model.led_threshold:
        on = np.ldexp(float(model.led_threshold), -model.led_fraction)
        raise NeuronError(
            f"--off-threshold {off_threshold:g} is above the LED's threshold of {on:g}: turn them round"
        )
    return replace(model, decision=replace(model.decision, threshold_off=off))


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


SELF_TEST_LEAST = 8
"""Self-test vectors that names leave room for, if there is any."""


def _room(model: Model) -> int:
    """Self-test vectors that the image has room for, VECTORS_MAX at most."""
    smallest = image_size([model.inputs, *(layer.outputs for layer in model.layers)], 1) + parts_size(model)
    return min(VECTORS_MAX, 1 + (IMAGE_MAX - smallest) // (2 * (model.inputs + model.outputs)))


def _with_room_for_names(model: Model) -> tuple[Model, list[str]]:
    """The model, without its names where they take too much room; and what is to be said."""
    nameless = replace(model, names=NO_NAMES)
    if _room(model) >= min(SELF_TEST_LEAST, _room(nameless)):
        return model, []
    return nameless, [
        "The names of inputs, outputs and classes are not in the image: there is no room for them."
    ]


def _with_self_test(model: Model, rows: Int16) -> Model:
    return replace(model, vector_inputs=rows, vector_outputs=infer(model, rows))


def _with_vectors(model: Model, x: Float, ranges: Ranges, numerators: Int64 | None) -> Model:
    """The model with its self-test: data rows, spread over all of them, then corners of the ranges."""
    room = _room(model)
    rows = _distinct(_stable(model, x) if numerators is None else integers(model, x, numerators))
    rows = rows[np.linspace(0, len(rows) - 1, min(room, len(rows))).round().astype(int)]
    ends = [[high for _, high in ranges], [low for low, _ in ranges]]
    corners = [*ends, *itertools.islice(itertools.product(*ranges), VECTORS_MAX)]
    return _with_self_test(model, _distinct(np.vstack([rows, _stable(model, corners)]))[:room])


def _stable(model: Model, x: ArrayLike) -> Int16:
    """Inputs as integers that are the same again when they were read back as float32 and converted once more. With an
    offset float32 can fall half way between two of them."""
    return quantise_inputs(model, dequantise_inputs(model, quantise_inputs(model, x)))


def _distinct(rows: Int16) -> Int16:
    """The rows without repeats, in their order."""
    return rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
