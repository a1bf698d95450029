"""What can be trained: each model, and the articles' way to train it, which every option can change."""

from __future__ import annotations

from dataclasses import dataclass

from host.core.wire import Activation, Loss

LOSSES = {"mse": Loss.MEAN, "half-mse": Loss.HALF, "sum": Loss.SUM, "cross-entropy": Loss.CROSS}
DTYPES = ("float64", "float32")
"""As numpy calls them."""
ALGORITHMS = ("batch", "sgd", "minibatch", "adam", "grid")

HIDDEN_ACTIVATIONS = {"relu": Activation.RELU, "tanh": Activation.TANH, "sigmoid": Activation.SIGMOID}
"""Of the layers between inputs and outputs."""

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
