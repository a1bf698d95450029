"""Who records, at a line of which only the characters are counted: time is what they take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from host.core.wire import Gap
from host.data.labels import Labels
from host.data.recorded import Recorded, begin
from host.data.recorder import Recorder
from host.data.recording import Recording, beside, read_recording
from host.node.node import Node
from host.node.samples import TURN, start_sampling
from tests.ring_node import RingNode, value
from tests.virtual_link import VirtualLink


class Sampler(Protocol):
    """A node that takes scans when it is told to. rate: scans/s in force."""

    @property
    def rate(self) -> int: ...

    def advance(self, scans: int) -> None: ...

    def __call__(self, pdu: bytes) -> bytes | None: ...


class Desk:
    """A node, a line, and who records there. said: what was said of losses; idle: seconds in which nothing is asked.
    link: one that has a node of its own, in place of these."""

    def __init__(
        self,
        path: Path,
        *,
        baud: int = 115200,
        gap: Gap = Gap.TRUE_CHARACTERS,
        node: Sampler | None = None,
        link: VirtualLink | None = None,
    ) -> None:
        self.path, self.fake = path, node or RingNode()
        self.said: list[str] = []
        self._owed = 0.0
        self.link = link or VirtualLink(self.fake, baud=baud, gap=gap, passes=self._pass)
        self.node = Node(self.link, 1)
        self.idle = 0.0

    @property
    def clock(self) -> float:
        return self.link.seconds

    def _pass(self, seconds: float) -> None:
        self._owed += seconds * self.fake.rate
        scans, self._owed = int(self._owed), self._owed % 1
        self.fake.advance(scans)

    def begin(
        self,
        channels: tuple[str, ...] = ("a0",),
        rate: int | None = 1000,
        labels: Labels | None = None,
        scale: dict[str, tuple[float, float, str]] | None = None,
        **options: Any,
    ) -> Recorder:
        begun = begin(str(self.path), channels, rate, scale or {}, labelled=labels is not None)
        names = begun.channels + (labels.channels if labels else ())
        sampling = start_sampling(self.node, names, begun.rate)
        file = Recorded(begun, sampling.rate)
        return Recorder(
            self.node, file, sampling, labels=labels, say=self.said.append, now=lambda: self.clock, **options
        )

    def run(self, recorder: Recorder, seconds: float | None = None) -> None:
        """Until it is done, or for so long."""
        end = None if seconds is None else self.clock + seconds
        while not recorder.done and (end is None or self.clock < end):
            pause = recorder.step()
            self.idle += pause
            self.link.wait(pause)

    def record(self, *arguments: Any, **options: Any) -> Recorder:
        """From the beginning to the end."""
        recorder = self.begin(*arguments, **options)
        self.run(recorder)
        recorder.finish(ask=True)
        return recorder

    def notes(self) -> dict[str, Any]:
        return dict(json.loads(beside(self.path).read_text()))

    def found(self) -> Recording:
        """The file, each of whose values must be the node's."""
        found = read_recording(self.path)
        expected = [
            [value(number % TURN, name) for name in found.channels] for number in found.samples.tolist()
        ]
        assert found.raw.tolist() == expected
        return found
