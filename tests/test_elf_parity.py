"""One arithmetic, on the real ELF: infer, fixed, crc and image of the firmware equal host/*.py, with ==."""

from __future__ import annotations

import ctypes
import itertools
from dataclasses import replace

import numpy as np
import pytest
from unicorn import arm_const as arm

from host.core.crc import crc16, crc32
from host.core.fixed import (
    INT16_MAX,
    INT16_MIN,
    INT32_MAX,
    INT32_MIN,
    fixed_from_float,
    fixed_rescale,
    fixed_sigmoid,
    fixed_tanh,
    fixed_to_float,
)
from host.core.image import Layer, Model, decode, encode, image_narrow
from host.core.infer import class_of, infer, led
from host.core.reader import ImageError
from host.core.senses import Senses, Source
from host.core.wire import (
    ANALOG,
    BAND_BINS_MAX,
    DIGITAL,
    RATE_MAX,
    SHIFT_MAX,
    SHIFT_MIN,
    SIGMOID_IN_FRACTION,
    TANH_IN_FRACTION,
    UNITS_MAX,
    WINDOW_MAX,
    WINDOW_TEST,
    Activation,
    Feature,
    Reason,
)
from tests.elf import Machine
from tests.elf.firmware import firmware_elf
from tests.elf.inference import Inference
from tests.models import model_inputs, random_model, worst_model
from tests.parity.twins import BUILDS, Twins, build_id

MODELS, INPUTS = 300, 4


@pytest.fixture(scope="module")
def machine() -> Machine:
    machine = Machine(firmware_elf())
    machine.run_to("node_boot")
    return machine


def check(machine: Machine, model: Model, x: np.typing.NDArray[np.int16]) -> None:
    inference = Inference(machine, encode(model))
    assert inference.reason == (Reason.NONE, 0)
    assert inference.self_test() == (Reason.NONE, 0)
    expected = infer(model, x)
    lamps = led(model, expected)
    classes = class_of(model, expected)
    for row, outputs, lamp, number in zip(x, expected, lamps, classes, strict=True):
        assert inference.infer(row)[0].tolist() == outputs.tolist(), model
        assert inference.led() == lamp
        assert inference.class_number() == number


def test_infer_of_random_models(machine: Machine) -> None:
    rng = np.random.default_rng(407)
    for i in range(MODELS):
        model = random_model(rng, largest=20 if i % 4 else 64, inputs=1 + i % 64 if i % 4 == 0 else None)
        check(machine, model, model_inputs(rng, model, INPUTS + 7)[-INPUTS:])


# --------------------------------------------------------------------------------- where 32 bits are just enough


def end_of_int32(sign: int, over: int) -> int:
    return INT32_MAX + over if sign > 0 else INT32_MIN - over


def edge_model(activation: Activation, shift: int, over: int, sign: int) -> Model:
    """A layer whose first row can reach the end of int32, or `over` beyond it, for inputs of INT16_MIN."""
    base = {Activation.SIGMOID: SIGMOID_IN_FRACTION, Activation.TANH: TANH_IN_FRACTION}.get(activation, 0)
    weights = np.full((3, 5), -sign * 13107, dtype=np.int16)
    weights[1:] = np.arange(10).reshape(2, 5) * 7
    bias = end_of_int32(sign, over) - sign * 5 * 13107 * -INT16_MIN
    out_fraction = {Activation.SIGMOID: 15, Activation.TANH: 15}.get(activation, 0)
    layer = Layer(weights, np.array([bias, -5, 5], dtype=np.int32), activation, base + shift, out_fraction)
    x = np.full((1, 5), INT16_MIN, dtype=np.int16)
    model = Model("edge", (0,) * 5, (layer,), 0, 0, x, np.empty((1, 0), dtype=np.int16))
    return replace(model, vector_outputs=infer(model, x))


def edge_behind(activation: Activation, over: int, sign: int) -> Model:
    """Two layers; the second's outer rows can reach the end of int32, or `over` beyond it, for inputs of 0..INT16_MAX,
    and go far beyond it for negative ones."""
    base = {Activation.SIGMOID: SIGMOID_IN_FRACTION, Activation.TANH: TANH_IN_FRACTION}.get(activation, 0)
    out_fraction = {Activation.SIGMOID: 15, Activation.TANH: 15}.get(activation, 0)
    apart = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.int16)
    first = Layer(apart, np.zeros(3, dtype=np.int32), activation, base, out_fraction)
    row = [sign * 32767, sign * 32767, -sign * 30000]
    bias = end_of_int32(sign, over) - sign * 2 * 32767 * INT16_MAX
    weights = np.array([row, [1, -2, 3], row], dtype=np.int16)
    second = Layer(weights, np.array([bias, 4, bias], dtype=np.int32), Activation.IDENTITY, 16, 0)
    x = np.array([[INT16_MAX, INT16_MIN]], dtype=np.int16)
    model = Model("edge", (0, 0), (first, second), 0, 0, x, np.empty((1, 0), dtype=np.int16))
    return replace(model, vector_outputs=infer(model, x))


