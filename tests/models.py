"""Random fixed-point models for the tests: every shape, activation and extreme that an image may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from host.core.decide import Decision
from host.core.fixed import INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, Int16
from host.core.image import CRC, HEADER, LAYER, Layer, Model, Names, parts_size
from host.core.infer import infer
from host.core.senses import Senses, Source
from host.core.wire import (
    ANALOG,
    BAND_BINS_MAX,
    CHANNELS,
    DELAY_MAX,
    FEATURE_SHIFT_MAX,
    FRACTION_MAX,
    FRACTION_MIN,
    IMAGE_MAX,
    LAYERS_MAX,
    RATE_MAX,
    RATE_MIN,
    SHIFT_MAX,
    SHIFT_MIN,
    SIGMOID_IN_FRACTION,
    STEP_OUT_FRACTION,
    TANH_IN_FRACTION,
    UNIT_OUT_FRACTION,
    UNITS_MAX,
    VECTORS_MAX,
    VOTES_MAX,
    Activation,
    Feature,
)

Generator = np.random.Generator

CORNERS = np.array([INT16_MIN, INT16_MIN + 1, -1, 0, 1, INT16_MAX - 1, INT16_MAX], dtype=np.int16)


def image_size(sizes: Sequence[int], vectors: int) -> int:
    """Bytes of an image of these layer sizes, inputs first."""
    size = HEADER.size + -(-sizes[0] // 4) * 4 + CRC.size
    for inputs, outputs in pairwise(sizes):
        size += LAYER.size + outputs * (4 + 2 * (inputs + inputs % 2))
    return size + -(-vectors * (sizes[0] + sizes[-1]) // 2) * 4


def random_values(rng: Generator, shape: tuple[int, ...]) -> Int16:
    """int16 of one of several kinds: anything, corners only, small, mostly anything with corners strewn in."""
    kind = rng.integers(4)
    anything = rng.integers(INT16_MIN, INT16_MAX + 1, shape).astype(np.int16)
    if kind == 0:
        return anything
    if kind == 1:
        return rng.choice(CORNERS, shape)
    if kind == 2:
        return (anything >> rng.integers(4, 13)).astype(np.int16)
    return np.where(rng.random(shape) < 0.3, rng.choice(CORNERS, shape), anything).astype(np.int16)


def _random_shift(rng: Generator, layer_inputs: int) -> int:
    """Half of them where the output is neither always saturated nor always 0."""
    if rng.random() < 0.5:
        return int(rng.integers(SHIFT_MIN, SHIFT_MAX + 1))
    return int(rng.integers(4, 18 + layer_inputs.bit_length()))


def random_layer(rng: Generator, inputs: int, outputs: int, activation: Activation) -> Layer:
    shift = _random_shift(rng, inputs)
    if activation is Activation.STEP:
        acc_fraction, out_fraction = int(rng.integers(-128, 128)), STEP_OUT_FRACTION
    elif activation is Activation.SIGMOID:
        acc_fraction, out_fraction = SIGMOID_IN_FRACTION + shift, UNIT_OUT_FRACTION
    elif activation is Activation.TANH:
        acc_fraction, out_fraction = TANH_IN_FRACTION + shift, UNIT_OUT_FRACTION
    else:
        out_fraction = int(rng.integers(FRACTION_MIN, FRACTION_MAX + 1))
        acc_fraction = out_fraction + shift
    bias = rng.integers(INT32_MIN, INT32_MAX + 1, outputs) >> rng.integers(0, 31)
    bias = np.where(rng.random(outputs) < 0.1, rng.choice([INT32_MIN, INT32_MAX, 0], outputs), bias)
    weights = random_values(rng, (outputs, inputs))
    return Layer(weights, bias.astype(np.int32), activation, acc_fraction, out_fraction)


def _model(
    rng: Generator, sizes: Sequence[int], activations: Sequence[Activation], vectors: int, name: str
) -> Model:
    layers = [
        random_layer(rng, inputs, outputs, activation)
        for inputs, outputs, activation in zip(sizes[:-1], sizes[1:], activations, strict=True)
    ]
    x = random_values(rng, (vectors, sizes[0]))
    model = Model(
        name=name,
        input_fraction=tuple(rng.integers(FRACTION_MIN, FRACTION_MAX + 1, sizes[0]).tolist()),
        layers=tuple(layers),
        led_output=int(rng.integers(sizes[-1])),
        led_threshold=int(rng.integers(INT16_MIN, INT16_MAX + 1)),
        vector_inputs=x,
        vector_outputs=np.empty((vectors, 0), dtype=np.int16),
    )
    return replace(model, vector_outputs=infer(model, x))


def with_parts(rng: Generator, model: Model) -> Model:
    """The model with some of what only some images have: offsets, ranges, fractions of outputs, names, a class for the
    LED; an image of it may be too long."""
    offsets, ranges, fractions, names, led_class = (rng.random(5) < 0.5).tolist()
    if offsets:
        far = rng.normal(size=model.inputs) * 10.0 ** rng.integers(-30, 30, model.inputs)
        model = replace(model, input_offset=tuple(far.astype(np.float32).tolist()))
    if ranges:
        low, high = np.sort(random_values(rng, (2, model.inputs)), axis=0).tolist()
        model = replace(model, input_low=tuple(low), input_high=tuple(high))
    if fractions:
        found = rng.integers(FRACTION_MIN, FRACTION_MAX + 1, model.outputs).tolist()
        model = replace(model, output_fraction=tuple(found))
    if names:
        said = Names(
            tuple(f"größe {i}" for i in range(model.inputs * int(rng.integers(2)))),
            tuple(f"目标{i}" for i in range(int(rng.choice([0, 1, model.outputs])))),
            tuple(f"c{i}" for i in range(model.classes)),
        )
        model = replace(model, names=said)
    if led_class:
        lit = int(rng.integers(model.classes))
        threshold = model.led_threshold if model.outputs == 1 else 0
        model = replace(model, led_class=True, led_output=lit, led_threshold=threshold)
    if rng.random() < 0.4:
        model = replace(model, release=int(rng.choice([1, 2, 0x01000000, 0x80000000, 0xFFFFFFFF])))
    return model


def random_source(rng: Generator, window: int) -> Source:
    channel = int(rng.integers(CHANNELS))
    first, last = (Feature.LAST, Feature.BAND) if channel < ANALOG else (Feature.LEVEL, Feature.FREQUENCY)
    feature = Feature(int(rng.integers(first, last + 1)))
    band = (0, 0)
    if feature is Feature.BAND:
        if window < 4:
            return random_source(rng, window)
        low = int(rng.integers(1, window // 2))
        band = low, min(low + int(rng.integers(BAND_BINS_MAX)), window // 2 - 1)
    multiply, offset = rng.integers(INT32_MIN, INT32_MAX + 1, 2).tolist()
    return Source(channel, feature, multiply, int(rng.integers(FEATURE_SHIFT_MAX + 1)), offset, band)


def random_senses(rng: Generator, inputs: int) -> Senses:
    """Of any channels and features, some inputs of the bus; long windows are rare, as they take their time."""
    window = 2 ** int(rng.integers(1, 6) if rng.random() < 0.9 else rng.integers(6, 11))
    sources = [random_source(rng, window) if rng.random() < 0.7 else None for _ in range(inputs)]
    sources[int(rng.integers(inputs))] = random_source(rng, window)
    rate, hop, seed = rng.integers([RATE_MIN, 1, 0], [RATE_MAX + 1, 0x10000, 1 << 32]).tolist()
    return Senses(rate, window, hop, seed, tuple(sources))


def random_decision(rng: Generator, threshold: int, led_class: bool) -> Decision:
    of = int(rng.integers(1, VOTES_MAX + 1))
    delays = (rng.integers(DELAY_MAX + 1, size=3) >> rng.integers(0, 31, 3)).tolist()
    off = None if led_class else int(rng.integers(INT16_MIN, threshold + 1))
    return Decision(off, int(rng.integers(1, of + 1)), of, *delays, *(rng.random(2) < 0.5).tolist())


def with_senses(rng: Generator, model: Model) -> Model:
    """The model with inputs that come from channels, a decision that takes its time, or both."""
    senses, decides = (rng.random(2) < 0.6).tolist()
    if senses:
        model = replace(model, senses=random_senses(rng, model.inputs))
    if decides:
        model = replace(model, decision=random_decision(rng, model.led_threshold, model.led_class))
    return model


def random_model(
    rng: Generator,
    *,
    largest: int = UNITS_MAX,
    inputs: int | None = None,
    name: str = "random",
    senses: bool = False,
) -> Model:
    """A model that fits an image; its self-test vectors hold. Half of them have what only some images have; senses and
    a decision only where they are asked for: a node then decides otherwise than infer alone."""
    while True:
        layers = int(rng.integers(1, LAYERS_MAX + 1)) if rng.random() < 0.5 else 1
        limit = min(largest, 3 * 2 ** int(rng.integers(6)))
        sizes = rng.integers(1, limit + 1, layers + 1).tolist()
        if inputs is not None:
            sizes[0] = inputs
        vectors = int(rng.integers(1, VECTORS_MAX + 1)) if rng.random() < 0.2 else 1
        if image_size(sizes, vectors) <= IMAGE_MAX:
            activations = [Activation(int(a)) for a in rng.integers(len(Activation), size=layers)]
            model = _model(rng, sizes, activations, vectors, name)
            richer = with_parts(rng, model) if rng.random() < 0.5 else model
            if senses and richer is not model:
                richer = with_senses(rng, richer)
            fits = image_size(sizes, vectors) + parts_size(richer) <= IMAGE_MAX
            return richer if fits else model


def largest_models(rng: Generator) -> list[Model]:
    """The limits themselves: 8192 bytes exactly, 8 layers, 64 units, 32 vectors."""
    shapes: list[tuple[list[int], int]] = [
        (exact_shape(), 1),
        ([UNITS_MAX, 32, 4, UNITS_MAX, 8], 4),
        ([16] * (LAYERS_MAX + 1), VECTORS_MAX),
        ([1] * (LAYERS_MAX + 1), VECTORS_MAX),
        ([UNITS_MAX, 58], 1),
        ([UNITS_MAX - 1, 59], 1),
        ([1, UNITS_MAX, 56], 1),
    ]
    models = []
    for sizes, count in shapes:
        for activation in Activation:
            models.append(_model(rng, sizes, [activation] * (len(sizes) - 1), count, "largest"))
    return models


def exact_shape() -> list[int]:
    """Layer sizes of an image of exactly IMAGE_MAX bytes with one vector."""
    for hidden in range(UNITS_MAX, 0, -1):
        for outputs in range(UNITS_MAX, 0, -1):
            for last in range(1, UNITS_MAX + 1):
                sizes = [UNITS_MAX, hidden, outputs, last]
                if image_size(sizes, 1) == IMAGE_MAX:
                    return sizes
    raise AssertionError("no shape fills an image exactly")


def worst_model(activation: Activation, shift: int, sign: int, inputs: int = UNITS_MAX) -> Model:
    """One layer whose accumulator is as large as any image's can be, for inputs of INT16_MIN."""
    base = {Activation.SIGMOID: SIGMOID_IN_FRACTION, Activation.TANH: TANH_IN_FRACTION}.get(activation, 0)
    unit = activation in (Activation.SIGMOID, Activation.TANH)
    layer = Layer(
        np.full((3, inputs), INT16_MIN if sign > 0 else INT16_MAX, dtype=np.int16),
        np.array([INT32_MAX, INT32_MIN, 0] if sign > 0 else [INT32_MIN, INT32_MAX, 0], dtype=np.int32),
        activation,
        base + shift,
        UNIT_OUT_FRACTION if unit else 0,
    )
    x = np.full((1, inputs), INT16_MIN, dtype=np.int16)
    model = Model("worst", (0,) * inputs, (layer,), 0, 0, x, np.empty((1, 0), dtype=np.int16))
    return replace(model, vector_outputs=infer(model, x))


def model_inputs(rng: Generator, model: Model, count: int) -> NDArray[np.int16]:
    """Inputs to try on a model: every kind, the corners together first."""
    parts = [np.full((1, model.inputs), corner, dtype=np.int16) for corner in CORNERS]
    while sum(len(part) for part in parts) < count:
        parts.append(random_values(rng, (-(-count // 4), model.inputs)))
    return np.ascontiguousarray(np.concatenate(parts)[:count])
