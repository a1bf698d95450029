"""host/training/fast.c has the bits of host/core/learn.py: in its loops of its own, by each compiler, and with the
vectors and the fused multiply-add of this processor."""

from __future__ import annotations

import ctypes
import math
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from host.compiler import DIALECT, ROOT
from host.core import learn
from host.core.learn import Config, begin, step
from host.core.wire import UNITS_MAX, Activation, Loss
from host.training import fast
from tests.learn_builds import BUILDS, NATIVE, built
from tests.programs import COMPILERS, program
from tests.test_learn_parity import bits

IDENTITY, RELU, STEP, SIGMOID, TANH = Activation
DTYPES = [np.float32, np.float64]


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> Iterator[None]:
    with built(*BUILDS[request.param]):
        yield


def rows_python(config: Config, x: Any, y: Any, start: list[float], weights: Any = None) -> np.ndarray:
    """After each epoch a row: loss, parameters."""
    learner, rows = begin(config, x, y, start, weights), []
    while learner.epoch < config.epochs:
        step(learner)
        if learner.sample == 0:
            rows.append([learner.loss, *learner.parameters])
    return np.array(rows, config.dtype)


def rows_fast(config: Config, x: Any, y: Any, start: list[float], weights: Any = None) -> np.ndarray:
    return np.array([[loss, *w] for loss, w in fast.epochs(config, x, y, start, weights)], config.dtype)


SAMPLES = [1, 2, 63, 64, 65, 129, 1000]
"""About the size of a block, of which the last sample is none."""
WIDTHS = [(1, False), (10, True), (16, True), (17, True)]
"""With and without a function for so many inputs."""
NEURONS = {
    "mean": (IDENTITY, Loss.MEAN),
    "half": (IDENTITY, Loss.HALF),
    "sum": (STEP, Loss.SUM),
    "cross": (SIGMOID, Loss.CROSS),
}


def neuron(kind: str, samples: int, features: int, bias: bool, dtype: type) -> tuple[Config, Any, Any, Any]:
    activation, loss = NEURONS[kind]
    rate = 1e-5 if loss is Loss.SUM else 0.01
    config = Config((features, 1), (activation,), bias=bias, loss=loss, epochs=4, rate=rate, dtype=dtype)
    generator = np.random.default_rng(samples)
    x, y = generator.normal(size=(samples, features)), generator.normal(size=samples)
    return config, x, y > 0 if loss is Loss.CROSS else y, generator.normal(size=config.count).tolist()


