"""host/models/formats.py: an input far from 0 and an output beside a larger one keep their bits."""

from __future__ import annotations

import numpy as np
import pytest

from host.core.image import Names, decode, encode, image_size, parts_size
from host.core.infer import (
    class_of,
    clipped_inputs,
    dequantise_inputs,
    dequantise_outputs,
    infer,
    led,
    out_of_range,
    quantise_inputs,
    self_test,
)
from host.core.wire import IMAGE_MAX, UNITS_MAX, VECTORS_MAX, Activation
from host.data.dataset import BUILT_IN, Dataset, synthetic
from host.models.dense import Dense, Float, reference
from host.models.quantise import SELF_TEST_LEAST, default_ranges, quantise
from host.show.tables import quantisation

IDENTITY = Activation.IDENTITY


def line(slope: float, bias: float) -> list[Dense]:
    return [Dense(np.array([[slope]]), np.array([bias]), IDENTITY)]


def column(low: float, high: float, count: int = 400) -> Float:
    """Values as they travel, in float32."""
    return np.linspace(low, high, count).astype(np.float32).astype(np.float64).reshape(-1, 1)


# ---------------------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize(
    ("low", "high", "offset", "fraction"),
    [
        (290.0, 310.0, 300.0, 11),  # from 0: 6
        (99_500.0, 100_500.0, 100_000.0, 6),  # from 0: -2
        (-20.0, -19.0, -19.5, 15),  # from 0: 10
        (1.7e9, 1.7e9 + 2e6, 1.701e9, -5),  # from 0: -16; the offset is a float32
        (0.0, 300.0, 0.0, 6),  # an offset gains a single bit
        (-5.0, 5.0, 0.0, 12),
        (20.0, 300.0, 0.0, 6),  # one bit as well
        (5e12, 5e12 + 1e9, 5.0004999e12, -14),  # more than a node holds without an offset
        (7.0, 7.0, 7.0, 31),
    ],
)
def test_an_input_far_from_0_costs_no_bits_for_the_way(
    low: float, high: float, offset: float, fraction: int
) -> None:
    model, _ = quantise("far", line(1e-6, 0.0), np.array([[low], [high]]), ranges=[(low, high)])
    assert model.input_offset == (float(np.float32(offset)),)
    assert model.input_fraction == (fraction,)
    q = quantise_inputs(model, [[low], [high]])
    assert q.ravel().tolist() == [*model.input_low, *model.input_high]
    assert not clipped_inputs(model, [[low], [high]]).any()
    assert not out_of_range(model, q).any()
    beyond = [[low - 0.01 * abs(low)], [high + 0.01 * abs(high)]]
    if low < high:
        assert out_of_range(model, quantise_inputs(model, beyond)).tolist() == [[low != 0], [True]]


@pytest.mark.parametrize(
    ("low", "high", "slope", "most"),
    [(290.0, 310.0, 1.0, 2e-3), (99_950.0, 100_050.0, 0.01, 2e-4), (1.7e9, 1.7e9 + 2e6, 1e-6, 4e-4)],
)
def test_a_line_over_such_an_input_is_as_exact_as_over_one_near_0(
    low: float, high: float, slope: float, most: float
) -> None:
    layers, x = line(slope, -slope * (low + high) / 2), column(low, high)
    model, report = quantise("far", layers, x)
    assert report.error_bound is not None
    assert report.error_observed <= report.error_bound < most
    outputs = dequantise_outputs(model, infer(model, quantise_inputs(model, x)))
    assert np.abs(outputs - reference(layers, x)[1]).max() == report.error_observed
    assert decode(encode(model)).input_offset == model.input_offset != (0.0,)
    self_test(decode(encode(model)))


def test_the_self_test_is_the_same_to_who_reads_it_back_as_float32() -> None:
    """A board in training gets it so. Here float32 is about as coarse as the model's own steps."""
    rng = np.random.default_rng(3)
    for _ in range(300):
        middle = rng.choice([-1, 1]) * 2.0 ** rng.uniform(5, 30)
        width = abs(middle) * 2.0 ** rng.uniform(-12, -3)
        x = rng.uniform(middle - width, middle + width, (60, 1))
        model, _ = quantise("back", line(1 / width, -middle / width), x)
        rows = model.vector_inputs
        assert (quantise_inputs(model, dequantise_inputs(model, rows)) == rows).all()


