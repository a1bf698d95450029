"""host/learn.py and firmware/core/learn.c: every parameter after every step, compared with ==."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.learn import Config, Loss
from host.pcg32 import Pcg32
from host.wire import Activation
from tests.parity.learn_trace import build, trace_c, trace_python
from tests.programs import COMPILERS

IDENTITY, RELU, STEP, SIGMOID, TANH = Activation
STEPS = 1000

MODELS: dict[str, tuple[dict[str, Any], int]] = {
    "wx": ({"units": (3, 1), "activation": (IDENTITY,), "bias": False}, 12),
    "wxb": ({"units": (3, 1), "activation": (IDENTITY,), "loss": Loss.HALF}, 40),
    "and": ({"units": (2, 1), "activation": (STEP,)}, 12),
    "logistic": ({"units": (2, 1), "activation": (SIGMOID,), "loss": Loss.CROSS}, 12),
    "logistic wide": ({"units": (2, 2), "activation": (SIGMOID,), "loss": Loss.CROSS}, 40),
    "mlp": ({"units": (2, 4, 1), "activation": (RELU, IDENTITY)}, 12),
    "mlp sums": ({"units": (3, 4, 2), "activation": (RELU, IDENTITY), "loss": Loss.SUM}, 40),
    "curves": ({"units": (2, 3, 2, 2), "activation": (TANH, SIGMOID, SIGMOID)}, 6),
}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "batch": {},
    "sgd": {"batch": 1},
    "sgd shuffled": {"batch": 1, "shuffle": True, "seed": 7},
    "minibatch": {"batch": 5},
    "minibatch shuffled": {"batch": 5, "shuffle": True, "seed": 8},
    "adam": {"adam": True},
    "adam one by one": {"adam": True, "batch": 1, "shuffle": True},
}
DTYPES = {"float32": np.float32, "float64": np.float64}


@pytest.fixture(scope="module", params=COMPILERS)
def trace(request: pytest.FixtureRequest) -> Path:
    return build(request.param)


def training(model: str, algorithm: str, dtype: type) -> tuple[Config, Any, Any, list[float]]:
    """A config with its data and start; as many epochs as make STEPS steps."""
    shape, samples = MODELS[model]
    options = {**shape, **ALGORITHMS[algorithm]}
    a_step = min(options.get("batch") or samples, samples)
    epochs = -(-STEPS // -(-samples // a_step))
    rate = 0.0003 if options.get("loss") is Loss.SUM else 0.003
    config = Config(**options, epochs=epochs, rate=rate, dtype=dtype)
    random = Pcg32(samples, config.count)
    x = [[random.uniform(-2, 2) for _ in range(config.units[0])] for _ in range(samples)]
    y = [[float(random.below(2)) for _ in range(config.units[-1])] for _ in range(samples)]
    return config, x, y, [random.uniform(-1, 1) for _ in range(config.count)]


def bits(rows: np.ndarray) -> np.ndarray:
    return rows.view(np.uint32 if rows.dtype == np.float32 else np.uint64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("model", MODELS)
def test_trajectories_are_the_same_bits(model: str, algorithm: str, dtype: str) -> None:
    case = training(model, algorithm, DTYPES[dtype])
    expected = trace_python(*case)
    assert len(expected) >= STEPS
    assert np.isfinite(expected).all()
    assert (expected[STEPS // 2] != expected[STEPS // 2 - 1]).any()
    for cc in COMPILERS:
        rows = trace_c(build(cc), *case)
        assert rows.shape == expected.shape
        assert (bits(rows) == bits(expected)).all(), (cc, np.argwhere(bits(rows) != bits(expected))[0])