@pytest.mark.usefixtures("build")
class TestEveryBuild:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("kind", NEURONS)
    @pytest.mark.parametrize(("features", "bias"), WIDTHS)
    def test_the_wide_loop_is_the_written_order(
        self, features: int, bias: bool, kind: str, dtype: type
    ) -> None:
        for samples in SAMPLES:
            case = neuron(kind, samples, features, bias, dtype)
            expected = rows_python(*case)
            assert len(expected) == case[0].epochs
            assert (bits(rows_fast(*case)) == bits(expected)).all(), samples

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("kind", NEURONS)
    def test_weights_and_l2_in_the_wide_loop(self, kind: str, dtype: type) -> None:
        for samples in SAMPLES:
            config, x, y, start = neuron(kind, samples, 10, True, dtype)
            weights = np.random.default_rng(samples).uniform(0, 3, samples)
            case = replace(config, l2=0.1), x, y, start, weights
            assert (bits(rows_fast(*case)) == bits(rows_python(*case))).all(), samples

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("size", [0.0, 1e-30, 1e3])
    def test_cross_entropy_of_probabilities_at_their_ends(self, size: float, dtype: type) -> None:
        """z of 0, subnormal, and beyond where exp is 0; targets that are no labels."""
        config, x, y, start = neuron("cross", 200, 10, False, dtype)
        x *= np.where(np.arange(200) % 3 == 0, size, 1)[:, None]
        case = config, x, np.where(np.arange(200) % 5 == 0, 0.3, y), start
        expected = rows_python(*case)
        assert np.isfinite(expected).all()
        assert (bits(rows_fast(*case)) == bits(expected)).all()

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_cross_entropy_that_is_certain_is_0(self, dtype: type) -> None:
        config, x, _, start = neuron("cross", 200, 10, False, dtype)
        case = config, x * 1e6, x @ start > 0, start
        expected = rows_python(*case)
        assert (expected == [0, *np.array(start, dtype)]).all()
        assert (bits(rows_fast(*case)) == bits(expected)).all()

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("first", [math.inf, math.nan])
    def test_cross_entropy_of_what_is_not_finite(self, first: float, dtype: type) -> None:
        config, x, y, start = neuron("cross", 100, 3, True, dtype)
        x[7, 1] = first
        config = replace(config, epochs=1)
        with np.errstate(invalid="ignore"):
            expected = rows_python(config, x, y, start)
        assert np.isnan(expected).any()
        assert (bits(rows_fast(config, x, y, start)) == bits(expected)).all()

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize(
        "options",
        [
            {"units": (10, 7, 10), "activation": (RELU, IDENTITY), "batch": 32},
            {"units": (3, 5, 2), "activation": (TANH, SIGMOID), "loss": Loss.CROSS, "batch": 7},
            {"units": (3, 5, 2), "activation": (SIGMOID, SIGMOID), "adam": True, "shuffle": True},
            {"units": (3, 6, 5), "activation": (TANH, IDENTITY), "loss": Loss.SOFTMAX, "l2": 0.01},
        ],
        ids=["minibatch", "cross", "adam", "classes"],
    )
    def test_networks(self, options: dict[str, Any], dtype: type) -> None:
        config = Config(**options, epochs=4, rate=0.05, dtype=dtype)
        generator = np.random.default_rng(9)
        x = generator.normal(size=(130, config.units[0]))
        y = generator.integers(0, 2, size=(130, config.units[-1])).astype(float)
        case = config, x, y, generator.normal(size=config.count).tolist()
        assert (bits(rows_fast(*case)) == bits(rows_python(*case))).all()

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_exp_log1p_and_log(self, dtype: type) -> None:
        library, size = fast.library(True), 8 * np.dtype(dtype).itemsize
        assert library is not None
        lowest = learn.EXP_LOWEST[dtype]
        tiny = np.finfo(dtype).smallest_subnormal
        random = np.random.default_rng(1)
        ends = [0.0, -0.0, -tiny, lowest, np.nextafter(dtype(lowest), dtype(-9999)), -math.inf]
        below = np.concatenate([ends, random.uniform(lowest, 0, 20_000), -random.exponential(1, 5_000)])
        above = np.concatenate([[0.0, 1.0, tiny], random.uniform(0, 1, 20_000)])
        sums = np.concatenate([2.0 ** np.arange(7), random.uniform(1, UNITS_MAX, 20_000), [math.nan]])
        twins = (("exp", learn.exp, below), ("log1p", learn.log1p, above), ("log", learn.log, sums))
        for name, twin, values in twins:
            function = library[f"learn{size}_{name}"]
            function.restype = real = ctypes.c_float if size == 32 else ctypes.c_double
            function.argtypes = [real]
            x = values.astype(dtype)
            ours = np.array([function(float(value)) for value in x], dtype)
            assert (bits(ours) == bits(twin(x))).all(), name


@pytest.mark.parametrize("cc", COMPILERS)
def test_a_library_is_told_by_all_that_it_is_made_of(cc: str) -> None:
    """Else one of an older state would be taken for it."""
    sources = [str(path) for path in fast.SOURCES]
    said = subprocess.run(
        [cc, *DIALECT, "-MM", *sources], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    names = {word for word in said.replace("\\\n", " ").split() if not word.endswith(":")}
    assert {(ROOT / name).resolve() for name in names} == {*fast.SOURCES, *fast.HEADERS}


def fuses(cc: str) -> bool:
    """Whether this processor has a fused multiply-add."""
    command = [cc, NATIVE, "-dM", "-E", "-x", "c", "/dev/null"]
    macros = subprocess.run(command, capture_output=True, text=True).stdout
    return "__FMA__" in macros or "__ARM_FEATURE_FMA" in macros


@pytest.mark.parametrize("cc", COMPILERS)
def test_a_fused_multiply_add_would_be_seen(cc: str) -> None:
    if not fuses(cc):
        pytest.skip("needs a processor with a fused multiply-add")
    case = neuron("mean", 1000, 10, True, np.float64)
    with built(cc, [*fast.FLAGS, "-ffp-contract=fast"]):
        assert (bits(rows_fast(*case)) != bits(rows_python(*case))).any()


@pytest.mark.parametrize("cc", COMPILERS)
def test_a_quotient_by_fused_multiply_add_is_the_quotient(cc: str) -> None:
    """Twins of the division: tests/parity/learn_divide.c, over all mantissas of float32."""
    flags = ["-O3", NATIVE]
    divide = program("learn_divide", ["tests/parity/learn_divide.c"], folders=(), flags=flags, cc=cc)
    done = subprocess.run([str(divide)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
