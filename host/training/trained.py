"""What a training left."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from host.core.hashes import hash_of
from host.core.image import Model, image_crc
from host.core.learn import Config
from host.core.wire import Activation, Loss
from host.data.dataset import Dataset
from host.models.changed import Changed
from host.models.dense import Dense, Float, reference
from host.models.report import Report, fixed_outputs
from host.training.decided import Decided, decided_of
from host.training.fit import Epoch, Fit
from host.training.plan import Plan
from host.training.recipes import LOSSES
from host.training.saved import Saved, rows_crc
from host.training.scores import Decide, Scores, baseline, changed, each, score
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
    measures: the same of any parameters; layers: float, for raw inputs; warnings: what is to be said before anyone
    relies on it.
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
    warnings: list[str] = field(default_factory=list)

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
    def epochs_before(self) -> int:
        """Those of the trainings that this one has gone on from."""
        return self.plan.resumed.epochs if self.plan.resumed else 0

    @property
    def setback(self) -> str | None:
        """What it went on from was better; None where it was not."""
        if self.plan.resumed is None:
            return None
        part = "validation" if "validation" in self.measures else "training"
        before, now = self.measures[part](self.plan.resumed.parameters), self.losses[part]
        if before >= now:
            return None
        return f"--resume: it was better before: a {part} loss of {before:.4g}, and {now:.4g} now"

    @property
    def saved(self) -> Saved:
        """What another training can go on from."""
        data, config, samples = self.data, self.config, self.plan.samples
        return Saved(
            model=self.plan.name,
            inputs=data.inputs,
            targets=data.targets_named,
            classes=data.classes,
            units=config.units,
            activation=config.activation,
            bias=config.bias,
            parameters=list(self.fit.end.parameters),
            input_scaler=samples.input_scaler,
            target_scaler=samples.target_scaler,
            epochs=0 if self.plan.axes else self.epochs_before + self.fit.end.epoch + 1,
            rows=rows_crc(samples.parts["training"]),
        )

    @property
    def is_neuron(self) -> bool:
        return len(self.layers) == 1 and len(self.layers[0].weights) == 1

    @property
    def end(self) -> Epoch:
        """A neuron's final weights, for raw inputs."""
        neuron = self.layers[0]
        bias = float(neuron.bias[0]) if self.config.bias else None
        return Epoch(self.fit.end.epoch, self.fit.end.loss, neuron.weights[0].tolist(), bias)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that it tells apart; () where its targets are numbers, or several decisions."""
        return self.plan.classes

    @property
    def is_scored(self) -> bool:
        """Whether people are to see its scores: of their own data, and of data that it has not seen."""
        return self.plan.own_data or len(self.parts) > 1

    @property
    def decide(self) -> Decide | None:
        """What it decides, as host.training.scores.score takes it; None where its targets are numbers."""
        if self.classes:
            return self.plan.lamp.classes
        return each if self.config.activation[-1] in (Activation.STEP, Activation.SIGMOID) else None

    @functools.cached_property
    def outputs(self) -> dict[str, dict[str, Float]]:
        """What the float and the fixed-point model say of each part, (samples, outputs) in their own units."""
        return {
            name: {
                "float": reference(self.layers, part.x)[1],
                "fixed": fixed_outputs(self.model, part.x, part.numerators),
            }
            for name, part in self.parts.items()
        }

    @functools.cached_property
    def metrics(self) -> dict[str, dict[str, Scores]]:
        """How good the float and the fixed-point model are in each part."""
        return {
            name: {which: score(self.parts[name], said, self.decide) for which, said in both.items()}
            for name, both in self.outputs.items()
        }

    @functools.cached_property
    def baselines(self) -> dict[str, Scores]:
        """How good one would be, in each part, who knows only the targets of the training part."""
        return {
            name: baseline(self.parts["training"], part, self.classes, self.decide)
            for name, part in self.parts.items()
        }

    @functools.cached_property
    def changed(self) -> Changed:
        """The rows of all parts that fixed point decides otherwise."""
        rows = [
            changed(self.plan.lamp, both["float"], both["fixed"], self.decide)
            for both in self.outputs.values()
        ]
        return Changed(int(np.concatenate(rows).sum()), sum(map(len, rows)))

    @functools.cached_property
    def decided(self) -> Decided | None:
        """How often the lamp is right in the last part, where samples are windows of recordings."""
        return decided_of(self.model, self.plan.lamp, self.parts)

    def as_dict(self, node: dict[str, Scores] | None = None) -> dict[str, Any]:
        """For JSON. node: what a node scored, in the parts that it was asked."""
        metrics = {name: both | _of_node(node, name) for name, both in self.metrics.items()}
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
            "l2": self.config.l2,
            "standardised": self.plan.standardised,
            "dtype": self.config.dtype.__name__,
            "layers": list(self.config.units),
            "parameters": self._parameters(),
            "losses": self.losses,
            "classes": list(self.classes),
            "metrics": {short(name): scores for name, scores in metrics.items()},
            "baseline": {short(name): scores for name, scores in self.baselines.items()},
            "changed": self.changed.as_dict(),
            "led": self.led,
            **({"decided": self.decided.as_dict()} if self.decided else {}),
            "epoch": self.fit.end.epoch,
            "epochs": None if self.plan.algorithm == "grid" else self.fit.epochs,
            "epochs_before": self.epochs_before,
            "stopped": self.fit.stopped,
            "tries": self.tries,
            "notes": self.data.note.splitlines(),
            "warnings": self.warnings,
            "overfitting": overfitting(self.fit.history),
            "history_every": self.fit.every if self.fit.losses is None else 1,
            "history": [self._epoch(epoch) for epoch in self.fit.losses or self.fit.history],
            "quantisation": self.report.as_dict(),
            "image": {
                "bytes": len(self.image),
                "crc32": image_crc(self.image),
                "hash": hash_of(self.image).hex(),
            },
        }

    @property
    def led(self) -> dict[str, Any]:
        """What lights the LED: the class, or the output and what it has to be above."""
        lamp = self.plan.lamp
        if not self.classes:
            return {"output": self.data.targets_named[lamp.output], "threshold": lamp.threshold}
        several = self.data.targets.shape[1] > 1
        return {
            "class": self.classes[lamp.output if lamp.of_class or several else 1],
            "threshold": None if lamp.of_class and several else lamp.threshold,
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


def short(part: str) -> str:
    """A part's name in `metrics`."""
    return "train" if part == "training" else part


def _of_node(node: dict[str, Scores] | None, part: str) -> dict[str, Scores]:
    return {"node": node[part]} if node and part in node else {}


def name_of(table: dict[str, Any], value: Any) -> str:
    return next(name for name, entry in table.items() if entry is value)


def measures_of(
    config: Config, samples: Mapping[str, tuple[Float, Float, Float | None]]
) -> dict[str, Measure]:
    """The loss a sample in each part, as functions of the parameters. samples: x, y and weights of each, as a training
    takes them."""

    def measure(x: Float, y: Float, weights: Float | None, parameters: Sequence[float]) -> float:
        return mean_loss(config, parameters, x, y, weights)

    return {name: functools.partial(measure, *all_three) for name, all_three in samples.items()}


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
