"""What a window of samples is made into: integers, then the inputs of a model. Twin of firmware/core/features.c, bit
for bit.

A window is N = 2**k samples r[i], k = 1..10: an analog channel's raw values 0..4095, or a digital one's levels 0 and 1.
With S = sum of r and Q = sum of r**2, isqrt rounding down, a feature is numerator / divisor:

    LAST       r[N-1]                                   1
    MEAN       S                                        N
    MIN, MAX   the least, the largest                   1
    P2P        MAX - MIN                                1
    STD        isqrt(N * Q - S**2)                      N
    RMS        isqrt(N * Q)                             N
    CROSSINGS  how many i >= 1 have (r[i-1] * N < S) != (r[i] * N < S)        1
    BAND       isqrt(sum over bins low..high of |X[b]|**2)                    N
    LEVEL      r[N-1]                                   1
    COUNT      how many i >= 1 have r[i-1] = 0, r[i] = 1: rising edges        1
    FREQUENCY  (edges - 1) * rate * 256 // (index of the last edge - index of the first), 0 of fewer than two    256, Hz

Bin b, 1..N/2 - 1, is the frequency b * rate / N; X[b] is the discrete Fourier transform of x[i] = r[i] - (S >> k) by
G. Goertzel's recurrence (An Algorithm for the Evaluation of Finite Trigonometric Series, Amer. Math. Monthly 65, 1958):
with C and D the cosine and the sine of 2 pi b / N in Q30 from QUARTER_WAVE, s1 = s2 = 0 at first, and Q30 products
rounded half up, round(p) = (p + 2**29) >> 30,

    for each i:  s = x[i] + round(2 C s1) - s2;  s2 = s1;  s1 = s
    then         re = s1 - round(C s2);  im = round(D s2);  |X[b]|**2 = re**2 + im**2

A sine of amplitude A at the middle of a bin gives A/2. A bin by itself is within 2**-13 and an eighth of a raw unit of
the exact transform (tests/test_features.py measures it).

Nothing overflows. With w the angle whose double cosine is the rounded 2 C, s is exactly the sum of
(x[m] + e[m]) * sin((n-m+1) w) / sin w, e the roundings, at most 1/2: |s| <= 4095.5 * sum of |sin(j w)| / sin w. For
N = 1024 and b = 1 or 511 that is 4095.5 * 2 cot(pi/1024) / sin(2 pi/1024) = 4.351e8; all others have at most
4095.5 * N / sin w <= 4095.5 * 1024 / sin(4 pi/1024) = 3.418e8. So |s| < 2**29, 2 C s < 2**60, and 4 s fits into int32.
|X[b]| <= sum of |x| + |e| and what the rounded D adds < 2**22.1: 16 bins give less than 2**49. N * Q < 2**44.

Numerators are below 2**31; an input is offset + round half up of numerator * multiply / 2**shift, saturated to int16:
the product is below 2**62, and 2**63 holds it with its rounding and the offset.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core.fixed import INT16_MAX, INT16_MIN, Int16, Int64, fixed_saturate
from host.core.pcg32 import Pcg32
from host.core.wire import ANALOG, Feature

WAVE_BITS = 10
QUARTER_WAVE: tuple[int, ...] = tuple(
    round(math.cos(2 * math.pi * i / (1 << WAVE_BITS)) * (1 << 30)) for i in range((1 << WAVE_BITS) // 4 + 1)
)
"""The cosine of 0, 1/1024 .. 256/1024 of a turn, Q30."""


def divisor(feature: Feature, count: int) -> int:
    """What a numerator over a window of `count` samples is to be divided by, to be in raw units (of FREQUENCY: Hz)."""
    if feature in (Feature.MEAN, Feature.STD, Feature.RMS, Feature.BAND):
        return count
    return 256 if feature is Feature.FREQUENCY else 1


def numerators(feature: Feature, windows: Any, rate: int = 1, band: tuple[int, int] = (0, 0)) -> Int64:
    """Of each of the windows (n, N): (n,), 0 <= numerator < 2**31. rate: samples a second, FREQUENCY alone looks at it;
    band: BAND's lowest and highest bin, 1 <= low <= high <= N/2 - 1."""
    r = np.asarray(windows, dtype=np.int64)
    return np.asarray(_numerators(feature, r, rate, band), dtype=np.int64)


AT_ONCE = 4096
"""Windows that are measured at once: 32 MiB of the longest."""


