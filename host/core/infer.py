"""Run a fixed-point model. Twin of firmware/core/infer.c: the same integers, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from host.core.decide import Decider
from host.core.fixed import (
    Int16,
    fixed_clips,
    fixed_from_float,
    fixed_rescale,
    fixed_sigmoid,
    fixed_tanh,
    fixed_to_float,
)
from host.core.image import Layer, Model
from host.core.reader import ImageError
from host.core.senses import senses_self_test
from host.core.wire import Activation, Reason


def infer_layer(layer: Layer, x: Int16) -> Int16:
    """One dense layer: int16 (samples, inputs) -> int16 (samples, outputs).

    acc = bias + sum of w * x in int64, which the limits keep below 2**38: it cannot overflow, so the order
    of the sum does not matter.
    """
    acc = x.astype(np.int64) @ layer.weights.T.astype(np.int64) + layer.bias.astype(np.int64)
    if layer.activation is Activation.STEP:
        return (acc > 0).astype(np.int16)
    z = fixed_rescale(acc, layer.shift)
    if layer.activation is Activation.RELU:
        return np.maximum(z, np.int16(0))
    if layer.activation is Activation.SIGMOID:
        return fixed_sigmoid(z)
    if layer.activation is Activation.TANH:
        return fixed_tanh(z)
    return z


def infer(model: Model, x: Int16) -> Int16:
    """All layers: int16 (samples, inputs) -> int16 (samples, outputs)."""
    for layer in model.layers:
        x = infer_layer(layer, x)
    return x


def class_of(model: Model, y: Int16) -> NDArray[np.int64]:
    """The class that each row of outputs (samples, outputs) says: of a single output 1 where it is strictly above the
    threshold, else 0; of several the one that is largest in its own units, the first of equal ones."""
    if model.outputs == 1:
        return (y[:, 0] > model.led_threshold).astype(np.int64)
    return np.asarray(np.argmax(dequantise_outputs(model, y), axis=1), dtype=np.int64)


def led(model: Model, y: Int16) -> NDArray[np.bool_]:
    """Whether the LED is lit for each row of outputs: by its class, or strictly above the threshold."""
    if model.led_class:
        return np.asarray(class_of(model, y) == model.led_output)
    return np.asarray(y[:, model.led_output] > model.led_threshold)


def conditions(model: Model, y: Int16) -> NDArray[np.bool_]:
    """What the model says at each row of outputs (samples, outputs), in their order, before votes, delays and latch:
    `led`, with hysteresis where there is any. Between the two thresholds it is as before, at first Decision.before."""
    off = model.decision.threshold_off
    if model.led_class or off is None:
        return led(model, y)
    output = y[:, model.led_output]
    decided = (output > model.led_threshold) | (output <= off)
    last = np.maximum.accumulate(np.where(decided, np.arange(len(output)), -1))
    return np.asarray(np.where(last < 0, model.decision.before, output[last] > model.led_threshold))


def decide_all(model: Model, y: Int16, times: Sequence[int]) -> NDArray[np.bool_]:
    """The decision at each row of outputs (samples, outputs), inferred one after the other at these times, in ms: what
    a node decides that begins with the first."""
    decider = Decider(model.decision)
    said = [decider.step(c, t) for c, t in zip(conditions(model, y).tolist(), times, strict=True)]
    return np.array(said, dtype=np.bool_)


class Scales(Protocol):
    """How integers and a model's own units hang together, as its image says it or a node's registers."""

    @property
    def input_fraction(self) -> Sequence[int]: ...

    @property
    def input_offset(self) -> Sequence[float]: ...

    @property
    def output_fraction(self) -> Sequence[int]: ...


def _shifted(model: Scales, x: np.typing.ArrayLike) -> NDArray[np.float32]:
    """Inputs as the node takes them, float32, less their offsets: (samples, inputs)."""
    with np.errstate(over="ignore"):  # what float32 cannot hold is clipped as well
        return np.atleast_2d(np.asarray(x, dtype=np.float32)) - np.array(model.input_offset, dtype=np.float32)


def quantise_inputs(model: Scales, x: np.typing.ArrayLike) -> Int16:
    """Inputs in their own units, (samples, inputs), as the node converts them: as float32, less the offset in float32,
    then rounded half up and saturated."""
    columns = zip(_shifted(model, x).T, model.input_fraction, strict=True)
    return np.stack([fixed_from_float(column, f) for column, f in columns], axis=1)


def clipped_inputs(model: Scales, x: np.typing.ArrayLike) -> NDArray[np.bool_]:
    """Which inputs (samples, inputs) in their own units are beyond what their formats hold, not only rounded."""
    columns = zip(_shifted(model, x).T, model.input_fraction, strict=True)
    return np.stack([fixed_clips(column, f) for column, f in columns], axis=1)


def dequantise_inputs(model: Scales, q: Int16) -> NDArray[np.float32]:
    """Inputs (samples, inputs) in their own units, as a node reads back what was written as q: the offset comes
    on in float32."""
    columns = zip(q.T, model.input_fraction, strict=True)
    real = np.stack([fixed_to_float(column, f) for column, f in columns], axis=1)
    return np.asarray(np.array(model.input_offset, dtype=np.float32) + real)


def out_of_range(model: Model, q: Int16) -> NDArray[np.bool_]:
    """Which inputs (samples, inputs) are beyond the range that the model was made for."""
    return np.asarray((q < np.array(model.input_low)) | (q > np.array(model.input_high)))


def dequantise_outputs(model: Scales, y: Int16) -> NDArray[np.float32]:
    """Outputs (samples, outputs) in their own units, exactly."""
    columns = zip(y.T, model.output_fraction, strict=True)
    return np.stack([fixed_to_float(column, f) for column, f in columns], axis=1)


def self_test(model: Model) -> None:
    """Run the image's own vectors, then what it expects of windows; the first that differs raises
    ImageError(SELF_TEST, its number, or 256 and that of its input)."""
    wrong = (infer(model, model.vector_inputs) != model.vector_outputs).any(axis=1)
    if wrong.any():
        raise ImageError(Reason.SELF_TEST, int(np.argmax(wrong)))
    if model.senses:
        senses_self_test(model.senses)
