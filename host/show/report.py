"""What a training left, in words for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from host.core.wire import Activation, Loss
from host.data.dataset import BUILT_IN
from host.errors import counted
from host.models.dense import reference
from host.show import scored, tables
from host.show.describe import as_dict, decided_in_words
from host.show.terminal import can_draw, say
from host.training.stability import mean_loss
from host.training.trained import Trained, overfitting

if TYPE_CHECKING:
    from rich.console import Console

LOSS_NAMES = {
    Loss.MEAN: "mean squared error",
    Loss.HALF: "half mean squared error",
    Loss.SUM: "sum of squared errors",
    Loss.CROSS: "cross-entropy",
    Loss.SOFTMAX: "cross-entropy",
}
CURVE_POINTS = 500
"""Epochs whose mean loss is worked out for a curve."""


def show(trained: Trained, out: Console) -> None:
    """A training, for people."""
    title, *lines = in_words(trained)
    say(out, title, style="bold")
    for line in lines:
        say(out, line)
    say(out)


def in_words(trained: Trained) -> list[str]:
    """A training, line by line, what was trained first."""
    lines = [
        f"{trained.plan.label}, {trained.plan.recipe.kind}",
        *how_in_words(trained),
        "",
        *loss_lines(trained),
        "",
        *result_in_words(trained),
        *losses_in_words(trained),
        "",
    ]
    if trained.is_scored:
        lines += [*scored.scores_in_words(trained), ""]
    elif trained.changed.rows:
        lines += [f"  {trained.changed.in_words()}", ""]
    lines.append(f"  quantised to 16 bits, an image of {trained.report.image_bytes} bytes")
    return lines + tables.quantisation(trained.report, trained.data)


def how_in_words(trained: Trained) -> list[str]:
    data, config = trained.data, trained.config
    units = "-".join(map(str, config.units))
    network = "" if trained.is_neuron else f"{units}, {counted(config.count, 'parameter')}, "
    if trained.plan.algorithm == "grid":
        how = f"grid search, {trained.fit.stopped}"
    else:
        how = f"{trained.plan.algorithm}, rate {config.rate:g}, {counted(trained.fit.epochs, 'epoch')}"
    lines = [f"  {network}{counted(len(data), 'sample')}, {how}"]
    if len(trained.tries) > 1:
        lines.append(f"  {tries_in_words(trained.tries)}")
    if trained.epochs_before:
        lines.append(f"  goes on from {counted(trained.epochs_before, 'epoch')}")
    if trained.plan.standardised:
        both = " and targets" if trained.plan.samples.target_scaler else ""
        lines.append(f"  inputs{both} standardised to learn; the node takes and gives raw units")
    lines += [line for note in data.note.splitlines() for line in tables.wrapped(note)]
    if trained.fit.stopped and trained.plan.algorithm != "grid":
        lines.append(f"  ended early: {trained.fit.stopped}")
    return lines


def tries_in_words(tries: Sequence[float]) -> str:
    kept = tries.index(min(tries)) + 1
    return f"start {kept} of {len(tries)} is kept: their losses end at {min(tries):.4g} to {max(tries):.4g}"


def loss_lines(trained: Trained) -> list[str]:
    """A table of some epochs, and the curve of the loss."""
    history, config = trained.fit.spread, trained.config
    # With less than all samples a step, the loss is that of the last one: how all are learnt shows in the mean.
    part = 0 < config.batch < len(trained.parts["training"])
    table = tables.training_table(history, ("last loss" if part else "loss"), weights=trained.is_neuron)
    if trained.plan.algorithm == "grid":
        return table
    losses = [epoch.loss for epoch in history]
    title = "loss of the last step" if part else "loss"
    if part and trained.is_neuron and len(history) <= CURVE_POINTS and len(trained.losses) == 1:
        x = trained.data.x
        if trained.layers[0].weights[0].tolist() == trained.fit.end.w:
            losses = [mean_loss(config, epoch.parameters, x, trained.data.y) for epoch in history]
            title = "mean loss of all samples"
    return [*table, "", *tables.loss_curve(losses, title, trained.fit.epochs - 1, drawn=can_draw())]


def losses_in_words(trained: Trained) -> list[str]:
    """The losses of the parts, where there is more than one, and over-fitting."""
    lines = []
    if len(trained.losses) > 1:
        parts = ", ".join(f"{name} {loss:.4g}" for name, loss in trained.losses.items())
        lines += tables.wrapped(
            f"loss a sample, with the parameters after epoch {trained.fit.end.epoch}: {parts}"
        )
    worse = overfitting(trained.fit.history)
    if worse:
        last = trained.fit.end is trained.fit.history[-1]
        advice = "; --patience N would end there" if last else "; that epoch is kept"
        lines += tables.wrapped(worse + advice)
    return lines


def result_in_words(trained: Trained) -> list[str]:
    """What was learnt, and what the LED makes of it."""
    data, outputs = trained.data, trained.outputs["training"]["float"]
    neuron, name = trained.is_neuron, data.target
    text = tables.formula(data, trained.end) if neuron else ""
    lines: list[str] = []
    match trained.layers[-1].activation:
        case Activation.STEP if neuron:
            lines = tables.wrapped(f"{trained.classes[1]} if {text} > 0")
        case Activation.SIGMOID if neuron:
            lines = tables.wrapped(f"P({name} = {trained.classes[1]}) = sigmoid({text})")
        case _ if neuron:
            lines = tables.wrapped(f"{name} = {text}")
        case Activation.IDENTITY if not data.classes:
            error = max(
                np.abs(trained.outputs[part]["float"] - samples.targets).max()
                for part, samples in trained.parts.items()
            )
            lines = [f"  largest error of an output on the data: {error:.4g}"]
    if data is BUILT_IN["wx"]:
        lines.append(f"  for x = 4 that is {float(reference(trained.layers, np.array([[4.0]]))[0][0, 0])!r}")
    decides = [line.strip() for line in decided_in_words(as_dict(trained.image))]
    lit = "; ".join([f"the LED is lit {led_in_words(trained)}", *decides])
    if len(trained.parts) > 1 or not trained.classes:  # what was held out is not counted with what was learnt
        return [*lines, *tables.wrapped(lit)]
    right = verdict(trained.plan.lamp.classes(outputs), data.labels)
    if trained.layers[-1].activation is Activation.IDENTITY:
        return [*lines, f"  {right}", *tables.wrapped(lit)]
    return [*lines, *tables.wrapped(f"{right}; {lit}")]


def led_in_words(trained: Trained) -> str:
    """When the LED is lit."""
    led, data, lamp = trained.led, trained.data, trained.plan.lamp
    threshold = trained.report.led_threshold
    if not trained.classes:
        return f"when {led['output']} > {threshold:g}"
    if not data.classes:
        word = {Activation.STEP: "for 1", Activation.SIGMOID: f"when P > {threshold:g}"}
        return word.get(trained.layers[-1].activation, f"when {data.target} > {threshold:g}")
    text = f"for class {led['class']}"
    if trained.plan.threshold_may_move:
        return text
    if data.targets.shape[1] > 1:
        return f"{text}, when its output > {threshold:g}"
    output = "P" if trained.layers[-1].activation is Activation.SIGMOID else data.target
    return f"{text}, when {output} {'<=' if lamp.of_class else '>'} {threshold:g}"


def verdict(said: Any, true: Any) -> str:
    right = int((said == true).sum())
    if len(true) == 1:
        return f"the only sample {'right' if right else 'wrong'}"
    return f"all {len(true)} samples right" if right == len(true) else f"{right} of {len(true)} samples right"
