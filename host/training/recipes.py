"""What can be trained: each model, the articles' way to train it, and the way for people's own data. Options change
either."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from host.core.wire import Activation, Loss

LOSSES = {"mse": Loss.MEAN, "half-mse": Loss.HALF, "sum": Loss.SUM, "cross-entropy": Loss.CROSS}
"""As people name them; cross-entropy is Loss.SOFTMAX where there are three classes or more."""
DTYPES = ("float64", "float32")
"""As numpy calls them."""
ALGORITHMS = ("batch", "sgd", "minibatch", "adam", "grid")
HIDDEN_ACTIVATIONS = {"relu": Activation.RELU, "tanh": Activation.TANH, "sigmoid": Activation.SIGMOID}
"""Of the layers between inputs and outputs."""
CLASS_WEIGHTS = ("balanced",)

RATE = 0.01
"""Learning rate where no article has chosen one, and none follows from the data."""
NETWORK_RATES = {"batch": 0.1, "minibatch": 0.03, "sgd": 0.01}
"""The same of a network for a CSV file: the fewer samples a step, the less sure is its way."""
MINIBATCH = 16
"""Samples a step of minibatch, unless told."""
HIDDEN = 7
"""Hidden units of a network for a CSV file, unless told."""


@dataclass(frozen=True)
class Recipe:
    """A model, and a way to train it. rate: None where the data say how fast; start: w.., then b; empty: random;
    batch: samples a step, 0 as the algorithm has it; shuffle, tolerance: as in host.core.learn.Config; patience:
    epochs without a lower validation loss, 0 for ever; l2: of probabilities, where without it weights that tell all
    rows apart grow for ever."""

    label: str
    kind: str
    bias: bool
    activation: Activation
    loss: Loss
    algorithm: str
    rate: float | None
    epochs: int
    start: tuple[float, ...]
    batch: int = 0
    shuffle: bool = False
    tolerance: float = 0.0
    patience: int = 0
    l2: float = 0.0


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
"""The articles' ways, for the built-in sets."""
MLP_OTHER = replace(RECIPES["mlp"], loss=Loss.MEAN, algorithm="adam", rate=0.02, epochs=1000)
"""For XOR, and for a network of other hidden layers on the built-in sets."""

DESCENT: dict[str, Any] = {
    "algorithm": "batch",
    "rate": None,
    "epochs": 10_000,
    "start": (),
    "tolerance": 1e-9,
    "patience": 500,
}
"""For the models whose loss is a parabola: down to its minimum, or until the validation part is better off without."""
ADAM: dict[str, Any] = {"algorithm": "adam", "start": (), "l2": 0.003}
OWN = {
    **{name: replace(RECIPES[name], **DESCENT) for name in ("wx", "wxb", "and")},
    "logistic": replace(RECIPES["logistic"], **ADAM, rate=0.05, epochs=2000, tolerance=1e-9, patience=100),
    "mlp": replace(MLP_OTHER, **ADAM, rate=0.01, epochs=2000, batch=32, shuffle=True, patience=100),
}
"""The ways for CSV files, which are standardised: the same for all of them."""
