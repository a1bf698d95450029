"""What a picture of a training is about: arrays and functions, and how much of them a panel shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.image import Model
from host.core.infer import dequantise_outputs, infer, quantise_inputs
from host.core.wire import FRACTION_MAX, Activation
from host.errors import counted
from host.models.dense import Dense, Float, reference
from host.models.report import Report, fixed_sums
from host.show.report import LOSS_NAMES
from host.training.trained import Measure, Trained

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


@dataclass(frozen=True)
class Subject:
    """What a picture is of, as arrays and functions. None of it is changed or kept.

    title:      what was trained and how, a line.
    inputs, target: names, with units where they have some.
    x, y:       the training data, (samples, inputs) and (samples,) or (samples, outputs).
    path:       (steps, parameters): where descent stood, the start first.
    counts:     how many epochs were done at each of them; None: 0, 1, 2...
    counted:    what is counted there.
    parameters: the name of each parameter; shown where there are one or two.
    losses:     by part ("training", "validation", "test"): its loss from the parameters. The first is that
                which descent makes small.
    loss_name:  what the loss is, for the axis.
    kept:       the step of `path` whose parameters are the model; None: the last.
    stopped:    why training ended early, or "".
    real, fixed: the model as trained and as the node computes it: the sum where a step follows, else the
                output; `value_name` says which.
    threshold:  the model decides 1, or lights the LED, where output number `led_output` is above.
    decides:    whether that is what the model is for.
    bound:      |fixed - real| is not larger inside `ranges`, (low, high) of each input: proven, or, where there is no
                useful bound (`proven` False), the largest on the data.
    steps:      the distance of two neighbouring numbers of each input in the node; offsets: one of them.
    """

    title: str
    inputs: Sequence[str]
    target: str
    x: Float
    y: Float
    path: Float
    parameters: Sequence[str]
    losses: Mapping[str, Measure]
    real: Values
    fixed: Values
    threshold: float
    decides: bool
    bound: float
    ranges: Sequence[tuple[float, float]]
    steps: Sequence[float]
    offsets: Sequence[float]
    proven: bool = True
    value_name: str = "output"
    led_output: int = 0
    loss_name: str = "loss"
    counts: Sequence[int] | None = None
    counted: str = "epochs done"
    kept: int | None = None
    stopped: str = ""

    @property
    def last(self) -> int:
        """The step of the path whose parameters are the model."""
        return len(self.path) - 1 if self.kept is None else self.kept

    @property
    def outputs(self) -> int:
        return 1 if self.y.ndim == 1 else int(self.y.shape[1])

    @cached_property
    def errors(self) -> tuple[Float, Float]:
        """Points all over the ranges, and fixed minus real there, for every output."""
        x = spread(self.ranges, 40_000)
        return x, self.fixed(x) - self.real(x)

    @cached_property
    def landscape(self) -> tuple[Float, Float, Float, Float]:
        """The path, and the first loss around it: first parameters, second parameters, losses on their grid."""
        measure = next(iter(self.losses.values()))
        path = self.path[thin(len(self.path), POINTS_DRAWN)]
        side = int(np.clip(np.sqrt(LOSS_ROWS / len(self.x)), 15, 101))
        first, second = (np.linspace(*padded(c.min(), c.max(), 0.25), side) for c in path.T)
        losses = np.array([[measure([float(u), float(v)]) for u in first] for v in second])
        return path, first, second, losses

    def lit(self, values: Float) -> NDArray[np.bool_]:
        """The decision on each row of values."""
        return np.asarray(values[:, self.led_output] > self.threshold)


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
    one = ["w"] if inputs == 1 else [f"w{number}" for number in range(1, inputs + 1)]
    names = [*one, "b"][: path.shape[1]] if len(layers) == 1 and outputs == 1 else list("?" * path.shape[1])
    two_classes = last in (Activation.STEP, Activation.SIGMOID) or len(np.unique(y)) == 2

    def real(x: Float) -> Float:
        sums, outputs = reference(layers, x)
        return sums if on_sums else outputs

    def fixed(x: Float) -> Float:
        q = quantise_inputs(model, x)
        return (
            fixed_sums(model, q) if on_sums else dequantise_outputs(model, infer(model, q)).astype(np.float64)
        )

    fields: dict[str, Any] = {
        "parameters": names,
        "threshold": 0.0 if on_sums else report.led_threshold,
        "decides": outputs == 1 and two_classes,
        "bound": report.error_bound or max(report.error_observed, 2.0**-FRACTION_MAX),
        "proven": report.error_bound is not None,
        "ranges": report.ranges,
        "steps": [2.0**-fraction for fraction in report.input_fraction],
        "offsets": report.input_offset,
        "value_name": report.error_of,
        "led_output": report.led_output,
    }
    return Subject(y=y, path=path, real=real, fixed=fixed, **{**fields, **others})


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
    names = [*data.inputs, "b"] if plan.standardised and trained.is_neuron else []
    return subject_of(
        trained.layers,
        trained.model,
        trained.report,
        title=f"{plan.label}: {counted(len(data), 'sample')}, {plan.algorithm}, {how}",
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
        **({"parameters": [f"weight of {name}, standardised" for name in names]} if names else {}),
    )


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
