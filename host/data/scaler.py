"""Inputs of like size train well: subtract each column's mean and divide by its standard deviation.

A node takes raw units, so the scaler is folded into the first layer: w (x - mean) / sd + b is
(w / sd) x + (b - sum of w mean / sd). The folded weights are each the float64 nearest to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from host.data.dataset import Dataset
from host.errors import NeuronError
from host.models.dense import Dense, Float


@dataclass(frozen=True)
class Scaler:
    """mean and standard deviation of each input."""

    mean: list[float]
    deviation: list[float]

    def apply(self, x: Float) -> Float:
        return np.asarray((x - np.array(self.mean)) / np.array(self.deviation))


def scaler_of(data: Dataset) -> Scaler:
    """The scaler of a training part. A column that never changes cannot be scaled."""
    x = data.x
    for name, column in zip(data.inputs, x.T, strict=True):
        if column.min() == column.max():
            raise NeuronError(
                f"{data.name}: column {name} is {column[0]:g} in every training row, "
                "--standardise cannot scale it: leave the column out"
            )
    return Scaler(x.mean(axis=0).tolist(), x.std(axis=0).tolist())


def fold(layer: Dense, scaler: Scaler) -> Dense:
    """The same layer for raw inputs."""
    weights, bias = [], []
    for row, b in zip(layer.weights.tolist(), layer.bias.tolist(), strict=True):
        exact = [Fraction(w) / Fraction(s) for w, s in zip(row, scaler.deviation, strict=True)]
        shift = sum((e * Fraction(m) for e, m in zip(exact, scaler.mean, strict=True)), Fraction(0))
        weights.append([float(e) for e in exact])
        bias.append(float(Fraction(b) - shift))
    return Dense(np.array(weights), np.array(bias), layer.activation)
