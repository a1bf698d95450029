"""The ring of scans as firmware/app/sampler.h promises it, said another way: every scan is kept, and looked up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cache

from host.core.wire import (
    ANALOG,
    CHANNELS,
    DEFAULT_RATE,
    DIGITAL,
    RATE_MAX,
    RATE_MIN,
    SAMPLE_MISSING,
    SAMPLE_WORDS,
    SAMPLES_MAX,
)

U32 = 1 << 32
ALL = (1 << CHANNELS) - 1


@cache
def _among(channels: int, count: int) -> tuple[int, ...]:
    return tuple(i for i in range(count) if channels >> i & 1)


class SamplerModel:
    """What a node samples, and has sampled. Numbers do not wrap here."""

    def __init__(self, board: int = ALL) -> None:
        self.board = board
        self.asked = (DEFAULT_RATE, 0)
        self.rate = self.channels = 0
        self.head = self.origin = self.lost = 0
        self.debounce_ms = 0
        self.edges = [0] * DIGITAL
        self._begin()

    def _begin(self) -> None:
        """A ring that is empty."""
        self.origin = self.head
        self.frames: OrderedDict[int, list[int]] = OrderedDict()  # whose first is found at once
        self.levels: list[int] = [0] * DIGITAL
        self.known = False
        self.raw: list[list[int]] = [[] for _ in range(DIGITAL)]
        self.rises: list[list[int]] = [[] for _ in range(DIGITAL)]
        self.measured = [(0, 1)] * DIGITAL
        self.last = [0] * DIGITAL

    @property
    def analog(self) -> tuple[int, ...]:
        return _among(self.channels, ANALOG)

    @property
    def digital(self) -> tuple[int, ...]:
        return _among(self.channels >> ANALOG, DIGITAL)

    @property
    def width(self) -> int:
        return len(self.analog) + bool(self.digital)

    @property
    def capacity(self) -> int:
        return SAMPLE_WORDS // self.width if self.width else 0

    @property
    def oldest(self) -> int:
        return max(self.origin, self.head - self.capacity)

    def ask(self, rate: int, channels: int) -> bool:
        """What the bus wants, where no model senses; False: refused."""
        if not RATE_MIN <= rate <= RATE_MAX or channels & ~self.board:
            return False
        self.asked = (rate, channels)
        if (self.rate, self.channels) != (rate if channels else 0, channels):
            self.rate, self.channels = rate if channels else 0, channels
            self._begin()
        return True

    # ---------------------------------------------------------------------------------------------------- scans

    def _lose(self, missed: int) -> None:
        capacity = self.capacity
        if missed >= capacity:
            self.frames.clear()
            self.origin = self.head + missed
        else:
            for number in range(self.head, self.head + missed):
                self.frames[number] = [SAMPLE_MISSING] * self.width
        self.head += missed
        self.lost += missed
        self.raw = [[] for _ in range(DIGITAL)]
        self.rises = [[] for _ in range(DIGITAL)]

    def _settle(self, levels: int) -> int:
        """A level counts when it was the same in all scans of the debounce time, the first and the last included."""
        scans = -(-self.debounce_ms * self.rate // 1000) + 1
        for i in self.digital:
            self.raw[i].append(levels >> i & 1)
            stood = self.raw[i][-scans:]
            if not self.known:
                self.levels[i] = self.raw[i][-1]
            elif len(stood) == scans and len(set(stood)) == 1 and stood[0] != self.levels[i]:
                self.levels[i] = stood[0]
                if stood[0]:
                    self._rise(i)
        self.known = True
        return sum(self.levels[i] << i for i in self.digital)

    def _rise(self, i: int) -> None:
        self.edges[i] += 1
        self.last[i] = self.head
        self.rises[i].append(self.head)
        scans = self.head - self.rises[i][0]
        if scans >= self.rate:
            self.measured[i] = (len(self.rises[i]) - 1, scans)
            self.rises[i] = [self.head]

    def scan(self, analog: Sequence[int], levels: int = 0, missed: int = 0) -> None:
        if missed:
            self._lose(missed)
        frame = [analog[i] if i < len(analog) else 0 for i in self.analog]
        if self.digital:
            frame.append(self._settle(levels))
        self.frames[self.head] = frame
        self.head += 1
        while (eldest := next(iter(self.frames))) < self.oldest:
            del self.frames[eldest]

    def frequency(self, i: int) -> int:
        periods, scans = self.measured[i]
        if periods == 0:
            return 0
        return min(self.rate * 256 * periods // scans, self.rate * 256 // (self.head - self.last[i]))

    # ---------------------------------------------------------------------------------------------------- reads

    def read(self, at: int) -> tuple[int, list[list[int]]]:
        """The number of the first scan, and all that one request carries, from the number `at` % 2^32 on."""
        behind = (self.head - at) % U32
        first = self.head if behind >= U32 // 2 else max(self.head - behind, self.oldest)
        most = SAMPLES_MAX // self.width if self.width else 0
        return first, [self.frames[number] for number in range(first, min(first + most, self.head))]

    def scans_words(self, at: int) -> list[int]:
        """SAMPLES_HEAD ... SAMPLES."""
        first, frames = self.read(at)
        words = [word for frame in frames for word in frame]
        head = [self.head >> 16 & 0xFFFF, self.head & 0xFFFF, first >> 16 & 0xFFFF, first & 0xFFFF]
        return [*head, self.channels, *words, *[SAMPLE_MISSING] * (SAMPLES_MAX - len(words))]

    def now_words(self) -> list[int]:
        """CHANNELS ... FREQUENCY."""
        newest = self.frames.get(self.head - 1)
        now = [SAMPLE_MISSING] * ANALOG
        for i, value in zip(self.analog, newest or [], strict=False):
            now[i] = value
        words = [self.board, self.rate, self.channels, self.lost >> 16 & 0xFFFF, self.lost & 0xFFFF, *now]
        words.append(sum(self.levels[i] << i for i in self.digital))
        for value in [*self.edges, *(self.frequency(i) for i in range(DIGITAL))]:
            words += [value >> 16 & 0xFFFF, value & 0xFFFF]
        return words
