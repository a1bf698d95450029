"""The real ELF is recorded without a gap: samples, requests and answers in the time that the firmware really takes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from host.core.wire import Format, Gap
from host.node.link import silence_seconds
from tests.desk import Desk
from tests.elf.firmware import firmware_elf, powered, prepared
from tests.elf.master import Master
from tests.elf.timeline import MICROSECOND
from tests.ring_node import analog
from tests.test_record_line import SIX
from tests.virtual_link import VirtualLink


class MachineLink(VirtualLink):
    """The line of a machine. What a request takes, its answer included, is the machine's own time."""

    def __init__(self, master: Master, baud: int, gap: Gap) -> None:
        self._machine = master.machine
        run = self._machine.run
        super().__init__(master.ask, baud=baud, gap=gap, passes=lambda seconds: run(seconds=seconds))

    def exchange(self, address: int, request: bytes) -> bytes | None:
        quiet = (self._machine.us - self._machine.bus.idle_since / MICROSECOND) / 1e6
        self.wait(max(0.0, silence_seconds(self.baud, self.line_format, self.gap) - quiet))
        begun = self._machine.us
        reply = self.answer(request)
        self.seconds += (self._machine.us - begun) / 1e6
        self.transactions += 1
        return reply


@pytest.fixture(scope="module")
def flash() -> bytes:
    """A node's flash with its stores prepared."""
    return prepared(firmware_elf())


def numbered(channel: int) -> Callable[[float], int]:
    """What tells the number of the scan: the ADC asks once in each."""
    numbers = itertools.count()
    return lambda us: analog(next(numbers), channel)


LINES = {
    "1 at 4 kHz, 115,200": (("a0",), 4000, 115_200, 0.015),
    "6 at 600 Hz, 115,200": (SIX, 600, 115_200, 0.12),
    "6 at 3 kHz, 1 Mbit/s": (SIX, 3000, 1_000_000, 0.02),
}
"""Channels, rate, baud; how much more the line carries, of that, with the standard's silence."""


@pytest.mark.parametrize("line", LINES)
def test_what_the_chip_samples_is_recorded_without_a_gap(flash: bytes, tmp_path: Path, line: str) -> None:
    """A recorder that is behind fills each request and waits for nothing: what it reads then is all that the line
    carries."""
    channels, rate, baud, more = LINES[line]
    master = powered(firmware_elf(), flash=flash)
    master.set_line(baud, Format.F8E1, Gap.STANDARD)
    for channel in range(len(channels)):
        master.machine.analog[channel] = numbered(channel)
    desk = Desk(tmp_path / "run.csv", link=MachineLink(master, baud, Gap.STANDARD))
    recorder = desk.begin(channels, rate, seconds=1)
    desk.link.wait(0.2)
    recorder.step()
    begun, passed = desk.clock, recorder.passed
    assert [recorder.step() for _ in range(10)] == [0] * 10
    carried = (recorder.passed - passed) / (desk.clock - begun) / rate
    assert 1 + more <= carried < 1.01 + more
    desk.run(recorder)
    recorder.finish(ask=True)
    assert (recorder.file.added, recorder.file.gaps, desk.said) == (rate, [], [])
    assert len(desk.found().runs()) == 1
    assert master.value("SCANS_LOST") == 0
