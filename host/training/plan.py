"""What is to be trained, and how: everything that was asked for, or else the model's recipe, decided once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from host.core.decide import Decision
from host.core.learn import Config
from host.core.pcg32 import Pcg32
from host.core.wire import Activation, Loss
from host.data.dataset import BUILT_IN, Dataset
from host.data.scaler import scaler_of
from host.errors import NeuronError, counted
from host.models.lamp import Lamp
from host.models.quantise import check_shape, default_ranges
from host.progress import Progress, silent
from host.training import grid
from host.training.options import Options
from host.training.reading import HOLD_OUT_FROM, read
from host.training.recipes import (
    HIDDEN,
    HIDDEN_ACTIVATIONS,
    LOSSES,
    MINIBATCH,
    MLP_OTHER,
    NETWORK_RATES,
    OWN,
    RATE,
    RECIPES,
    Recipe,
)
from host.training.samples import PARTS, Samples, balanced
from host.training.saved import Saved, load, notes, require_fits
from host.training.scores import lamp_named
from host.training.stability import stable_rate
from host.training.starts import random_start


@dataclass(frozen=True)
class Plan:
    """A training, decided.

    data: all samples, in their order; own_data: they come from a file; samples: their parts, and what a training makes
    of them; config: the network and how to train it; starts: one a try, a parameter each, as host.core.learn orders
    them, none for a grid; axes: the points of a grid search, an axis a parameter; patience: epochs without a lower
    validation loss, 0 for ever; ranges: (low, high) of each input as declared, None: by the data; lamp: what lights the
    LED; threshold_may_move: nobody asked for its threshold, so the nearest that the output can show will do;
    off_threshold, decision: how it goes out, and how it follows, as Options has them; release: of the model, 0 none;
    full_history: the loss of every epoch is to be kept, and a neuron's parameters; resumed: what it goes on from;
    notes: what is to be known of how it begins.
    """

    name: str
    recipe: Recipe
    data: Dataset
    own_data: bool
    samples: Samples
    algorithm: str
    config: Config
    starts: list[list[float]]
    axes: list[list[float]] | None
    patience: int
    ranges: list[tuple[float, float]] | None
    lamp: Lamp
    threshold_may_move: bool
    off_threshold: float | None
    decision: Decision
    release: int
    full_history: bool
    resumed: Saved | None
    notes: tuple[str, ...]

    @property
    def too_few_to_split(self) -> bool:
        """Whether nothing is held out since the file has too few rows for it."""
        return self.own_data and len(self.samples.parts) == 1 and len(self.data) < HOLD_OUT_FROM

    @property
    def standardised(self) -> bool:
        return self.samples.input_scaler is not None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that are told apart; () where targets are numbers, or several decisions."""
        last, data = self.config.activation[-1], self.data
        if data.classes or data.targets.shape[1] > 1:
            return data.classes
        if last is Activation.STEP:
            return "-1", "1"
        return ("0", "1") if last is Activation.SIGMOID or data is BUILT_IN["xor"] else ()

    @property
    def label(self) -> str:
        """What people call it: the article's name, or its file's."""
        return RECIPES[self.name].label if self.data.name == self.name else self.data.name

    @property
    def shared_outputs(self) -> bool:
        """Whether all outputs have one scale: those of classes are compared, and the articles' images stay."""
        return bool(self.data.classes) or not self.own_data


def make_plan(options: Options, progress: Progress = silent) -> Plan:
    """Decide; NeuronError where the options do not go with the data or with each other."""
    recipe, material = recipe_of(options), read(options, progress)
    data = material.data
    config = _config_of(recipe, data, options)
    _require_use(data, config, material.shares, options)
    resumed = load(options.resume) if options.resume else None
    samples = _samples_of(data, material.parts, config, options)
    if resumed:
        require_fits(resumed, options.resume or "", options.model, data, config)
        samples = replace(samples, input_scaler=resumed.input_scaler, target_scaler=resumed.target_scaler)
    if config.rate == 0:
        x, _ = samples.of("training")
        rate = stable_rate(config, x, samples.weights) / 2
        config = replace(config, rate=rate if math.isfinite(rate) else RATE)
    searched = algorithm_of(options) == "grid"
    ranges = _ranges_of(options.ranges, data)
    check_shape(config.units, samples.seen, default_ranges(samples.seen) if ranges is None else ranges)
    if options.full_history:
        _require_room_for_history(config)
    validated = "validation" in samples.parts
    return Plan(
        name=options.model,
        recipe=replace(recipe, kind=_kind_of(recipe, config)),
        data=data,
        own_data=options.own_data,
        samples=samples,
        algorithm=algorithm_of(options),
        config=config,
        starts=[] if searched else [resumed.parameters] if resumed else _starts_of(recipe, config, options),
        axes=grid.axes_of(options.grid, config.count) if searched else None,
        patience=_given(options.patience, recipe.patience) if validated else 0,
        ranges=ranges,
        lamp=_lamp_of(options, config, samples.parts["training"]),
        threshold_may_move=options.led_threshold is None,
        off_threshold=options.off_threshold,
        decision=options.decision,
        release=options.release,
        full_history=options.full_history,
        resumed=resumed,
        notes=tuple(notes(resumed, config, samples.parts) if resumed else ()),
    )


