"""What a recorder writes behind each scan: one word, the state of digital channels, or what a key has last said."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from host.node.samples import Sampling, Scans


@dataclass(frozen=True)
class Fixed:
    """Always the same word."""

    word: str
    channels: tuple[str, ...] = ()

    def of(self, scans: Scans, sampling: Sampling) -> list[str]:
        return [self.word] * len(scans.samples)


@dataclass(frozen=True)
class ByChannel:
    """The word of the levels of digital channels. channels: the first is bit 0; words: of 0, 1, ..."""

    channels: tuple[str, ...]
    words: tuple[str, ...]

    def of(self, scans: Scans, sampling: Sampling) -> list[str]:
        levels = scans.channels(sampling, self.channels)
        return [self.words[number] for number in (levels << range(len(self.channels))).sum(axis=1).tolist()]


@dataclass
class ByMarks:
    """From each mark on its word; none before the first. marks: (number of the scan, word), rising."""

    marks: list[tuple[int, str]] = field(default_factory=lambda: [(0, "")])
    channels: tuple[str, ...] = ()

    def mark(self, number: int, word: str) -> None:
        self.marks.append((max(number, self.marks[-1][0]), word))

    def of(self, scans: Scans, sampling: Sampling) -> list[str]:
        begins = [number for number, _ in self.marks]
        return [self.marks[bisect_right(begins, number) - 1][1] for number in scans.samples.tolist()]


Labels = Fixed | ByChannel | ByMarks
