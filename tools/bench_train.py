"""What training costs on this computer, beside PyTorch where it is installed and beside the articles' loops.

    python -m tools.bench_train [--rows N]

Large: an epoch of 1,000,000 rows of 10 features: w·x + b and a logistic neuron by batch descent, and the network
10-7-10 by minibatches of 32. PyTorch has one thread, and then all that it takes by itself. Small: the articles' whole
trainings. Each figure is the best of some runs, all in this one process, one after the other in turn.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from host.core.learn import Config, begin, step
from host.core.wire import Activation, Loss
from host.data.dataset import BUILT_IN
from host.training import fast
from host.training.fit import fit
from host.training.plan import random_start

FEATURES = 10
ROWS = 1_000_000
LOOPS_ROWS = 20_000
"""Rows that the loops get; their time is scaled up."""
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
ROUNDS = {"wxb": 15, "logistic": 15, "mlp": 3}
DTYPES: dict[str, type[np.floating[Any]]] = {"float64": np.float64, "float32": np.float32}
ONE, ALL = "one", "all"
"""PyTorch's threads."""

LINE = Config((1, 1), (Activation.IDENTITY,), bias=False, epochs=100)
LINE_B = Config((1, 1), (Activation.IDENTITY,), loss=Loss.HALF, rate=0.1, epochs=1000)
GATE = Config((2, 1), (Activation.STEP,), batch=1, epochs=20)


def loops(
    x: Any, y: Any, w: list[float], b: float | None, config: Config
) -> tuple[list[float], float | None]:
    """A linear neuron as the articles train it, by batch or sample by sample: no library at all."""
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


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def best_in_turn(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The best time of each, the works taking turns, so that a busy moment of the computer hits them alike."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: min(values) for name, values in times.items()}


def samples(model: str, rows: int) -> tuple[Any, Any]:
    """x: (rows, FEATURES) and what the model is to learn of them, (rows, outputs)."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=(rows, FEATURES))
    y = x @ generator.normal(size=(FEATURES, MODELS[model].units[-1])) + 1
    return x, (y > 1).astype(float) if model == "logistic" else y


def torch_epochs(config: Config, x: Any, y: Any, start: list[float]) -> dict[str, Callable[[], Any]]:
    """An epoch as PyTorch's users write it, by one thread and by all; none where it is not installed."""
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return {}
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


def epoch_seconds(model: str, dtype: str, rows: int) -> dict[str, float]:
    """Seconds of an epoch: by "C" where there is a compiler, and by PyTorch's ONE thread and ALL if it is here."""
    config, (x, y) = replace(MODELS[model], dtype=DTYPES[dtype]), samples(model, rows)
    start = random_start(config, 0)
    works = torch_epochs(config, x, y, start)
    if fast.library(True) is not None:
        trainer = fast.epochs(config, x, y, start, at_once=1)
        works = {"C": lambda: next(trainer), **works}
    return best_in_turn(works, ROUNDS[model])


def ratio(times: dict[str, float]) -> dict[str, float]:
    """PyTorch's time / ours, by one thread and by all."""
    return {threads: times[threads] / times["C"] for threads in (ONE, ALL)}


def ratios(rows: int = ROWS) -> dict[str, dict[str, dict[str, float]]] | None:
    """PyTorch's time / ours by model, type and threads; None without PyTorch or a C compiler."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for model in MODELS:
        for dtype in DTYPES:
            times = epoch_seconds(model, dtype, rows)
            if not {"C", ONE, ALL} <= times.keys():
                return None
            found.setdefault(model, {})[dtype] = ratio(times)
    return found


def large(rows: int) -> None:
    print(f"an epoch of {rows:,} rows of {FEATURES}; PyTorch's time / ours")
    lacking = set()
    for model in MODELS:
        for dtype in DTYPES:
            times = epoch_seconds(model, dtype, rows)
            lacking |= {"C", ONE, ALL} - times.keys()
            told = [f"{who} {value * 1e3:9.2f} ms" for who, value in times.items()]
            if not lacking:
                told += [f"{value:6.2f}" for value in ratio(times).values()]
            print(f"  {model:<9} {dtype}  {'  '.join(told)}", flush=True)
    if "C" in lacking:
        print("  there is no C compiler")
    if ONE in lacking:
        print("  PyTorch is not installed: pip install torch")


def without_c(rows: int) -> None:
    config, (x, y) = MODELS["wxb"], samples("wxb", rows)
    learner = begin(config, x, y, [0.0] * config.count)
    numpy = min(seconds(lambda: step(learner)) for _ in range(3))
    few, one = (x[:LOOPS_ROWS].tolist(), y[:LOOPS_ROWS, 0].tolist()), replace(config, epochs=1)
    slow = min(seconds(lambda: loops(*few, [0.0] * FEATURES, 0.0, one)) for _ in range(3))
    print("the same of wxb in float64 without C")
    print(f"  ours {numpy * 1e3:.2f} ms, articles' loops {slow * rows / len(few[0]) * 1e3:.2f} ms")


def small() -> None:
    cases = {"wx": (LINE, [1.0]), "wxb": (LINE_B, [0.0, 0.0]), "and": (GATE, [0.666, 0.333, 0.233])}
    print("the articles' whole trainings")
    for name, (config, start) in cases.items():
        data = BUILT_IN[name]
        x, y = data.x.tolist(), data.y.tolist()
        w, b = (start[:-1], start[-1]) if config.bias else (start, None)
        times = best_in_turn(
            {
                "ours": lambda c=config, d=data, s=start: fit(c, d.x, d.y, s),  # type: ignore[misc]
                "articles' loops": lambda c=config, x=x, y=y, w=w, b=b: loops(x, y, list(w), b, c),  # type: ignore[misc]
            },
            rounds=30,
        )
        print(f"  {name:<4} " + ", ".join(f"{who} {value * 1e3:.3f} ms" for who, value in times.items()))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench_train", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    args = parser.parse_args()
    fast.library(True)
    small()
    large(args.rows)
    without_c(args.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