def test_data_far_from_0_are_widened_by_their_own_width() -> None:
    x = np.array([[290.0, -310.0, 0.0, 3.0, -2.0, 5.0, 1e5], [310.0, -290.0, 1.0, 4.0, 3.0, 5.0, 1e5 + 1]])
    assert default_ranges(x) == [
        (270, 330),
        (-330, -270),
        (0, 2),
        (0, 8),
        (-4, 6),
        (0, 10),
        (1e5 - 1, 1e5 + 2),
    ]


def test_the_built_in_sets_are_as_the_articles_have_them() -> None:
    for data in [*BUILT_IN.values(), synthetic()]:
        low, high = data.x.min(axis=0), data.x.max(axis=0)
        expected = zip(np.minimum(2 * low, 0).tolist(), np.maximum(2 * high, 0).tolist(), strict=True)
        assert default_ranges(data.x) == list(expected)


def test_where_float32_is_coarser_than_the_model_it_is_said() -> None:
    x = column(1.7e9, 1.7e9 + 1e6)
    _, report = quantise("time", line(1e-6, -1701.0), x, names=Names(inputs=("time",)))
    (note,) = report.notes
    assert note.startswith(
        "time: values up to 1.702e+09 travel as float32, in steps of 128; the model could tell 64 apart"
    )
    data = Dataset("time", ("time",), ("y",), x, x[:, 0], range(len(x)))
    assert "in steps of 128" in " ".join("\n".join(quantisation(report, data)).split())
    _, unnamed = quantise("time", line(1e-6, -1701.0), x)
    assert unnamed.notes[0].startswith("input 1: ")
    for low, high in ((290.0, 310.0), (0.0, 1e9), (-1.0, 1.0), (1e5, 1.1e5)):
        _, fine = quantise("fine", line(1 / high, 0.0), column(low, high))
        assert fine.notes == []


# --------------------------------------------------------------------------------------------------- outputs


def two_sizes(rng: np.random.Generator, small: float, large: float) -> tuple[list[Dense], Float]:
    """A network of one hidden layer; its outputs are of these sizes."""
    hidden = Dense(rng.normal(size=(8, 3)), rng.normal(size=8), Activation.TANH)
    last = rng.normal(size=(2, 8)) * np.array([[small], [large]])
    bias = rng.normal(size=2) * [small, large]
    return [hidden, Dense(last, bias, IDENTITY)], rng.uniform(-1, 1, (500, 3))


def test_an_output_of_a_hundredth_beside_one_of_100000_are_both_right() -> None:
    layers, x = two_sizes(np.random.default_rng(2), 0.01, 1e5)
    model, report = quantise("sizes", layers, x)
    wanted = reference(layers, x)[1]
    got = dequantise_outputs(model, infer(model, quantise_inputs(model, x)))
    assert (np.abs(got - wanted).max(axis=0) < 1e-3 * np.abs(wanted).max(axis=0)).all()
    assert min(model.output_fraction) == model.layers[-1].out_fraction < max(model.output_fraction) - 20
    assert decode(encode(model)).output_fraction == model.output_fraction == tuple(report.output_fraction)
    shared, _ = quantise("shared", layers, x, shared_outputs=True)
    assert len(set(shared.output_fraction)) == 1
    assert (dequantise_outputs(shared, infer(shared, quantise_inputs(shared, x)))[:, 0] == 0).all()


@pytest.mark.parametrize("bias", [0.0, 300.0, 1e5])
def test_one_shift_for_all_outputs_costs_none_of_them_much(bias: float) -> None:
    """An output far from 0 has coarse steps and would like a large shift; one near 0 would not."""
    rng = np.random.default_rng(5)
    weights, x = rng.normal(size=(2, 6)), rng.uniform(-1, 1, (500, 6))
    errors = []
    for rows in ([0, 1], [0], [1]):
        layers = [Dense(weights[rows], np.array([0.0, bias])[rows], IDENTITY)]
        model, _ = quantise("rows", layers, x, ranges=[(-1.0, 1.0)] * 6)
        got = dequantise_outputs(model, infer(model, quantise_inputs(model, x)))
        errors.append(np.abs(got - reference(layers, x)[1]).max(axis=0))
    together, alone = errors[0], np.concatenate(errors[1:])
    assert (together <= 6 * alone).all()


