"""What a training left, for people and as JSON."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from host import cli, plot
from host.dataset import BUILT_IN, Dataset
from host.fit import Epoch, Fit
from host.image import Model, image_crc
from host.interval import Dense, Float, reference
from host.learn import Config
from host.quantise import Report
from host.recipes import DTYPES, LOSSES, RECIPES
from host.stability import mean_loss
from host.wire import Activation, Loss

if TYPE_CHECKING:
    from rich.console import Console

PARTS = ("training", "validation", "test")
LOSS_NAMES = {
    Loss.MEAN: "mean squared error",
    Loss.HALF: "half mean squared error",
    Loss.SUM: "sum of squared errors",
    Loss.CROSS: "cross-entropy",
}
Measure = Callable[[Sequence[float]], float]
RISING = 1.05
"""A validation loss this much above its lowest is rising."""
CURVE_POINTS = 500
"""Epochs whose mean loss is worked out for a curve."""


@dataclass(frozen=True)
class Trained:
    """All that a training left: what it was, every epoch, and the model, float and as it travels.

    losses: the final model's loss a sample in each part; measures: the same of any parameters; layers: float, for
    raw inputs.
    """

    name: str
    data: Dataset
    algorithm: str
    config: Config
    fit: Fit
    losses: dict[str, float]
    measures: dict[str, Measure]
    layers: list[Dense]
    model: Model
    report: Report
    image: bytes

    @property
    def label(self) -> str:
        """What people call it: the article's name, or its file's."""
        return RECIPES[self.name].label if self.data.name == self.name else self.data.name

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
            "model": self.name,
            "data": self.data.name,
            "inputs": list(self.data.inputs),
            "samples": len(self.data),
            "algorithm": self.algorithm,
            "loss": name_of(LOSSES, self.config.loss),
            "lr": self.config.rate,
            "dtype": name_of(DTYPES, self.config.dtype),
            "layers": list(self.config.units),
            "parameters": self._parameters(),
            "losses": self.losses,
            "epoch": self.fit.end.epoch,
            "stopped": self.fit.stopped,
            "overfitting": overfitting(self.fit.history),
            "history": [self._epoch(epoch) for epoch in self.fit.history],
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
        left_out = set() if self.is_neuron else {"w", "b"}
        if epoch.validation is None:
            left_out.add("validation")
        return {key: value for key, value in asdict(epoch).items() if key not in left_out}


def name_of(table: dict[str, Any], value: Any) -> str:
    return next(name for name, entry in table.items() if entry is value)


def measures_of(config: Config, x: Sequence[Float], parts: Sequence[Dataset]) -> dict[str, Measure]:
    """The loss a sample in each part, as functions of the parameters."""

    def measure(inputs: Float, y: Float, parameters: Sequence[float]) -> float:
        return mean_loss(config, parameters, inputs, y)

    return {
        name: functools.partial(measure, inputs, part.y)
        for name, inputs, part in zip(PARTS, x, parts, strict=False)
        if len(part)
    }


def overfitting(history: Sequence[Epoch]) -> str | None:
    """Where the validation loss turned up while the training loss went on down; None where it did not."""
    losses = [epoch.validation for epoch in history if epoch.validation is not None]
    if not losses:
        return None
    lowest = int(np.argmin(losses))
    if losses[-1] <= RISING * losses[lowest] or history[-1].loss >= history[lowest].loss:
        return None
    return (
        f"over-fitting: the validation loss was lowest at epoch {lowest}, {losses[lowest]:.4g}, "
        f"and rose to {losses[-1]:.4g} while the training loss still fell"
    )


# -------------------------------------------------------------------------------------------------- terminal


def say(out: Console | None, line: str = "", style: str | None = None) -> None:
    if out is not None:
        out.print(line, style=style)


def show(trained: Trained, out: Console | None) -> None:
    """A training, for people."""
    if out is None:
        return
    data, report = trained.data, trained.report
    say(out, f"{trained.label}, {RECIPES[trained.name].kind}", style="bold")
    for line in how_in_words(trained):
        say(out, line)
    say(out)
    for line in (*loss_lines(trained), "", *result_in_words(trained), *losses_in_words(trained)):
        say(out, line)
    say(out)
    say(out, f"  quantised to 16 bits, an image of {report.image_bytes} bytes")
    for line in plot.quantisation(report, data):
        say(out, line)
    say(out)


def how_in_words(trained: Trained) -> list[str]:
    data, config, history = trained.data, trained.config, trained.fit.history
    units = "-".join(map(str, config.units))
    network = "" if trained.is_neuron else f"{units}, {config.count} parameters, "
    if trained.algorithm == "grid":
        how = f"{len(data)} samples, grid search, {trained.fit.stopped}"
    else:
        how = f"{len(data)} samples, {trained.algorithm}, rate {config.rate:g}, {len(history)} epochs"
    lines = [f"  {network}{how}"]
    if data.note:
        lines.append(f"  {data.note}")
    if trained.fit.stopped and trained.algorithm != "grid":
        lines.append(f"  ended early: {trained.fit.stopped}")
    return lines


def loss_lines(trained: Trained) -> list[str]:
    """A table of some epochs, and the curve of the loss."""
    history, config = trained.fit.history, trained.config
    # With less than all samples a step, the loss is that of the last one: how all are learnt shows in the mean.
    part = 0 < config.batch < len(trained.data)
    table = plot.training_table(history, ("last loss" if part else "loss"), weights=trained.is_neuron)
    if trained.algorithm == "grid":
        return table
    losses = [epoch.loss for epoch in history]
    title = "loss of the last step" if part else "loss"
    if part and trained.is_neuron and len(history) <= CURVE_POINTS and len(trained.losses) == 1:
        x = trained.data.x
        if trained.layers[0].weights[0].tolist() == trained.fit.end.w:
            losses = [mean_loss(config, epoch.parameters, x, trained.data.y) for epoch in history]
            title = "mean loss of all samples"
    return [*table, "", *plot.loss_curve(losses, title, drawn=cli.can_draw())]


def losses_in_words(trained: Trained) -> list[str]:
    """The losses of the parts, where there is more than one, and over-fitting."""
    lines = []
    if len(trained.losses) > 1:
        parts = ", ".join(f"{name} {loss:.4g}" for name, loss in trained.losses.items())
        lines += plot.wrapped(
            f"loss a sample, with the parameters after epoch {trained.fit.end.epoch}: {parts}"
        )
    worse = overfitting(trained.fit.history)
    if worse:
        advice = "" if trained.fit.end is not trained.fit.history[-1] else "; --patience N would end there"
        lines += plot.wrapped(worse + advice)
    return lines


def result_in_words(trained: Trained) -> list[str]:
    """What was learnt, and what the LED makes of it."""
    data, report, name = trained.data, trained.report, trained.data.target
    threshold = report.led_threshold
    sums, outputs = reference(trained.layers, data.x)
    text = plot.formula(data, trained.end) if trained.is_neuron else ""
    match trained.layers[-1].activation:
        case Activation.STEP:
            lit = f"  {verdict(sums[:, 0] > 0, data.y > 0)}; the LED is lit for 1"
            return [*plot.wrapped(f"1 if {text} > 0"), lit]
        case Activation.SIGMOID:
            right = verdict(outputs[:, 0] > threshold, data.y > 0.5)
            lines = plot.wrapped(f"P({name} = 1) = sigmoid({text})")
            return [*lines, f"  {right}; the LED is lit when P > {threshold:g}"]
    if trained.is_neuron:
        lines = plot.wrapped(f"{name} = {text}")
    else:
        lines = [f"  largest error of an output on the data: {np.abs(outputs - data.targets).max():.4g}"]
    if data is BUILT_IN["wx"]:
        lines.append(f"  for x = 4 that is {float(reference(trained.layers, np.array([[4.0]]))[0][0, 0])!r}")
    if set(np.unique(data.y)) <= {0.0, 1.0}:
        lines.append(f"  {verdict(outputs[:, 0] > threshold, data.targets[:, 0] > threshold)}")
    return [*lines, f"  the LED is lit when {name} > {threshold:g}"]


def verdict(said: Any, true: Any) -> str:
    right = int((said == true).sum())
    return f"all {len(true)} samples right" if right == len(true) else f"{right} of {len(true)} samples right"
