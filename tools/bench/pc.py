"""A training on this computer, beside PyTorch where it is installed and beside the articles' loops.

An epoch of w·x + b and of a logistic neuron by batch descent, and of the network 10-7-10 by minibatches of 32; and the
articles' whole trainings. Each figure is the best of some runs, all in this one process, one after the other in turn,
so that a busy moment of the computer hits them alike.
"""

from __future__ import annotations

import functools
import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from host.core.learn import Config
from host.core.wire import Activation, Loss
from host.data.dataset import BUILT_IN
from host.errors import NeuronError
from host.progress import Progress, silent
from host.training import fast
from host.training.fit import fit
from host.training.recipes import DTYPES
from host.training.starts import random_start

FEATURES = 10
ROWS = 1_000_000
RATE = 0.05
FOR_EVER = 10**6
"""Epochs: more than are ever run."""
MODELS = {
    "wxb": Config((FEATURES, 1), (Activation.IDENTITY,), rate=RATE, epochs=FOR_EVER),
    "logistic": Config((FEATURES, 1), (Activation.SIGMOID,), loss=Loss.CROSS, rate=RATE, epochs=FOR_EVER),
    "mlp": Config(
        (FEATURES, 7, 10), (Activation.RELU, Activation.IDENTITY), batch=32, rate=RATE, epochs=FOR_EVER
    ),
}
SHARE = {"mlp": 20}
"""An epoch by minibatches has a step every 32 rows: the network gets so many times fewer of them."""
ROUNDS = {"wxb": 15, "logistic": 15, "mlp": 3}
STEP = "training on this computer"
NO_TORCH = "PyTorch is not installed, so nothing stands beside our training: pip install torch"

Work = Callable[[], Any]
OURS, LOOPS, ONE, ALL = "ours", "loops", "1 thread", "all threads"
"""Whose time it is: PyTorch's by one thread, and by all that it takes by itself."""


@dataclass(frozen=True)
class Pc:
    """What was measured. torch: PyTorch's version, None where it is not installed; epochs: seconds of an epoch by model
    and type, then by OURS, ONE and ALL; small: of the articles' whole trainings, by OURS and LOOPS."""

    torch: str | None
    epochs: dict[tuple[str, str], dict[str, float]]
    small: dict[str, dict[str, float]]


def ratio(times: dict[str, float], threads: str) -> float:
    """PyTorch's time / ours."""
    return times[threads] / times[OURS]


def measure(progress: Progress = silent) -> Pc:
    """All of it, in about two minutes."""
    if fast.library(True) is None:
        raise NeuronError("there is no C compiler for the training: sudo apt-get install gcc")
    kinds = [(model, dtype) for model in MODELS for dtype in DTYPES]
    steps = len(kinds) + 1
    epochs = {}
    for done, kind in enumerate(kinds):
        progress(STEP, done, steps)
        epochs[kind] = epoch_seconds(*kind)
    progress(STEP, len(kinds), steps)
    small = {name: small_seconds(name) for name in SMALL}
    progress(STEP, steps, steps)
    return Pc(torch_version(), epochs, small)


