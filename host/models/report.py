"""What quantising chose and cost, for people and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.fixed import INT16_MIN, Int16, Int64
from host.core.image import Model, encode, image_lowest, image_narrow
from host.core.infer import dequantise_outputs, infer, infer_layer
from host.core.wire import Activation
from host.models.bounds import error_bounds, float32_step
from host.models.dense import Dense, Float, reference
from host.models.formats import Ranges
from host.models.sensed import integers


@dataclass(frozen=True)
class Decision:
    """A data row of a step output: float sums; whether fixed point provably, and really, decides alike."""

    inputs: list[float]
    sums: list[float]
    proven: bool
    unchanged: bool


DECISIONS_MAX = 1000
"""Rows whose decisions a report lists."""


@dataclass(frozen=True)
class Unlisted:
    """Decisions that a report only counts: how many; how many are proven; how many changed."""

    decisions: int = 0
    proven: int = 0
    changed: int = 0


@dataclass(frozen=True)
class LayerFormat:
    """Scales of a layer. weight_fraction: an entry an input. narrow: 32 bits are enough to accumulate in."""

    activation: str
    weight_fraction: list[int]
    acc_fraction: int
    out_fraction: int
    narrow: bool


@dataclass(frozen=True)
class Report:
    """What quantising chose and cost. Errors are of the output, or of the sum that a step decides on: `error_of`.

    ranges, input_offset, input_fraction, output_fraction: as Model's, ranges in the inputs' own units.
    error_bound: no input within the ranges gives a larger error; None: no useful bound, BOUND_USEFUL times the error
    that was seen and more. error_observed: the largest on the data. decisions: those of a step output, all, or of many
    rows those that changed and those nearest to 0. notes: sentences to be said to people.
    """

    ranges: list[tuple[float, float]]
    input_offset: list[float]
    input_fraction: list[int]
    layers: list[LayerFormat]
    output_fraction: list[int]
    error_of: str
    error_bound: float | None
    error_observed: float
    led_output: int
    led_threshold: float
    decisions: list[Decision]
    margin: float | None
    image_bytes: int
    unlisted: Unlisted = Unlisted()
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


BOUND_USEFUL = 50
"""A bound is said where it is at most so many times the error seen, or where it proves a decision. The worst case of n
roundings is n of them, what is seen some sqrt(n), a factor of 8 for a layer of 64 inputs: two such layers are within
it. Beyond, the bound speaks of what affine arithmetic does not know, no more of the model."""


def report_of(
    model: Model,
    layers: Sequence[Dense],
    x: Float,
    ranges: Ranges,
    notes: Sequence[str] = (),
    numerators: Int64 | None = None,
) -> Report:
    """What the model, quantised from these float layers, cost on the data x (samples, inputs) and in the ranges.
    numerators: of x, where it was measured in windows."""
    sums, outputs = reference(layers, x)
    q = integers(model, x, numerators)
    sum_bound, bound = error_bounds(model, layers, ranges)
    decisions: list[Decision] = []
    unlisted = Unlisted()
    least = np.ldexp(0.5, -min(model.output_fraction))
    if layers[-1].activation is Activation.STEP:
        observed, bound, least = np.abs(fixed_sums(model, q) - sums), sum_bound, 0.0
        proven = np.asarray((np.abs(sums) > sum_bound).all(axis=1))
        unchanged = np.asarray((infer(model, q) == outputs).all(axis=1))
        listed = _to_list(sums, unchanged)
        columns: list[Any] = [part[listed].tolist() for part in (x, sums, proven, unchanged)]
        decisions = [Decision(*row) for row in zip(*columns, strict=True)]
        rest = np.ones(len(x), dtype=bool)
        rest[listed] = False
        unlisted = Unlisted(int(rest.sum()), int(proven[rest].sum()), int((~unchanged[rest]).sum()))
        useful = bool(proven.any())
    else:
        observed, useful = np.abs(dequantise_outputs(model, infer(model, q)) - outputs), False
    useful = useful or bool(bound.max() <= BOUND_USEFUL * max(observed.max(), least))
    return Report(
        ranges=[(float(low), float(high)) for low, high in ranges],
        input_offset=list(model.input_offset),
        input_fraction=list(model.input_fraction),
        layers=_formats(model),
        output_fraction=list(model.output_fraction),
        error_of="sum" if decisions else "output",
        error_bound=float(bound.max()) if useful else None,
        error_observed=float(observed.max()),
        led_output=model.led_output,
        led_threshold=float(np.ldexp(model.led_threshold, -model.led_fraction)),
        decisions=decisions,
        margin=float(np.abs(sums).min()) if decisions else None,
        image_bytes=len(encode(model)),
        unlisted=unlisted,
        notes=[*_coarse(model, ranges), *notes],
    )


def _coarse(model: Model, ranges: Ranges) -> list[str]:
    """Inputs whose float32 values, as they travel, lie farther apart than the model's own steps."""
    said: list[str] = []
    if model.senses is not None:  # nothing travels
        return said
    for index, ((low, high), fraction) in enumerate(zip(ranges, model.input_fraction, strict=True)):
        step, own = float(float32_step(max(abs(low), abs(high)))), 2.0**-fraction
        if step > own:
            name = model.names.inputs[index] if model.names.inputs else f"input {index + 1}"
            said.append(
                f"{name}: values up to {max(abs(low), abs(high)):.4g} travel as float32, in steps of {step:g}; the "
                f"model could tell {own:g} apart. If so little matters, subtract a constant near them first."
            )
    return said


def _to_list(sums: Float, unchanged: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The rows whose decisions say most, in their order: changed ones from the first on, then those nearest to 0."""
    nearness = np.where(unchanged, np.abs(sums).min(axis=1), 0.0)
    return np.sort(np.lexsort((nearness, unchanged))[:DECISIONS_MAX])


def fixed_outputs(model: Model, x: Float, numerators: Int64 | None = None) -> Float:
    """What the fixed-point model says of inputs (rows, inputs), both in their own units. numerators: as for
    host.models.sensed.integers."""
    return dequantise_outputs(model, infer(model, integers(model, x, numerators))).astype(np.float64)


def fixed_sums(model: Model, x: Int16) -> Float:
    """What the last layer's step decides on, in its own units."""
    for layer in model.layers[:-1]:
        x = infer_layer(layer, x)
    last = model.layers[-1]
    acc = x.astype(np.int64) @ last.weights.T.astype(np.int64) + last.bias
    return np.asarray(np.ldexp(acc.astype(np.float64), -last.acc_fraction))


def _formats(model: Model) -> list[LayerFormat]:
    fractions, lowest = list(model.input_fraction), INT16_MIN
    formats = []
    for layer in model.layers:
        formats.append(
            LayerFormat(
                activation=layer.activation.name.lower(),
                weight_fraction=[layer.acc_fraction - f for f in fractions],
                acc_fraction=layer.acc_fraction,
                out_fraction=layer.out_fraction,
                narrow=image_narrow(layer.bias, layer.weights, lowest),
            )
        )
        fractions, lowest = [layer.out_fraction] * layer.outputs, image_lowest(layer.activation)
    return formats
