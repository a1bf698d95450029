"""The samples of a training: read, of recordings measured, and in their parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from host.core.wire import Activation
from host.data.columns import Choice, read_data
from host.data.dataset import BUILT_IN, Dataset, synthetic
from host.data.recording import LABEL
from host.data.split import split, split_by_time
from host.data.targets import Answers
from host.data.windows import read_windows
from host.errors import NeuronError, counted
from host.progress import Progress
from host.training.options import Options
from host.training.recipes import RECIPES
from host.training.selection import select

HOLD_OUT_FROM = 20
"""Rows of a file from which some are held out."""
HOLD_OUT = (64.0, 16.0, 20.0)
"""In percent: to train with, to choose the epoch by, to judge by."""


@dataclass(frozen=True)
class Material:
    """data: all samples; shares: of the parts, None where all are to be learnt from; parts: training, validation and
    test, or the first alone."""

    data: Dataset
    shares: Sequence[float] | None
    parts: list[Dataset]


def read(options: Options, progress: Progress) -> Material:
    """NeuronError where the options do not go with the data."""
    data = _data_of(options, progress)
    layers = options.layers if options.model == "mlp" else None
    usual = HOLD_OUT if options.own_data and len(data) >= HOLD_OUT_FROM else None
    shares = usual if options.split is None else options.split
    if options.recordings:
        material = _in_time(data, shares)
        if options.windowing and options.windowing.features is None:
            material = _most_telling(material, layers[0] if layers else None)
    else:
        seed = options.seed or 0 if options.split_seed is None else options.split_seed
        material = Material(data, shares, split(data, shares, seed) if shares else [data])
    if layers:
        _require_shape(material.data, layers)
    return material


def _in_time(data: Dataset, shares: Sequence[float] | None) -> Material:
    """Windows, without those that lie across the border of two parts."""
    if not shares:
        return Material(data, shares, [data])
    parts = split_by_time(data, shares)
    places = {row: place for place, row in enumerate(data.rows)}
    kept = data.part([places[row] for part in parts for row in part.rows])
    across = len(data) - len(kept)
    if across:
        kept = replace(
            kept,
            note=f"{kept.note}\nleft out, across the border of two parts, which are blocks of time: "
            f"{counted(across, 'window')}",
        )
    return Material(kept, shares, parts)


def _most_telling(material: Material, count: int | None) -> Material:
    """With the features that tell most; count: so many, None: as few as do."""
    data, training = material.data, material.parts[0]
    judge = material.parts[1] if len(material.parts) > 1 and len(material.parts[1]) else training
    found = select(training, judge, count)
    shown = ", ".join(
        f"{_in_words(data, number)} ({100 * left:.2g} %)"
        for number, left in zip(found.kept, found.errors, strict=True)
    )
    by = "validation" if judge is not training else "training"
    note = (
        f"of {counted(len(data.inputs), 'feature')} these are kept, one after the other by how little of the target's "
        f"variance a straight fit leaves in the {by} part: {shown}"
    )
    chosen = list(found.kept)
    return Material(
        replace(data.columns(chosen), note=f"{data.note}\n{note}"),
        material.shares,
        [part.columns(chosen) for part in material.parts],
    )


def _in_words(data: Dataset, number: int) -> str:
    """An input, and what a band is in Hz."""
    assert data.windows is not None
    sensed = data.windows.sensed
    return sensed.inputs[number].in_words(sensed.rate, sensed.window)


def _data_of(options: Options, progress: Progress) -> Dataset:
    """The CSV file, the recordings, or the built-in set of the model."""
    name = options.model
    layers = options.layers if name == "mlp" else None
    if options.data:
        return read_data(options.data, *_wishes_of(options, layers), progress)
    if options.recordings and options.windowing:
        if options.target and options.target != [LABEL]:
            raise NeuronError(f"--target {options.target[0]}: of recordings the column {LABEL} is learnt")
        _, answers = _wishes_of(options, layers)
        return read_windows(options.recordings, options.windowing, answers, progress)
    if name != "mlp":
        return BUILT_IN[name]
    if layers is None or (layers[0], layers[-1]) == (10, 10):
        return synthetic()
    if (layers[0], layers[-1]) == (2, 1):
        return BUILT_IN["xor"]
    raise NeuronError(
        f"there is no built-in set of {counted(layers[0], 'input')} and {counted(layers[-1], 'output')}, "
        "only 10-..-10 and 2-..-1 (XOR): give --data FILE.csv"
    )


def _require_shape(data: Dataset, layers: Sequence[int]) -> None:
    """NeuronError where a network of these units does not go with the data."""
    inputs, outputs = data.x.shape[1], data.targets.shape[1]
    if layers[0] not in (inputs, inputs + len(data.dropped)) or layers[-1] != outputs:
        beside = f"{len(data.classes)} classes" if data.classes else counted(outputs, "target")
        raise NeuronError(
            f"--layers {'-'.join(map(str, layers))}, but {data.name} has {counted(inputs, 'input')} beside {beside}"
        )


TASKS = {"wx": "numbers", "wxb": "numbers", "and": "classes", "logistic": "classes"}
"""What a model answers; an mlp what its data mean."""


def _wishes_of(options: Options, layers: Sequence[int] | None) -> tuple[Choice, Answers]:
    """How a file is to be read."""
    task = TASKS.get(options.model)
    if options.task and task and options.task != task:
        raise NeuronError(
            f"--task {options.task}: --model {options.model} learns {task}; logistic and mlp learn classes, wxb and "
            "mlp numbers"
        )
    choice = Choice(
        target=options.target or (),
        drop=options.drop or (),
        only=options.columns or (),
        categorical=options.categorical or (),
        drop_missing=options.missing == "drop",
        outputs=layers[-1] if layers else 1,
        inputs=layers[0] if layers else None,
    )
    step = RECIPES[options.model].activation is Activation.STEP
    one_hot = layers is not None and layers[-1] == 2
    return choice, Answers(options.task or task, -1.0 if step else 0.0, one_hot)
