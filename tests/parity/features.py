"""The C twin of host/core/features.py, asked in batches: tests/parity/features.c. And windows to ask about."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.core import features
from host.core.fixed import Int64
from host.core.wire import RAW_MAX, WINDOW_MAX, Feature
from tests.programs import program

ANALOG = tuple(Feature)[: Feature.BAND]
"""Without BAND, which wants to be told its bins."""
DIGITAL = tuple(Feature)[Feature.LEVEL :]
SIZES = tuple(1 << k for k in range(1, WINDOW_MAX.bit_length()))


@dataclass(frozen=True)
class Windows:
    """samples (n, N), raw values or, with a mask, words of levels; where each parts in two, from 1 to N; words from one
    sample to the next; samples a second; BAND's bins, (0, 0): without."""

    samples: NDArray[np.uint16]
    parts: NDArray[np.uint16]
    stride: int = 1
    mask: int = 0
    rate: int = 1000
    band: tuple[int, int] = (0, 0)

    @property
    def wanted(self) -> tuple[Feature, ...]:
        return DIGITAL if self.mask else (*ANALOG, Feature.BAND) if self.band[0] else ANALOG

    def expected(self) -> NDArray[np.uint32]:
        """All numerators by the Python twin, (n, features); 0 what is not wanted."""
        r = (self.samples & self.mask) != 0 if self.mask else self.samples
        numbers = np.zeros((len(r), len(Feature)), dtype=np.uint32)
        for feature in self.wanted:
            numbers[:, feature] = features.numerators(feature, r, self.rate, self.band)
        return numbers


class Twin:
    """The C side, built in one way."""

    def __init__(self, build: tuple[str, list[str]]) -> None:
        cc, flags = build
        self._program = program("features", ["tests/parity/features.c"], flags=flags, cc=cc)

    def _ask(self, what: str, numbers: Sequence[int], *data: NDArray[Any]) -> bytes:
        asked = struct.pack("<9I", ord(what), *numbers) + b"".join(d.tobytes() for d in data)
        done = subprocess.run([str(self._program)], input=asked, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def numerators(self, windows: Windows) -> NDArray[np.uint32]:
        rows, size = windows.samples.shape
        wanted = sum(1 << feature for feature in windows.wanted if feature is not Feature.BAND)
        numbers = (size, rows, windows.stride, windows.mask, wanted, windows.rate, *windows.band)
        answer = self._ask("W", numbers, windows.parts, windows.samples)
        return np.frombuffer(answer, np.uint32).reshape(rows, len(Feature))

    def inputs(
        self, numerators: Int64, multiply: Int64, shift: Int64, offset: Int64
    ) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        columns = [numerators.astype(np.uint32), *(c.astype(np.int32) for c in (multiply, shift, offset))]
        answer = np.frombuffer(self._ask("I", (0, len(numerators), *[0] * 6), *columns), np.int16).reshape(
            -1, 2
        )
        return answer[:, 0], answer[:, 1] != 0

    def seeded(self, seed: int, channel: int, count: int) -> NDArray[np.uint16]:
        return np.frombuffer(self._ask("S", (count, 0, 0, 0, 0, seed, channel, 0)), np.uint16)


def parted(rng: np.random.Generator, samples: NDArray[Any], **more: Any) -> Windows:
    """Each window in two parts of any lengths; some in one."""
    rows, size = samples.shape
    parts = rng.integers(1, size + 1, rows).astype(np.uint16)
    parts[::8] = size
    return Windows(samples.astype(np.uint16), parts, **more)


def random_raw(rng: np.random.Generator, rows: int, size: int) -> NDArray[np.int64]:
    """A quarter each: anything; near one value, where ties are; two values; a sine with noise."""
    quarter = rows // 4
    middle = rng.integers(0, RAW_MAX - 3, (quarter, 1))
    low, high = np.sort(rng.integers(0, RAW_MAX + 1, (2, quarter, 1)), axis=0)
    time = np.arange(size) * rng.uniform(0, np.pi, (quarter, 1)) + rng.uniform(0, 7, (quarter, 1))
    sine = 2048 + rng.uniform(0, 2400, (quarter, 1)) * np.sin(time) + rng.normal(0, 20, (quarter, size))
    return np.concatenate(
        [
            rng.integers(0, RAW_MAX + 1, (rows - 3 * quarter, size)),
            middle + rng.integers(0, 4, (quarter, size)),
            np.where(rng.random((quarter, size)) < rng.random((quarter, 1)), low, high),
            np.clip(np.rint(sine), 0, RAW_MAX).astype(np.int64),
        ]
    )


def corners(size: int) -> NDArray[np.int64]:
    """Constant windows, alternating ones, single spikes and edges, up and down, at the first places, the middle and the
    last."""
    i = np.arange(size)
    at = sorted({0, 1, size // 2 - 1, size // 2, size - 1} & set(range(size)))
    up = [i % 2, *(i == p for p in at), *(i >= p for p in at), i < 0]
    swings = [(0, RAW_MAX), (RAW_MAX - 1, RAW_MAX), (0, 1), (2047, 2048)]
    return np.array(
        [np.where(u, high, low) for low, high in swings for u in (*up, *(1 - np.array(u) for u in up))]
    )


def square(size: int, bin: int) -> NDArray[np.int64]:
    """A full-scale square wave in the phase that takes the recurrence of this bin farthest: its sign is that of the
    weight that the recurrence's last state has for each sample."""
    weight = np.sin((size - np.arange(size)) * 2 * np.pi * bin / size)
    return np.where(weight > 1e-9, RAW_MAX, 0)


def squares(size: int) -> Iterator[Windows]:
    """A square of every bin, and the bands of 1..16 bins that they stand in; then some bins by themselves."""
    last = size // 2 - 1
    for low in range(1, last + 1, 16):
        high = min(low + 15, last)
        samples = np.array([square(size, b) for b in range(low, high + 1)], dtype=np.uint16)
        samples = np.concatenate([samples, RAW_MAX - samples])
        yield Windows(samples, np.full(len(samples), size, dtype=np.uint16), band=(low, high))
    for alone in sorted({1, 2, size // 4, last - 1, last} & set(range(1, last + 1))):
        samples = np.array([square(size, alone)], dtype=np.uint16)
        yield Windows(samples, np.array([size], dtype=np.uint16), band=(alone, alone))
