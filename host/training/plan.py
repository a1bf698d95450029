"""What is to be trained, and how: everything that was asked for, or else the model's recipe, decided once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from host.core.learn import Config
from host.core.pcg32 import Pcg32
from host.core.wire import Activation, Loss
from host.data.dataset import (
    BUILT_IN,
    Dataset,
    read_csv,
    synthetic,
    with_sign_targets,
    with_zero_one_targets,
)
from host.data.scaler import scaler_of
from host.data.split import split
from host.errors import NeuronError, counted
from host.models.quantise import check_shape, default_ranges
from host.progress import Progress, silent
from host.training import grid
from host.training.recipes import (
    HIDDEN,
    HIDDEN_ACTIVATIONS,
    LOSSES,
    MINIBATCH,
    MLP_OTHER,
    OWN,
    RATE,
    RECIPES,
    Recipe,
)
from host.training.samples import PARTS, Samples, balanced
from host.training.stability import stable_rate


@dataclass(frozen=True)
class Options:
    """What somebody asked for; None, or what the field begins with: as the recipe says.

    model: a key of RECIPES; data: a CSV file; target, drop, columns, categorical: names of its columns: what to learn,
    what to leave out, the only inputs, inputs of text to be taken one-hot; missing: "drop" the rows with empty cells;
    task: "classes" or "numbers", what the targets are; layers: units of mlp, inputs first; activation: of the layers
    between, as HIDDEN_ACTIVATIONS names them; class_weight: one of CLASS_WEIGHTS; split: shares of training, validation
    and test, None: of a file of HOLD_OUT_FROM rows HOLD_OUT; split_seed: of the split alone; standardise: None: of a
    file, unless init or grid give parameters of raw inputs; loss, algorithm, dtype: as host.training.recipes names
    them; l2: as in host.core.learn; grid: low, high, step of each parameter or of all; init: the parameters to start
    from; seed: of start, split and shuffling; tries: starts, of which the best is kept; ranges: low, high of each input
    or of all; full_history: keep the loss of every epoch, however many.
    """

    model: str
    data: str | None = None
    target: list[str] | None = None
    drop: list[str] | None = None
    columns: list[str] | None = None
    categorical: list[str] | None = None
    missing: str | None = None
    task: str | None = None
    layers: list[int] | None = None
    bias: bool = True
    activation: str | None = None
    class_weight: str | None = None
    split: list[float] | None = None
    split_seed: int | None = None
    standardise: bool | None = None
    algorithm: str | None = None
    loss: str | None = None
    rate: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    shuffle: bool = False
    tolerance: float | None = None
    patience: int | None = None
    l2: float = 0.0
    dtype: str = "float64"
    grid: list[float] | None = None
    init: list[float] | None = None
    seed: int | None = None
    tries: int = 1
    ranges: list[float] | None = None
    led_threshold: float | None = None
    full_history: bool = False


@dataclass(frozen=True)
class Plan:
    """A training, decided.

    data: all samples, in their order; samples: their parts, and what a training makes of them; config: the network and
    how to train it; starts: one a try, a parameter each, as host.core.learn orders them, none for a grid; axes: the
    points of a grid search, an axis a parameter; patience: epochs without a lower validation loss, 0 for ever; ranges:
    (low, high) of each input as declared, None: by the data; led_threshold: in units of the first output;
    threshold_may_move: nobody asked for it, so the nearest that the output can show will do; full_history: the loss of
    every epoch is to be kept, and a neuron's parameters.
    """

    name: str
    recipe: Recipe
    data: Dataset
    samples: Samples
    algorithm: str
    config: Config
    starts: list[list[float]]
    axes: list[list[float]] | None
    patience: int
    ranges: list[tuple[float, float]] | None
    led_threshold: float
    threshold_may_move: bool
    full_history: bool

    @property
    def standardised(self) -> bool:
        return self.samples.input_scaler is not None

    @property
    def label(self) -> str:
        """What people call it: the article's name, or its file's."""
        return RECIPES[self.name].label if self.data.name == self.name else self.data.name

    @property
    def shared_outputs(self) -> bool:
        """Whether all outputs have one scale: those of classes are compared, those of the article's network alike."""
        return bool(self.data.classes) or self.recipe is RECIPES["mlp"]


