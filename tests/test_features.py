"""One arithmetic: host/core/features.py and firmware/core/features.c, compared with ==; and what both compute, by the
definitions alone."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from host.core import features
from host.core.fixed import INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN
from host.core.wire import (
    ANALOG,
    BAND_BINS_MAX,
    CHANNELS,
    FEATURE_SHIFT_MAX,
    RATE_MAX,
    RAW_MAX,
    Feature,
)
from tests.parity.features import SIZES, Twin, Windows, corners, parted, random_raw, square, squares
from tests.parity.twins import BUILDS, build_id

RANDOM = {
    2: 400_000,
    4: 250_000,
    8: 200_000,
    16: 100_000,
    32: 40_000,
    64: 8_000,
    128: 1_500,
    256: 400,
    512: 80,
    1024: 20,
}
"""Analog windows by size: a million, of which most are short."""
LEVELS = {2: 20_000, 4: 40_000, 16: 30_000, 64: 9_000, 256: 900, 1024: 100}
"""Digital ones."""


@pytest.fixture(scope="module", params=BUILDS, ids=build_id)
def twin(request: pytest.FixtureRequest) -> Twin:
    return Twin(request.param)


Case = tuple[Windows, NDArray[np.uint32]]


def compare(twin: Twin, cases: list[Case]) -> int:
    """How many windows gave the same numerators: all of them."""
    for windows, expected in cases:
        assert (twin.numerators(windows) == expected).all(), windows
    return sum(len(expected) for _, expected in cases)


def computed(cases: list[Windows]) -> list[Case]:
    return [(windows, windows.expected()) for windows in cases]


@cache
def random_cases() -> list[Case]:
    """Windows of each size in four batches, each at a stride and with a band of its own."""
    rng = np.random.default_rng(11)
    cases = []
    for (size, rows), stride in itertools.product(RANDOM.items(), (1, 2, 7, 9)):
        band = (0, 0)
        if size > 2:
            low = int(rng.integers(1, size // 2))
            band = low, int(rng.integers(low, min(low + 3, size // 2)))
        cases.append(parted(rng, random_raw(rng, rows // 4, size), stride=stride, band=band))
    return computed(cases)


@cache
def level_cases() -> list[Case]:
    rng = np.random.default_rng(12)
    cases = []
    for (size, rows), bit in itertools.product(LEVELS.items(), range(4)):
        often = rng.random((rows // 4, 1)) ** 2
        levels = np.where(rng.random((rows // 4, size)) < often, 1 << bit, 0)
        words = levels | rng.integers(0, 1 << 16, levels.shape) & ~(1 << bit)
        rate = int(rng.integers(1, RATE_MAX + 1))
        cases.append(parted(rng, words, mask=1 << bit, stride=1 + bit, rate=rate))
    return computed(cases)


@cache
def corner_cases() -> list[Case]:
    rng = np.random.default_rng(13)
    cases = []
    for size in SIZES:
        bands = [(0, 0)] if size == 2 else [(1, 1), (max(1, size // 2 - BAND_BINS_MAX), size // 2 - 1)]
        cases += [parted(rng, corners(size), band=band) for band in bands]
        cases += squares(size)
        edges = corners(size) > RAW_MAX // 2
        cases += [parted(rng, edges * 2, mask=2, rate=rate) for rate in (1, RATE_MAX)]
    return computed(cases)


def test_a_million_random_windows(twin: Twin) -> None:
    assert compare(twin, random_cases()) >= 1_000_000


def test_random_levels(twin: Twin) -> None:
    assert compare(twin, level_cases()) >= 100_000


def test_corner_windows_of_every_size(twin: Twin) -> None:
    compare(twin, corner_cases())


def test_words_that_are_no_samples_harm_nothing(twin: Twin) -> None:
    """A ring may go round while a window is measured, which is then dropped; the sanitizers see what is undefined."""
    rng = np.random.default_rng(17)
    for size in SIZES[1:]:
        samples = np.concatenate([rng.integers(0, 1 << 16, (20, size)), square(size, 1)[np.newaxis] * 16])
        twin.numerators(parted(rng, samples, band=(1, min(16, size // 2 - 1))))


def test_the_cases_are_worth_their_number() -> None:
    """Every feature takes many values; every bin of every size has its square; windows lie in one part and in two."""
    for cases, wanted in ((random_cases(), Feature.BAND), (level_cases(), Feature.FREQUENCY)):
        some = np.concatenate([expected for windows, expected in cases if windows.samples.shape[1] >= 16])
        for feature in Feature:
            if (feature <= Feature.BAND) == (wanted is Feature.BAND) and feature is not Feature.LEVEL:
                assert len(np.unique(some[:, feature])) >= 16, feature
    for windows, _ in random_cases():
        assert 0 < (windows.parts == windows.samples.shape[1]).sum() < len(windows.parts)
    bins = {
        (windows.samples.shape[1], b)
        for windows, _ in corner_cases()
        for b in range(windows.band[0], windows.band[1] + 1)
    }
    assert bins - {(2, 0)} >= {(size, b) for size in SIZES for b in range(1, size // 2)}


# ------------------------------------------------------------------------------------------------- by the definitions


def defined(feature: Feature, r: list[int], rate: int, band: tuple[int, int]) -> int:
    """The numerator, word by word as the docstring has it, in integers without end."""
    count, total, squared = len(r), sum(r), sum(v * v for v in r)
    pairs = list(itertools.pairwise(r))
    rising = [i for i, (before, now) in enumerate(pairs, 1) if before == 0 and now == 1]
    match feature:
        case Feature.LAST | Feature.LEVEL:
            return r[-1]
        case Feature.MEAN:
            return total
        case Feature.MIN:
            return min(r)
        case Feature.MAX:
            return max(r)
        case Feature.P2P:
            return max(r) - min(r)
        case Feature.STD:
            return math.isqrt(count * squared - total**2)
        case Feature.RMS:
            return math.isqrt(count * squared)
        case Feature.CROSSINGS:
            return sum((before * count < total) != (now * count < total) for before, now in pairs)
        case Feature.BAND:
            x = [v - total // count for v in r]
            return math.isqrt(sum(goertzel(x, b)[0] for b in range(band[0], band[1] + 1)))
        case Feature.COUNT:
            return len(rising)
        case Feature.FREQUENCY:
            return (len(rising) - 1) * rate * 256 // (rising[-1] - rising[0]) if len(rising) > 1 else 0


def goertzel(x: list[int], b: int) -> tuple[int, int]:
    """|X[b]|**2, and the farthest that the recurrence went."""

    def rounded(product: int) -> int:
        return (product + (1 << 29)) >> 30

    angle = 2 * math.pi * b / len(x)
    cosine, sine = (round(f(angle) * (1 << 30)) for f in (math.cos, math.sin))
    s1 = s2 = farthest = 0
    for value in x:
        s1, s2 = value + rounded(2 * cosine * s1) - s2, s1
        farthest = max(farthest, abs(s1))
    re, im = s1 - rounded(cosine * s2), rounded(sine * s2)
    return re * re + im * im, farthest


def test_the_python_twin_is_what_it_says() -> None:
    rng = np.random.default_rng(14)
    for size in SIZES:
        rows = max(4, min(40, 4096 // size))
        band = (0, 0) if size == 2 else (1, min(3, size // 2 - 1))
        windows = [
            parted(rng, random_raw(rng, rows, size), band=band),
            parted(rng, corners(size)[::7], band=band),
        ]
        windows.append(parted(rng, rng.integers(0, 2, (rows, size)), mask=1, rate=1234))
        for some in windows:
            expected = some.expected()
            for row, numbers in zip(some.samples.tolist(), expected.tolist(), strict=True):
                for feature in some.wanted:
                    assert numbers[feature] == defined(feature, row, some.rate, some.band), (feature, row)


def test_divisors_give_the_features_in_their_own_units() -> None:
    """Of a sine of amplitude 1000 about 2000 with 20 periods in 256 samples, at 1,000 samples a second."""
    sine = np.rint(2000 + 1000 * np.sin(2 * np.pi * (20 * np.arange(256) + 3) / 256))[np.newaxis]

    def value(feature: Feature, windows: NDArray[np.float64], band: tuple[int, int] = (0, 0)) -> float:
        return float(features.numerators(feature, windows, 1000, band)[0]) / features.divisor(feature, 256)

    assert value(Feature.MEAN, sine) == pytest.approx(2000, abs=0.1)
    assert value(Feature.P2P, sine) == pytest.approx(2000, abs=2)
    assert value(Feature.STD, sine) == pytest.approx(1000 / math.sqrt(2), abs=0.5)
    assert value(Feature.RMS, sine) == pytest.approx(math.hypot(2000, 1000 / math.sqrt(2)), abs=0.5)
    assert value(Feature.CROSSINGS, sine) in (39, 40)
    assert value(Feature.BAND, sine, (20, 20)) == pytest.approx(500, abs=0.5)
    assert value(Feature.BAND, sine, (22, 30)) < 1
    square_wave = (sine > 2000).astype(np.float64)
    assert value(Feature.FREQUENCY, square_wave) == pytest.approx(20 * 1000 / 256, rel=0.01)


@pytest.mark.parametrize("size", SIZES[1:])
def test_a_band_is_near_the_exact_transform(size: int) -> None:
    rng = np.random.default_rng(15)
    samples = np.concatenate([random_raw(rng, 40, size), corners(size)])
    x = samples - samples.sum(axis=1, keepdims=True) // size
    exact = np.abs(np.fft.rfft(x)) ** 2
    for b in {1, 2, size // 8, size // 4, size // 2 - 1} & set(range(1, size // 2)):
        found = features.numerators(Feature.BAND, samples, band=(b, b))
        assert (np.abs(found - np.sqrt(exact[:, b])) <= 2 + size / 8 + np.sqrt(exact[:, b]) / 8192).all()


# ------------------------------------------------------------------------------------------------------------- bounds


def test_the_recurrence_stays_below_its_bound() -> None:
    """For every bin of every size by the sum of weights that the docstring has, with the wave as it is rounded."""
    largest = {}
    for size in SIZES[1:]:
        for b in range(1, size // 2):
            angle = math.acos(round(math.cos(2 * math.pi * b / size) * (1 << 30)) / (1 << 30))
            weights = np.abs(np.sin(np.arange(1, size + 1) * angle)).sum() / math.sin(angle)
            largest[size, b] = (RAW_MAX + 0.5) * weights
    top = sorted(largest, key=lambda key: largest[key], reverse=True)
    assert set(top[:2]) == {(1024, 1), (1024, 511)}
    assert largest[top[0]] == pytest.approx(4.351e8, rel=1e-3)
    assert largest[top[2]] <= 3.418e8
    assert largest[top[0]] < 1 << 29


@pytest.mark.parametrize("b", [1, 511])
def test_the_worst_windows_come_near_the_bound(b: int) -> None:
    """As x has no mean, half of the sum of weights is the most that a window reaches."""
    r = square(1024, b).tolist()
    _, farthest = goertzel([v - sum(r) // 1024 for v in r], b)
    assert 2.1e8 < farthest < 4.351e8 / 2 * 1.01


def test_the_largest_numerators() -> None:
    for size in SIZES:
        full = np.array([[RAW_MAX] * size, [0, RAW_MAX] * (size // 2)])
        assert features.numerators(Feature.RMS, full)[0] == size * RAW_MAX < 1 << 31
        assert features.numerators(Feature.STD, full)[1] == size * RAW_MAX // 2
    pulses = np.array([[0, 1] * 512])
    assert features.numerators(Feature.FREQUENCY, pulses, RATE_MAX)[0] == RATE_MAX * 256 // 2
    assert 511 * RATE_MAX * 256 < 1 << 32, "the product of the C twin"


# ------------------------------------------------------------------------------------------------------------- inputs


def input_cases() -> tuple[NDArray[np.int64], ...]:
    """Corners, ties, and some of anything, the shift such that what comes out is mostly within int16."""
    rng = np.random.default_rng(16)
    ends = itertools.product(
        (0, 1, 2, (1 << 31) - 1),
        (INT32_MIN, -3, -1, 0, 1, 3, INT32_MAX),
        (0, 1, 2, 15, 31, 46, 61, FEATURE_SHIFT_MAX),
        (INT32_MIN, INT16_MIN, -1, 0, INT16_MAX, INT32_MAX),
    )
    numerator = rng.integers(0, 1 << rng.integers(1, 32, 100_000))
    multiply = rng.integers(INT32_MIN, INT32_MAX + 1, 100_000) >> rng.integers(0, 31, 100_000)
    size = np.log2(np.abs(numerator * multiply) + 1).astype(np.int64)
    shift = np.clip(size - rng.integers(0, 18, 100_000), 0, FEATURE_SHIFT_MAX)
    offset = rng.integers(INT16_MIN * 2, INT16_MAX * 2, 100_000)
    some = np.stack([numerator, multiply, shift, offset], axis=1)
    return tuple(np.concatenate([np.array(list(ends), dtype=np.int64), some]).T)


def test_inputs(twin: Twin) -> None:
    numerator, multiply, shift, offset = input_cases()
    values, clipped = twin.inputs(numerator, multiply, shift, offset)
    assert 0.1 < clipped.mean() < 0.9
    for v, c, n, m, s, o in zip(
        *(column.tolist() for column in (values, clipped, numerator, multiply, shift, offset)), strict=True
    ):
        exact = o + (2 * n * m + (1 << s) >> (s + 1))
        assert v == min(max(exact, INT16_MIN), INT16_MAX)
        assert c == (v != exact)


def test_inputs_of_the_python_twin() -> None:
    numerator, multiply, shift, offset = input_cases()
    for n, m, s, o in list(zip(*(c.tolist() for c in (numerator, multiply, shift, offset)), strict=True))[
        ::9
    ]:
        exact = o + (2 * n * m + (1 << s) >> (s + 1))
        value, clipped = features.inputs(m, s, o, [n, n])
        assert value.tolist() == [min(max(exact, INT16_MIN), INT16_MAX)] * 2
        assert clipped.tolist() == [not INT16_MIN <= exact <= INT16_MAX] * 2


def test_seeded_windows(twin: Twin) -> None:
    for seed, channel in itertools.product((0, 1, 485, (1 << 32) - 1), range(CHANNELS)):
        window = features.seeded(seed, channel, 64)
        assert (twin.seeded(seed, channel, 64) == window[0]).all()
        assert window.max() == 1 if channel >= ANALOG else 1 < window.max() <= RAW_MAX
