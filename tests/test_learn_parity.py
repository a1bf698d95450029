"""host/core/learn.py and firmware/core/learn.c: every parameter after every step, compared with ==."""

from __future__ import annotations

import ctypes
import itertools
import platform
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.compiler import DIALECT, ROOT, WARNINGS
from host.core.learn import Config
from host.core.pcg32 import Pcg32
from host.core.wire import Activation, Loss
from host.training import fast
from host.training.fit import epochs, fit
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
    "classes": ({"units": (3, 3), "activation": (IDENTITY,), "loss": Loss.SOFTMAX}, 12),
    "classes of a network": ({"units": (2, 4, 5), "activation": (TANH, IDENTITY), "loss": Loss.SOFTMAX}, 40),
}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "batch": {},
    "sgd": {"batch": 1},
    "sgd shuffled": {"batch": 1, "shuffle": True, "seed": 7},
    "minibatch": {"batch": 5},
    "minibatch of 8": {"batch": 8},
    "minibatch shuffled": {"batch": 5, "shuffle": True, "seed": 8},
    "adam": {"adam": True},
    "adam one by one": {"adam": True, "batch": 1, "shuffle": True},
}
DTYPES = {"float32": np.float32, "float64": np.float64}


def cases(algorithms: Iterable[str]) -> list[tuple[str, str, str]]:
    """Every model by every algorithm, in one of the types; every model and every algorithm has both: the two C twins
    are one source."""
    return [
        (model, algorithm, list(DTYPES)[(i + j) % 2])
        for i, model in enumerate(MODELS)
        for j, algorithm in enumerate(algorithms)
    ]


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


@pytest.mark.parametrize(("model", "algorithm", "dtype"), cases(ALGORITHMS))
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


@pytest.mark.parametrize(
    ("model", "algorithm", "dtype"), cases(["batch", "sgd shuffled", "minibatch", "adam one by one"])
)
def test_l2_and_weights_are_the_same_bits(model: str, algorithm: str, dtype: str) -> None:
    config, x, y, start = training(model, algorithm, DTYPES[dtype])
    config = replace(config, epochs=30)
    random = Pcg32(7)
    weights = [random.uniform(0, 3) for _ in x]
    plain = trace_python(config, x, y, start)
    for l2, counts in ((0.05, []), (0.0, weights), (0.05, weights)):
        case = replace(config, l2=l2), x, y, start, counts
        expected = trace_python(*case)
        assert np.isfinite(expected).all()
        assert (expected[-1] != plain[-1]).any()
        for cc in COMPILERS:
            assert (bits(trace_c(build(cc), *case)) == bits(expected)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_tolerance_ends_both_at_the_same_epoch(dtype: str) -> None:
    config, x, y, start = training("wxb", "batch", DTYPES[dtype])
    config = replace(config, tolerance=1e-4, rate=0.05)
    history = fit(config, np.array(x), np.array(y), start).history
    assert 3 < len(history) < config.epochs
    rows = trace_c(build(COMPILERS[0]), config, x, y, start)
    assert rows.tolist() == [[e.loss, *e.parameters] for e in history]


NAN = {np.float32: 0x7FC00000, np.float64: 0x7FF8000000000000}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", MODELS)
def test_all_stop_at_what_is_no_longer_finite_with_the_same_bits(
    model: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0
    top = float(np.finfo(DTYPES[dtype]).max)
    sizes = [(1e-3 * top, 1), (1, top**0.6), (1, 0.1 * top)]  # of the rate; of inputs and start
    for algorithm, (rate, size) in itertools.product(("batch", "sgd", "minibatch shuffled", "adam"), sizes):
        config, x, y, start = training(model, algorithm, DTYPES[dtype])
        steps = -(-len(x) // min(config.batch or len(x), len(x)))
        config = replace(config, rate=rate, epochs=12)
        case = config, np.array(x) * size, np.array(y), [size * value for value in start]
        ways = []
        for c in (False, True):
            monkeypatch.setattr(fast, "pays", lambda config, samples, c=c: c)
            ways.append(np.array([[loss, *parameters] for loss, parameters in epochs(*case)], config.dtype))
        ways += [trace_c(build(cc), *case)[steps - 1 :: steps] for cc in COMPILERS]
        for rows in ways:
            assert rows.shape == ways[0].shape
            assert (bits(rows) == bits(ways[0])).all()
        assert np.isfinite(ways[0][:-1]).all()
        nan = np.isnan(ways[0])
        assert (bits(ways[0])[nan] == NAN[DTYPES[dtype]]).all()
        seen += int(nan.any())
    assert seen >= 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"units": (65, 1)}, "LEARN_SHAPE"),
        ({"units": (0, 1)}, "LEARN_SHAPE"),
        ({"activation": (9,)}, "LEARN_SHAPE"),
        ({"epochs": 0}, "LEARN_DATA"),
        ({"loss": Loss.CROSS}, "LEARN_LOSS"),
        ({"loss": Loss.SOFTMAX, "activation": (STEP,)}, "LEARN_LOSS"),
        ({"loss": 5}, "LEARN_LOSS"),
    ],
)
def test_what_c_refuses(change: dict[str, Any], error: str) -> None:
    config = replace(training("wxb", "batch", np.float32)[0], **change)
    with pytest.raises(ValueError, match=error):
        trace_c(build(COMPILERS[0]), config, np.zeros((3, config.units[0])), np.zeros((3, 1)), [])


@pytest.mark.parametrize(
    ("options", "room"),
    [
        ({"batch": 1}, 3 * 1024),
        ({"batch": 1, "shuffle": True}, 3 * 1024),
        ({"batch": 16}, 3 * 1024),
        ({"adam": True}, 4 * 1024),
    ],
)
def test_the_network_trains_beside_its_data_in_little_room(options: dict[str, Any], room: int) -> None:
    library = fast.library(True)
    if library is None:
        pytest.skip("no C compiler")
    size = library["learn32_size"]
    size.restype = ctypes.c_size_t
    config = Config((10, 7, 10), (RELU, IDENTITY), loss=Loss.SUM, **options)
    assert 157 * 4 < size(ctypes.byref(fast._c_config(config, 256))) <= room - LEARNER


LEARNER = 256
"""Bytes of struct learn32, at most: 160 on the board."""


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="needs arm-none-eabi-gcc")
def test_float32_uses_no_float64_on_the_board(tmp_path: Path) -> None:
    target = "-mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard -O2 -c".split()
    made = tmp_path / "learn32.o"
    source = "firmware/core/learn32.c"
    subprocess.run(
        ["arm-none-eabi-gcc", *target, *DIALECT, *WARNINGS, source, "-o", str(made)], cwd=ROOT, check=True
    )
    listing = subprocess.run(
        ["arm-none-eabi-nm", "-u", str(made)], capture_output=True, text=True, check=True
    ).stdout
    slow = {"sqrt", "ldexp", "ldexpf", "fmaf"}
    assert not [name for name in listing.split() if name.startswith("__aeabi_d") or name in slow]


@pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("gcc"), reason="needs gcc for x86")
@pytest.mark.parametrize(
    "source",
    [
        "host/training/fast.c",
        *(f"firmware/core/{name}.c" for name in ("learn", "learn32", "formats", "fixed")),
    ],
)
def test_arithmetic_that_rounds_otherwise_is_no_program(source: str) -> None:
    command = ["gcc", *DIALECT, "-fsyntax-only", source]
    assert subprocess.run(command, cwd=ROOT).returncode == 0
    done = subprocess.run([*command, "-mfpmath=387"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "each operation rounds to its own type" in done.stderr
