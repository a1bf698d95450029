"""host/models/quantise.py and firmware/core/quantise.c choose the same scales and write the same image, bit for bit."""

from __future__ import annotations

import itertools
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from host.core.image import decode, encode
from host.core.infer import infer, quantise_inputs, self_test
from host.core.wire import LAYERS_MAX, NAME_BYTES, UNITS_MAX, Activation, Reason
from host.errors import NeuronError
from host.models.dense import Dense
from host.models.quantise import default_ranges, quantise
from tests.programs import COMPILERS, program

WANTED = struct.Struct(f"<6Id{LAYERS_MAX + 1}H{LAYERS_MAX}B{NAME_BYTES}s2B4x")
MODELS = 200


@dataclass(frozen=True)
class Case:
    """Layers, rows, type of the parameters, the lamp's threshold and output or class, and how outputs are scaled."""

    layers: list[Dense]
    x: np.ndarray
    dtype: type
    threshold: float = 0.0
    led_output: int = 0
    led_class: bool = False
    shared: bool = False


def record(case: Case) -> bytes:
    """What the board would be told: parameters in their own type, ranges, rows of the self-test."""
    layers, x, dtype = case.layers, case.x, case.dtype
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
        case.led_output,
        len(parameters),
        case.threshold,
        *(units + [0] * (LAYERS_MAX + 1 - len(units))),
        *([int(layer.activation) for layer in layers] + [0] * (LAYERS_MAX - len(layers))),
        b"twin",
        case.led_class,
        case.shared,
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
    x = rng.normal(size=(int(rng.integers(1, 9)), units[0])) * 10.0 ** rng.uniform(-3, 4)
    if rng.random() < 0.5:  # far from 0, some of them so far that float32 is coarser than they lie apart
        away = rng.normal(size=units[0]) * 10.0 ** rng.uniform(-2, 9.5, units[0])
        x += np.where(rng.random(units[0]) < 0.6, away, 0.0)
    if depth == 1 or rng.random() < 0.5:  # outputs of different sizes
        size = (10.0 ** rng.uniform(-4, 4, units[-1])).astype(dtype).astype(np.float64)
        last = layers[-1]
        weights = (last.weights * size[:, None]).astype(dtype).astype(np.float64)
        bias = (last.bias * size).astype(dtype).astype(np.float64)
        layers[-1] = Dense(weights, bias, last.activation)
    if rng.random() < 0.5:
        layers[-1] = replace(layers[-1], activation=Activation.IDENTITY)
    led_class = bool(rng.random() < 0.3)
    classes = max(units[-1], 2) if led_class else units[-1]
    return Case(
        layers,
        x.astype(np.float32),
        dtype,
        float(rng.normal()) * (rng.random() < 0.5),
        int(rng.integers(0, classes)),
        led_class,
        bool(rng.random() < 0.3),
    )


@dataclass
class Compared:
    """Images that are the same by all, cases that all refused, and images with a part that only some have."""

    images: int = 0
    refused: int = 0
    offsets: int = 0
    output_fractions: int = 0


def compare(cases: list[Case]) -> Compared:
    request = b"".join(map(record, cases))
    answers = {}
    for cc in COMPILERS:
        binary = program("quantiser", ["tests/parity/quantiser.c"], cc=cc)
        answers[cc] = subprocess.run([str(binary)], input=request, capture_output=True, check=True).stdout
    answer, done = answers[COMPILERS[0]], Compared()
    assert all(other == answer for other in answers.values())
    for case in cases:
        reason, _, length = struct.unpack_from("<3I", answer)
        image, answer = answer[12 : 12 + length], answer[12 + length :]
        x = case.x.astype(np.float64)
        try:
            model, _ = quantise(
                "twin",
                case.layers,
                x,
                led_threshold=case.threshold,
                led_output=case.led_output,
                led_class=case.led_class,
                shared_outputs=case.shared,
            )
        except NeuronError:
            assert length == 0
            assert reason in (Reason.FRACTION, Reason.LENGTH)
            done.refused += 1
            continue
        assert reason == Reason.NONE
        self_test(decode(image))
        # The host chooses other rows for its self-test; all else is the same, to the last bit.
        rows = quantise_inputs(model, x)
        same = replace(model, vector_inputs=rows, vector_outputs=infer(model, rows))
        assert encode(same) == image
        done.images += 1
        done.offsets += any(model.input_offset)
        done.output_fractions += len(set(model.output_fraction)) > 1
    assert answer == b""
    return done


def test_random_models_become_the_same_image() -> None:
    rng = np.random.default_rng(485)
    done = compare([random_case(rng) for _ in range(MODELS)])
    assert done.images > MODELS // 2
    assert done.refused > 5
    assert done.offsets > MODELS // 10
    assert done.output_fractions > MODELS // 10


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
                yield Case([Dense(weight, np.zeros(2), next(activations))], x, dtype)
            for value in itertools.chain.from_iterable(around(v, dtype) for v in biases):
                bias = np.array([value * scale, next(others)])
                yield Case([Dense(np.full((2, 1), next(others)), bias, next(activations))], x, dtype)
        for value in (2e9, 1e-41, smallest, float(np.finfo(dtype).max)):
            for activation in Activation:
                weight = np.array([[1e-41], [value]])
                yield Case([Dense(weight, np.array([value, -value]), activation)], x, dtype)
    for top in (32766, 32767, 32767.5, 32768):
        for value, exponent in itertools.product(around(top / 2, np.float32), (0, -3, -16, -45)):
            for sign in (1, -1):
                inputs = np.array([[sign * value * 2.0**exponent]], np.float32)
                yield Case([Dense(np.ones((1, 1)), np.zeros(1), Activation.STEP)], inputs, np.float32)


def test_scales_are_the_same_at_the_edges_of_every_integer() -> None:
    done = compare(list(edge_cases()))
    assert done.images > 400
    assert done.refused > 20
