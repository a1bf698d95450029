"""What the learner's page is given, as JSON: every object, its fields, their shapes and units.

Numbers are finite. An epoch is counted by how many are done: 0 is the start. Parameters stand in the order of
host.core.learn: layer by layer, weights (outputs, inputs), then biases (outputs); of one neuron w.., b. `null` stands
where there is nothing to be said.
"""

from __future__ import annotations

from typing import TypedDict

EPOCHS_MAX = 100_000
TRIES_MAX = 20
CSV_BYTES, RECORDINGS_BYTES = 4 << 20, 16 << 20
"""Of a file, and of all recordings together."""
SCANS_MAX = 200_000
"""Of a recording."""
FRAMES_MAX = 120
"""Epochs of a training that are shown one by one, the start not counted."""
LOSSES_MAX = 500
"""Points of a curve."""
SAMPLES_MAX = 500
"""Samples drawn."""
ROWS_MAX = 64
"""Rows of a table."""
PARAMETERS_MAX = 40
"""Parameters up to which each is shown."""
SURFACE_SIDE = 61
"""Points of an axis of a surface, at most."""
BOUNDARY_SIDE = 33
"""Points of an axis of a network's boundary."""
BOUNDARIES_MAX = 40
"""Frames that a network's boundary is worked out for."""
LEVELS = 255
"""The value of a boundary's cell, 0..LEVELS."""


class Request(TypedDict, total=False):
    """What a page asks of a training; only `model` must be there. What is missing, or null, is as the recipe says.

    model: key of a Recipe; layers: units of an mlp, inputs first; activation: "relu", "tanh" or "sigmoid", of an mlp's
    layers between; algorithm: one of Recipe.algorithms; rate: above 0; epochs: 1..EPOCHS_MAX; batch_size: samples a
    step of minibatch and adam; start: parameters; seed: of start, split and order, 0..2^32 - 1; tries: random starts of
    an mlp, the best is kept, 1..TRIES_MAX; dtype: "float64" or "float32".
    csv: the text of a CSV file, name: its name; target: the column to learn, or several; drop: columns to leave out.
    recordings: of host.record, instead; window: scans, a power of two; hop: scans, half a window unless told;
    features: such as ["a0.rms"], those that tell most unless told."""

    model: str
    layers: list[int]
    activation: str
    algorithm: str
    rate: float
    epochs: int
    batch_size: int
    start: list[float]
    seed: int
    tries: int
    dtype: str
    csv: str
    name: str
    target: str | list[str]
    drop: list[str]
    recordings: list[RecordingText]
    window: int
    hop: int
    features: list[str]


class RecordingText(TypedDict):
    """name: of the file, run.csv; text: what stands in it."""

    name: str
    text: str


class Samples(TypedDict):
    """What is learnt from: at most SAMPLES_MAX of `count`, evenly spread. x: (samples, inputs) and y: (samples,
    targets), in their own units; labels: (samples,) numbers of `classes`, [] where targets are numbers; held: whether
    each was held out of the learning."""

    count: int
    x: list[list[float]]
    y: list[list[float]]
    labels: list[int]
    held: list[bool]


class Recipe(TypedDict):
    """A model of the articles, and their way to train it. key: what a request calls `model`; kind: what it is, in a
    few words; layers: units of a network, inputs first, null for a neuron (a request for it has the same `layers`);
    classes: [] where it answers numbers; loss: in words; start: [] where it is random, by `seed`; parameters: their
    names; stable_rate: the largest rate at which it does not diverge, null where that is not known; surface: whether
    there will be one (one or two parameters); boundary: likewise (one or two inputs)."""

    key: str
    label: str
    kind: str
    layers: list[int] | None
    inputs: list[str]
    target: str
    classes: list[str]
    samples: Samples
    activation: str
    algorithm: str
    algorithms: list[str]
    loss: str
    rate: float
    epochs: int
    start: list[float]
    seed: int | None
    parameters: list[str]
    stable_rate: float | None
    surface: bool
    boundary: bool


