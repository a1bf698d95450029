"""host/models/quantise.py and firmware/core/quantise.c choose the same scales and write the same image, bit for bit."""

from __future__ import annotations

import itertools
import struct
import subprocess

import numpy as np
import pytest

from host.core.image import decode, encode
from host.core.infer import self_test
from host.core.wire import LAYERS_MAX, NAME_BYTES, UNITS_MAX, Activation, Reason
from host.errors import NeuronError
from host.models.dense import Dense
from host.models.quantise import default_ranges, quantise
from tests.programs import COMPILERS, program

WANTED = struct.Struct(f"<6Id{LAYERS_MAX + 1}H{LAYERS_MAX}B{NAME_BYTES}s6x")
MODELS = 400


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


def random_case(rng: np.random.Generator) -> tuple[list[Dense], np.ndarray, type, float, int]:
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


@pytest.mark.parametrize("cc", COMPILERS)
def test_random_models_become_the_same_image(cc: str) -> None:
    rng = np.random.default_rng(485)
    cases = [random_case(rng) for _ in range(MODELS)]
    binary = program("quantiser", ["tests/parity/quantiser.c"], cc=cc)
    result = subprocess.run(
        [str(binary)], input=b"".join(record(*case) for case in cases), capture_output=True, check=True
    )
    answer, images, refused = result.stdout, 0, 0
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
    assert images > MODELS // 2
    assert refused > 5
