"""From a model that was trained elsewhere to an image for a node, and what that costs: see host.models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.image import Model, Names, encode
from host.core.infer import infer, led, quantise_inputs
from host.errors import NeuronError, counted
from host.models.changed import Changed
from host.models.dense import Float, reference
from host.models.imported import Decide, Imported
from host.models.lamp import Lamp
from host.models.quantise import quantise
from host.models.report import Report, fixed_outputs


@dataclass(frozen=True)
class Converted:
    """What a conversion made, and what it cost.

    source: the model in float64; model: the same in fixed point, as the image has it; quantisation: scales, ranges and
    errors; rows: of the sample; changed: those that the fixed-point model decides otherwise than the float model, for
    another class or for the LED.
    """

    source: Imported
    model: Model
    quantisation: Report
    rows: int
    changed: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, or could have been read in another way, for people."""
        return self.source.notes

    def outputs(self, x: ArrayLike) -> Float:
        """What the node says of x (samples, inputs), to the last bit: (samples, outputs) in their own units."""
        return fixed_outputs(self.model, _rows(self.source, x))

    def decisions(self, x: ArrayLike) -> NDArray[np.int64]:
        """What it decides of x, as Imported.decisions has it of the float model."""
        return self.source.decisions_of(self.outputs(x))

    def predict(self, x: ArrayLike) -> NDArray[Any]:
        """What the node says of x as the original's predict() does: names of classes, (samples,), or numbers,
        (samples,) of one output and (samples, outputs) of several. A class is named by a text, also where the original
        says 1."""
        if self.source.classes:
            return np.array(self.source.classes)[self.decisions(x)[:, 0]]
        outputs = self.outputs(x)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def lit(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Whether each row of x lights the node's LED: (samples,)."""
        q = quantise_inputs(self.model, _rows(self.source, x))
        return np.asarray(led(self.model, infer(self.model, q)))

    @property
    def changes(self) -> Changed:
        """`changed` of `rows`."""
        return Changed(self.changed, self.rows)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        source = self.source
        return {
            "model": source.name,
            "layers": list(source.units),
            "decides": source.decide.value,
            "classes": list(source.classes),
            "inputs": list(source.inputs),
            "outputs": list(source.outputs),
            "notes": list(self.notes),
            "samples": self.rows,
            "changed": self.changes.as_dict(),
            "quantisation": self.quantisation.as_dict(),
        }


def convert(
    model: Imported,
    x: ArrayLike,
    *,
    ranges: Sequence[Sequence[float]] | None = None,
    led: str | None = None,
    led_threshold: float | None = None,
    release: int = 0,
) -> tuple[bytes, Converted]:
    """See host.models.convert."""
    data = _sample(model, x)
    lamp, may_move, model = _lamp(model, data, led, led_threshold)
    fixed, report = quantise(
        model.name,
        model.layers,
        data,
        ranges=None if ranges is None else _ranges(ranges, data.shape[1]),
        led_output=lamp.output,
        led_threshold=lamp.threshold,
        nearest_threshold=may_move,
        led_class=lamp.of_class,
        names=Names(model.inputs, model.outputs, model.classes),
        shared_outputs=model.decide is Decide.ARGMAX,
        release=release,
    )
    converted = Converted(model, fixed, report, len(data), 0)
    changed = (model.decisions(data) != converted.decisions(data)).any(axis=1)
    if not lamp.of_class and len(model.classes) != 2:  # else the LED follows the decision
        changed |= lamp.lit(reference(model.layers, data)[1]) != converted.lit(data)
    return encode(fixed), replace(converted, changed=int(changed.sum()))


def _sample(model: Imported, x: Any) -> Float:
    data = _rows(model, x)
    if not len(data):
        raise NeuronError("the sample has no rows")
    return data


def _rows(model: Imported, x: Any) -> Float:
    """x as the model takes it: of a table with names, the columns that have those of the model's inputs."""
    columns = getattr(x, "columns", None)
    if columns is not None and model.inputs:
        missing = [name for name in model.inputs if name not in columns]
        if missing:
            raise NeuronError(f"x has no column {missing[0]}, an input of {model.name}")
        x = x[list(model.inputs)]
    try:
        values = np.asarray(x)
        data = values.astype(np.float64, casting="unsafe" if values.dtype.kind in "OUS" else "same_kind")
    except (TypeError, ValueError, RuntimeError):  # the last by PyTorch
        raise NeuronError("x has values that are no numbers") from None
    inputs = model.units[0]
    if data.ndim != 2 or data.shape[1] != inputs:
        raise NeuronError(
            f"{model.name} takes {counted(inputs, 'input')}: x must be (rows, {inputs}), not {data.shape}"
        )
    if not np.isfinite(data).all():
        raise NeuronError("x has a value that is not a finite number")
    return data


def _ranges(ranges: Sequence[Sequence[float]], inputs: int) -> list[tuple[float, float]]:
    try:
        pairs = [(float(low), float(high)) for low, high in ranges]
    except (TypeError, ValueError):
        raise NeuronError(
            "ranges are (low, high) of every input, or one for all of them, as in [(0, 9)]"
        ) from None
    return pairs * inputs if len(pairs) == 1 else pairs


def _lamp(
    model: Imported, data: Float, led_name: str | None, threshold: float | None
) -> tuple[Lamp, bool, Imported]:
    """What lights the LED, whether nobody asked for its threshold, and the model with that."""
    names = model.classes or model.outputs or tuple(str(i + 1) for i in range(model.units[-1]))
    if led_name is not None and led_name not in names:
        what = "class" if model.classes else "output"
        raise NeuronError(f"{model.name} has no {what} {led_name!r} for the LED: it has {', '.join(names)}")
    chosen = names.index(led_name) if led_name is not None else len(model.classes[1:])
    if model.decide is Decide.ARGMAX:
        return Lamp(chosen, threshold or 0.0, threshold is None), False, model
    if model.decide is Decide.SIGN and threshold is not None:
        raise NeuronError(f"{model.name} compares its score with 0: there is no other threshold for its LED")
    if model.decide is Decide.NUMBERS:
        if threshold is not None:
            return Lamp(chosen, threshold), False, model
        said = reference(model.layers, data)[1][:, chosen]
        return Lamp(chosen, float(said.min() + said.max()) / 2), True, model
    model = replace(model, threshold=model.threshold if threshold is None else threshold)
    at = 0.0 if model.decide is Decide.SIGN else model.threshold
    if not model.classes:
        return Lamp(chosen, at), False, model
    return Lamp(0, at, of_class=chosen == 0), False, model
