"""A line of which only the characters are counted: what it takes is computed, and nobody waits."""

from __future__ import annotations

from collections.abc import Callable

from host.core.modbus import frame_seal
from host.core.wire import Format, Gap
from host.node.link import Link, character_seconds, silence_seconds

Answer = Callable[[bytes], bytes | None]


class NoChannel:
    """Nothing is sent but through VirtualLink.exchange."""

    def send(self, data: bytes) -> None:
        raise AssertionError

    def hear(self, seconds: float) -> bytes:
        raise AssertionError

    def close(self) -> None:
        pass


class VirtualLink(Link):
    """seconds: of the wire so far, with the silence that stands before each frame, request and reply; passes: told how
    many seconds have just gone by, before the node answers."""

    def __init__(
        self,
        answer: Answer,
        *,
        baud: int,
        line_format: Format = Format.F8E1,
        gap: Gap = Gap.TRUE_CHARACTERS,
        passes: Callable[[float], object] = lambda seconds: None,
    ) -> None:
        super().__init__(NoChannel(), "a virtual line", baud, line_format, timeout=1, trace=False)
        self.gap = gap
        self.answer, self.passes = answer, passes
        self.seconds, self.transactions, self.characters = 0.0, 0, 0

    def exchange(self, address: int, request: bytes) -> bytes | None:
        asked = frame_seal(bytes([address]) + request)
        self._spend(len(asked))
        reply = self.answer(request)
        self.transactions += 1
        if reply is None:
            self.wait(self.timeout)
            return None
        self._spend(len(frame_seal(bytes([address]) + reply)))
        return reply

    def wait(self, seconds: float) -> None:
        """The line is silent for so long."""
        self.seconds += seconds
        self.passes(seconds)

    def _spend(self, characters: int) -> None:
        self.characters += characters
        silence = silence_seconds(self.baud, self.line_format, self.gap)
        self.wait(silence + characters * character_seconds(self.baud, self.line_format))