def make_plan(options: Options, progress: Progress = silent) -> Plan:
    """Decide; NeuronError where the options do not go with the data or with each other."""
    recipe, data = recipe_of(options), _data_of(options, progress)
    config = _config_of(recipe, data, options)
    shares = _shares_of(data, options)
    _require_use(data, config, shares, options)
    samples = _samples_of(data, config, shares, options)
    if config.rate == 0:
        x, _ = samples.of("training")
        config = replace(config, rate=stable_rate(config, x, samples.weights) / 2)
    searched = algorithm_of(options) == "grid"
    ranges = _ranges_of(options.ranges, data)
    check_shape(config.units, samples.seen, default_ranges(samples.seen) if ranges is None else ranges)
    if options.full_history:
        _require_room_for_history(config)
    validated = "validation" in samples.parts
    return Plan(
        name=options.model,
        recipe=recipe,
        data=data,
        samples=samples,
        algorithm=algorithm_of(options),
        config=config,
        starts=[] if searched else _starts_of(recipe, config, options),
        axes=_axes_of(options.grid, config.count) if searched else None,
        patience=_given(options.patience, recipe.patience) if validated else 0,
        ranges=ranges,
        led_threshold=_threshold_of(options.led_threshold, config, data),
        threshold_may_move=options.led_threshold is None,
        full_history=options.full_history,
    )


T = TypeVar("T")


def _given(wanted: T | None, usual: T) -> T:
    return usual if wanted is None else wanted


FULL_HISTORY_MAX = 10_000_000
"""Numbers in a full history, and as many as ten an epoch beside them: a gigabyte as Python and JSON."""


def _require_room_for_history(config: Config) -> None:
    most = FULL_HISTORY_MAX // (10 + config.count * (config.units[1:] == (1,)))
    if config.epochs > most:
        raise NeuronError(
            f"a full history of {config.epochs} epochs is too much for JSON: --epochs {most} at most, or leave "
            "--full-history out"
        )


def recipe_of(options: Options) -> Recipe:
    if options.data:
        return OWN[options.model]
    other = options.model == "mlp" and options.layers not in (None, [10, 7, 10])
    return MLP_OTHER if other else RECIPES[options.model]


def algorithm_of(options: Options) -> str:
    return options.algorithm or recipe_of(options).algorithm


def _data_of(options: Options, progress: Progress) -> Dataset:
    """The CSV file, or the built-in set of the model."""
    name = options.model
    layers = options.layers if name == "mlp" else None
    if options.data:
        data = read_csv(options.data, layers[-1] if layers else 1, progress)
    elif name != "mlp":
        data = BUILT_IN[name]
    elif layers is None or (layers[0], layers[-1]) == (10, 10):
        data = synthetic()
    elif (layers[0], layers[-1]) == (2, 1):
        data = BUILT_IN["xor"]
    else:
        raise NeuronError(
            f"there is no built-in set of {counted(layers[0], 'input')} and {counted(layers[-1], 'output')}, "
            "only 10-..-10 and 2-..-1 (XOR): give --data FILE.csv"
        )
    if layers and data.x.shape[1] != layers[0]:
        raise NeuronError(
            f"--layers begins with {layers[0]}, but {data.name} has {counted(data.x.shape[1], 'input')} "
            f"beside {counted(layers[-1], 'target')}"
        )
    if RECIPES[name].activation is Activation.STEP:
        return with_sign_targets(data)
    return with_zero_one_targets(data) if RECIPES[name].activation is Activation.SIGMOID else data


HOLD_OUT_FROM = 20
"""Rows of a file from which some are held out."""
HOLD_OUT = (64.0, 16.0, 20.0)
"""In percent: to train with, to choose the epoch by, to judge by."""


