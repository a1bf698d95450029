"""What was learnt from standardised values becomes a model of raw ones. Twin of firmware/core/scale.c, bit for bit.

A column of values is standardised as (value - mean) / deviation. Of a layer w x + b

    outputs    w = w deviation      b = b deviation + mean                            of the output's column
    inputs     w = w / deviation    b = b - (0 + w0 mean0 + w1 mean1 + ...)           of the inputs' columns

in plain float64, inputs in order, with the w that there are by then. A network's inputs are those of its first layer,
its outputs those of its last, which is linear; where that is the same layer, the outputs come first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def scale_outputs(
    weights: Float, bias: Float, mean: Sequence[float], deviation: Sequence[float]
) -> tuple[Float, Float]:
    """weights: (outputs, inputs); bias, mean, deviation: (outputs,). deviation: above 0."""
    return weights * np.array(deviation)[:, np.newaxis], bias * np.array(deviation) + np.array(mean)


def scale_inputs(
    weights: Float, bias: Float, mean: Sequence[float], deviation: Sequence[float]
) -> tuple[Float, Float]:
    """weights: (outputs, inputs); bias: (outputs,); mean, deviation: (inputs,). deviation: above 0; an infinite one
    takes nothing of its input."""
    weights = weights / np.array(deviation)
    shift = np.zeros(len(bias))
    for column, of_column in zip(weights.T, mean, strict=True):
        shift = shift + column * of_column
    return weights, bias - shift
