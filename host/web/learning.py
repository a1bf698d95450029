"""The learner's page: what can be trained, and a training with all that is drawn of it (host/web/shown.py)."""

from __future__ import annotations

import math

import numpy as np

from host.core.learn import Config
from host.data.dataset import Dataset
from host.show.report import LOSS_NAMES
from host.show.subject import parameter_names
from host.training.options import Options
from host.training.plan import Plan, make_plan
from host.training.recipes import ALGORITHMS
from host.training.scores import evenly
from host.training.stability import is_linear, stable_rate
from host.web.shown import PARAMETERS_MAX, SAMPLES_MAX, Recipe, Samples

ARTICLES: dict[str, list[int] | None] = {
    "wx": None,
    "wxb": None,
    "and": None,
    "logistic": None,
    "mlp": [2, 4, 1],
}
"""The models that a page offers; of a network the units, so that its boundary can be drawn."""
OFFERED = tuple(name for name in ALGORITHMS if name != "grid")
"""Algorithms that walk, so that there is something to be seen."""


def recipes() -> list[Recipe]:
    """The articles' models with their data, in the articles' order."""
    return [_recipe(make_plan(Options(model, layers=layers)), layers) for model, layers in ARTICLES.items()]


def _recipe(plan: Plan, layers: list[int] | None) -> Recipe:
    config, data = plan.config, plan.data
    return {
        "key": plan.name,
        "label": plan.label,
        "kind": plan.recipe.kind,
        "layers": layers,
        "inputs": list(data.inputs),
        "target": data.target,
        "classes": list(data.classes),
        "samples": samples_of(plan),
        "activation": config.activation[-1].name.lower(),
        "algorithm": plan.algorithm,
        "algorithms": list(OFFERED),
        "loss": LOSS_NAMES[config.loss],
        "rate": config.rate,
        "epochs": config.epochs,
        "start": plan.starts[0] if layers is None else [],
        "seed": None if layers is None else config.seed,
        "parameters": names_of(config, data),
        "stable_rate": stable_rate_of(plan),
        "surface": config.count <= 2,
        "boundary": len(data.inputs) <= 2,
    }


def samples_of(plan: Plan) -> Samples:
    """At most SAMPLES_MAX, evenly spread."""
    data, learnt = plan.data, set(plan.samples.parts["training"].rows)
    chosen = evenly(len(data), SAMPLES_MAX)
    return {
        "count": len(data),
        "x": data.x[chosen].tolist(),
        "y": data.targets[chosen].tolist(),
        "labels": data.labels[chosen].tolist() if data.classes else [],
        "held": [data.rows[index] not in learnt for index in chosen],
    }


def names_of(config: Config, data: Dataset) -> list[str]:
    """Of each parameter; none for more than PARAMETERS_MAX. Of a network "h2 x1" is what h2 weighs x1 with, "h2 b" its
    bias."""
    if config.count > PARAMETERS_MAX:
        return []
    if config.units[1:] == (1,):
        return parameter_names(len(data.inputs))[: config.count]
    before, names = list(data.inputs), list[str]()
    for depth, outputs in enumerate(config.units[1:], 1):
        hidden = [f"{'h' * depth}{number + 1}" for number in range(outputs)]
        units = list(data.outputs_named) if depth == len(config.activation) else hidden
        names += [f"{unit} {name}" for unit in units for name in before]
        names += [f"{unit} b" for unit in units if config.bias]
        before = units
    return names


def stable_rate_of(plan: Plan) -> float | None:
    """The largest rate at which a training does not diverge; None where that is not known."""
    x, _, weights = plan.samples.weighted("training")
    if not is_linear(plan.config) or plan.config.adam:
        return None
    found = stable_rate(plan.config, np.asarray(x), weights)
    return found if math.isfinite(found) else None