def _shares_of(data: Dataset, options: Options) -> Sequence[float] | None:
    """Of the parts, None where all rows are to be learnt from."""
    usual = HOLD_OUT if options.data and len(data) >= HOLD_OUT_FROM else None
    return _given(options.split, usual)


def _require_use(data: Dataset, config: Config, shares: Sequence[float] | None, options: Options) -> None:
    """NeuronError where an option would do nothing with these data."""
    if options.patience and not (shares and shares[1]):
        raise NeuronError("--patience needs a validation part: give --split 80,20 or 70,15,15")
    if options.split_seed is not None and not shares:
        raise NeuronError("--split-seed goes with --split: here all rows are learnt from")
    random_start = options.init is None and (options.model == "mlp" or not options.data)
    begins = random_start and algorithm_of(options) != "grid"
    splits = bool(shares) and options.split_seed is None
    if options.seed is not None and not (begins or splits or config.shuffle):
        raise NeuronError("--seed does nothing here: it is of a random start, --split and --shuffle")
    told_apart = bool(data.classes) or config.activation[-1] is not Activation.IDENTITY
    if config.loss is Loss.CROSS and not told_apart:
        raise NeuronError(
            f"--loss cross-entropy is for classes: {data.target} is a number, or say --task classes"
        )
    if options.class_weight and not told_apart:
        raise NeuronError(f"--class-weight is for classes: {data.target} is a number")


def _samples_of(data: Dataset, config: Config, shares: Sequence[float] | None, options: Options) -> Samples:
    """The parts, standardised where that is wanted. Parameters given by --init or --grid are of raw units."""
    seed = options.seed or 0 if options.split_seed is None else options.split_seed
    parts = split(data, shares, seed) if shares else [data]
    raw = options.init is not None or algorithm_of(options) == "grid"
    x, y = parts[0].x, parts[0].targets
    standardise = _given(options.standardise, bool(options.data) and not raw)
    numbers = config.activation[-1] is Activation.IDENTITY and not data.classes
    return Samples(
        {name: part for name, part in zip(PARTS, parts, strict=False) if len(part)},
        scaler_of(x, centred=config.bias) if standardise else None,
        scaler_of(y, centred=config.bias, constant=1.0) if standardise and numbers else None,
        balanced(parts[0].labels) if options.class_weight else None,
    )


def _config_of(recipe: Recipe, data: Dataset, options: Options) -> Config:
    """The network and how to train it; a rate of 0 is to follow from the data."""
    inputs, outputs = data.x.shape[1], data.targets.shape[1]
    units = (inputs, outputs)
    if options.model == "mlp":
        units = tuple(options.layers or (inputs, HIDDEN, outputs))
    hidden = (HIDDEN_ACTIVATIONS[options.activation or "relu"],) * (len(units) - 2)
    algorithm, batch = algorithm_of(options), options.batch_size or 0
    if algorithm == recipe.algorithm:
        batch = batch or recipe.batch
    last, loss = recipe.activation, recipe.loss
    if data.classes and last is not Activation.STEP:
        last = Activation.SIGMOID if outputs == 1 else Activation.IDENTITY
        loss = Loss.CROSS
    if options.loss:
        loss = LOSSES[options.loss]
    if loss is Loss.CROSS and data.classes and outputs > 1:
        loss = Loss.SOFTMAX
    return Config(
        units=units,
        activation=(*hidden, last),
        bias=recipe.bias and options.bias,
        loss=loss,
        adam=algorithm == "adam",
        shuffle=options.shuffle or (recipe.shuffle and algorithm == recipe.algorithm),
        seed=options.seed or 0,
        batch={"sgd": 1, "minibatch": batch or MINIBATCH}.get(algorithm, batch),
        epochs=options.epochs or recipe.epochs,
        rate=options.rate or _rate_of(recipe, algorithm, loss, options),
        tolerance=_given(options.tolerance, recipe.tolerance if algorithm == recipe.algorithm else 0.0),
        l2=options.l2,
        dtype=np.dtype(options.dtype).type,
    )


