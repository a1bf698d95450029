"""The firmware itself, many times over, on a line in virtual time: nodes as tests/fleet_line.py wants them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.memory_node import MemoryNode
from tests.programs import SANITIZE


class InMemory:
    """A node on the line. Its clock is set on when it is next spoken to; off: it hears nothing. address: None where it
    may change."""

    def __init__(self, node: MemoryNode, number: int, address: int | None) -> None:
        self.node, self.address = node, address
        self.uid = f"{number:024x}"
        self.off = False
        self._owed = 0.0

    def passes(self, seconds: float) -> None:
        self._owed += 1000 * seconds

    def catch_up(self) -> None:
        """Its clock shows the time of the line, and what is to be done by then is done."""
        whole = int(self._owed)
        if whole:
            self.node.advance(whole)
            self._owed -= whole
        self.node.work()

    def hear(self, frame: bytes) -> bytes:
        if self.off:
            return b""
        self.catch_up()
        reply = self.node.request(frame)
        self.node.work()
        return reply

    def power_cycle(self) -> None:
        """A loss of power, at once on again."""
        self.node.power_cycle()
        self.node.work()


@contextmanager
def memory_fleet(
    count: int,
    *,
    first: int = 11,
    moves: bool = False,
    same: bool = False,
    flags: Sequence[str] = SANITIZE,
) -> Iterator[list[InMemory]]:
    """Nodes 1..count, their UIDs these numbers, at the addresses from `first` on, or all at the same. moves: these may
    change. flags: of the compiler."""
    with ExitStack() as stack:
        nodes = []
        for number in range(1, count + 1):
            address = first if same else first + number - 1
            node = stack.enter_context(MemoryNode(number=number, address=address, flags=flags))
            nodes.append(InMemory(node, number, None if moves else address))
        yield nodes