def test_no_output_is_coarser_than_with_one_scale_for_all() -> None:
    rng = np.random.default_rng(8)
    finer = 0
    for _ in range(60):
        units = rng.integers(2, 33, 2).tolist()
        layers = [Dense(rng.normal(size=units[::-1]), rng.normal(size=units[1]), IDENTITY)]
        x = rng.uniform(-1, 1, (9, units[0]))
        own, _ = quantise("own", layers, x)
        shared, _ = quantise("shared", layers, x, shared_outputs=True)
        assert min(own.output_fraction) >= shared.output_fraction[0]
        finer += max(own.output_fraction) > shared.output_fraction[0]
    assert finer > 10


def test_what_is_no_linear_last_layer_has_one_scale() -> None:
    layers, x = two_sizes(np.random.default_rng(2), 0.01, 1e5)
    for activation in Activation:
        last = [Dense(layers[1].weights, layers[1].bias * 0, activation)]
        model, _ = quantise("last", [layers[0], *last], x)
        assert (len(set(model.output_fraction)) > 1) == (activation is IDENTITY)


# ---------------------------------------------------------------------------------------------- LED and names


def test_a_class_lights_the_led() -> None:
    layers, x = two_sizes(np.random.default_rng(4), 1.0, 1.0)
    model, _ = quantise(
        "class", layers, x, led_class=True, led_output=1, led_threshold=99.0, shared_outputs=True
    )
    outputs = infer(model, quantise_inputs(model, x))
    assert (led(model, outputs) == (class_of(model, outputs) == 1)).all()
    assert 0 < led(model, outputs).sum() < len(x)
    single = [Dense(np.array([[1.0, 0.0, 0.0]]), np.zeros(1), Activation.SIGMOID)]
    for wanted in (0, 1):
        model, _ = quantise("class", single, x, led_class=True, led_output=wanted, led_threshold=0.5)
        lit = led(decode(encode(model)), infer(model, quantise_inputs(model, x)))
        assert lit.tolist() == ((x[:, 0] > 2e-4) == bool(wanted)).tolist() or np.abs(x[:, 0]).min() < 2e-4


def test_names_travel_where_there_is_room() -> None:
    x = np.random.default_rng(0).normal(size=(200, UNITS_MAX))
    names = Names(tuple(f"column {i}" for i in range(UNITS_MAX)), ("kind",), ("no", "yes"))

    def of(units: int) -> tuple[int, Names, list[str]]:
        hidden = Dense(np.ones((units, UNITS_MAX)) / UNITS_MAX, np.zeros(units), Activation.TANH)
        last = Dense(np.ones((1, units)), np.zeros(1), Activation.SIGMOID)
        model, report = quantise("named", [hidden, last], x, names=names)
        assert report.image_bytes <= IMAGE_MAX
        return len(model.vector_inputs), decode(encode(model)).names, report.notes

    vectors, kept, notes = of(20)
    assert (vectors, kept, notes) == (VECTORS_MAX, names, [])
    vectors, kept, notes = of(44)  # names take room of the self-test's
    assert SELF_TEST_LEAST <= vectors < VECTORS_MAX
    assert (kept, notes) == (names, [])
    vectors, kept, notes = of(53)
    assert kept == Names()
    assert notes == [
        "The names of inputs, outputs and classes are not in the image: there is no room for them."
    ]


def test_a_model_that_fits_only_without_what_it_may_need_is_refused_beforehand() -> None:
    """Ranges, offsets and fractions of outputs count before anything is trained."""
    x = np.random.default_rng(0).normal(size=(5, UNITS_MAX)) + 1000 * np.ones(UNITS_MAX)
    units = next(
        n
        for n in range(UNITS_MAX, 0, -1)
        if image_size([UNITS_MAX, n, 2], 1) + 8 * UNITS_MAX + 4 <= IMAGE_MAX
    )
    layers = [
        Dense(np.ones((units, UNITS_MAX)) * 1e-3, np.zeros(units), Activation.RELU),
        Dense(np.ones((2, units)) * [[1.0], [1e-6]], np.zeros(2), IDENTITY),
    ]
    model, report = quantise("full", layers, x)
    assert parts_size(model) == 8 * UNITS_MAX + 4
    assert report.image_bytes <= IMAGE_MAX
