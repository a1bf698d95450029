"""The models that are counted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from host.core.image import Layer, Model, encode
from host.core.infer import infer
from host.core.senses import Source
from host.core.wire import IMAGE_MAX, Activation, Feature
from host.models.dense import Dense
from host.models.quantise import quantise
from host.models.report import Report

DEPLOY_BYTES = 4096
SIZES = ("24-16-4", "32-24-8", "64-48-10", "64-16-16-16-8-16-16-64")
NARROW, WIDE = "10-7-10 narrow", "10-7-10 wide"
NETWORKS = (NARROW, WIDE, *SIZES)
SIGNAL = ("a0=sine:50", "d0=pulse:40")
SOURCES = (Source(0, Feature.RMS, 1, 5, -100), Source(8, Feature.COUNT, 100, 0, 0))
"""What simulated nodes hear, and what their models make of it."""


def small_models() -> dict[str, Model]:
    """Single neurons, by name."""
    return {
        "w·x": _neuron("wx", [0.5], 0.0, Activation.IDENTITY),
        "AND": _neuron("and", [1.0, 1.0], -1.5, Activation.STEP),
        "logistic neuron": _neuron("logistic", [1.0, 1.0], -1.5, Activation.SIGMOID),
    }


def _neuron(name: str, weights: Sequence[float], bias: float, activation: Activation) -> Model:
    rows = [[float(number >> i & 1) for i in range(len(weights))] for number in range(1 << len(weights))]
    return quantise(name, [Dense(np.array([weights]), np.array([bias]), activation)], rows)[0]


def he_network(name: str) -> tuple[Model, Report]:
    """As the quantiser makes a network for inputs of -1..1 of He's weights and small biases, from one seed, with what
    that cost. ReLU; the last layer of the larger ones is identity.

    name: one of NETWORKS. The weights of 10-7-10 wide are so alike that neither layer's sums fit 32 bits.
    """
    rng = np.random.default_rng(1)
    units = [int(number) for number in name.split()[0].split("-")]
    layers: list[Dense] = []
    for inputs, outputs in itertools.pairwise(units):
        if name == WIDE:
            weights = rng.uniform(0.5, 1, (outputs, inputs))
        else:
            weights = rng.normal(0, np.sqrt(2 / inputs), (outputs, inputs))
        last = len(layers) == len(units) - 2 and name not in (NARROW, WIDE)
        activation = Activation.IDENTITY if last else Activation.RELU
        layers.append(Dense(weights, rng.normal(0, 0.1, outputs), activation))
    rows, ranges = rng.uniform(-1, 1, (300, units[0])), [(-1, 1)] * units[0]
    return quantise(name, layers, rows, ranges=ranges, shared_outputs=True)


def four_kib_image() -> bytes:
    """A model whose image has exactly 4096 bytes."""
    return _image("4 KiB", DEPLOY_BYTES, (48, 29, 4))


def eight_kib_image() -> bytes:
    """One whose image has exactly as many bytes as a node takes."""
    return _image("8 KiB", IMAGE_MAX, (48, 56, 13))


def _image(name: str, size: int, sizes: tuple[int, ...]) -> bytes:
    rng = np.random.default_rng(size)
    layers = tuple(
        Layer(
            rng.integers(-300, 300, (outputs, inputs)).astype(np.int16),
            rng.integers(-999, 999, outputs).astype(np.int32),
            Activation.RELU,
            20,
            8,
        )
        for inputs, outputs in itertools.pairwise(sizes)
    )
    x = rng.integers(-3000, 3000, (8, sizes[0])).astype(np.int16)
    model = Model(name, (12,) * sizes[0], layers, 0, 0, x, np.empty((len(x), 0), dtype=np.int16))
    image = encode(replace(model, vector_outputs=infer(model, x)))
    if len(image) != size:
        raise AssertionError(f"an image of {len(image)} bytes")
    return image
