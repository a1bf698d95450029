"""What a recorder writes behind each scan: one word, the state of digital channels, or what a key has last said."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from host.core.channels import NAMES, is_analog
from host.data.recording import is_label
from host.errors import NeuronError
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


def by_channel(text: str) -> ByChannel:
    """Of a text like d0=off,on or d0,d1=off,normal,off,worn; NeuronError for any other."""
    left, _, right = text.partition("=")
    names, words = tuple(left.lower().split(",")), tuple(right.split(","))
    digital = all(name in NAMES and not is_analog(name) for name in names)
    if not digital or len(set(names)) < len(names) or len(words) != 1 << len(names):
        raise NeuronError(
            f"{text!r} is not like d0=off,on or d0,d1=off,normal,off,worn: digital channels, and their labels at 0, 1, "
            "... (d0 + 2 d1)"
        )
    if strange := [word for word in words if not is_label(word)]:
        raise NeuronError(f"{strange[0]!r} is no label: one word or more, without commas and quotes")
    return ByChannel(names, words)


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