def edges_behind() -> list[Model]:
    return [edge_behind(a, over, sign) for a in Activation for over in (0, 1) for sign in (1, -1)]


def edge_models() -> list[Model]:
    models = []
    for activation in Activation:
        for shift in (
            [0] if activation is Activation.STEP else [SHIFT_MIN, 0, 1, 2, 15, 16, 30, 31, 32, 33, SHIFT_MAX]
        ):
            models += [edge_model(activation, shift, over, sign) for over in (0, 1) for sign in (1, -1)]
    return models


def edge_inputs(rng: np.random.Generator, model: Model) -> np.typing.NDArray[np.int16]:
    return np.concatenate([model.vector_inputs, model_inputs(rng, model, 10)])


def test_infer_where_32_bits_are_just_enough(machine: Machine) -> None:
    rng = np.random.default_rng(5)
    models = edge_models()
    narrow = 0
    for model in models:
        check(machine, model, edge_inputs(rng, model))
        narrow += Inference(machine, encode(model)).narrow(0)
    # Two signs; of the shifts 2 to 32, 6 are tried with each of four activations, and the step.
    assert narrow == 2 * (6 * 4 + 1)


def test_infer_where_32_bits_are_just_enough_for_what_is_never_negative(machine: Machine) -> None:
    rng = np.random.default_rng(10)
    narrow = []
    for model in edges_behind():
        check(machine, model, edge_inputs(rng, model))
        if Inference(machine, encode(model)).narrow(1):
            narrow.append(model.layers[0].activation)
    assert narrow == [a for a in (Activation.RELU, Activation.STEP, Activation.SIGMOID) for _sign in (1, -1)]


