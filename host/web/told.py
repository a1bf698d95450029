"""A training as JSON: what was planned, how it went, and the model that came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from host.core.hashes import hash_of
from host.core.image import image_crc
from host.core.infer import dequantise_outputs, infer, led
from host.core.learn import Config
from host.data.dataset import Dataset
from host.models.dense import reference
from host.models.sensed import integers
from host.show import tables
from host.show.report import LOSS_NAMES, in_words, led_in_words
from host.show.subject import parameter_names
from host.training.fit import Epoch
from host.training.plan import Plan
from host.training.scores import changed, evenly
from host.training.stability import is_linear, stable_rate
from host.training.trained import Trained, measures_of
from host.web import drawn
from host.web.shown import PARAMETERS_MAX, ROWS_MAX, SAMPLES_MAX, Row, Samples, TrainingJson


def nothing() -> TrainingJson:
    """A training of which there is nothing to be said."""
    return {
        "id": "",
        "state": "",
        "error": "",
        "done": 0,
        "total": 0,
        "model": "",
        "title": "",
        "inputs": [],
        "target": "",
        "classes": [],
        "task": "",
        "units": [],
        "activation": [],
        "bias": False,
        "algorithm": "",
        "rate": 0.0,
        "epochs": 0,
        "loss_name": "",
        "parameters": [],
        "standardised": False,
        "stable_rate": None,
        "samples": None,
        "frames": [],
        "losses": [],
        "validation": [],
        "kept": 0,
        "stopped": "",
        "surface": None,
        "boundary": None,
        "diverged": None,
        "formula": "",
        "lamp": "",
        "report": [],
        "doubts": [],
        "ranges": [],
        "rows": [],
        "image": None,
    }


# --------------------------------------------------------------------------------------------------- what is planned


def planned(plan: Plan) -> dict[str, Any]:
    config, data = plan.config, plan.data
    return {
        "inputs": list(data.inputs),
        "target": data.target,
        "classes": list(plan.classes),
        "task": "classes" if plan.classes else "numbers",
        "units": list(config.units),
        "activation": [activation.name.lower() for activation in config.activation],
        "bias": config.bias,
        "algorithm": plan.algorithm,
        "rate": config.rate,
        "epochs": config.epochs,
        "loss_name": LOSS_NAMES[config.loss],
        "parameters": names_of(config, data),
        "standardised": plan.standardised,
        "stable_rate": stable_rate_of(plan),
        "samples": samples_of(plan),
    }


def samples_of(plan: Plan) -> Samples:
    """At most SAMPLES_MAX, evenly spread."""
    data, learnt = plan.data, set(plan.samples.parts["training"].rows)
    chosen = evenly(len(data), SAMPLES_MAX)
    return {
        "count": len(data),
        "x": data.x[chosen].tolist(),
        "y": data.targets[chosen].tolist(),
        "labels": data.labels[chosen].tolist() if plan.classes else [],
        "held": [data.rows[index] not in learnt for index in chosen],
    }


def names_of(config: Config, data: Dataset) -> list[str]:
    """Of each parameter; none for more than PARAMETERS_MAX. Of a network "h2 x1" is what h2 weighs x1 with, "h2 bias"
    its bias."""
    if config.count > PARAMETERS_MAX:
        return []
    if config.is_neuron:
        return parameter_names(len(data.inputs))[: config.count]
    before, names = list(data.inputs), list[str]()
    for depth, outputs in enumerate(config.units[1:], 1):
        hidden = [f"{'h' * depth}{number + 1}" for number in range(outputs)]
        units = list(data.outputs_named) if depth == len(config.activation) else hidden
        names += [f"{unit} {name}" for unit in units for name in before]
        names += [f"{unit} bias" for unit in units if config.bias]
        before = units
    return names


def stable_rate_of(plan: Plan) -> float | None:
    """The largest rate at which a training does not diverge; None where that is not known."""
    if not is_linear(plan.config) or plan.config.adam:
        return None
    x, _, weights = plan.samples.weighted("training")
    found = stable_rate(plan.config, x, weights)
    return found if math.isfinite(found) else None


# ------------------------------------------------------------------------------------------------------ how it went


def walked(plan: Plan, start: Sequence[float], epochs: Sequence[Epoch], kept: Epoch | None) -> dict[str, Any]:
    """From the start over these epochs, the one that counts, if any does, among them."""
    parts = {part: plan.samples.weighted(part) for part in plan.samples.parts}
    measure = measures_of(plan.config, parts)["training"]
    seen = drawn.chosen(epochs, kept)
    frames = drawn.frames_of(plan, measure, start, seen)
    path = [(0, start), *((epoch.epoch + 1, epoch.parameters) for epoch in seen)]
    return {
        "frames": frames,
        "kept": kept.epoch + 1 if kept else 0,
        "surface": drawn.surface_of(plan, measure, names_of(plan.config, plan.data), frames),
        "boundary": drawn.boundary_of(plan, path),
    }


def losses(epochs: Sequence[Epoch]) -> dict[str, Any]:
    return {
        "losses": drawn.curve(epochs, lambda epoch: epoch.loss),
        "validation": drawn.curve(epochs, lambda epoch: epoch.validation),
    }


# -------------------------------------------------------------------------------------------------------- the model


def became(trained: Trained) -> dict[str, Any]:
    image = trained.image
    return {
        "stopped": trained.fit.stopped,
        "formula": tables.formula(trained.data, trained.end) if trained.is_neuron else "",
        "lamp": led_in_words(trained),
        "report": in_words(trained),
        "doubts": list(trained.warnings),
        "ranges": list(trained.report.ranges),
        "rows": _rows(trained),
        "image": {"bytes": len(image), "crc32": f"{image_crc(image):08x}", "hash": hash_of(image).hex()},
    }


def _rows(trained: Trained) -> list[Row]:
    data, model, lamp = trained.data, trained.model, trained.plan.lamp
    chosen = evenly(len(data), ROWS_MAX)
    x = data.x[chosen]
    q = integers(model, x, None if data.numerators is None else data.numerators[chosen])
    y, real = infer(model, q), reference(trained.layers, x)[1]
    fixed = dequantise_outputs(model, y).astype(float)
    names = trained.classes
    said = [names[number] for number in lamp.classes(fixed).tolist()] if names else [None] * len(x)
    columns: list[list[Any]] = [
        x.tolist(),
        data.targets[chosen].tolist(),
        real.tolist(),
        fixed.tolist(),
        said,
        led(model, y).tolist(),
        changed(lamp, real, fixed, trained.decide).tolist(),
    ]
    return [
        {"inputs": a, "target": b, "real": c, "fixed": d, "said": e, "lamp": f, "changed": g}
        for a, b, c, d, e, f, g in zip(*columns, strict=True)
    ]
