"""host/models/quantise.py and firmware/core/quantise.c choose the same scales and write the same image, bit for bit."""

from __future__ import annotations

import itertools
import struct
import subprocess
from collections.abc import Iterator

import numpy as np

from host.core.image import decode, encode
from host.core.infer import self_test
from host.core.wire import LAYERS_MAX, NAME_BYTES, UNITS_MAX, Activation, Reason
from host.errors import NeuronError
from host.models.dense import Dense
from host.models.quantise import default_ranges, quantise
from tests.programs import COMPILERS, program

WANTED = struct.Struct(f"<6Id{LAYERS_MAX + 1}H{LAYERS_MAX}B{NAME_BYTES}s6x")
MODELS = 400

Case = tuple[list[Dense], np.ndarray, type, float, int]
"""Layers, rows, type of the parameters, threshold of the lamp and its output."""


def record(layers: list[Dense], x: np.ndarray, dtype: type, threshold: float, led_output: int) -> bytes:
    """What the board would be told: parameters in their own type, ranges, rows of the self-test."""
    units = [x.shape[1], *(layer.weights.shape[0] for layer in layers)]
    parameters = np.concatenate(
        [part.ravel() for layer in layers for part in (layer.weights, layer.bias)]
    ).astype(dtype)
    ranges = np.array(default_ranges(x.astype(np.float64)))
    head = WANTED.pack(
        len(layers),
        1,
        dtype is np.float64,
        len(x),
        led_output,
        len(parameters),
        threshold,
        *(units + [0] * (LAYERS_MAX + 1 - len(units))),
        *([int(layer.activation) for layer in layers] + [0] * (LAYERS_MAX - len(layers))),
        b"twin",
    )
    return head + parameters.tobytes() + ranges.tobytes() + x.astype(np.float32).tobytes()


def random_case(rng: np.random.Generator) -> Case:
    depth = int(rng.integers(1, 5))
    units = rng.integers(1, 12, depth + 1)
    if rng.random() < 0.05:
        units[rng.integers(0, depth + 1)] = UNITS_MAX
    dtype = np.float32 if rng.random() < 0.5 else np.float64
    size = 10.0 ** rng.uniform(-6, 5)
    layers = []
    for inputs, outputs in itertools.pairwise(units):
        weights = (rng.normal(size=(outputs, inputs)) * size).astype(dtype).astype(np.float64)
        bias = (rng.normal(size=outputs) * size * rng.choice([0, 1, 100])).astype(dtype).astype(np.float64)
        layers.append(Dense(weights, bias, Activation(int(rng.integers(0, len(Activation))))))
        size = 10.0 ** rng.uniform(-2, 2)
    x = (rng.normal(size=(int(rng.integers(1, 9)), units[0])) * 10.0 ** rng.uniform(-3, 4)).astype(np.float32)
    return layers, x, dtype, float(rng.normal()), int(rng.integers(0, units[-1]))


def compare(cases: list[Case]) -> tuple[int, int]:
    """How many cases became an image, the same by all; and how many all refused."""
    request = b"".join(record(*case) for case in cases)
    answers = {}
    for cc in COMPILERS:
        binary = program("quantiser", ["tests/parity/quantiser.c"], cc=cc)
        answers[cc] = subprocess.run([str(binary)], input=request, capture_output=True, check=True).stdout
    answer, images, refused = answers[COMPILERS[0]], 0, 0
    assert all(other == answer for other in answers.values())
    for layers, x, _, threshold, led_output in cases:
        reason, _, length = struct.unpack_from("<3I", answer)
        image, answer = answer[12 : 12 + length], answer[12 + length :]
        try:
            model, _ = quantise(
                "twin", layers, x.astype(np.float64), led_threshold=threshold, led_output=led_output
            )
        except NeuronError:
            assert length == 0
            assert reason in (Reason.FRACTION, Reason.LENGTH)
            refused += 1
            continue
        assert reason == Reason.NONE
        mine = decode(image)
        self_test(mine)
        # The host chooses other rows for its self-test; all else is the same, to the last bit.
        assert encode(mine) == image
        same = decode(encode(model))
        assert mine.input_fraction == same.input_fraction
        assert (mine.led_output, mine.led_threshold) == (same.led_output, same.led_threshold)
        for ours, theirs in zip(mine.layers, same.layers, strict=True):
            assert (ours.activation, ours.acc_fraction, ours.out_fraction) == (
                theirs.activation,
                theirs.acc_fraction,
                theirs.out_fraction,
            )
            assert (ours.weights == theirs.weights).all()
            assert (ours.bias == theirs.bias).all()
        images += 1
    assert answer == b""
    return images, refused


def test_random_models_become_the_same_image() -> None:
    rng = np.random.default_rng(485)
    images, refused = compare([random_case(rng) for _ in range(MODELS)])
    assert images > MODELS // 2
    assert refused > 5


def around(value: float, dtype: type) -> list[float]:
    """The number, and its neighbours."""
    return [float(np.nextafter(dtype(value), dtype(end))) for end in (-np.inf, value, np.inf)]


def edge_cases() -> Iterator[Case]:
    """Weights, biases and ranges where a rounded value just is, or no longer is, an integer of its size."""
    x = np.array([[0.0], [1.0]], np.float32)
    weights = [32767, 32767.5, 32768, 32768.5, 32769, 1, 0.5]
    biases = [2147483647, 2147483647.5, 2147483648, 2147483648.5]
    for dtype, smallest in ((np.float32, 2.0**-149), (np.float64, 2.0**-1074)):
        others = itertools.cycle((0.0, smallest, 1e-41, 1.0, 0.49999999999999994))
        activations = itertools.cycle(Activation)
        for exponent, sign in itertools.product((-70, -45, 0, 7), (1, -1)):
            scale = sign * 2.0**exponent
            for value in itertools.chain.from_iterable(around(v, dtype) for v in weights):
                weight = np.array([[value * scale], [next(others)]])
                yield [Dense(weight, np.zeros(2), next(activations))], x, dtype, 0.0, 0
            for value in itertools.chain.from_iterable(around(v, dtype) for v in biases):
                bias = np.array([value * scale, next(others)])
                yield [Dense(np.full((2, 1), next(others)), bias, next(activations))], x, dtype, 0.0, 0
        for value in (2e9, 1e-41, smallest, float(np.finfo(dtype).max)):
            for activation in Activation:
                weight = np.array([[1e-41], [value]])
                yield [Dense(weight, np.array([value, -value]), activation)], x, dtype, 0.0, 0
    for top in (32766, 32767, 32767.5, 32768):
        for value, exponent in itertools.product(around(top / 2, np.float32), (0, -3, -16, -45)):
            for sign in (1, -1):
                inputs = np.array([[sign * value * 2.0**exponent]], np.float32)
                yield [Dense(np.ones((1, 1)), np.zeros(1), Activation.STEP)], inputs, np.float32, 0.0, 0


def test_scales_are_the_same_at_the_edges_of_every_integer() -> None:
    images, refused = compare(list(edge_cases()))
    assert images > 400
    assert refused > 20
