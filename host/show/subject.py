"""What a picture of a training is about: arrays and functions, and how much of them a panel shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.image import Model
from host.core.infer import quantise_inputs
from host.core.wire import Activation
from host.errors import counted
from host.models.dense import Dense, Float, reference
from host.models.lamp import Lamp
from host.models.report import Report, fixed_outputs, fixed_sums
from host.models.sensed import integers
from host.show.report import LOSS_NAMES
from host.show.stretches import Signal, signal_of
from host.training.fit import Diverged, Epoch
from host.training.plan import Plan
from host.training.trained import Measure, Trained, measures_of

Values = Callable[[Float], Float]
"""(samples, inputs) in their own units -> (samples, outputs)."""

POINTS_DRAWN = 1000
"""Epochs, samples or steps of a path that a panel shows, about."""
MARKED = 40
"""Points of a line that have markers, from its first on."""
LOSS_ROWS = 50_000_000
"""Samples that a panel may evaluate in all: on large data it shows fewer epochs and a coarser surface."""
SAMPLES = 16
"""Points looked at in each cell of a map of errors."""


@dataclass(frozen=True, kw_only=True)
class Descent:
    """A training, whatever came of it. None of it is changed or kept.

    title:      what was trained and how, a line.
    x:          the training data, (samples, inputs).
    path:       (steps, parameters): where descent stood, the start first.
    counts:     how many epochs were done at each of them; None: 0, 1, 2...
    counted:    what is counted there.
    parameters: the name of each parameter; shown where there are one or two.
    losses:     by part ("training", "validation", "test"): its loss from the parameters. The first is that
                which descent makes small.
    loss_name:  what the loss is, for the axis.
    kept:       the step of `path` whose parameters are the model; None: the last.
    stopped:    why training ended early, or "".
    diverged:   the path leads away: no model came of it.
    """

    title: str
    x: Float
    path: Float
    parameters: Sequence[str]
    losses: Mapping[str, Measure]
    loss_name: str = "loss"
    counts: Sequence[int] | None = None
    counted: str = "epochs done"
    kept: int | None = None
    stopped: str = ""
    diverged: bool = False

    @property
    def last(self) -> int:
        """The step of the path whose parameters are the model."""
        return len(self.path) - 1 if self.kept is None else self.kept

    @cached_property
    def landscape(self) -> tuple[Float, Float, Float, Float]:
        """The path, and the first loss around it: first parameters, second parameters, losses on their grid."""
        measure = next(iter(self.losses.values()))
        path = self.path[thin(len(self.path), POINTS_DRAWN)]
        first, second = around(path, len(self.x), 101)
        losses = np.array([[measure([float(u), float(v)]) for u in first] for v in second])
        return path, first, second, losses


@dataclass(frozen=True, kw_only=True)
class Subject(Descent):
    """What a picture is of, as arrays and functions.

    inputs, target: names, with units where they have some.
    y:          (samples,) or (samples, outputs).
    real, fixed: the model as trained and as the node computes it: the sum where a step follows, else the
                output; `value_name` says which.
    lamp:       what class these values say, and whether they light the LED.
    decides:    whether its one output tells two classes apart.
    bound:      proven: |fixed - real| is never larger inside `ranges`, (low, high) of each input; None: nothing useful
                is proven.
    steps:      the distance of two neighbouring numbers of each input in the node; offsets: one of them.
    classes:    their names; empty where targets are numbers. labels: (samples,) the class of each sample.
    measured:   (samples, outputs) what the node says of x, where it measures its inputs itself; None: fixed(x).
    signal:     the recording behind the samples, where there is one.
    judged:     the samples that the model is judged by, and what they are called: those that it never learnt from,
                where there are some.
    """

    inputs: Sequence[str]
    target: str
    y: Float
    real: Values
    fixed: Values
    lamp: Lamp
    decides: bool
    bound: float | None
    ranges: Sequence[tuple[float, float]]
    steps: Sequence[float]
    offsets: Sequence[float]
    value_name: str = "output"
    classes: Sequence[str] = ()
    labels: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    judged: tuple[NDArray[np.intp], str] = (np.empty(0, np.intp), "")
    measured: Float | None = None
    signal: Signal | None = None

    @cached_property
    def said(self) -> Float:
        """(samples, outputs) what the node says of x."""
        return self.fixed(self.x) if self.measured is None else self.measured

    @property
    def outputs(self) -> int:
        return 1 if self.y.ndim == 1 else int(self.y.shape[1])

    @cached_property
    def errors(self) -> tuple[Float, Float]:
        """Points all over the ranges, and fixed minus real there, for every output."""
        x = spread(self.ranges, 40_000)
        return x, self.fixed(x) - self.real(x)

    @property
    def lit_below(self) -> bool:
        """Whether the first of two classes lights the LED: where the one output is not above the threshold."""
        return self.lamp.of_class and self.lamp.output == 0

    @property
    def reach(self) -> float:
        """How far fixed point is from float at most: proven, or else the largest error that was seen; above 0."""
        return self.bound or float(np.abs(self.errors[1]).max()) or 1e-300

    @property
    def reach_name(self) -> str:
        return "largest seen" if self.bound is None else "proven bound"


def subject_of(
    layers: Sequence[Dense], model: Model, report: Report, *, y: Float, path: ArrayLike, **others: Any
) -> Subject:
    """The subject of float layers and the model quantised from them; `others` are fields of Subject.

    path: as Subject's; (steps,) will do for one parameter.
    """
    last = layers[-1].activation
    on_sums = last is Activation.STEP
    inputs, outputs = layers[0].weights.shape[1], layers[-1].weights.shape[0]
    path = np.asarray(path, dtype=np.float64).reshape(len(np.asarray(path)), -1)
    names = parameter_names(inputs) if len(layers) == 1 and outputs == 1 else list("?" * path.shape[1])
    two_classes = last in (Activation.STEP, Activation.SIGMOID) or len(np.unique(y)) == 2

    def real(x: Float) -> Float:
        sums, outputs = reference(layers, x)
        return sums if on_sums else outputs

    def fixed(x: Float) -> Float:
        return fixed_sums(model, quantise_inputs(model, x)) if on_sums else fixed_outputs(model, x)

    fields: dict[str, Any] = {
        "parameters": names[: path.shape[1]],
        "lamp": Lamp(report.led_output, 0.0 if on_sums else report.led_threshold, model.led_class),
        "decides": outputs == 1 and two_classes,
        "bound": report.error_bound,
        "ranges": report.ranges,
        "steps": [2.0**-fraction for fraction in report.input_fraction],
        "offsets": report.input_offset,
        "value_name": report.error_of,
    }
    return Subject(y=y, path=path, real=real, fixed=fixed, **{**fields, **others})


def around(path: Float, samples: int, most: int) -> list[Float]:
    """Points on the axis of each parameter, around a path (steps, parameters), at which to look at the loss of so many
    samples: `most`, or of many samples fewer."""
    side = int(np.clip(np.sqrt(LOSS_ROWS / samples), 15, most))
    return [np.linspace(*padded(column.min(), column.max(), 0.25), side) for column in path.T]


def title_of(plan: Plan, how: str) -> str:
    """What was trained and how, a line."""
    return f"{plan.label}: {counted(len(plan.data), 'sample')}, {plan.algorithm}, {how}"


AWAY = 1e4
"""How many times its first value the loss may reach on the drawn part of a path that leads away."""


def in_sight(diverged: Diverged) -> list[Epoch]:
    """The epochs of a training that led away, as far as there is something to be seen."""
    history = diverged.fit.history
    seen = next(
        (n for n, epoch in enumerate(history) if not epoch.loss <= AWAY * history[0].loss), len(history)
    )
    return [epoch for epoch in history[: max(seen, 2)] if np.isfinite([epoch.loss, *epoch.parameters]).all()]


def diverged_descent(plan: Plan, diverged: Diverged) -> Descent:
    """A training that led away, as far as there is something to be seen."""
    data, seen = plan.data, in_sight(diverged)
    return Descent(
        title=title_of(plan, f"rate {plan.config.rate:g}, diverges"),
        x=data.x,
        path=np.array([diverged.start, *(epoch.parameters for epoch in seen)]),
        counts=[0, *(epoch.epoch + 1 for epoch in seen)],
        parameters=_parameters_of(plan) if plan.config.is_neuron else "?" * plan.config.count,
        losses=measures_of(plan.config, {part: plan.samples.weighted(part) for part in plan.samples.parts}),
        loss_name=LOSS_NAMES[plan.config.loss],
        diverged=True,
    )


def parameter_names(inputs: int) -> list[str]:
    """Of a single neuron."""
    return [*(["w"] if inputs == 1 else [f"w{number}" for number in range(1, inputs + 1)]), "b"]


def _parameters_of(plan: Plan) -> list[str]:
    """Of a single neuron, as it is trained."""
    if plan.standardised:
        names = [f"weight of {name}, standardised" for name in (*plan.data.inputs, "b")]
    else:
        names = parameter_names(len(plan.data.inputs))
    return names[: plan.config.count]


def training_subject(trained: Trained) -> Subject:
    """The subject of a whole training."""
    plan, history = trained.plan, trained.fit.history
    data, searched = plan.data, plan.algorithm == "grid"
    start = [] if searched else [trained.start]
    how = (
        trained.fit.stopped
        if searched
        else f"rate {plan.config.rate:g}, {counted(trained.fit.epochs, 'epoch')}"
    )
    of = f" of {data.target}" if data.targets.shape[1] == 1 else ""
    rows, test = np.asarray(data.rows), trained.parts.get("test")
    judged = np.flatnonzero(np.isin(rows, test.rows)) if test else np.arange(len(rows))
    named: dict[str, Any] = {"parameters": _parameters_of(plan)} if trained.is_neuron else {}
    if trained.layers[-1].activation is not Activation.STEP:
        named["lamp"] = (
            plan.lamp
        )  # as told; the report's threshold is the node's, rounded down for its outputs
    return subject_of(
        trained.layers,
        trained.model,
        trained.report,
        title=title_of(plan, how),
        inputs=data.inputs,
        target=data.target,
        x=data.x,
        y=data.y,
        path=[*start, *(epoch.parameters for epoch in history)],
        counts=[0] * len(start) + [epoch.epoch + 1 for epoch in history],
        counted="points tried" if searched else "epochs done",
        kept=history.index(trained.fit.end) + len(start),
        stopped="" if searched else trained.fit.stopped,
        losses=trained.measures,
        loss_name=LOSS_NAMES[plan.config.loss] + of,
        classes=data.classes,
        labels=data.labels if data.classes else np.empty(0, np.int64),
        judged=(judged, "held-out rows" if test else "all rows"),
        measured=_measured(trained),
        signal=signal_of(trained),
        **named,
    )


def _measured(trained: Trained) -> Float | None:
    """What the node says of all samples, where they were measured."""
    model, x, numerators = trained.model, trained.data.x, trained.data.numerators
    if numerators is None:
        return None
    if trained.layers[-1].activation is Activation.STEP:
        return fixed_sums(model, integers(model, x, numerators))
    return fixed_outputs(model, x, numerators)


def thin(count: int, most: int) -> NDArray[np.intp]:
    """Indices of about so many of them, evenly spread, both ends among them, and all of the first."""
    spread_out = np.linspace(0, count - 1, min(count, most)).round().astype(np.intp)
    return np.union1d(spread_out, np.arange(min(count, MARKED)))


def padded(low: float, high: float, share: float = 0.15) -> tuple[float, float]:
    pad = share * (high - low) or max(abs(high), 1.0) * share
    return low - pad, high + pad


def spread(ranges: Sequence[tuple[float, float]], count: int) -> Float:
    """Points that fill the ranges evenly and hit no grid: an additive recurrence, the corners first."""
    low, high = np.array(ranges, dtype=np.float64).T
    ratio = 2.0
    for _ in range(32):  # the root of ratio ** (inputs + 1) = ratio + 1, the golden ratio's kin
        ratio = (1 + ratio) ** (1 / (len(low) + 1))
    steps = ratio ** -np.arange(1.0, len(low) + 1)
    inside = (0.5 + np.outer(np.arange(count), steps)) % 1.0
    return np.vstack([low, high, low + inside * (high - low)])