def numerators_at(
    feature: Feature, column: Any, starts: Int64, count: int, rate: int, band: tuple[int, int] = (0, 0)
) -> Int64:
    """The same of the windows of `count` samples that begin at these places of a channel's (samples,): (starts,)."""
    within = np.arange(count)
    found = np.empty(len(starts), dtype=np.int64)
    for begin in range(0, len(starts), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        found[some] = numerators(feature, column[starts[some, np.newaxis] + within], rate, band)
    return found


def _numerators(feature: Feature, r: Int64, rate: int, band: tuple[int, int]) -> Any:
    count = r.shape[1]
    match feature:
        case Feature.LAST | Feature.LEVEL:
            return r[:, -1].copy()
        case Feature.MEAN:
            return r.sum(axis=1)
        case Feature.MIN:
            return r.min(axis=1)
        case Feature.MAX:
            return r.max(axis=1)
        case Feature.P2P:
            return np.ptp(r, axis=1)
        case Feature.STD:
            return _isqrt(count * (r * r).sum(axis=1) - r.sum(axis=1) ** 2)
        case Feature.RMS:
            return _isqrt(count * (r * r).sum(axis=1))
        case Feature.CROSSINGS:
            below = r * count < r.sum(axis=1, keepdims=True)
            return np.count_nonzero(below[:, 1:] != below[:, :-1], axis=1)
        case Feature.BAND:
            return _isqrt(_band(r, *band))
        case Feature.COUNT:
            return np.count_nonzero(r[:, 1:] > r[:, :-1], axis=1)
        case Feature.FREQUENCY:
            return _frequency(r[:, 1:] > r[:, :-1], rate)


def _isqrt(values: Int64) -> Int64:
    """The root, rounded down. Below 2**52 float64 cannot round the root of m**2 - 1 up to m: it lies 2**-27 or more
    below, and floats are denser there."""
    return np.sqrt(values).astype(np.int64)


def _band(r: Int64, low: int, high: int) -> Int64:
    """The energy of the bins low..high of each window: all of them side by side, (bins, windows)."""
    count = r.shape[1]
    waves = [_wave(b * (1 << WAVE_BITS) // count) for b in range(low, high + 1)]
    cosine, sine = np.array(waves, dtype=np.int64).T[:, :, np.newaxis]
    s1 = s2 = np.zeros((len(waves), len(r)), dtype=np.int64)
    for x in np.ascontiguousarray((r - r.sum(axis=1, keepdims=True) // count).T):
        s1, s2 = x + _q30(2 * cosine * s1) - s2, s1
    re, im = s1 - _q30(cosine * s2), _q30(sine * s2)
    return np.asarray((re * re + im * im).sum(axis=0), dtype=np.int64)


def _wave(index: int) -> tuple[int, int]:
    """Cosine and sine of index / 1024 of a turn, index 1..511, Q30."""
    quarter = len(QUARTER_WAVE) - 1
    if index <= quarter:
        return QUARTER_WAVE[index], QUARTER_WAVE[quarter - index]
    return -QUARTER_WAVE[2 * quarter - index], QUARTER_WAVE[index - quarter]


def _q30(product: Int64) -> Int64:
    return (product + (1 << 29)) >> 30


def _frequency(edges: NDArray[np.bool_], rate: int) -> Any:
    first = edges.argmax(axis=1)
    span = edges.shape[1] - 1 - edges[:, ::-1].argmax(axis=1) - first
    periods = edges.sum(axis=1) - 1
    return np.where(periods > 0, periods * rate * 256 // np.maximum(span, 1), 0)


def inputs(multiply: int, shift: int, offset: int, numerators: Any) -> tuple[Int16, NDArray[np.bool_]]:
    """Numerators as inputs of a model, and which of them had to be clipped. multiply, offset: int32; shift: 0..62."""
    product = np.asarray(numerators, dtype=np.int64) * multiply
    value = offset + ((product + (1 << shift >> 1)) >> shift)
    return fixed_saturate(value), np.asarray((value < INT16_MIN) | (value > INT16_MAX))


def seeded(seed: int, channel: int, count: int) -> Int64:
    """The window of a self-test, (1, count): raw values of an analog channel, levels of a digital one."""
    random = Pcg32(seed, channel)
    bits = 12 if channel < ANALOG else 1
    return np.array([[random.next() >> (32 - bits) for _ in range(count)]], dtype=np.int64)
