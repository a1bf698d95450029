"""host/models/quantise.py: nothing saturates, no error exceeds its bound, and the report says what is true.

The bound is checked against exact rational arithmetic wherever the activations allow it.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.core.fixed import INT16_MAX, INT16_MIN
from host.core.image import Model, decode, encode
from host.core.infer import dequantise_outputs, infer, infer_layer, led, quantise_inputs, self_test
from host.core.wire import IMAGE_MAX, UNITS_MAX, VECTORS_MAX, Activation
from host.data.dataset import BUILT_IN
from host.errors import NeuronError
from host.models.bounds import error_bounds
from host.models.dense import Dense, Float, reference
from host.models.quantise import default_ranges, quantise
from host.models.report import Report, Unlisted
from host.show.tables import decisions_in_words

AND = BUILT_IN["and"]
AND_W, AND_B = [0.4514297388906616, 0.2369025056182418], -0.611635769357402


def bound_of(model: Model, layers: list[Dense], report: Report) -> float:
    """The bound on what report.error_observed is of, useful or not."""
    sums, outputs = error_bounds(model, layers, report.ranges)
    return float((sums if report.error_of == "sum" else outputs).max())


def neuron(w: list[float], b: float, activation: Activation = Activation.IDENTITY) -> Dense:
    return Dense(np.array([w]), np.array([b]), activation)


def quantise_and() -> tuple[Model, Report]:
    return quantise("and", [neuron(AND_W, AND_B, Activation.STEP)], AND.x)


# ------------------------------------------------------------------------------------------- exact reference


def exact_sums(model: Model, layers: list[Dense], x: list[float]) -> tuple[list[Fraction], list[Fraction]]:
    """(true sums, fixed-point sums) of the last layer for one row, for layers of identity, relu and step."""
    true = [Fraction(v) for v in x]
    fixed = quantise_inputs(model, [x])
    for index, (layer, quantised) in enumerate(zip(layers, model.layers, strict=True)):
        sums = [
            sum((Fraction(w) * v for w, v in zip(row, true, strict=True)), Fraction(b))
            for row, b in zip(layer.weights.tolist(), layer.bias.tolist(), strict=True)
        ]
        if index + 1 == len(layers):
            acc = [
                (int(b) + sum(int(w) * int(v) for w, v in zip(row, fixed[0], strict=True)))
                * Fraction(2) ** -quantised.acc_fraction
                for row, b in zip(quantised.weights, quantised.bias, strict=True)
            ]
            return sums, acc
        if layer.activation is Activation.STEP:
            true = [Fraction(v > 0) for v in sums]
        else:
            true = [max(v, Fraction(0)) if layer.activation is Activation.RELU else v for v in sums]
        fixed = infer_layer(quantised, fixed)
    raise AssertionError("no layers")


def unsaturated(model: Model, x: Float) -> bool:
    """Whether no scale saturates on these inputs: identity and relu layers, computed without saturation."""
    q = quantise_inputs(model, x).astype(np.int64)
    for layer in model.layers:
        acc = q @ layer.weights.T.astype(np.int64) + layer.bias
        wide = (acc + (1 << layer.shift >> 1)) >> layer.shift if layer.shift > 0 else acc << -layer.shift
        if layer.activation is Activation.RELU:
            wide = np.maximum(wide, 0)
        scaled = layer.activation in (Activation.IDENTITY, Activation.RELU)
        if scaled and (wide.min() < INT16_MIN or wide.max() > INT16_MAX):
            return False
        q = infer_layer(layer, q.astype(np.int16)).astype(np.int64)
    return True


away = st.sampled_from([0.0, 0.0, -3.0, 20.0, -300.0, 1e4, 1e7])
"""Of a range from 0, in its own width: from none to where float32 is coarser than the range is wide."""
magnitudes = st.sampled_from([1e-9, 1e-4, 0.1, 1.0, 7.0, 300.0, 1e4])


@st.composite
def stacks(draw: st.DrawFn, activations: list[Activation]) -> tuple[list[Dense], list[tuple[float, float]]]:
    """Layers with weights of mixed sizes and zeros, and input ranges of mixed widths."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    layers = []
    for inputs, outputs in itertools.pairwise(sizes):
        scale = draw(st.floats(1e-3, 4.0))
        unit = st.one_of(st.just(0.0), st.floats(-1, 1, width=32))
        weights = [[scale * draw(unit) for _ in range(inputs)] for _ in range(outputs)]
        bias = [scale * draw(unit) for _ in range(outputs)]
        layers.append(Dense(np.array(weights), np.array(bias), draw(st.sampled_from(activations))))
    ranges = []
    for _ in range(sizes[0]):
        width, far = draw(magnitudes), draw(away)
        low = (draw(st.floats(-1, 1)) + far) * width
        ranges.append((low, low + draw(st.floats(0, 2)) * width))
        layers[0].weights[:, len(ranges) - 1] /= max(1.0, abs(far))
    return layers, ranges