def test_infer_at_every_length_and_shift(machine: Machine) -> None:
    """Two rows, a last one alone, pairs left over by fours, and every shift of both kernels."""
    rng = np.random.default_rng(11)
    shifts: dict[bool, set[int]] = {True: set(), False: set()}
    for number, (inputs, outputs, largest) in enumerate(
        itertools.product(range(1, 65), (1, 2, 5), (65535, 64 * 32767))
    ):
        activation = (Activation.IDENTITY, Activation.RELU)[int(rng.integers(2))]
        shift = SHIFT_MIN + number // 2 % (SHIFT_MAX - SHIFT_MIN + 1)
        bound = min(32767, largest // inputs)
        weights = rng.integers(-bound, bound + 1, (outputs, inputs)).astype(np.int16)
        bias = rng.integers(-largest, largest + 1, outputs).astype(np.int32)
        x = rng.integers(INT16_MIN, INT16_MAX + 1, (2, inputs)).astype(np.int16)
        layer = Layer(weights, bias, activation, shift, 0)
        model = Model("length", (0,) * inputs, (layer,), 0, 0, x, np.empty((2, 0), dtype=np.int16))
        model = replace(model, vector_outputs=infer(model, x))
        check(machine, model, edge_inputs(rng, model))
        narrow = Inference(machine, encode(model)).narrow(0)
        assert narrow == (2 <= shift <= 32 and image_narrow(bias, weights, INT16_MIN))
        shifts[narrow].add(shift)
    assert shifts[True] == set(range(2, 33))
    assert shifts[False] == set(range(SHIFT_MIN, SHIFT_MAX + 1))


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_the_same_on_the_pc(build: tuple[str, list[str]]) -> None:
    rng = np.random.default_rng(6)
    models = edge_models() + edges_behind()
    inputs = [edge_inputs(rng, model) for model in models]
    cases = [(encode(model), x) for model, x in zip(models, inputs, strict=True)]
    for model, x, run in zip(models, inputs, Twins(build).run(cases, [3] * len(cases)), strict=True):
        assert run.verdict == (Reason.NONE, 0, True)
        assert (run.outputs == infer(model, x)).all(), model


@pytest.mark.parametrize("activation", Activation)
def test_infer_where_the_accumulator_is_largest(machine: Machine, activation: Activation) -> None:
    for shift in [0] if activation is Activation.STEP else (SHIFT_MIN, 0, 16, SHIFT_MAX):
        for sign in (1, -1):
            model = worst_model(activation, shift, sign, 63)
            check(machine, model, model.vector_inputs)


# ------------------------------------------------------------------------------------------------- fixed and crc


def signed(value: float) -> int:
    """The int16 in a register."""
    return (int(value) + 0x8000 & 0xFFFF) - 0x8000


def test_fixed(machine: Machine) -> None:
    rng = np.random.default_rng(7)
    some = [-32768, -32767, -1, 0, 1, 32767, *rng.integers(-32768, 32768, 60).tolist()]
    for q in some:
        assert signed(machine.call("fixed_tanh", q)[0]) == fixed_tanh(np.int16(q))
        assert signed(machine.call("fixed_sigmoid", q)[0]) == fixed_sigmoid(np.int16(q))
        for fraction in (-16, 0, 12, 31):
            value = machine.call("fixed_to_float", q, fraction, returns="f32")[0]
            assert value == fixed_to_float(np.int16(q), fraction)
            for x in (float(value), float(np.float32(value) * np.float32(1.1)), 0.5, -2.5):
                x = float(np.float32(x))
                assert signed(machine.call("fixed_from_float", x, fraction)[0]) == fixed_from_float(
                    x, fraction
                )
    for acc in [*(1 << n for n in range(38)), *rng.integers(-(1 << 38) + 1, 1 << 38, 40).tolist()]:
        for shift in (SHIFT_MIN, 0, 1, 16, 32, 33, SHIFT_MAX):
            result = machine.call("fixed_rescale", ctypes.c_int64(acc), shift)[0]
            assert signed(result) == fixed_rescale(np.int64(acc), shift)


def test_crc(machine: Machine) -> None:
    rng = np.random.default_rng(8)
    for size in (0, 1, 2, 3, 4, 5, 9, 255, 256, 1023):
        data = rng.bytes(size)
        assert machine.call("crc32", data, size)[0] == crc32(data)
        assert machine.call("crc16", data, size)[0] == crc16(data)
    assert machine.call("crc32", b"123456789", 9)[0] == 0xCBF43926
    assert machine.call("crc16", b"123456789", 9)[0] == 0x4B37


# ------------------------------------------------------------------------------------------------------- images


def test_broken_images_are_refused_for_the_same_reason(machine: Machine) -> None:
    rng = np.random.default_rng(9)
    reasons = set()
    for _ in range(150):
        image = bytearray(encode(random_model(rng, largest=6)))
        for _ in range(int(rng.integers(1, 3))):
            at = int(rng.integers(len(image) - 4)) if rng.random() < 0.5 else int(rng.integers(60))
            image[at] = int(rng.integers(256))
        if rng.random() < 0.8:
            image[-4:] = crc32(bytes(image[:-4])).to_bytes(4, "little")
        try:
            decode(bytes(image))
            expected = (Reason.NONE, 0)
        except ImageError as error:
            expected = (error.reason, error.detail)
        assert Inference(machine, bytes(image)).reason == expected
        reasons.add(expected[0])
    assert len(reasons) >= 8


def test_senses_of_random_models(machine: Machine) -> None:
    rng = np.random.default_rng(12)
    sensing = 0
    while sensing < 40:
        model = random_model(rng, largest=8, senses=True)
        if model.senses is None:
            continue
        sensing += 1
        check(machine, model, model.vector_inputs)
        wrong = int(rng.choice([i for i, source in enumerate(model.senses.sources) if source]))
        expected = list(model.senses.expected)
        expected[wrong] ^= 1 << int(rng.integers(32))
        senses = replace(model.senses, expected=tuple(expected))
        inference = Inference(machine, encode(replace(model, senses=senses)))
        assert inference.self_test() == (Reason.SELF_TEST, WINDOW_TEST + wrong)


def test_the_stack_holds_a_window(machine: Machine) -> None:
    """VERIFY comes to the self-test with 1 KiB of the 6 taken."""
    bands = [Source(i % ANALOG, Feature.BAND, 1, 0, 0, (i + 1, i + BAND_BINS_MAX)) for i in range(8)]
    levels = [Source(ANALOG + i, Feature.FREQUENCY, 1, 0, 0) for i in range(DIGITAL)]
    senses = Senses(RATE_MAX, WINDOW_MAX, 1, 485, (*bands, *levels))
    model = random_model(np.random.default_rng(13), inputs=len(senses.sources), largest=UNITS_MAX)
    inference = Inference(machine, encode(replace(model, senses=senses)))
    assert inference.reason == (Reason.NONE, 0)
    low, high = machine.address("_stack_guard") + 32, machine.chip.engine.reg(arm.UC_ARM_REG_SP)
    machine.write(low, b"\xa5" * (high - low))
    assert inference.self_test() == (Reason.NONE, 0)
    untouched = len(machine.read(low, high - low)) - len(machine.read(low, high - low).lstrip(b"\xa5"))
    assert 2 * WINDOW_MAX < high - low - untouched < 2 * WINDOW_MAX + 512
