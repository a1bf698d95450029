"""Where a network begins."""

from __future__ import annotations

import math

from host.core.learn import Config
from host.core.pcg32 import Pcg32
from host.core.wire import Activation


def random_start(config: Config, seed: int, number: int = 0) -> list[float]:
    """Uniform weights, by the seed, and biases of 0: layer by layer, row by row. number: which of several starts of
    that seed.

    Up to sqrt(6 / inputs) (He et al. 2015, for ReLU), below a tanh or sigmoid sqrt(6 / (inputs + outputs)) (Glorot and
    Bengio 2010)."""
    random = Pcg32(seed, 2 * number)  # sequence 1 is the split's
    start: list[float] = []
    for _, inputs, outputs, activation in config.layers:
        bends = activation in (Activation.TANH, Activation.SIGMOID)
        limit = math.sqrt(6 / (inputs + outputs * bends))
        start += [random.uniform(-limit, limit) for _ in range(inputs * outputs)]
        start += [0.0] * (outputs * config.bias)
    return start
