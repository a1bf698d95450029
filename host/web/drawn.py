"""What is drawn of a training: its frames, the curve of its loss, the surface that it walks on, and what is decided
where."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from host.core.wire import Activation
from host.models.dense import Float, reference
from host.show.subject import around, padded
from host.training.fit import Epoch
from host.training.pipeline import float_layers
from host.training.plan import Plan
from host.training.scores import evenly
from host.training.trained import Measure
from host.web.shown import (
    BOUNDARIES_MAX,
    BOUNDARY_SIDE,
    FRAMES_MAX,
    LEVELS,
    LOSSES_MAX,
    PARAMETERS_MAX,
    SURFACE_SIDE,
    Boundary,
    Cells,
    Frame,
    Surface,
)


def chosen(epochs: Sequence[Epoch], kept: Epoch | None) -> list[Epoch]:
    """At most FRAMES_MAX in their order, evenly spread, and the one that counts among them."""
    some = [*(epochs[place] for place in evenly(len(epochs), FRAMES_MAX - 1)), *filter(None, [kept])]
    by_number = {one.epoch: one for one in some}
    return [by_number[number] for number in sorted(by_number)]


def frames_of(plan: Plan, measure: Measure, start: Sequence[float], epochs: Sequence[Epoch]) -> list[Frame]:
    """The start, and these epochs, as far as all numbers are finite."""
    begin = measure(start)
    frames = [_frame(plan, start, 0, begin, begin, None)]
    for epoch in epochs:
        height = measure(epoch.parameters)
        frames.append(_frame(plan, epoch.parameters, epoch.epoch + 1, epoch.loss, height, epoch.validation))
    return [frame for frame in frames if all(map(math.isfinite, (frame["loss"], frame["height"])))]


def _frame(
    plan: Plan,
    parameters: Sequence[float],
    epoch: int,
    loss: float,
    height: float,
    validation: float | None,
) -> Frame:
    line: list[float] = []
    if plan.config.is_neuron:
        (layer,) = float_layers(plan, parameters)
        line = [*layer.weights[0].tolist(), float(layer.bias[0])]
    return {
        "epoch": epoch,
        "loss": loss,
        "height": height,
        "validation": validation if validation is not None and math.isfinite(validation) else None,
        "parameters": list(parameters) if len(parameters) <= PARAMETERS_MAX else [],
        "line": line if all(map(math.isfinite, line)) else [],
    }


def curve(epochs: Sequence[Epoch], value: Callable[[Epoch], float | None]) -> list[tuple[int, float]]:
    """(epochs done, value) of at most LOSSES_MAX."""
    points = [
        (epoch.epoch + 1, value(epoch)) for epoch in (epochs[n] for n in evenly(len(epochs), LOSSES_MAX))
    ]
    return [(number, found) for number, found in points if found is not None and math.isfinite(found)]


def surface_of(plan: Plan, measure: Measure, names: Sequence[str], frames: Sequence[Frame]) -> Surface | None:
    """Around the path of the frames, for one or two parameters."""
    if plan.config.count > 2:
        return None
    samples = len(plan.samples.parts["training"])
    axes = around(np.array([frame["parameters"] for frame in frames]), samples, SURFACE_SIDE)
    first, second = axes[0].tolist(), axes[1].tolist() if len(axes) > 1 else [None]
    return {
        "names": list(names),
        "axes": [axis.tolist() for axis in axes],
        "loss": [[_finite(measure([u] if v is None else [u, v])) for u in first] for v in second],
    }


def _finite(value: float) -> float | None:
    """As many digits as can be drawn."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


# --------------------------------------------------------------------------------------------------- the boundary


def boundary_of(plan: Plan, walked: Sequence[tuple[int, Sequence[float]]]) -> Boundary | None:
    """For one or two inputs. walked: (epochs done, parameters) of each frame."""
    x, lamp = plan.data.x, plan.lamp
    if x.shape[1] > 2:
        return None
    line, outputs = plan.config.is_neuron, plan.config.units[-1]
    targets = plan.data.targets[:, lamp.output if outputs > 1 else 0]
    low, high = padded(float(targets.min()), float(targets.max()), 0.25)
    found: Boundary = {
        "kind": "line" if line else "classes" if plan.data.classes and outputs > 1 else "cells",
        "axes": [np.linspace(*padded(c.min(), c.max(), 0.25), BOUNDARY_SIDE).tolist() for c in x.T],
        "level": _sum_at(plan) if line else lamp.threshold,
        "below": outputs == 1 and lamp.of_class and lamp.output == 0,
        "low": low,
        "high": high,
        "frames": [],
    }
    if not line:
        points = np.stack(np.meshgrid(*map(np.array, found["axes"])), axis=-1).reshape(-1, x.shape[1])
        some = (walked[place] for place in evenly(len(walked), BOUNDARIES_MAX))
        found["frames"] = [_cells(plan, found, points, epoch, parameters) for epoch, parameters in some]
    return found


def _sum_at(plan: Plan) -> float:
    """The sum of a neuron whose output is the lamp's threshold."""
    threshold = plan.lamp.threshold
    match plan.config.activation[-1]:
        case Activation.STEP:
            return 0.0
        case Activation.SIGMOID:
            share = min(max(threshold, 1e-300), 1 - 2**-53)
            return math.log(share) - math.log1p(-share)
        case _:
            return threshold


def _cells(plan: Plan, boundary: Boundary, points: Float, epoch: int, parameters: Sequence[float]) -> Cells:
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = reference(float_layers(plan, parameters), points)[1]
        if boundary["kind"] == "classes":
            levels = plan.lamp.classes(outputs)
        else:
            own = outputs[:, plan.lamp.output if outputs.shape[1] > 1 else 0]
            share = (own - boundary["low"]) / (boundary["high"] - boundary["low"])
            levels = np.rint(np.clip(np.nan_to_num(share), 0, 1) * LEVELS).astype(np.int64)
    across = len(boundary["axes"][0])
    return {"epoch": epoch, "cells": levels.reshape(-1, across).tolist()}
