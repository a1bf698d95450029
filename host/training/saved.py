"""A float model in a file: what a training ended with, so that another can go on from it.

JSON. Every number is written with all its digits and read back as the same bits. `parameters` are as the training has
them, in host.core.learn's order, of inputs and targets that the scalers have standardised; `layers` say the same for
raw units, for whoever wants to use the model elsewhere; they are not read back.

Plain descent goes on exactly: two runs of 50 epochs end with the bits of one of 100, if all else is the same. Adam's
moments and the order of a shuffle are not kept: they begin anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from host.core.crc import crc32
from host.core.learn import Config
from host.core.wire import LAYERS_MAX, UNITS_MAX, Activation
from host.data.dataset import Dataset
from host.data.scaler import Scaler
from host.errors import NeuronError, counted
from host.files import replace_file
from host.models.dense import Dense

FORMAT = "neuron485 float model 1"
BYTES_MAX = 1 << 22
"""No model that a node takes is larger."""


@dataclass(frozen=True)
class Saved:
    """What the file says. model: a key of RECIPES; units, activation, bias: as in host.core.learn.Config; parameters:
    one each; epochs: how many lie behind them; rows: CRC-32 of what they were learnt from, see `rows_crc`."""

    model: str
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    classes: tuple[str, ...]
    units: tuple[int, ...]
    activation: tuple[Activation, ...]
    bias: bool
    parameters: list[float]
    input_scaler: Scaler | None
    target_scaler: Scaler | None
    epochs: int
    rows: int


def rows_crc(data: Dataset) -> int:
    """CRC-32 of samples: inputs and targets in raw units."""
    return crc32(np.hstack([data.x, data.targets]).astype("<f8").tobytes())


# ----------------------------------------------------------------------------------------------------------- writing


def save(path: str, saved: Saved, layers: Sequence[Dense]) -> None:
    """Write the file, whole or not at all. layers: float, for raw units."""
    said = {
        "format": FORMAT,
        "model": saved.model,
        "inputs": saved.inputs,
        "targets": saved.targets,
        "classes": saved.classes,
        "units": saved.units,
        "activation": [each.name.lower() for each in saved.activation],
        "bias": saved.bias,
        "parameters": saved.parameters,
        "input_scaler": _scaler_said(saved.input_scaler),
        "target_scaler": _scaler_said(saved.target_scaler),
        "epochs": saved.epochs,
        "rows_crc32": saved.rows,
        "layers": [
            {
                "weights": layer.weights.tolist(),
                "bias": layer.bias.tolist(),
                "activation": layer.activation.name.lower(),
            }
            for layer in layers
        ],
    }
    replace_file(path, (json.dumps(said, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode())


def _scaler_said(scaler: Scaler | None) -> dict[str, Any] | None:
    """A deviation that is infinite is null: JSON has no word for it."""
    if scaler is None:
        return None
    return {"mean": scaler.mean, "deviation": [d if math.isfinite(d) else None for d in scaler.deviation]}


# ----------------------------------------------------------------------------------------------------------- reading


def load(path: str) -> Saved:
    """What a file says; NeuronError where it is none of these."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise NeuronError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        if len(text) > BYTES_MAX:
            raise ValueError(f"it has more than {BYTES_MAX} bytes")
        return _saved_of(json.loads(text.decode()))
    except (ValueError, RecursionError) as error:  # also what is no JSON, or no UTF-8
        raise NeuronError(f"{path} is no float model as --save-float writes it: {error}") from None


