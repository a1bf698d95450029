"""What can be trained: each model, and the articles' way to train it, which every option can change."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from host.dataset import BUILT_IN, Dataset, read_csv, synthetic, with_sign_targets, with_zero_one_targets
from host.errors import NeuronError
from host.interval import Dense
from host.learn import Config, Loss
from host.pcg32 import Pcg32
from host.wire import Activation

LOSSES = {"mse": Loss.MEAN, "half-mse": Loss.HALF, "sum": Loss.SUM, "cross-entropy": Loss.CROSS}
DTYPES: dict[str, type[np.floating[Any]]] = {"float64": np.float64, "float32": np.float32}
ALGORITHMS = ("batch", "sgd", "minibatch", "adam", "grid")

RATE = 0.01
"""Learning rate where no article has chosen one."""
MINIBATCH = 16
"""Samples a step of minibatch, unless told."""
HIDDEN = 7
"""Hidden units of a network for a CSV file, unless told."""


@dataclass(frozen=True)
class Recipe:
    """A model, and the articles' way to train it on the built-in set. start: w.., then b; empty: random."""

    label: str
    kind: str
    bias: bool
    activation: Activation
    loss: Loss
    algorithm: str
    rate: float
    epochs: int
    start: tuple[float, ...]


RECIPES = {
    "wx": Recipe(
        "w·x", "a line through 0", False, Activation.IDENTITY, Loss.MEAN, "batch", 0.01, 100, (1.0,)
    ),
    "wxb": Recipe("w·x + b", "a line", True, Activation.IDENTITY, Loss.HALF, "batch", 0.1, 1000, (0.0, 0.0)),
    "and": Recipe(
        "AND",
        "a neuron that decides",
        True,
        Activation.STEP,
        Loss.MEAN,
        "sgd",
        0.01,
        20,
        (0.666, 0.333, 0.233),
    ),
    "logistic": Recipe(
        "logistic",
        "a neuron that answers a probability",
        True,
        Activation.SIGMOID,
        Loss.CROSS,
        "batch",
        0.5,
        1000,
        (0.0, 0.0),
    ),
    "mlp": Recipe(
        "network", "dense layers with ReLU", True, Activation.IDENTITY, Loss.SUM, "batch", 1e-4, 500, ()
    ),
}
MLP_OTHER = Recipe(
    "network", "dense layers with ReLU", True, Activation.IDENTITY, Loss.MEAN, "adam", 0.02, 1000, ()
)
"""For XOR and for CSV files."""


def recipe_of(name: str, args: argparse.Namespace) -> Recipe:
    other = name == "mlp" and (args.data or args.layers not in (None, [10, 7, 10]))
    return MLP_OTHER if other else RECIPES[name]


def data_of(name: str, args: argparse.Namespace) -> Dataset:
    """The CSV file, or the built-in set of the model."""
    layers = args.layers if name == "mlp" else None
    if args.data:
        data = read_csv(args.data, layers[-1] if layers else 1)
    elif name != "mlp":
        data = BUILT_IN[name]
    elif layers is None or (layers[0], layers[-1]) == (10, 10):
        data = synthetic()
    elif (layers[0], layers[-1]) == (2, 1):
        data = BUILT_IN["xor"]
    else:
        raise NeuronError(
            f"there is no built-in set of {layers[0]} inputs and {layers[-1]} outputs, only 10-..-10 and "
            "2-..-1 (XOR): give --data FILE.csv"
        )
    if layers and data.x.shape[1] != layers[0]:
        raise NeuronError(
            f"--layers begins with {layers[0]}, but {data.name} has {data.x.shape[1]} inputs "
            f"beside {layers[-1]} target{'s' * (layers[-1] > 1)}"
        )
    if RECIPES[name].activation is Activation.STEP:
        return with_sign_targets(data)
    return with_zero_one_targets(data) if RECIPES[name].activation is Activation.SIGMOID else data


def config_of(name: str, data: Dataset, args: argparse.Namespace) -> Config:
    """The network and how to train it: as the options say, or else the recipe."""
    recipe = recipe_of(name, args)
    inputs, outputs = data.x.shape[1], data.targets.shape[1]
    units = (inputs, outputs)
    if name == "mlp":
        units = tuple(args.layers or (inputs, HIDDEN, outputs))
    hidden = (Activation.RELU,) * (len(units) - 2)
    algorithm = args.algorithm or recipe.algorithm
    loss = LOSSES[args.loss] if args.loss else recipe.loss
    return Config(
        units=units,
        activation=(*hidden, recipe.activation),
        bias=recipe.bias and not args.no_bias,
        loss=loss,
        adam=algorithm == "adam",
        shuffle=args.shuffle,
        seed=args.seed or 0,
        batch={"sgd": 1, "minibatch": args.batch_size or MINIBATCH}.get(algorithm, args.batch_size or 0),
        epochs=args.epochs or recipe.epochs,
        rate=args.lr or rate_of(name, recipe, algorithm, loss, bool(args.data)),
        tolerance=args.tolerance or 0.0,
        dtype=DTYPES[args.dtype],
    )


def rate_of(name: str, recipe: Recipe, algorithm: str, loss: Loss, own_data: bool) -> float:
    if (algorithm, loss) == (recipe.algorithm, recipe.loss) and (not own_data or recipe is MLP_OTHER):
        return recipe.rate
    if algorithm == "adam" and name != "mlp":
        return 0.1
    return RATE


def start_of(name: str, config: Config, args: argparse.Namespace) -> list[float]:
    """The parameters to start from: --init, else random by --seed, else the articles', else 0 (a network: random)."""
    recipe = recipe_of(name, args)
    wanted = config.count
    if args.init is not None:
        if len(args.init) != wanted:
            inputs = config.units[0]
            shape = f"{inputs} weight{'s' * (inputs > 1)} and {'a' if config.bias else 'no'} bias"
            if name == "mlp":
                shape = f"{wanted} parameters"
            raise NeuronError(f"--init has {len(args.init)} numbers, this model has {shape}: give {wanted}")
        return list(args.init)
    if name == "mlp":
        return random_start(config, args.seed or 0)
    if args.seed is not None:
        random = Pcg32(args.seed)
        return [random.uniform(-1, 1) for _ in range(wanted)]
    usual = args.data is None and len(recipe.start) == wanted and not args.standardise
    return list(recipe.start) if usual else [0.0] * wanted


def random_start(config: Config, seed: int) -> list[float]:
    """He's uniform weights, by the seed, and biases of 0: layer by layer, row by row."""
    random = Pcg32(seed)
    start: list[float] = []
    for _, inputs, outputs, _ in config.layers():
        limit = math.sqrt(6 / inputs)
        start += [random.uniform(-limit, limit) for _ in range(inputs * outputs)]
        start += [0.0] * (outputs * config.bias)
    return start


def dense_layers(config: Config, parameters: Sequence[float]) -> list[Dense]:
    """The float model, for quantising."""
    layers = []
    for first, inputs, outputs, activation in config.layers():
        end = first + inputs * outputs
        weights = np.array(parameters[first:end]).reshape(outputs, inputs)
        bias = np.array(parameters[end : end + outputs]) if config.bias else np.zeros(outputs)
        layers.append(Dense(weights, bias, activation))
    return layers
