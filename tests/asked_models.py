"""A model with all that an image can say, for the tests of predict and describe."""

from __future__ import annotations

import numpy as np

from host.core.image import Layer, Model, Names
from host.core.wire import Activation
from tests.e2e.scenario import with_vectors

FLOWERS = with_vectors(
    Model(
        "flowers",
        (8, 10, 12, 12),
        (
            Layer(
                np.array([[64, 0, 100, -100], [-64, 32, 0, 100], [0, -32, 50, 50]], np.int16),
                np.array([0, 1000, -1000], np.int32),
                Activation.IDENTITY,
                14,
                8,
            ),
        ),
        1,
        0,
        np.zeros((1, 4), np.int16),
        np.zeros((1, 3), np.int16),
        input_offset=(300.0, 0.0, 0.0, 0.0),
        input_low=(-2560, 0, 0, 0),
        input_high=(2560, 10240, 4096, 4096),
        led_class=True,
        names=Names(("heat", "width", "colour=red", "colour=blue"), ("kind",), ("rose", "iris", "tulip")),
    ),
    np.array([[0, 0, 4096, 0], [-2560, 5120, 0, 4096], [2560, 10240, 4096, 4096]], np.int16),
)
"""Heat of 290..310 in steps of 2^-8, width 0..10, a colour; the lamp is lit for an iris."""
