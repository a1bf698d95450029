"""What a training left."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from host.core.image import Model, image_crc
from host.core.learn import Config
from host.core.wire import Loss
from host.data.dataset import Dataset
from host.models.dense import Dense, Float
from host.models.report import Report
from host.training.fit import Epoch, Fit
from host.training.plan import Plan
from host.training.recipes import LOSSES
from host.training.stability import mean_loss

Measure = Callable[[Sequence[float]], float]
"""A loss from all parameters."""
RISING = 1.05
"""A validation loss this much above its lowest is rising."""


@dataclass(frozen=True)
class Trained:
    """All that a training left: what was planned, every epoch, and the model, float and as it travels.

    start: the parameters that `fit` began with, empty for a grid; tries: the loss a sample of what became of each
    start, in the validation part where there is one; losses: the final model's loss a sample in each part;
    measures: the same of any parameters; layers: float, for raw inputs.
    """

    plan: Plan
    fit: Fit
    start: list[float]
    tries: list[float]
    losses: dict[str, float]
    measures: dict[str, Measure]
    layers: list[Dense]
    model: Model
    report: Report
    image: bytes

    @property
    def data(self) -> Dataset:
        return self.plan.data

    @property
    def parts(self) -> dict[str, Dataset]:
        """The samples of each part that has some, in raw units."""
        return self.plan.samples.parts

    @property
    def config(self) -> Config:
        return self.plan.config

    @property
    def is_neuron(self) -> bool:
        return len(self.layers) == 1 and len(self.layers[0].weights) == 1

    @property
    def end(self) -> Epoch:
        """A neuron's final weights, for raw inputs."""
        neuron = self.layers[0]
        bias = float(neuron.bias[0]) if self.config.bias else None
        return Epoch(self.fit.end.epoch, self.fit.end.loss, neuron.weights[0].tolist(), bias)

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": self.plan.name,
            "data": self.data.name,
            "inputs": list(self.data.inputs),
            "samples": len(self.data),
            "algorithm": self.plan.algorithm,
            "loss": "cross-entropy"
            if self.config.loss is Loss.SOFTMAX
            else name_of(LOSSES, self.config.loss),
            "lr": self.config.rate,
            "dtype": self.config.dtype.__name__,
            "layers": list(self.config.units),
            "parameters": self._parameters(),
            "losses": self.losses,
            "epoch": self.fit.end.epoch,
            "epochs": None if self.plan.algorithm == "grid" else self.fit.epochs,
            "stopped": self.fit.stopped,
            "tries": self.tries,
            "overfitting": overfitting(self.fit.history),
            "history_every": self.fit.every if self.fit.losses is None else 1,
            "history": [self._epoch(epoch) for epoch in self.fit.losses or self.fit.history],
            "quantisation": self.report.as_dict(),
            "image": {"bytes": len(self.image), "crc32": image_crc(self.image)},
        }

    def _parameters(self) -> dict[str, Any]:
        if self.is_neuron:
            return {"w": self.end.w, "b": self.end.b}
        return {
            "layers": [
                {
                    "weights": layer.weights.tolist(),
                    "bias": layer.bias.tolist() if self.config.bias else None,
                    "activation": layer.activation.name.lower(),
                }
                for layer in self.layers
            ]
        }

    def _epoch(self, epoch: Epoch) -> dict[str, Any]:
        said: dict[str, Any] = {"epoch": epoch.epoch, "loss": epoch.loss}
        if self.is_neuron:
            said |= {"w": epoch.w, "b": epoch.b}
        return said if epoch.validation is None else {**said, "validation": epoch.validation}


def name_of(table: dict[str, Any], value: Any) -> str:
    return next(name for name, entry in table.items() if entry is value)


def measures_of(config: Config, samples: Mapping[str, tuple[Float, Float]]) -> dict[str, Measure]:
    """The loss a sample in each part, as functions of the parameters. samples: x and y of each, as a training takes
    them."""

    def measure(x: Float, y: Float, parameters: Sequence[float]) -> float:
        return mean_loss(config, parameters, x, y)

    return {name: functools.partial(measure, *both) for name, both in samples.items()}


def overfitting(history: Sequence[Epoch]) -> str | None:
    """Where the validation loss turned up while the training loss went on down; None where it did not."""
    losses = [epoch.validation for epoch in history if epoch.validation is not None]
    if not losses:
        return None
    lowest = int(np.argmin(losses))
    if losses[-1] <= RISING * losses[lowest] or history[-1].loss >= history[lowest].loss:
        return None
    return (
        f"over-fitting: the validation loss was lowest at epoch {history[lowest].epoch}, {losses[lowest]:.4g}, "
        f"and rose to {losses[-1]:.4g} while the training loss still fell"
    )
