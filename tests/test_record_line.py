"""How much a line carries: the firmware's own ring, drained by a recorder, in counted characters.

Nothing here is measured: time is what the characters take, with the silence before each frame, and the node takes its
scans in step with it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.core.wire import Gap
from tests.desk import Desk
from tests.memory_node import MemoryNode, Scan
from tests.ring_node import analog

SIX = tuple(f"a{i}" for i in range(6))


class Firmware:
    """The firmware in memory, with a signal on its channels that tells the number of the scan."""

    def __init__(self, node: MemoryNode) -> None:
        node.board()
        self._node, self._number = node, 0
        self.rate = 0

    def __call__(self, pdu: bytes) -> bytes | None:
        reply = self._node.answer(pdu)
        self.rate = self._node.sampled()[1]
        return reply

    def advance(self, scans: int) -> None:
        numbers = range(self._number, self._number + scans)
        self._node.scans(Scan([analog(number, channel) for channel in range(8)]) for number in numbers)
        self._number += scans


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.csv"


LINES = {
    "1 at 4 kHz, 115,200": (("a0",), 4000, 115_200, Gap.TRUE_CHARACTERS, 0.10),
    "the same, the standard's silence": (("a0",), 4000, 115_200, Gap.STANDARD, 0.01),
    "6 at 600 Hz, 115,200": (SIX, 600, 115_200, Gap.TRUE_CHARACTERS, 0.19),
    "the same, the standard's silence ": (SIX, 600, 115_200, Gap.STANDARD, 0.10),
    "6 at 3 kHz, 1 Mbit/s": (SIX, 3000, 1_000_000, Gap.TRUE_CHARACTERS, 0.53),
    "the same, the standard's silence  ": (SIX, 3000, 1_000_000, Gap.STANDARD, 0.02),
}
"""Channels, rate, baud, silence between frames; the share of the time that the line has left."""


@pytest.mark.parametrize("line", LINES)
def test_the_line_carries_it_without_a_gap(node: MemoryNode, path: Path, line: str) -> None:
    """All requests of a recorder, its checks too, with the silence before each frame. A recorder that is behind fills
    each request: what is left is all the time in which it waits."""
    channels, rate, baud, gap, left = LINES[line]
    desk = Desk(path, baud=baud, gap=gap, node=Firmware(node))
    recorder = desk.record(channels, rate, seconds=8)
    assert (recorder.file.added, recorder.file.gaps, desk.said) == (8 * rate, [], [])
    assert len(desk.found().runs()) == 1
    assert left <= desk.idle / desk.link.seconds < left + 0.02


def test_a_request_carries_as_much_as_modbus_allows(node: MemoryNode, path: Path) -> None:
    desk = Desk(path, node=Firmware(node))
    recorder = desk.begin()
    desk.link.wait(1)
    before = desk.link.characters
    recorder.step()
    # FC23: address, function, 4 words, count, SAMPLE_FROM, CRC; its answer with 125 registers
    assert desk.link.characters - before == (2 + 8 + 1 + 4 + 2) + (3 + 250 + 2)
    recorder.step()
    recorder.finish(ask=True)
    assert recorder.file.added == 240


def test_a_line_that_is_too_slow_gives_long_runs_and_says_what_helps(node: MemoryNode, path: Path) -> None:
    desk = Desk(path, gap=Gap.STANDARD, node=Firmware(node))
    recorder = desk.record(SIX, 2000, seconds=12)
    found = desk.found()
    assert recorder.file.added + sum(count for _, count in recorder.file.gaps) == 12 * 2000
    runs = [run.stop - run.start for run in found.runs()]
    assert len(runs) == len(recorder.file.gaps) + (
        recorder.file.last + 1 == recorder.passed + found.samples[0]
    )
    assert min(runs[:-1]) > 500
    assert desk.said[0].endswith(
        ": the line was too slow; the node's setting --new-gap true, more --baud, fewer channels or a lower --rate help"
    )
    assert [list(gap) for gap in recorder.file.gaps] == desk.notes()["gaps"]


SLOW = {
    "19,200 baud": (("a0",), 1000, 19_200, Gap.STANDARD, None, "--new-baud 38400, then --baud 38400"),
    "until the ring is full": (
        ("a0",),
        1000,
        19_200,
        Gap.STANDARD,
        66,
        "--new-baud 38400, then --baud 38400",
    ),
    "the silence": (SIX, 710, 115_200, Gap.STANDARD, None, "--new-gap true or --new-baud 230400, then"),
    "no line": (SIX, 10_000, 921_600, Gap.TRUE_CHARACTERS, None, "; fewer channels, or --rate "),
}
"""As LINES; the seconds that are to be recorded; what would do."""


@pytest.mark.parametrize("line", SLOW)
def test_a_line_that_is_too_slow_is_told_before_anything_is_lost(
    node: MemoryNode, path: Path, line: str
) -> None:
    channels, rate, baud, gap, seconds, ways = SLOW[line]
    desk = Desk(path, baud=baud, gap=gap, node=Firmware(node))
    recorder = desk.begin(channels, rate, seconds=seconds)
    (doubt,) = recorder.doubts()
    assert ways in doubt
    told = re.search(r"carry (\d+) scans of \d words? a second at most, not \d+: .* within (\d+) s; ", doubt)
    assert told
    carried, within = map(int, told.groups())
    begun = desk.clock
    while not desk.said:
        desk.run(recorder, 1)
    took = desk.clock - begun
    assert 0.8 * within <= took <= within + 2  # its checks are on the line too; a gap is told when it is over
    recorder.finish(ask=True)
    assert 0.95 * carried <= recorder.file.added / took <= carried


def test_what_the_ring_lasts_for_is_no_doubt(node: MemoryNode, path: Path) -> None:
    """The last scans are read when the node has long taken them."""
    desk = Desk(path, baud=19_200, gap=Gap.STANDARD, node=Firmware(node))
    recorder = desk.begin(("a0",), 1000, seconds=40)
    assert recorder.doubts() == []
    desk.run(recorder)
    recorder.finish(ask=True)
    assert (recorder.file.added, desk.said) == (40_000, [])
    assert desk.clock > 50


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_carries_it_is_no_doubt(node: MemoryNode, path: Path, line: str) -> None:
    channels, rate, baud, gap, _ = LINES[line]
    assert Desk(path, baud=baud, gap=gap, node=Firmware(node)).begin(channels, rate).doubts() == []


@pytest.mark.parametrize("where", ["socket://plant:4001", "/dev/pts/1"])
def test_of_a_line_without_a_known_speed_nothing_is_said(node: MemoryNode, path: Path, where: str) -> None:
    desk = Desk(path, baud=19_200, node=Firmware(node))
    desk.link.where = where
    assert desk.begin(("a0",), 10_000).doubts() == []