def samples(ranges: list[tuple[float, float]], count: int, seed: int) -> Float:
    """Rows inside the ranges, corners first."""
    low, high = np.array(ranges).T
    inside: Float = np.random.default_rng(seed).uniform(0, 1, (count, len(ranges)))
    inside[: count // 2] = inside[: count // 2].round()
    inside = np.clip(low + inside * (high - low), low, high)
    return inside


@settings(max_examples=300, deadline=None)
@given(stacks(list(Activation)), st.integers(0, 2**32 - 1))
def test_no_error_exceeds_its_bound_and_nothing_saturates(
    stack: tuple[list[Dense], list[tuple[float, float]]], seed: int
) -> None:
    layers, ranges = stack
    x = samples(ranges, 40, seed)
    model, report = quantise("any", layers, x, ranges=ranges)
    assert report.error_observed <= bound_of(model, layers, report)
    assert unsaturated(model, x)
    for decision in report.decisions:
        assert decision.unchanged or not decision.proven
    assert decode(encode(model)) is not None
    self_test(model)


@settings(max_examples=150, deadline=None)
@given(
    stacks([Activation.IDENTITY, Activation.RELU, Activation.STEP]),
    st.sampled_from([0, 2, 4]),
    st.integers(0, 99),
)
def test_the_bound_holds_exactly(
    stack: tuple[list[Dense], list[tuple[float, float]]], last: int, seed: int
) -> None:
    layers, ranges = stack
    layers[-1] = replace(layers[-1], activation=Activation.STEP)
    x = samples(ranges, 8, seed)
    model, report = quantise("any", layers, x, ranges=ranges)
    bound = bound_of(model, layers, report)
    for row in x.tolist():
        true, fixed = exact_sums(model, layers, row)
        assert max(abs(a - b) for a, b in zip(true, fixed, strict=True)) <= Fraction(bound)


@pytest.mark.parametrize("activation", [Activation.SIGMOID, Activation.TANH])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_the_tables_error_is_within_its_bound_everywhere(activation: Activation, scale: float) -> None:
    x = np.linspace(-1, 1, 20001).reshape(-1, 1)
    _, report = quantise("curve", [neuron([scale], 0.1, activation)], x, ranges=[(-1, 1)])
    assert report.error_bound is not None
    assert report.error_observed <= report.error_bound
    assert report.error_bound < 0.01 * max(scale, 0.1)


# -------------------------------------------------------------------------------------------- the AND neuron


def test_and_decides_as_float_and_that_is_proven() -> None:
    model, report = quantise_and()
    assert infer(model, quantise_inputs(model, AND.x)).tolist() == [[0], [0], [0], [1]]
    assert led(model, infer(model, quantise_inputs(model, AND.x))).tolist() == [False, False, False, True]
    assert [(d.proven, d.unchanged) for d in report.decisions] == [(True, True)] * 4
    assert report.margin == AND_W[0] + AND_W[1] + AND_B
    assert report.error_bound < 1e-4 < report.margin
    assert report.image_bytes == len(encode(model))
    assert report.layers[0].narrow


def test_a_decision_too_near_to_0_is_not_called_proven() -> None:
    x = np.array([[0.1], [0.5]])
    _, report = quantise("near", [neuron([1.0], -0.1 - 1e-7, Activation.STEP)], x, ranges=[(0, 1)])
    assert [d.proven for d in report.decisions] == [False, True]


def test_a_changed_decision_is_seen() -> None:
    # 0.3 is not a multiple of 2^-14: what float puts just above 0, fixed point puts below.
    x = np.array([[0.3]])
    _, report = quantise("near", [neuron([1.0], -0.3 + 1e-9, Activation.STEP)], x, ranges=[(0, 1)])
    assert [(d.proven, d.unchanged) for d in report.decisions] == [(False, False)]


def test_the_report_is_json() -> None:
    _, report = quantise_and()
    assert json.loads(json.dumps(report.as_dict()))["error_bound"] == report.error_bound


# ------------------------------------------------------------------------------------------- scales and ends


def test_each_input_has_its_own_scale() -> None:
    x = np.array([[0.0, 0.0], [1.0, 1000.0]])
    model, _ = quantise("mixed", [neuron([1.0, 0.001], 0.0)], x, ranges=[(0, 1), (0, 1000)])
    assert model.input_fraction == (14, 5)
    assert dequantise_outputs(model, infer(model, quantise_inputs(model, x))).tolist() == [[0], [2]]


@pytest.mark.parametrize(
    ("low", "high", "fraction"),
    [(0, 1, 14), (-1, 0, 15), (0, 2, 13), (0, 32767, 0), (0, 32768, -1), (0, 2147418112, -16), (0, 1e-9, 31)],
)
def test_an_inputs_scale_is_the_finest_that_holds_its_range(low: float, high: float, fraction: int) -> None:
    model, _ = quantise("one", [neuron([1e-6], 0.0)], np.array([[high]]), ranges=[(low, high)])
    assert model.input_fraction == (fraction,)
    ends = np.ldexp(np.array([low, high], np.float32).astype(np.float64), fraction)
    assert quantise_inputs(model, [[low], [high]]).ravel().tolist() == np.floor(ends + 0.5).tolist()


@pytest.mark.parametrize("w", [0.0, 1e-300, 1e-9, 1e-4, 0.49999, 1.0, 1.99994, 32767.0, 32768.0, 1e6])
@pytest.mark.parametrize("b", [0.0, 1e-12, 0.7, -1e5])
@pytest.mark.parametrize("activation", list(Activation))
def test_weights_of_any_size(w: float, b: float, activation: Activation) -> None:
    x = np.linspace(-3, 3, 13).reshape(-1, 1)
    layers = [neuron([w], b, activation), neuron([0.5], 0.1)]
    model, report = quantise("size", layers, x)
    assert report.error_observed <= bound_of(model, layers, report)
    assert unsaturated(model, x)


def test_a_column_of_zeros_still_has_a_range() -> None:
    x = np.array([[1.0, 0.0], [2.0, 0.0]])
    assert default_ranges(x) == [(0, 4), (-1, 1)]
    layers = [neuron([1.0, 0.5], 0.0)]
    model, report = quantise("zero", layers, x)
    assert report.error_observed <= bound_of(model, layers, report)
    assert infer(model, quantise_inputs(model, [[1, 1]])).shape == (1, 1)


def test_32_bits_are_kept_to_where_a_bit_of_precision_buys_them() -> None:
    x = np.ones((1, 2))
    _, near = quantise("near", [neuron([0.9, 0.9], 0.9)], x, ranges=[(0, 1)] * 2)
    assert near.layers[0].narrow
    _, far = quantise("far", [neuron([0.9] * 8, 0.9)], np.ones((1, 8)), ranges=[(0, 1)] * 8)
    assert not far.layers[0].narrow


@pytest.mark.parametrize(
    ("before", "fraction"),
    [(Activation.RELU, 15), (Activation.SIGMOID, 15), (Activation.STEP, 15), (Activation.TANH, 14)],
)
def test_behind_what_is_never_negative_32_bits_need_not_cost_a_bit(before: Activation, fraction: int) -> None:
    """Of weights of both signs only the one or the other can then add up."""
    hidden = Dense(np.eye(4), np.zeros(4), before)
    _, report = quantise("behind", [hidden, neuron([0.9, -0.9, 0.9, -0.9], 0.0)], np.ones((1, 4)))
    assert report.layers[1].narrow
    assert report.layers[1].weight_fraction == [fraction] * 4


@pytest.mark.parametrize(
    ("layers", "ranges", "says"),
    [
        ([neuron([1e12], 0.0)], [(0, 1)], "outputs reach 1e"),
        ([neuron([1e12], 0.0, Activation.TANH)], [(0, 1)], "too large for a node"),
        ([neuron([1.0], 0.0)], [(0, 3e9)], "more than a node holds"),
        ([neuron([float("nan")], 0.0)], [(0, 1)], "not a finite number"),
        ([neuron([1.0], 0.0)] * 9, [(0, 1)], "9 layers, a node takes at most 8"),
        ([neuron([1.0], 0.0)], [(1, 0)], "ends swapped"),
        ([neuron([1.0], 0.0)], [(0, 0.5)], "beyond the declared range 0..0.5"),
        ([neuron([1.0], 0.0)], [(0, 1), (0, 1)], "2 input ranges for 1 inputs"),
    ],
)
def test_what_a_node_cannot_hold_is_one_line(
    layers: list[Dense], ranges: list[tuple[float, float]], says: str
) -> None:
    with pytest.raises(NeuronError) as error:
        quantise("bad", layers, np.array([[1.0]]), ranges=ranges)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_sizes_beyond_a_node_are_one_line() -> None:
    wide = Dense(np.ones((1, UNITS_MAX + 1)), np.zeros(1), Activation.IDENTITY)
    with pytest.raises(NeuronError, match="65 inputs or outputs"):
        quantise("wide", [wide], np.ones((1, UNITS_MAX + 1)))
    deep = [Dense(np.ones((64, 64)), np.zeros(64), Activation.RELU)] * 2
    with pytest.raises(NeuronError, match=f"longer than the {IMAGE_MAX} bytes"):
        quantise("deep", deep, np.ones((1, 64)))


# ----------------------------------------------------------------------------------------- self-test and LED


def test_vectors_are_data_rows_then_corners() -> None:
    model, _ = quantise_and()
    values = (model.vector_inputs / 2.0**13).tolist()
    assert values[:4] == AND.x.tolist()
    assert [2.0, 2.0] in values[4:]
    assert (infer(model, model.vector_inputs) == model.vector_outputs).all()


def test_vectors_are_spread_over_many_rows() -> None:
    x = np.arange(1000.0).reshape(-1, 1)
    model, _ = quantise("many", [neuron([1.0], 0.0)], x, ranges=[(0, 1000)])
    assert len(model.vector_inputs) == VECTORS_MAX
    rows = model.vector_inputs.ravel() / 2.0 ** model.input_fraction[0]
    assert rows[0] == 0
    assert rows[-1] == 999
    assert np.diff(rows).max() <= 33


def test_vectors_give_way_to_a_large_model() -> None:
    generator = np.random.default_rng(0)
    layer = Dense(generator.normal(size=(50, 64)), np.zeros(50), Activation.TANH)
    model, report = quantise("large", [layer], generator.normal(size=(50, 64)))
    assert 1 <= len(model.vector_inputs) < VECTORS_MAX
    assert report.image_bytes <= IMAGE_MAX


@pytest.mark.parametrize("threshold", [4.0, 4.0001, 0.0, -2.5])
def test_the_led_is_lit_strictly_above_the_threshold(threshold: float) -> None:
    x = np.linspace(-3, 3, 601).reshape(-1, 1)
    model, _ = quantise("led", [neuron([2.0], 0.0)], x, led_threshold=threshold)
    outputs = infer(model, quantise_inputs(model, x))
    shown = dequantise_outputs(model, outputs)[:, 0].astype(np.float64)
    assert led(model, outputs).tolist() == (shown > threshold).tolist()


def test_a_threshold_between_0_and_1_of_a_step_still_lights() -> None:
    layer = neuron([1.0], 0.0, Activation.STEP)
    model, _ = quantise("led", [layer], np.array([[1.0]]), led_threshold=0.5)
    assert led(model, infer(model, quantise_inputs(model, [[-1], [1]]))).tolist() == [False, True]


def test_a_threshold_the_output_cannot_reach_is_refused() -> None:
    with pytest.raises(NeuronError, match="LED threshold of 99"):
        quantise("led", [neuron([2.0], 0.0)], np.array([[1.0]]), led_threshold=99.0)


def test_a_name_that_is_not_ascii_still_travels() -> None:
    model, _ = quantise("温度", [neuron([1.0], 0.0)], np.array([[1.0]]))
    assert decode(encode(model)).name == "??"


def test_reference_is_the_plain_formula() -> None:
    layers = [
        Dense(np.array([[1.0], [-1.0]]), np.array([0.5, 0.5]), Activation.RELU),
        neuron([1.0, 2.0], 0.0),
    ]
    sums, outputs = reference(layers, np.array([[2.0], [-2.0]]))
    assert sums.tolist() == outputs.tolist() == [[2.5], [5.0]]


def test_of_many_decisions_the_telling_ones_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted stays the same; the changed rows and those nearest to 0 are there, in their order."""
    x = np.linspace(-1, 1, 400).reshape(-1, 1)
    layers = [Dense(np.array([[1.0]]), np.array([1e-9]), Activation.STEP)]
    x[[7, 300, 350], 0] = 0.0, 1e-9, -1e-12
    _, whole = quantise("step", layers, x, ranges=[(-1000.0, 1000.0)])
    monkeypatch.setattr("host.models.report.DECISIONS_MAX", 20)
    _, some = quantise("step", layers, x, ranges=[(-1000.0, 1000.0)])
    assert (len(whole.decisions), whole.unlisted) == (400, Unlisted())
    assert len(some.decisions) == 20
    changed = [d for d in whole.decisions if not d.unchanged]
    assert [d for d in some.decisions if not d.unchanged] == changed != []
    nearest = sorted((d for d in whole.decisions if d.unchanged), key=lambda d: abs(d.sums[0]))
    wanted = [*changed, *nearest[: 20 - len(changed)]]
    assert some.decisions == [d for d in whole.decisions if d in wanted]
    assert some.unlisted.decisions == 380
    assert some.unlisted.proven + sum(d.proven for d in some.decisions) == sum(
        d.proven for d in whole.decisions
    )
    assert decisions_in_words(some) == decisions_in_words(whole)
    monkeypatch.setattr("host.models.report.DECISIONS_MAX", 1)
    _, one = quantise("step", layers, x, ranges=[(-1000.0, 1000.0)])
    assert one.decisions == changed[:1]
    assert one.unlisted.changed == len(changed) - 1
    assert decisions_in_words(one) == decisions_in_words(whole)