def _rate_of(recipe: Recipe, algorithm: str, loss: Loss, options: Options) -> float:
    """A recipe's own, or what has done well; 0 where a model of one layer and plain descent take it from the data."""
    if options.data and options.model != "mlp" and algorithm != "adam":
        return 0.0
    if recipe.rate and algorithm == recipe.algorithm and (options.data or loss is recipe.loss):
        return recipe.rate
    if algorithm == "adam" and options.model != "mlp":
        return 0.1
    return RATE


def _starts_of(recipe: Recipe, config: Config, options: Options) -> list[list[float]]:
    """The parameters to start from: --init, else random by --seed, else the articles', else 0 (a network: random).
    Several are random all."""
    wanted = config.count
    if options.init is not None:
        if len(options.init) != wanted:
            shape = f"{counted(config.units[0], 'weight')} and {'a' if config.bias else 'no'} bias"
            if options.model == "mlp":
                shape = counted(wanted, "parameter")
            raise NeuronError(
                f"--init has {counted(len(options.init), 'number')}, this model has {shape}: give {wanted}"
            )
        return [list(options.init)]
    if options.model == "mlp":
        return [random_start(config, options.seed or 0, number) for number in range(options.tries)]
    if options.seed is not None and not options.data:
        random = Pcg32(options.seed)
        return [[random.uniform(-1, 1) for _ in range(wanted)]]
    usual = len(recipe.start) == wanted and not options.standardise
    return [list(recipe.start) if usual else [0.0] * wanted]


def random_start(config: Config, seed: int, number: int = 0) -> list[float]:
    """Uniform weights, by the seed, and biases of 0: layer by layer, row by row. number: which of several starts of
    that seed.

    Up to sqrt(6 / inputs) (He et al. 2015, for ReLU), below a tanh or sigmoid sqrt(6 / (inputs + outputs)) (Glorot and
    Bengio 2010)."""
    random = Pcg32(seed, 2 * number)  # sequence 1 is the split's
    start: list[float] = []
    for _, inputs, outputs, activation in config.layers:
        bends = activation in (Activation.TANH, Activation.SIGMOID)
        limit = math.sqrt(6 / (inputs + outputs * bends))
        start += [random.uniform(-limit, limit) for _ in range(inputs * outputs)]
        start += [0.0] * (outputs * config.bias)
    return start


def _axes_of(ends: Sequence[float] | None, parameters: int) -> list[list[float]]:
    """--grid low,high,step for all parameters, or low,high,step,low,high,step,... for each."""
    ends = list(ends or [0.0, 4.0, 0.1])
    if len(ends) == 3:
        ends = ends * parameters
    if len(ends) != 3 * parameters:
        raise NeuronError(
            f"--grid has {counted(len(ends), 'number')}: give 3 (low,high,step) or {3 * parameters}"
        )
    triples = list(zip(ends[::3], ends[1::3], ends[2::3], strict=True))
    for low, high, step in triples:
        if step <= 0 or high < low:
            raise NeuronError(
                f"--grid {low:g},{high:g},{step:g} has no points: give low,high,step, step above 0"
            )
    return grid.axes(triples)


def _threshold_of(wanted: float | None, config: Config, data: Dataset) -> float:
    """Of the first output: as told, else 0 for a step, else the middle of the targets."""
    if wanted is not None:
        return wanted
    first = data.targets[:, 0]
    return 0.0 if config.activation[-1] is Activation.STEP else float((first.min() + first.max()) / 2)


def _ranges_of(ends: Sequence[float] | None, data: Dataset) -> list[tuple[float, float]] | None:
    """--range low,high for all inputs, or low,high,low,high,... for each."""
    if ends is None:
        return None
    ends, inputs = list(ends), data.x.shape[1]
    if len(ends) == 2:
        ends = ends * inputs
    if len(ends) != 2 * inputs:
        raise NeuronError(
            f"--range has {counted(len(ends), 'number')}: give 2 (low,high for all inputs) or {2 * inputs}"
        )
    return list(zip(ends[::2], ends[1::2], strict=True))
