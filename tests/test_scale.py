"""One arithmetic: host/core/scale.py and firmware/core/scale.c, compared with ==, and what they are for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from host.core.scale import scale_inputs, scale_outputs
from tests.parity.twins import BUILDS, Record, Twins, build_id

KINDS = {"i": scale_inputs, "o": scale_outputs}
SHAPES = [(1, 1), (3, 1), (64, 64), (5, 7), (2, 9)]


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("what", KINDS)
def test_twins(what: str, bias: bool, build: tuple[str, list[str]]) -> None:
    random, records, expected = np.random.default_rng(1), [], []
    for inputs, outputs in SHAPES:
        columns = inputs if what == "i" else outputs
        w, b = random.normal(size=(outputs, inputs)), random.normal(size=outputs) * bias
        mean = random.normal(size=columns) * 10.0 ** random.integers(-9, 9, columns) * bias
        deviation = 10.0 ** random.uniform(-9, 9, columns)
        deviation[0] = math.inf if what == "i" else 1.0
        layer = np.concatenate([w.ravel(), b] if bias else [w.ravel()])
        columns_there = np.stack([mean, deviation], axis=1)
        records.append(Record(what, layer.tobytes(), -outputs if bias else outputs, columns_there.tobytes()))
        w, b = KINDS[what](w, b, mean.tolist(), deviation.tolist())
        expected.append(np.concatenate([w.ravel(), b] if bias else [w.ravel()]).tobytes())
    assert Twins(build).ask(records) == expected


def test_a_model_of_standardised_values_becomes_one_of_raw_values() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(50, 3)) * [1e-3, 5.0, 1e6] + [0.2, 300.0, 1.7e9]
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    w, b = random.normal(size=(2, 3)), random.normal(size=2)
    wanted = (((x - mean) / deviation) @ w.T + b) * [30.0, 0.01] + [1000.0, -7.0]
    raw, shift = scale_outputs(w, b, [1000.0, -7.0], [30.0, 0.01])
    raw, shift = scale_inputs(raw, shift, mean.tolist(), deviation.tolist())
    assert x @ raw.T + shift == pytest.approx(wanted, rel=1e-9)


def test_an_infinite_deviation_takes_nothing_of_its_input() -> None:
    w, b = scale_inputs(np.array([[2.0, 3.0]]), np.array([1.0]), [5.0, 7.0], [2.0, math.inf])
    assert (w.tolist(), b.tolist()) == ([[1.0, 0.0]], [-4.0])
