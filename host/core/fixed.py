"""Fixed-point scalars: rounding, saturation, the sigmoid and the tanh. Twin of firmware/core/fixed.c.

A number is an int16 q with fraction bits f: value = q * 2**-f. Rounding is half up, everywhere:
floor(v + 1/2). All functions take and give numpy arrays (or scalars) and compute in int64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.wire import FRACTION_MIN

INT16_MIN, INT16_MAX = -(1 << 15), (1 << 15) - 1
INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
VALUE_MAX = math.ldexp(INT16_MAX, -FRACTION_MIN)
"""The largest value that a node can hold."""

Int16 = NDArray[np.int16]
Int64 = NDArray[np.int64]

TANH_STEP_BITS = 7
TANH_TABLE: tuple[int, ...] = tuple(min(INT16_MAX, round(math.tanh(k / 32) * 32768)) for k in range(257))
"""tanh at 0, 1/32 .. 8 in Q0.15; an entry every 2**7 of a Q3.12 argument."""


def fixed_saturate(value: Any) -> Int16:
    """The nearest int16."""
    return np.asarray(np.clip(value, INT16_MIN, INT16_MAX), dtype=np.int16)


def fixed_rescale(acc: Any, shift: int) -> Int16:
    """acc * 2**-shift, rounded half up and saturated; a negative shift goes left.

    acc: int64, |acc| < 2**38 (image limits ensure it); shift: SHIFT_MIN..SHIFT_MAX.
    """
    acc = np.asarray(acc, dtype=np.int64)
    if shift > 0:
        return fixed_saturate((acc + (1 << (shift - 1))) >> shift)
    return fixed_saturate(acc << -shift)


def fixed_from_float(value: Any, fraction: int) -> Int16:
    """float32 value -> q, rounded half up and saturated. NaN is not a number to convert: the caller refuses it."""
    # float64 holds a scaled float32 exactly, and the sum with 1/2 too wherever it is not saturated.
    scaled = np.ldexp(np.asarray(value, dtype=np.float32).astype(np.float64), fraction)
    return fixed_saturate(np.floor(np.clip(scaled, INT16_MIN, INT16_MAX) + 0.5))


def fixed_clips(value: Any, fraction: int) -> NDArray[np.bool_]:
    """Whether fixed_from_float has to saturate: the rounded value is outside of int16. value must not be NaN."""
    scaled = np.ldexp(np.asarray(value, dtype=np.float32).astype(np.float64), fraction)
    return np.asarray((scaled >= INT16_MAX + 0.5) | (scaled < INT16_MIN - 0.5))


def fixed_to_float(q: Any, fraction: int) -> NDArray[np.float32]:
    """q -> float32, exactly."""
    return np.asarray(np.ldexp(np.asarray(q, dtype=np.float32), -fraction), dtype=np.float32)


def fixed_tanh(z: Any) -> Int16:
    """tanh of z in Q3.12, in Q0.15: the table with linear interpolation, odd by construction."""
    z = np.asarray(z, dtype=np.int64)
    magnitude = np.minimum(np.abs(z), INT16_MAX)
    index = magnitude >> TANH_STEP_BITS
    part = magnitude & ((1 << TANH_STEP_BITS) - 1)
    table = np.array(TANH_TABLE, dtype=np.int64)
    low, high = table[index], table[index + 1]
    result = low + (((high - low) * part + (1 << (TANH_STEP_BITS - 1))) >> TANH_STEP_BITS)
    return np.asarray(np.where(z < 0, -result, result), dtype=np.int16)


def fixed_sigmoid(z: Any) -> Int16:
    """1 / (1 + e**-z) of z in Q4.11, in Q0.15, as (1 + tanh(z / 2)) / 2: z / 2 in Q3.12 is the same integer."""
    return fixed_saturate((fixed_tanh(z).astype(np.int64) + 32769) >> 1)