def seconds(work: Work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def best_in_turn(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """The best time of each, the works taking turns."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: min(values) for name, values in times.items()}


# ----------------------------------------------------------------------------------------------------- an epoch


def rows_of(model: str) -> int:
    return ROWS // SHARE.get(model, 1)


def samples(model: str) -> tuple[Any, Any]:
    """x: (rows, FEATURES) and what the model is to learn of them, (rows, outputs)."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=(rows_of(model), FEATURES))
    y = x @ generator.normal(size=(FEATURES, MODELS[model].units[-1])) + 1
    return x, (y > 1).astype(float) if model == "logistic" else y


def epoch_seconds(model: str, dtype: str) -> dict[str, float]:
    """Seconds of an epoch: OURS, and PyTorch's by ONE thread and ALL if it is here."""
    config, (x, y) = replace(MODELS[model], dtype=np.dtype(dtype).type), samples(model)
    start = random_start(config, 0)
    trainer = fast.epochs(config, x, y, start, at_once=1)
    works: dict[str, Work] = {OURS: lambda: next(trainer)}
    if torch_version():
        works |= torch_epochs(config, x, y, start)
    return best_in_turn(works, ROUNDS[model])


def torch_version() -> str | None:
    """None where PyTorch is not installed."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def torch_epochs(config: Config, x: Any, y: Any, start: list[float]) -> dict[str, Work]:
    """An epoch as PyTorch's users write it, by ONE thread and by ALL."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    table, targets = torch.from_numpy(x.astype(config.dtype)), torch.from_numpy(y.astype(config.dtype))
    functions = torch.nn.functional
    loss_of = functions.binary_cross_entropy_with_logits if config.loss is Loss.CROSS else functions.mse_loss
    modules: list[Any] = []
    for first, inputs, outputs, activation in config.layers:
        linear = torch.nn.Linear(inputs, outputs, dtype=table.dtype)
        middle, end = first + inputs * outputs, first + (inputs + 1) * outputs
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(start[first:middle], dtype=table.dtype).view_as(linear.weight))
            linear.bias.copy_(torch.tensor(start[middle:end], dtype=table.dtype))
        modules += [linear, torch.nn.ReLU()] if activation is Activation.RELU else [linear]
    network = modules[0] if len(modules) == 1 else torch.nn.Sequential(*modules)
    optimiser = torch.optim.SGD(network.parameters(), lr=config.rate)
    batch = config.batch or len(x)
    every = torch.get_num_threads()

    def epoch(threads: int) -> None:
        torch.set_num_threads(threads)
        for rows, wanted in zip(table.split(batch), targets.split(batch), strict=True):
            optimiser.zero_grad()
            loss_of(network(rows), wanted).backward()
            optimiser.step()
        torch.set_num_threads(every)

    return {ONE: lambda: epoch(1), ALL: lambda: epoch(every)}


# ------------------------------------------------------------------------------------------------ the articles'

SMALL = {
    "wx": (Config((1, 1), (Activation.IDENTITY,), bias=False, epochs=100), [1.0]),
    "wxb": (Config((1, 1), (Activation.IDENTITY,), loss=Loss.HALF, rate=0.1, epochs=1000), [0.0, 0.0]),
    "and": (Config((2, 1), (Activation.STEP,), batch=1, epochs=20), [0.666, 0.333, 0.233]),
}
"""The articles' trainings: how, and from where."""
SMALL_ROUNDS = 30


def small_seconds(name: str) -> dict[str, float]:
    """Seconds of a whole training: OURS, and by the articles' LOOPS."""
    config, start = SMALL[name]
    data = BUILT_IN[name]
    w, b = (start[:-1], start[-1]) if config.bias else (start, None)
    works: dict[str, Work] = {
        OURS: functools.partial(fit, config, data.x, data.y, start),
        LOOPS: functools.partial(loops, data.x.tolist(), data.y.tolist(), w, b, config),
    }
    return best_in_turn(works, SMALL_ROUNDS)


def loops(
    x: Any, y: Any, w: list[float], b: float | None, config: Config
) -> tuple[list[float], float | None]:
    """A linear neuron as the articles train it, by batch or sample by sample: no library at all."""
    w = list(w)
    samples, slope = len(x), 1 if config.loss is Loss.HALF else 2
    for _ in range(config.epochs):
        gradient, gradient_b, cost = [0.0] * len(w), 0.0, 0.0
        for i in range(samples):
            z = 0.0
            for j in range(len(w)):
                z = z + w[j] * x[i][j]
            error = z - y[i] if b is None else z + b - y[i]
            cost = cost + error * error
            if config.batch == 1:
                for j in range(len(w)):
                    w[j] = w[j] - config.rate * (slope * error * x[i][j])
                b = None if b is None else b - config.rate * (slope * error)
                continue
            for j in range(len(w)):
                gradient[j] = gradient[j] + slope * error * x[i][j]
            gradient_b = gradient_b + slope * error
        if config.batch != 1:
            for j in range(len(w)):
                w[j] = w[j] - config.rate * (gradient[j] / samples)
            b = None if b is None else b - config.rate * (gradient_b / samples)
    return w, b