def _saved_of(said: Any) -> Saved:
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    units = tuple(_list(said, "units", int))
    if not 2 <= len(units) <= LAYERS_MAX + 1 or not all(1 <= unit <= UNITS_MAX for unit in units):
        raise ValueError(f"its units are {list(units)}")
    known = {each.name.lower(): each for each in Activation}
    activation = _list(said, "activation", str)
    if len(activation) != len(units) - 1 or not set(activation) <= set(known):
        raise ValueError(f"its activation is {activation}")
    bias = _one(said, "bias", bool)
    config = Config(units, tuple(known[each] for each in activation), bias)
    inputs = _list(said, "inputs", str)
    if len(inputs) != units[0]:
        raise ValueError(f"it names {counted(len(inputs), 'input')} of {units[0]}")
    return Saved(
        _one(said, "model", str),
        tuple(inputs),
        tuple(_list(said, "targets", str)),
        tuple(_list(said, "classes", str)),
        config.units,
        config.activation,
        bias,
        _numbers(said, "parameters", config.count),
        _scaler_of(said, "input_scaler", units[0]),
        _scaler_of(said, "target_scaler", units[-1]),
        _one(said, "epochs", int),
        _one(said, "rows_crc32", int),
    )


def _one(said: dict[str, Any], name: str, kind: type) -> Any:
    value = said.get(name)
    if type(value) is not kind:
        raise ValueError(f"{name} is {str(value)[:20]!r}")
    return value


def _list(said: dict[str, Any], name: str, kind: type) -> list[Any]:
    values = _one(said, name, list)
    if not all(type(value) is kind for value in values):
        raise ValueError(f"{name} is {str(values)[:20]!r}")
    return list(values)


def _numbers(said: dict[str, Any], name: str, count: int) -> list[float]:
    values = _list(said, name, float)
    if len(values) != count or not all(map(math.isfinite, values)):
        raise ValueError(f"{name} are not {counted(count, 'finite number')}")
    return values


def _scaler_of(said: dict[str, Any], name: str, count: int) -> Scaler | None:
    if said.get(name) is None:
        return None
    scaler = _one(said, name, dict)
    deviation = [math.inf if value is None else value for value in _one(scaler, "deviation", list)]
    if len(deviation) != count or not all(type(value) is float and value > 0 for value in deviation):
        raise ValueError(f"the deviations of its {name} are not {counted(count, 'number')} above 0")
    return Scaler(_numbers(scaler, "mean", count), deviation)


# ---------------------------------------------------------------------------------------------------------- going on


def require_fits(saved: Saved, path: str, model: str, data: Dataset, config: Config) -> None:
    """NeuronError where a training of this model with these data cannot go on from it."""

    def refuse(what: str) -> NeuronError:
        return NeuronError(f"--resume {path}: {what}")

    if saved.model != model:
        raise refuse(f"it is of --model {saved.model}, not {model}")
    for what, there, here in (
        ("inputs", saved.inputs, data.inputs),
        ("targets", saved.targets, data.targets_named),
        ("classes", saved.classes, data.classes),
    ):
        if there != here:
            raise refuse(f"its {what} are {_listed(there)}, those of {data.name} {_listed(here)}")
    if (saved.units, saved.activation, saved.bias) != (config.units, config.activation, config.bias):
        raise refuse(
            f"it is of {_network(saved.units, saved.activation, saved.bias)}, "
            f"not of {_network(config.units, config.activation, config.bias)}"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _network(units: Sequence[int], activation: Sequence[Activation], bias: bool) -> str:
    kinds = ", ".join(each.name.lower() for each in activation)
    return f"{'-'.join(map(str, units))} ({kinds}{'' if bias else ', without biases'})"


def notes(saved: Saved, config: Config, parts: dict[str, Dataset]) -> list[str]:
    """What is not as in one longer training, a line each."""
    said = []
    anew = ["Adam's moments"] * config.adam + ["the order of the samples"] * config.shuffle
    if anew:
        said.append(
            f"--resume: {' and '.join(anew)} begin anew: not the same bits as one training of all epochs"
        )
    if rows_crc(parts["training"]) != saved.rows and len(parts) > 1:
        said.append(
            "--resume: it was trained with other rows: those held out now may be among them, and scores be too good"
        )
    return said
