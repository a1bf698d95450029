"""host/learn.py: the articles' figures to the last digit, the order of operations, the stable rate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.dataset import BUILT_IN
from host.errors import NeuronError
from host.learn import Epoch, forward, stable_rate, total, train

WX, AND = BUILT_IN["wx"], BUILT_IN["and"]


def wx(algorithm: str, epochs: int = 100, rate: float = 0.01) -> list[Epoch]:
    return train(WX.x, WX.y, algorithm=algorithm, rate=rate, epochs=epochs, w=[1.0], b=None)


def test_articles_figures_batch() -> None:
    history = wx("batch")
    assert len(history) == 100
    assert history[0] == Epoch(0, 4.666666666666667, [1.0933333333333333], None)
    assert history[1] == Epoch(1, 3.8362074074074086, [1.1779555555555554], None)
    assert history[99] == Epoch(99, 1.752432687141379e-08, [1.9999444396553017], None)
    assert forward(history[99].w, None, [4.0]) == 7.999777758621207


def test_articles_figures_one_sample_at_a_time() -> None:
    history = wx("sgd")
    assert history[0] == Epoch(0, 7.315943039999998, [1.260688], None)
    assert history[99] == Epoch(99, 7.82747233205549e-26, [1.9999999999999236], None)
    assert forward(history[99].w, None, [4.0]) == 7.9999999999996945


def test_articles_figures_and() -> None:
    end = train(AND.x, AND.y, algorithm="sgd", rate=0.01, epochs=20, w=[0.666, 0.333], b=0.233)[-1]
    assert (end.w, end.b) == ([0.4514297388906616, 0.2369025056182418], -0.611635769357402)
    assert (forward(end.w, end.b, AND.x.T) > 0).tolist() == [False, False, False, True]


# --------------------------------------------------------------------------------------- order of operations


def plain(
    x: Any, y: Any, *, algorithm: str, rate: float, epochs: int, w: Any, b: Any, dtype: Any
) -> list[tuple[float, list[float], float | None]]:
    """The same training in plain loops, as the C twin will do it."""
    x, y = [[dtype(v) for v in row] for row in x], [dtype(v) for v in y]
    w, b, rate = [dtype(v) for v in w], None if b is None else dtype(b), dtype(rate)
    trace = []
    for _ in range(epochs):
        cost, gradient, gradient_b = dtype(0), [dtype(0)] * len(w), dtype(0)
        for xi, yi in zip(x, y, strict=True):
            z = dtype(0)
            for j in range(len(w)):
                z = z + w[j] * xi[j]
            if b is not None:
                z = z + b
            error = z - yi
            slope = dtype(2) * error
            if algorithm == "sgd":
                cost = error * error
                w = [w[j] - rate * (slope * xi[j]) for j in range(len(w))]
                b = None if b is None else b - rate * slope
            else:
                cost = cost + error * error
                gradient = [gradient[j] + slope * xi[j] for j in range(len(w))]
                gradient_b = gradient_b + slope
        if algorithm == "batch":
            n = dtype(len(x))
            cost = cost / n
            w = [w[j] - rate * (gradient[j] / n) for j in range(len(w))]
            b = None if b is None else b - rate * (gradient_b / n)
        trace.append((float(cost), [float(v) for v in w], None if b is None else float(b)))
    return trace


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("algorithm", ["batch", "sgd"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("samples", "features"), [(1, 1), (3, 2), (40, 10), (300, 5)])
def test_every_epoch_equals_the_plain_loops(
    dtype: type, algorithm: str, bias: bool, samples: int, features: int
) -> None:
    generator = np.random.default_rng(samples * features)
    x, y = generator.normal(size=(samples, features)), generator.normal(size=samples)
    w, b = generator.normal(size=features).tolist(), 0.1 if bias else None
    settings: dict[str, Any] = {
        "algorithm": algorithm,
        "rate": 0.01,
        "epochs": 20,
        "w": w,
        "b": b,
        "dtype": dtype,
    }
    with np.errstate(all="ignore"):
        expected = plain(x.tolist(), y.tolist(), **settings)
    assert [(e.loss, e.w, e.b) for e in train(x, y, **settings)] == expected


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_total_is_the_sum_in_order(values: list[float]) -> None:
    expected = 0.0
    for value in values:
        expected += value
    result = float(total(np.array(values)))
    assert result == expected
    assert math.copysign(1, result) == math.copysign(1, expected)


def test_float32_is_float32() -> None:
    end = train(WX.x, WX.y, algorithm="sgd", rate=0.01, epochs=3, w=[1.0], b=None, dtype=np.float32)[-1]
    assert end.w[0] == float(np.float32(end.w[0]))
    assert end.w[0] != wx("sgd", 3)[-1].w[0]


def test_progress_is_told_every_epoch() -> None:
    seen: list[tuple[str, int, int]] = []
    train(
        WX.x,
        WX.y,
        algorithm="batch",
        rate=0.01,
        epochs=3,
        w=[1.0],
        b=None,
        progress=lambda *a: seen.append(a),
    )
    assert seen == [("training", 1, 3), ("training", 2, 3), ("training", 3, 3)]


# ------------------------------------------------------------------------------------------------- stability


def test_stable_rate_of_the_articles_data() -> None:
    # Hessian of the mean of (w x - y)^2 is 2 mean(x^2) = 28/3; of the worst sample's loss 2 * 3^2.
    assert stable_rate(WX.x, False, "batch") == pytest.approx(3 / 14, rel=1e-12)
    assert stable_rate(WX.x, False, "sgd") == 1 / 9
    assert stable_rate(AND.x, True, "sgd") == 1 / 3


def test_without_slope_every_rate_is_stable() -> None:
    zero = np.zeros((3, 1))
    assert stable_rate(zero, False, "batch") == math.inf
    assert train(zero, [1, 2, 3], algorithm="batch", rate=1e9, epochs=5, w=[1.0], b=None)[-1].w == [1.0]


@pytest.mark.parametrize(
    ("rate", "what"), [(0.22, "grew from 4.667"), (2.0, "grew from"), (100.0, "no longer finite")]
)
def test_a_rate_too_large_names_the_largest_stable_one(rate: float, what: str) -> None:
    with pytest.raises(NeuronError) as error:
        wx("batch", rate=rate)
    assert what in str(error.value)
    assert "largest stable rate for this data is 0.214286" in str(error.value)
    assert "\n" not in str(error.value)


def test_rates_up_to_the_limit_pass() -> None:
    assert wx("batch", rate=0.214)[-1].loss < 4.666666666666667


def test_sgd_names_the_rate_of_its_worst_sample() -> None:
    with pytest.raises(NeuronError, match=r"largest stable rate for this data is 0\.111111"):
        wx("sgd", rate=0.6)


def test_sgd_above_its_worst_samples_rate_may_still_converge() -> None:
    assert abs(wx("sgd", rate=0.15)[-1].w[0] - 2) < 1e-9


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3, 0.34, 0.4, 0.45])
def test_no_false_alarm_for_sgd_that_hovers_about_the_optimum(rate: float) -> None:
    # From the least-squares optimum of AND the loss can only grow, but it stays: that is no divergence.
    history = train(AND.x, AND.y, algorithm="sgd", rate=rate, epochs=200, w=[1.0, 1.0], b=-1.5)
    assert len(history) == 200
    assert history[-1].loss < 100


@pytest.mark.parametrize("rate", [0.5, 0.7])
def test_sgd_that_climbs_for_ever_is_caught(rate: float) -> None:
    # At 0.5 the loss of AND grows as the square of the epochs: no eigenvalue is above 1, and yet no bound.
    with pytest.raises(NeuronError, match=r"largest stable rate for this data is 0\.333333"):
        train(AND.x, AND.y, algorithm="sgd", rate=rate, epochs=200, w=[1.0, 1.0], b=-1.5)


def test_a_column_of_zeros_is_no_divergence() -> None:
    x = np.hstack([AND.x, np.zeros((4, 1))])
    end = train(x, AND.y, algorithm="sgd", rate=0.4, epochs=200, w=[1.0, 1.0, 0.5], b=-1.5)[-1]
    assert end.w[2] == 0.5


def test_a_start_too_large_for_the_arithmetic_is_said_so() -> None:
    with pytest.raises(NeuronError, match="start from smaller weights"):
        train(WX.x, WX.y, algorithm="batch", rate=0.01, epochs=2, w=[1e200], b=None)
