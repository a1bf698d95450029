"""host/models/bounds.py: no error is larger than its bound, and the bound of a deep network still says something."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from host.core.image import Model
from host.core.infer import dequantise_outputs, infer, quantise_inputs
from host.core.wire import Activation
from host.data.dataset import Dataset
from host.models.bounds import error_bounds
from host.models.dense import Dense, Float, reference
from host.models.quantise import default_ranges, quantise
from host.models.report import fixed_sums
from host.show.tables import quantisation

NETWORKS, ROWS = 200, 3000
HIDDEN = [Activation.RELU] * 3 + [Activation.TANH, Activation.SIGMOID, Activation.STEP, Activation.IDENTITY]


def he(rng: np.random.Generator, units: list[int], hidden: Activation, last: Activation) -> list[Dense]:
    """Layers of random weights that keep the size of their values, and small biases."""
    layers = []
    for inputs, outputs in itertools.pairwise(units):
        activation = last if len(layers) == len(units) - 2 else hidden
        scale = np.sqrt((2 if hidden is Activation.RELU else 1) / inputs)
        weights = rng.normal(size=(outputs, inputs)) * scale
        layers.append(Dense(weights, rng.normal(size=outputs) * 0.1, activation))
    return layers


def rows_within(rng: np.random.Generator, ranges: list[tuple[float, float]], count: int) -> Float:
    """Rows in the ranges, a third of them corners, a third with most inputs at an end."""
    low, high = np.array(ranges).T
    at: Float = rng.uniform(size=(count, len(ranges)))
    at[: count // 3] = at[: count // 3].round()
    ends = rng.random(at.shape) < 0.8
    ends[2 * count // 3 :] = False
    at[ends] = at[ends].round()
    inside: Float = np.clip(low + at * (high - low), low, high)
    return inside


def errors(model: Model, layers: list[Dense], x: Float) -> tuple[Float, Float]:
    """The largest error of the sums before a last step, or of none, and of the outputs, an entry each."""
    q = quantise_inputs(model, x)
    sums, outputs = reference(layers, x)
    of_outputs = np.abs(dequantise_outputs(model, infer(model, q)) - outputs).max(axis=0)
    of_sums = np.abs(fixed_sums(model, q) - sums).max(axis=0)
    return of_sums if layers[-1].activation is Activation.STEP else np.zeros(1), of_outputs


def test_no_error_of_hundreds_of_networks_is_larger_than_its_bound() -> None:
    rng = np.random.default_rng(37)
    nearest = 0.0
    for _ in range(NETWORKS):
        units = rng.integers(1, 17, rng.integers(2, 9)).tolist()
        layers = he(rng, units, HIDDEN[rng.integers(len(HIDDEN))], Activation(int(rng.integers(5))))
        middle = (
            rng.normal(size=units[0]) * 10.0 ** rng.uniform(-1, 5, units[0]) * (rng.random(units[0]) < 0.5)
        )
        width = 10.0 ** rng.uniform(-1, 1, units[0])
        ranges = list(zip((middle - width).tolist(), (middle + width).tolist(), strict=True))
        # As a scaler is folded into them: what lies far from 0 is taken off again.
        layers[0] = Dense(
            layers[0].weights / width,
            layers[0].bias - layers[0].weights @ (middle / width),
            layers[0].activation,
        )
        layers[-1].weights[:] *= (10.0 ** rng.uniform(-3, 3, units[-1]))[:, np.newaxis]
        x = rows_within(rng, ranges, ROWS)
        model, _ = quantise("deep", layers, x, ranges=ranges, shared_outputs=bool(rng.random() < 0.3))
        sums, outputs = error_bounds(model, layers, ranges)
        of_sums, of_outputs = errors(model, layers, x)
        assert (of_sums <= sums).all()
        assert (of_outputs <= outputs).all()
        nearest = max(nearest, float((of_outputs / np.maximum(outputs, 1e-300)).max()))
    assert nearest > 0.5  # a bound far from any error would prove nothing here


@pytest.mark.parametrize(("depth", "most"), [(2, 5), (4, 15), (6, 30), (8, 65)])
def test_the_bound_of_a_deep_relu_network_is_not_far_from_what_is_seen(depth: int, most: float) -> None:
    """Intervals, layer by layer, are at 6, 36, 173 and 777 times the error seen."""
    ratios = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        layers = he(rng, [10, *[16] * (depth - 1), 3], Activation.RELU, Activation.IDENTITY)
        ranges = [(-2.0, 2.0)] * 10
        x = rows_within(rng, ranges, ROWS)
        model, _ = quantise("deep", layers, x, ranges=ranges)
        ratios.append(error_bounds(model, layers, ranges)[1].max() / errors(model, layers, x)[1].max())
    assert np.median(ratios) < most


def test_a_bound_that_says_nothing_is_not_said() -> None:
    """Eight layers of tanh can pass on every error that none of the data meets."""
    rng = np.random.default_rng(1)
    layers = he(rng, [10, *[16] * 7, 3], Activation.TANH, Activation.IDENTITY)
    x = rng.uniform(-1, 1, (500, 10))
    model, report = quantise("deep", layers, x)
    bound = error_bounds(model, layers, default_ranges(x))[1].max()
    assert bound > 50 * report.error_observed > 0
    assert report.error_bound is None
    data = Dataset("deep", tuple(f"x{i}" for i in range(10)), ("y",), x, x[:, 0], range(len(x)))
    said = f"error of the output: no useful bound, {report.error_observed:.2g} on the data"
    assert said in "\n".join(quantisation(report, data))
    _, shallow = quantise("shallow", layers[:1], x)
    assert shallow.error_bound is not None


def test_what_cancels_in_a_sum_cancels_in_its_bound() -> None:
    """A difference of two equal units is exact, whatever each of them is."""
    layers = [
        Dense(np.full((2, 1), 0.3), np.zeros(2), Activation.IDENTITY),
        Dense(np.array([[1.0, -1.0]]), np.zeros(1), Activation.IDENTITY),
    ]
    model, report = quantise("difference", layers, np.array([[1.0]]))
    step = 2.0 ** -model.layers[0].out_fraction
    # Each is rounded for itself, and the difference once more; the input's and the weight's error are the same in both.
    assert report.error_bound is not None
    assert report.error_bound <= 1.51 * step
