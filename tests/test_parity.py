"""One arithmetic: host/{fixed,infer,crc,modbus}.py and firmware/core/{fixed,infer,crc,modbus}.c, compared with ==."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from host.core.crc import crc16, crc32
from host.core.fixed import (
    INT16_MAX,
    INT16_MIN,
    TANH_TABLE,
    Int16,
    fixed_clips,
    fixed_from_float,
    fixed_rescale,
    fixed_saturate,
    fixed_sigmoid,
    fixed_tanh,
    fixed_to_float,
)
from host.core.image import Model, encode
from host.core.infer import class_of, infer, led
from host.core.modbus import frame_seal, frame_valid
from host.core.wire import (
    FRACTION_MAX,
    FRACTION_MIN,
    IMAGE_MAX,
    SHIFT_MAX,
    SHIFT_MIN,
    UNITS_MAX,
    Activation,
    Reason,
)
from tests.models import exact_shape, image_size, largest_models, model_inputs, random_model, worst_model
from tests.parity.twins import BUILDS, Record, Twins, build_id
from tools import make_tables
from tools.generate import Generated

MODELS, PAIRS = 700, 1_000_000
MACS_A_MODEL = 1_000_000
"""Small models get more inputs, large ones fewer."""
ACC_MAX = (1 << 38) - 1
EVERY_INT16 = np.arange(INT16_MIN, INT16_MAX + 1).astype(np.int16)


@pytest.fixture(scope="module", params=BUILDS, ids=build_id)
def twins(request: pytest.FixtureRequest) -> Twins:
    return Twins(request.param)


# -------------------------------------------------------------------------------------------------------------- infer

Case = tuple[Model, bytes, Int16, Int16]
"""Model, image, inputs, expected outputs."""


def _case(rng: np.random.Generator, model: Model, count: int) -> Case:
    x = model_inputs(rng, model, count)
    return model, encode(model), x, infer(model, x)


@cache
def random_cases() -> list[Case]:
    rng = np.random.default_rng(485)
    cases = []
    for i in range(MODELS):
        model = random_model(rng, inputs=1 + i if i < UNITS_MAX else None)
        macs = sum(layer.inputs * layer.outputs for layer in model.layers)
        cases.append(_case(rng, model, min(2000, max(100, MACS_A_MODEL // macs))))
    while (missing := PAIRS - sum(len(x) for _, _, x, _ in cases)) > 0:
        cases.append(_case(rng, random_model(rng, largest=6), min(2000, missing)))
    return cases


def compare(twins: Twins, cases: Sequence[Case]) -> int:
    """How many (model, input) pairs gave the same outputs, LED and class and a passed self-test: all of them."""
    runs = twins.run([(image, x) for _, image, x, _ in cases], [model.outputs for model, _, _, _ in cases])
    for (model, _, _, expected), run in zip(cases, runs, strict=True):
        assert run.verdict == (Reason.NONE, 0, True)
        assert (run.outputs == expected).all(), model
        assert (run.leds == led(model, expected)).all(), model
        assert (run.classes == class_of(model, expected)).all(), model
    return sum(len(run.outputs) for run in runs)


def test_infer_of_a_million_random_pairs(twins: Twins) -> None:
    """Under sanitizers of the same models, with one in ten of their inputs."""
    one_in = 10 if twins.sanitized else 1
    cases = [(model, image, x[::one_in], y[::one_in]) for model, image, x, y in random_cases()]
    assert compare(twins, cases) >= PAIRS // one_in


def test_the_random_cases_are_worth_their_number() -> None:
    """They cover every activation, shift and length, and do not all end in saturation."""
    cases = random_cases()
    layers = [layer for model, _, _, _ in cases for layer in model.layers]
    assert {layer.activation for layer in layers} == set(Activation)
    assert {layer.shift for layer in layers} == set(range(SHIFT_MIN, SHIFT_MAX + 1))
    assert {layer.inputs for layer in layers} == set(range(1, UNITS_MAX + 1))
    assert {len(model.layers) for model, _, _, _ in cases} == set(range(1, 9))
    lively = sum(bool(((y > INT16_MIN) & (y < INT16_MAX) & (y != 0)).mean() > 0.3) for _, _, _, y in cases)
    assert lively > 0.2 * len(cases)


def test_infer_at_the_limits(twins: Twins) -> None:
    rng = np.random.default_rng(1)
    models = largest_models(rng)
    assert image_size(exact_shape(), 1) == IMAGE_MAX
    cases = [_case(rng, model, 300) for model in models]
    assert max(len(image) for _, image, _, _ in cases) == IMAGE_MAX
    assert compare(twins, cases) == 300 * len(models)


def test_infer_where_the_accumulator_is_largest(twins: Twins) -> None:
    rng = np.random.default_rng(2)
    cases = []
    for activation in Activation:
        for shift in [0] if activation is Activation.STEP else range(SHIFT_MIN, SHIFT_MAX + 1):
            for sign in (1, -1):
                cases.append(_case(rng, worst_model(activation, shift, sign), 20))
    for inputs in range(1, 65):  # two MACs an instruction: every length, odd ones padded
        cases.append(_case(rng, worst_model(Activation.IDENTITY, 16, 1, inputs), 20))
    assert compare(twins, cases) == 20 * (2 * (4 * (SHIFT_MAX - SHIFT_MIN + 1) + 1) + 64)


# ------------------------------------------------------------------------------------------------------------- fixed


def test_saturate(twins: Twins) -> None:
    edges = [INT16_MIN, INT16_MAX, 0, 1 << 31, -(1 << 31), (1 << 63) - 1, -(1 << 63)]
    values = [v for edge in edges for v in (edge - 1, edge, edge + 1) if -(1 << 63) <= v < 1 << 63]
    array = np.array(values, dtype=np.int64)
    assert twins.scalars("S", array) == fixed_saturate(array).tobytes()
    assert fixed_saturate(array).tolist() == [min(max(v, INT16_MIN), INT16_MAX) for v in values]


def rescale_cases(shift: int) -> list[int]:
    """Rounding ties and their neighbours, saturation corners, the largest accumulators, and some of anything."""
    one = 1 << max(shift, 0)
    targets = [
        0,
        1,
        2,
        3,
        100,
        INT16_MAX - 1,
        INT16_MAX,
        INT16_MAX + 1,
        -1,
        -2,
        -3,
        -100,
        INT16_MIN,
        INT16_MIN - 1,
    ]
    cases = [t * one + half + d for t in targets for half in (0, one // 2) for d in (-1, 0, 1)]
    corners = [t >> -min(shift, 0) for t in (INT16_MIN, INT16_MAX)]
    cases += [c + d for c in corners for d in (-1, 0, 1)]
    cases += [ACC_MAX, -ACC_MAX]
    cases += np.random.default_rng(shift + 100).integers(-ACC_MAX, ACC_MAX, 500).tolist()
    cases += (np.random.default_rng(shift + 200).integers(-ACC_MAX, ACC_MAX, 500) >> 16).tolist()
    return [case for case in cases if abs(case) <= ACC_MAX]


@pytest.mark.parametrize("shift", range(SHIFT_MIN, SHIFT_MAX + 1))
def test_rescale(twins: Twins, shift: int) -> None:
    cases = rescale_cases(shift)
    acc = np.array(cases, dtype=np.int64)
    expected = fixed_rescale(acc, shift)
    assert twins.scalars("R", acc, shift) == expected.tobytes()
    # Exactly, in integers without a limit: floor(acc / 2**shift + 1/2), saturated.
    exact = [(2 * c + (1 << shift)) >> (shift + 1) if shift > 0 else c << -shift for c in cases]
    assert expected.tolist() == [min(max(v, INT16_MIN), INT16_MAX) for v in exact]


def float_cases() -> np.typing.NDArray[np.float32]:
    named = [
        0.5,
        0.49999997,
        0.50000006,
        1.5,
        2.5,
        1 / 3,
        32766.5,
        32767.0,
        32767.5,
        32768.0,
        65504.0,
        3.4028235e38,
    ]
    tiny = [1e-45, 1.1754942e-38, 1.17549435e-38, 2.0**-149, 2.0**-126, math.inf, 0.0]
    powers = [2.0**e for e in range(-149, 128)]
    ties = [k + 0.5 for k in range(-70, 70)] + [
        (k + 0.5) * 2.0**-f for f in range(-16, 32) for k in (0, 1, -2, 32766)
    ]
    values = np.array([*named, *tiny, *powers, *ties], dtype=np.float32)
    with np.errstate(over="ignore"):
        near = [values, np.nextafter(values, np.float32(math.inf)), np.nextafter(values, np.float32(0))]
    bits = (
        np.random.default_rng(3)
        .integers(0, 1 << 32, 20_000, dtype=np.uint64)
        .astype(np.uint32)
        .view(np.float32)
    )
    everything = np.concatenate([*near, *[-part for part in near], bits])
    return everything[~np.isnan(everything)]


@pytest.mark.parametrize("fraction", range(FRACTION_MIN, FRACTION_MAX + 1))
def test_from_float_and_back(twins: Twins, fraction: int) -> None:
    values = float_cases()
    q = fixed_from_float(values, fraction)
    assert twins.scalars("q", values, fraction) == q.tobytes()
    clips = fixed_clips(values, fraction)
    assert twins.scalars("l", values, fraction) == clips.tobytes()
    back = fixed_to_float(EVERY_INT16, fraction)
    assert twins.scalars("f", EVERY_INT16, fraction) == back.tobytes()
    assert (fixed_from_float(back, fraction) == EVERY_INT16).all()
    for value in values[::97].tolist():  # exactly, in rational numbers
        if math.isinf(value):
            assert fixed_clips(value, fraction)
            continue
        numerator, denominator = value.as_integer_ratio()
        numerator, denominator = (
            (numerator << fraction, denominator) if fraction >= 0 else (numerator, denominator << -fraction)
        )
        exact = (2 * numerator + denominator) // (2 * denominator)
        assert fixed_from_float(value, fraction) == min(max(exact, INT16_MIN), INT16_MAX), value
        assert fixed_clips(value, fraction) == (not INT16_MIN <= exact <= INT16_MAX), value


def test_tanh_and_sigmoid_of_every_int16(twins: Twins) -> None:
    assert twins.scalars("t", EVERY_INT16) == fixed_tanh(EVERY_INT16).tobytes()
    assert twins.scalars("s", EVERY_INT16) == fixed_sigmoid(EVERY_INT16).tobytes()


def test_tanh_and_sigmoid_are_near_the_true_functions() -> None:
    z = EVERY_INT16.astype(np.float64)
    t, s = fixed_tanh(EVERY_INT16).astype(np.int64), fixed_sigmoid(EVERY_INT16).astype(np.int64)
    assert np.abs(t - 32768 * np.tanh(z / 4096)).max() < 4  # as core/fixed.h says
    assert np.abs(s - 32768 / (1 + np.exp(-z / 2048))).max() < 3
    assert (np.diff(t) >= 0).all()
    assert (np.diff(s) >= 0).all()
    assert (t[1:] == -t[:0:-1]).all(), "odd"
    assert (t.min(), t.max(), s.min(), s.max()) == (-INT16_MAX, INT16_MAX, 1, INT16_MAX)
    assert (fixed_tanh(0), fixed_sigmoid(0)) == (0, 16384)


def test_tables_are_the_same_on_every_libm() -> None:
    """No entry lies so near a rounding tie that another libm's last bit could move it."""
    exact = [math.tanh(k / 32) * 32768 for k in range(257)]
    assert min(abs(value - math.floor(value) - 0.5) for value in exact) > 1e-6
    assert tuple(min(INT16_MAX, math.floor(value + 0.5)) for value in exact) == TANH_TABLE
    assert Generated("firmware/core/tables.h", make_tables.header()).fresh()