T = TypeVar("T")


def _given(wanted: T | None, usual: T) -> T:
    return usual if wanted is None else wanted


FULL_HISTORY_MAX = 10_000_000
"""Numbers in a full history, and as many as ten an epoch beside them: a gigabyte as Python and JSON."""


def _require_room_for_history(config: Config) -> None:
    most = FULL_HISTORY_MAX // (10 + config.count * config.is_neuron)
    if config.epochs > most:
        raise NeuronError(
            f"a full history of {config.epochs} epochs is too much for JSON: --epochs {most} at most, or leave "
            "--full-history out"
        )


def recipe_of(options: Options) -> Recipe:
    if options.own_data:
        return OWN[options.model]
    other = options.model == "mlp" and options.layers not in (None, [10, 7, 10])
    return MLP_OTHER if other else RECIPES[options.model]


def algorithm_of(options: Options) -> str:
    return options.algorithm or recipe_of(options).algorithm


def _require_use(data: Dataset, config: Config, shares: Sequence[float] | None, options: Options) -> None:
    """NeuronError where an option would do nothing with these data."""
    if options.patience and not (shares and shares[1]):
        raise NeuronError("--patience needs a validation part: give --split 80,20 or 70,15,15")
    if options.split_seed is not None and not shares:
        raise NeuronError("--split-seed goes with --split: here all rows are learnt from")
    given = options.init is not None or options.resume is not None
    random_start = not given and (options.model == "mlp" or not options.own_data)
    begins = random_start and algorithm_of(options) != "grid"
    if options.split_seed is not None and options.recordings:
        raise NeuronError("--split-seed is of rows: windows of recordings are parted by time")
    splits = bool(shares) and options.split_seed is None and not options.recordings
    if options.seed is not None and not (begins or splits or config.shuffle):
        raise NeuronError("--seed does nothing here: it is of a random start, --split and --shuffle")
    told_apart = bool(data.classes) or config.activation[-1] is not Activation.IDENTITY
    if options.task == "classes" and not told_apart:
        raise NeuronError(
            f"{options.model} tells the classes of one target apart; of several yes and no: --model logistic"
        )
    if config.loss is Loss.CROSS and config.activation[-1] is not Activation.SIGMOID:
        raise NeuronError(
            "--loss cross-entropy is for classes by --model logistic, or by mlp: see --task classes"
        )
    if options.class_weight and not told_apart:
        raise NeuronError(f"--class-weight is for classes: {data.target} is a number")


def _samples_of(data: Dataset, parts: Sequence[Dataset], config: Config, options: Options) -> Samples:
    """The parts, standardised where that is wanted. Parameters given by --init or --grid are of raw units."""
    raw = options.init is not None or algorithm_of(options) == "grid"
    x, y = parts[0].x, parts[0].targets
    standardise = _given(options.standardise, options.own_data and not raw)
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
        units = (inputs, *(options.layers or (inputs, HIDDEN, outputs))[1:])
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
        l2=_given(options.l2, recipe.l2 if loss in (Loss.CROSS, Loss.SOFTMAX) else 0.0),
        dtype=np.dtype(options.dtype).type,
    )


def _rate_of(recipe: Recipe, algorithm: str, loss: Loss, options: Options) -> float:
    """A recipe's own, or what has done well; 0 where a model of one layer and plain descent take it from the data."""
    if options.own_data and options.model != "mlp" and algorithm != "adam":
        return 0.0
    if recipe.rate and algorithm == recipe.algorithm and (options.own_data or loss is recipe.loss):
        return recipe.rate
    if algorithm == "adam" and options.model != "mlp":
        return 0.1
    return NETWORK_RATES[algorithm] if options.own_data else RATE


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
    if options.seed is not None and not options.own_data:
        random = Pcg32(options.seed)
        return [[random.uniform(-1, 1) for _ in range(wanted)]]
    usual = len(recipe.start) == wanted and not options.standardise
    return [list(recipe.start) if usual else [0.0] * wanted]


def _kind_of(recipe: Recipe, config: Config) -> str:
    """What the model is, in a few words."""
    if len(config.units) > 2:
        name = next(name for name, one in HIDDEN_ACTIVATIONS.items() if one is config.activation[0])
        return f"dense layers with {'ReLU' if name == 'relu' else name}"
    several = config.loss is Loss.SOFTMAX and recipe.activation is Activation.SIGMOID
    return "a neuron for each class, the highest score wins" if several else recipe.kind


def _lamp_of(options: Options, config: Config, data: Dataset) -> Lamp:
    """As told; else the last class, or the first output above the middle of its targets, above 0 of a step or 0.5 of a
    probability."""
    targets = data.targets
    output, of_class = lamp_named(
        options.led, options.led_threshold, data.classes, data.targets_named, targets.shape[1]
    )
    threshold = options.led_threshold
    if threshold is None:
        last, own = config.activation[-1], targets[:, output]
        if last is Activation.STEP or (of_class and targets.shape[1] > 1):
            threshold = 0.0
        else:
            threshold = 0.5 if last is Activation.SIGMOID else float((own.min() + own.max()) / 2)
    return Lamp(output, threshold, of_class)


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