class Frame(TypedDict):
    """After so many epochs; the first is the start, epoch 0.

    loss: as the training tells it and a node has it: of the epoch's last step, before that step; of the start its
    height; height: the loss a sample of the training part at these parameters, where the path stands on the surface;
    validation: the same of the validation part; parameters: as they are trained, [] for more than PARAMETERS_MAX; line:
    of one neuron w.., b for inputs in their own units (sum = w·x + b, b 0 where it has none), else [].
    """

    epoch: int
    loss: float
    height: float
    validation: float | None
    parameters: list[float]
    line: list[float]


class Surface(TypedDict):
    """The loss a sample of the training part around the path. names: of one or two parameters; axes: (names, points)
    values of each; loss: (points of the second axis or 1, points of the first), null where it is not finite. The path
    on it is the frames' `parameters` and `height`."""

    names: list[str]
    axes: list[list[float]]
    loss: list[list[float | None]]


class Boundary(TypedDict):
    """What is decided where, for one or two inputs. axes: (inputs, points) values of each input.

    kind "line": a neuron: the sum is that of a frame's `line`; it is lit where the sum is above `level`, or with
    `below` where it is not. frames is [].
    kind "cells": a network: cells of frames[] are what its output is there: 0 for `low`, LEVELS for `high`, beyond them
    the same; it is lit above `level`, in the output's units, or with `below` where it is not above.
    kind "classes": cells are numbers of `classes`.
    """

    kind: str
    axes: list[list[float]]
    level: float
    below: bool
    low: float
    high: float
    frames: list[Cells]


class Cells(TypedDict):
    """epoch: of the frame it belongs to; cells: (points of the second input or 1, points of the first)."""

    epoch: int
    cells: list[list[int]]


class Diverged(TypedDict):
    """why: one line; epoch: the last that was done; stable_rate: the largest rate at which it does not diverge, null
    where that is not known."""

    why: str
    epoch: int
    stable_rate: float | None


class Image(TypedDict):
    """What travels to a node. crc32: 8 hex digits; hash: hex."""

    bytes: int
    crc32: str
    hash: str


class Row(TypedDict):
    """A sample, and what is said of it. inputs, target: in their own units; real, fixed: outputs of the model as
    trained and as a node computes it; said: the class that the node says, null where targets are numbers; lamp: whether
    the node's LED is lit; changed: whether fixed point decides otherwise than float."""

    inputs: list[float]
    target: list[float]
    real: list[float]
    fixed: list[float]
    said: str | None
    lamp: bool
    changed: bool


class TrainingJson(TypedDict):
    """A training, whatever came of it.

    state:      "waiting", "running", "trained", "diverged", "refused" or "cancelled". Only of one that is trained or
                has diverged there is more than id, state, error, model, done and total: else "", [], 0,
                false or null.
    error:      one line: why it was refused, or that it was cancelled.
    done, total: epochs, while it runs.
    title:      "AND: 4 samples, sgd, rate 0.01, 20 epochs".
    inputs, target, classes: their names; classes: [] where the target is a number.
    task:       "classes" or "numbers".
    units:      of the network, inputs first. activation: of each layer behind the inputs: "identity", "relu", "step",
                "sigmoid", "tanh". bias: whether it has any.
    algorithm, rate, epochs: as planned, whatever the request left open. loss_name: in words.
    parameters: their names, [] for more than PARAMETERS_MAX.
    standardised: parameters are those of standardised inputs (and targets): `line` is in raw units.
    stable_rate: the largest rate at which this does not diverge, null where that is not known.
    frames:     the start and at most FRAMES_MAX epochs, evenly spread; of one that diverges those before its loss is
                thousands of times the first.
    losses, validation: at most LOSSES_MAX points (epoch, loss) of the curve, the latter [] where nothing is held out;
                of one that diverges as far as they are finite, which is up to 1e308.
    kept:       the epoch whose parameters the model has: with patience not the last; 0: there is no model.
    stopped:    why it ended early, or "".
    formula:    of one neuron, all digits: "0.45 x1 + 0.24 x2 - 0.61".
    lamp:       what lights the LED: "for class 1".
    report:     the lines that the command `train` prints.
    doubts:     what is to be said before anyone relies on it.
    ranges:     (inputs, 2) lowest and highest value that the model takes.
    rows:       the first ROWS_MAX samples; of more, some that are evenly spread.
    """

    id: str
    state: str
    error: str
    done: int
    total: int
    model: str
    title: str
    inputs: list[str]
    target: str
    classes: list[str]
    task: str
    units: list[int]
    activation: list[str]
    bias: bool
    algorithm: str
    rate: float
    epochs: int
    loss_name: str
    parameters: list[str]
    standardised: bool
    stable_rate: float | None
    samples: Samples | None
    frames: list[Frame]
    losses: list[tuple[int, float]]
    validation: list[tuple[int, float]]
    kept: int
    stopped: str
    surface: Surface | None
    boundary: Boundary | None
    diverged: Diverged | None
    formula: str
    lamp: str
    report: list[str]
    doubts: list[str]
    ranges: list[tuple[float, float]]
    rows: list[Row]
    image: Image | None