# ----------------------------------------------------------------------------------------------------- crc and modbus


def byte_strings() -> list[bytes]:
    rng = np.random.default_rng(4)
    sizes = [*range(300), 1023, 1024, 4096, 8192]
    return [b"123456789", *[rng.bytes(size) for size in sizes], *[bytes([n]) * 9 for n in range(256)]]


def test_crc(twins: Twins) -> None:
    strings = byte_strings()
    assert twins.ask([Record("c", s) for s in strings]) == [crc32(s).to_bytes(4, "little") for s in strings]
    assert twins.ask([Record("m", s) for s in strings]) == [crc16(s).to_bytes(2, "little") for s in strings]
    assert (crc32(b"123456789"), crc16(b"123456789")) == (0xCBF43926, 0x4B37)


def test_frames(twins: Twins) -> None:
    strings = byte_strings()
    sealed = [frame_seal(s) for s in strings]
    assert twins.ask([Record("e", s) for s in strings]) == sealed
    flipped = [bytes([frame[0] ^ 1]) + frame[1:] for frame in sealed]
    frames = sealed + flipped + strings
    valid = [frame_valid(frame) for frame in frames]
    assert twins.ask([Record("v", frame) for frame in frames]) == [bytes([v]) for v in valid]
    assert {len(f) for f, v in zip(frames, valid, strict=True) if v} == set(range(4, 257))
    assert not any(valid[len(sealed) :])
