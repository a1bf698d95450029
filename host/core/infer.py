"""Run a fixed-point model. Twin of firmware/core/infer.c: the same integers, bit for bit."""

from __future__ import annotations

import numpy as np

from host.core.fixed import Int16, fixed_from_float, fixed_rescale, fixed_sigmoid, fixed_tanh, fixed_to_float
from host.core.image import ImageError, Layer, Model
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


def led(model: Model, y: Int16) -> np.typing.NDArray[np.bool_]:
    """Whether the LED is lit for each row of outputs: strictly above the threshold."""
    return y[:, model.led_output] > model.led_threshold


def quantise_inputs(model: Model, x: np.typing.ArrayLike) -> Int16:
    """Inputs in their own units, (samples, inputs), as the node converts them (float32 first)."""
    columns = np.atleast_2d(np.asarray(x, dtype=np.float32)).T
    rows = [fixed_from_float(column, f) for column, f in zip(columns, model.input_fraction, strict=True)]
    return np.stack(rows, axis=1)


def dequantise_outputs(model: Model, y: Int16) -> np.typing.NDArray[np.float32]:
    """Outputs in their own units, exactly."""
    return fixed_to_float(y, model.out_fraction)


def self_test(model: Model) -> None:
    """Run the image's own vectors; the first that differs raises ImageError(SELF_TEST, its number)."""
    wrong = (infer(model, model.vector_inputs) != model.vector_outputs).any(axis=1)
    if wrong.any():
        raise ImageError(Reason.SELF_TEST, int(np.argmax(wrong)))
