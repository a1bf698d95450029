"""What is to be trained, and how: everything that was asked for, or else the model's recipe, decided once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
    RATE,
    RECIPES,
    Recipe,
)


@dataclass(frozen=True)
class Options:
    """What somebody asked for; None, or what the field begins with: as the recipe says.

    model: a key of RECIPES; data: a CSV file; target, drop, columns, categorical: names of its columns: what to learn,
    what to leave out, the only inputs, inputs of text to be taken one-hot; missing: "drop" the rows with empty cells;
    task: "classes" or "numbers", what the targets are; layers: units of mlp, inputs first; split: shares of training,
    validation and test; loss, algorithm, dtype: as host.training.recipes names them; grid: low, high, step of each
    parameter or of all; init: the parameters to start from; activation: of the layers between, as HIDDEN_ACTIVATIONS
    names them; tries: starts, of which the best is kept; seed: of start, split and shuffling; split_seed: of the split
    alone; ranges: low, high of each input or of all; full_history: keep the loss of every epoch, however many.
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
    split: list[float] | None = None
    split_seed: int | None = None
    standardise: bool | None = None
    algorithm: str | None = None
    loss: str | None = None
    rate: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    shuffle: bool = False
    tolerance: float = 0.0
    patience: int = 0
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

    data: all samples, in their order; config: the network and how to train it; starts: one a try, a parameter each,
    as host.core.learn orders them, none for a grid; axes: the points of a grid search, an axis a parameter; split:
    shares, None for no split, chosen by `split_seed`; patience: epochs without a lower validation loss, 0 for ever;
    ranges: (low, high) of each input as declared, None: by the data; led_threshold: in units of the first output;
    threshold_may_move: nobody asked for it, so the nearest that the output can show will do; full_history: the loss
    of every epoch is to be kept, and a neuron's parameters.
    """

    name: str
    recipe: Recipe
    data: Dataset
    algorithm: str
    config: Config
    starts: list[list[float]]
    axes: list[list[float]] | None
    split: list[float] | None
    split_seed: int
    standardise: bool
    patience: int
    ranges: list[tuple[float, float]] | None
    led_threshold: float
    threshold_may_move: bool
    full_history: bool

    @property
    def label(self) -> str:
        """What people call it: the article's name, or its file's."""
        return RECIPES[self.name].label if self.data.name == self.name else self.data.name


def make_plan(options: Options, progress: Progress = silent) -> Plan:
    """Decide; NeuronError where the options do not go with the data or with each other."""
    recipe, data = recipe_of(options), _data_of(options, progress)
    config = _config_of(recipe, data, options)
    algorithm = algorithm_of(options)
    searched = algorithm == "grid"
    ranges = _ranges_of(options.ranges, data)
    check_shape(config.units, data.x, default_ranges(data.x) if ranges is None else ranges)
    if options.full_history:
        _require_room_for_history(config)
    return Plan(
        name=options.model,
        recipe=recipe,
        data=data,
        algorithm=algorithm,
        config=config,
        starts=[] if searched else _starts_of(recipe, config, options),
        axes=_axes_of(options.grid, config.count) if searched else None,
        split=options.split,
        split_seed=options.seed or 0 if options.split_seed is None else options.split_seed,
        standardise=bool(options.standardise),
        patience=options.patience,
        ranges=ranges,
        led_threshold=_threshold_of(options.led_threshold, config, data),
        threshold_may_move=options.led_threshold is None,
        full_history=options.full_history,
    )


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
    other = options.model == "mlp" and (options.data or options.layers not in (None, [10, 7, 10]))
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


def _config_of(recipe: Recipe, data: Dataset, options: Options) -> Config:
    """The network and how to train it."""
    inputs, outputs = data.x.shape[1], data.targets.shape[1]
    units = (inputs, outputs)
    if options.model == "mlp":
        units = tuple(options.layers or (inputs, HIDDEN, outputs))
    hidden = (HIDDEN_ACTIVATIONS[options.activation or "relu"],) * (len(units) - 2)
    algorithm = algorithm_of(options)
    loss = LOSSES[options.loss] if options.loss else recipe.loss
    batch = options.batch_size or 0
    return Config(
        units=units,
        activation=(*hidden, recipe.activation),
        bias=recipe.bias and options.bias,
        loss=loss,
        adam=algorithm == "adam",
        shuffle=options.shuffle,
        seed=options.seed or 0,
        batch={"sgd": 1, "minibatch": batch or MINIBATCH}.get(algorithm, batch),
        epochs=options.epochs or recipe.epochs,
        rate=options.rate or _rate_of(recipe, algorithm, loss, options),
        tolerance=options.tolerance,
        dtype=np.dtype(options.dtype).type,
    )


def _rate_of(recipe: Recipe, algorithm: str, loss: Loss, options: Options) -> float:
    own_data = bool(options.data)
    if (algorithm, loss) == (recipe.algorithm, recipe.loss) and (not own_data or recipe is MLP_OTHER):
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
    if options.seed is not None:
        random = Pcg32(options.seed)
        return [[random.uniform(-1, 1) for _ in range(wanted)]]
    usual = options.data is None and len(recipe.start) == wanted and not options.standardise
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
