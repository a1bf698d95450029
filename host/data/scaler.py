"""Inputs and targets of like size train well: subtract each column's mean and divide by its standard deviation.

A node takes raw units, so the scaler is folded into the first layer: w (x - mean) / sd + b is
(w / sd) x + (b - sum of w mean / sd). It gives raw units too: a last layer's outputs are unscaled by weights w sd and
biases b sd + mean. host.core.scale has the order of operations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from host.core.scale import scale_inputs, scale_outputs
from host.models.dense import Dense, Float


@dataclass(frozen=True)
class Scaler:
    """mean and standard deviation of each column."""

    mean: list[float]
    deviation: list[float]

    def apply(self, x: Float) -> Float:
        return np.asarray((x - np.array(self.mean)) / np.array(self.deviation))

    def unused(self, names: Sequence[str]) -> list[str]:
        """Of the columns' names those of which nothing is learnt."""
        return [name for name, s in zip(names, self.deviation, strict=True) if math.isinf(s)]


def scaler_of(values: Float, *, centred: bool = True, constant: float = math.inf) -> Scaler:
    """Of a training part (rows, columns). centred: False for a model without a bias, which has no place for means:
    then they stay, and deviations are those from 0.

    constant: the deviation of a column that is the same in every row. An infinite one makes it 0 wherever it goes, and
    the folded weights too: nothing is learnt of such an input.
    """
    mean = values.mean(axis=0) if centred else np.zeros(values.shape[1])
    deviation = np.sqrt(((values - mean) ** 2).mean(axis=0))
    same = values.min(axis=0) == values.max(axis=0) if centred else ~values.any(axis=0)
    return Scaler(mean.tolist(), np.where(same, constant, deviation).tolist())


def fold(layer: Dense, scaler: Scaler) -> Dense:
    """The same first layer for raw inputs."""
    weights, bias = scale_inputs(layer.weights, layer.bias, scaler.mean, scaler.deviation)
    return Dense(weights, bias, layer.activation)


def unscaled(layer: Dense, scaler: Scaler) -> Dense:
    """The same last, linear layer for targets in their own units. Before fold, where that is the same layer."""
    weights, bias = scale_outputs(layer.weights, layer.bias, scaler.mean, scaler.deviation)
    return Dense(weights, bias, layer.activation)
