"""Dense float layers: the model as it was trained, which the fixed-point one is held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.learn import Config
from host.core.wire import Activation

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Dense:
    """A float layer: activation(weights @ x + bias). weights: (outputs, inputs); bias: (outputs,)."""

    weights: Float
    bias: Float
    activation: Activation


def sigmoid(z: Any) -> Float:
    """1 / (1 + e^-z), without overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * np.asarray(z)))


FLOAT_ACTIVATION: dict[Activation, Callable[[Any], Any]] = {
    Activation.IDENTITY: lambda z: z,
    Activation.RELU: lambda z: np.maximum(z, 0.0),
    Activation.STEP: lambda z: (z > 0).astype(np.float64),
    Activation.SIGMOID: sigmoid,
    Activation.TANH: np.tanh,
}


def reference(layers: Sequence[Dense], x: Float) -> tuple[Float, Float]:
    """The float model: (samples, inputs) -> (sums before the last activation, outputs)."""
    z = x
    for layer in layers:
        z = x @ layer.weights.T + layer.bias
        x = FLOAT_ACTIVATION[layer.activation](z)
    return z, x


def dense_layers(config: Config, parameters: Sequence[float]) -> list[Dense]:
    """The float model of these parameters, in host.core.learn's order: layer by layer, weights, then biases."""
    layers = []
    for first, inputs, outputs, activation in config.layers:
        end = first + inputs * outputs
        weights = np.array(parameters[first:end]).reshape(outputs, inputs)
        bias = np.array(parameters[end : end + outputs]) if config.bias else np.zeros(outputs)
        layers.append(Dense(weights, bias, activation))
    return layers
