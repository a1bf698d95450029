"""What training costs on this computer, beside PyTorch where it is installed and beside the articles' loops.

    python -m tools.bench_train [--rows N]

Large: an epoch of batch descent of w·x + b, 10 features, 1,000,000 rows. Small: the articles' whole trainings.
Each figure is the best of some runs, all in this one process, one after the other in turn.
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

FEATURES = 10
LOOPS_ROWS = 20_000
"""Rows that the loops get; their time is scaled up."""
ROUNDS = 7
RATE = 0.05

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


def best_in_turn(works: dict[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """The best time of each, the works taking turns, so that a busy moment of the computer hits them alike."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: min(values) for name, values in times.items()}


def torch_epoch(x: Any, y: Any, dtype: Any) -> Callable[[], Any] | None:
    """An epoch as PyTorch's users write it; None where it is not installed."""
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    table, targets = torch.from_numpy(x.astype(dtype)), torch.from_numpy(y.astype(dtype))[:, None]
    model = torch.nn.Linear(FEATURES, 1, dtype=table.dtype)
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE)

    def epoch() -> None:
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(model(table), targets).backward()
        optimiser.step()

    return epoch


def large(rows: int) -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(rows, FEATURES))
    y = x @ generator.normal(size=FEATURES) + 1
    few = x[:LOOPS_ROWS].tolist(), y[:LOOPS_ROWS].tolist()
    for dtype in (np.float64, np.float32):
        config = Config((FEATURES, 1), (Activation.IDENTITY,), rate=RATE, epochs=10**6, dtype=dtype)
        start = [0.0] * config.count
        works: dict[str, Callable[[], Any]] = {}
        if fast.library(True) is not None:
            trainer = fast.epochs(config, x, y, start, at_once=1)
            works["ours (C)"] = lambda trainer=trainer: next(trainer)  # type: ignore[misc]
        learner = begin(config, x, y, start)
        works["ours (numpy)"] = lambda learner=learner: step(learner)  # type: ignore[misc]
        torch = torch_epoch(x, y, dtype)
        if torch:
            works["PyTorch"] = torch
        times = best_in_turn(works)
        one = replace(config, epochs=1)
        slow = min(seconds(lambda one=one: loops(*few, [0.0] * FEATURES, 0.0, one)) for _ in range(3))  # type: ignore[misc]
        times["articles' loops"] = slow * rows / len(few[0])
        print(f"w·x + b, {rows} rows of {FEATURES}, {np.dtype(dtype).name}: an epoch")
        ours = next(iter(times.values()))
        for name, value in times.items():
            print(f"  {name:<16} {value * 1e3:9.2f} ms   {value / ours:7.2f} of ours")
        if torch is None:
            print("  PyTorch is not installed: pip install torch")


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
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    fast.library(True)
    small()
    large(args.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