class Flip(TypedDict):
    """A row that fewer bits decide otherwise. row: its number among all samples, from 0; real, fixed: outputs, as
    Row has them; lit: whether the LED is lit with so many bits; was: whether by the float model."""

    row: int
    inputs: list[float]
    real: list[float]
    fixed: list[float]
    lit: bool
    was: bool


class Bits(TypedDict):
    """The model with weights of so many bits, 16 down to 2, sign included. of: what the errors are of, "output" or
    "sum" (what a step decides on); bound: no input within the ranges gives a larger error, proven; seen: the largest on
    the data, never above; changed: how many rows are decided otherwise; proven: how many rows provably are not; rows:
    how many there are; flips: the first ROWS_MAX of those that changed; line: of one neuron w.., b as rounded, for
    inputs in their own units, else []; error: why there is no such model, one line, and all else is 0 or empty."""

    bits: int
    of: str
    bound: float
    seen: float
    changed: int
    proven: int
    rows: int
    flips: list[Flip]
    line: list[float]
    error: str


class BoardStep(TypedDict):
    """One step of a training on a node beside ours. step: what is being done, "send the data" or "train on the board";
    done, total: of it; frame: what was compared in this step, or null; text: what is to be said once, or ""."""

    step: str
    done: int
    total: int
    frame: BoardFrame | None
    text: str


class BoardFrame(TypedDict):
    """What a node had after so many epochs. epoch: of one of the training's frames, or where it ended; loss: the
    node's, as Frame's, null where it is not finite; parameters: as read from the node, [] for more than PARAMETERS_MAX
    or where they are not finite; equal: they, the loss, and the parameters of every epoch before are ours, bit for bit.
    After one that is not equal nothing follows."""

    epoch: int
    loss: float | None
    parameters: list[float]
    equal: bool


class RecordRequest(TypedDict, total=False):
    """What a page asks of a recording, of at most SCANS_MAX scans; `seconds` and `channels` must be there. seconds:
    above 0; channels: of a0..a7 and d0..d3; label: of all scans, a word; label_channel, in its place: by the levels of
    digital channels, like d0=off,on; rate: scans/s, 1..10000, where it is missing that at which the node samples for
    its model."""

    seconds: float
    channels: list[str]
    label: str
    label_channel: str
    rate: int


class RecordStep(TypedDict):
    """One step of a recording. done, total: scans; label: of the newest; lost: scans that the node no longer had;
    pause: s, before the next step is worth while; lines: what is to be said; text: the CSV file in the end, else
    ""."""

    done: int
    total: int
    label: str
    lost: int
    pause: float
    lines: list[str]
    text: str
