"""What a recorder writes behind each scan: one word, the state of a digital channel, or what a key has last said."""

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
    """The word of a digital channel's level. words: of 0 and of 1."""

    channel: str
    words: tuple[str, str]

    @property
    def channels(self) -> tuple[str, ...]:
        """What must be sampled for it."""
        return (self.channel,)

    def of(self, scans: Scans, sampling: Sampling) -> list[str]:
        return [self.words[level] for level in scans.channels(sampling, self.channels)[:, 0].tolist()]


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
