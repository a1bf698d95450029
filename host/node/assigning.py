"""An address of its own for each node of a line, and a lamp that shows which node is meant: by UID, whatever the
addresses are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from host.core.wire import BY_NAME, Reason, Table
from host.errors import NeuronError
from host.node.client import NodeError
from host.node.keyed import require_uid
from host.node.line import Settings, read_settings, save_settings
from host.node.link import Link, is_gone
from host.node.node import Node, Refused
from host.node.scanning import Scan, Seen, device_at, free_addresses, selected, waiting
from host.progress import Progress, silent

IDENTIFY = BY_NAME["IDENTIFY"].address
Save = Callable[[Node, Settings], None]
"""How a node is told to keep its settings: plainly, or by a signed order."""
Speak = Callable[[Node], Node]
"""The same of all that it may be told."""


def plainly(node: Node) -> Node:
    """As where no key is installed, or nobody has it."""
    return node


@dataclass(frozen=True)
class Move:
    """A node that was to have another address. trouble: why it does not have it, "" where it does."""

    uid: str
    before: int
    address: int
    trouble: str = ""

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def moved(scan: Scan, moves: Sequence[Move]) -> Scan:
    """What was found, as it is after these moves."""
    now = {move.uid: move.address for move in moves if not move.trouble}
    nodes = (replace(node, address=now.get(node.uid, node.address)) for node in scan.nodes)
    return replace(scan, nodes=tuple(sorted(nodes, key=lambda node: (node.address, node.uid))))


def to_move(nodes: Sequence[Seen]) -> list[Seen]:
    """Those that share their address with another. Who has one alone keeps it."""
    addresses = [node.address for node in nodes]
    return [node for node in nodes if addresses.count(node.address) > 1]


def assign(
    link: Link,
    movers: Sequence[Seen],
    taken: set[int],
    *,
    first: int,
    wait: float,
    save: Save = save_settings,
    progress: Progress = silent,
) -> list[Move]:
    """Give each of these another address, which nobody has: the lowest from `first` on.

    taken: addresses that anybody is known to have, at whatever speed; those given away are added. An address is asked
    for before, so that no device that was not looked for gets a double. A node that fails is in trouble, and the others
    go on; NeuronError where the line goes, or the addresses."""
    moves: list[Move] = []
    for done, node in enumerate(movers):
        progress("give addresses", done, len(movers))
        if node.trouble:
            moves.append(Move(node.uid, node.address, node.address, node.trouble))
            continue
        address = _free(link, taken, first, wait)
        taken.add(address)
        trouble = ""
        try:
            _give(link, node, address, save)
        except NeuronError as error:
            if is_gone(error):
                raise
            trouble = _why(error)
        moves.append(Move(node.uid, node.address, address, trouble))
    progress("give addresses", len(movers), max(1, len(movers)))
    return moves


def _free(link: Link, taken: set[int], first: int, wait: float) -> int:
    """An address that nobody answers at, asked twice."""
    with waiting(link, wait):
        for address in free_addresses(taken, first):
            if device_at(link, address) is None and device_at(link, address) is None:
                return address
            taken.add(address)
    raise NodeError("no address is free: take devices off the line")


def _give(link: Link, seen: Seen, address: int, save: Save) -> None:
    with selected(link, bytes.fromhex(seen.uid)) as node:
        require_uid(node, seen.uid)
        save(node, replace(read_settings(node), address=address))
        node.wait_idle()
        moved = Node(link, address).read_value("UID")
    if moved.hex() != seen.uid:
        raise NodeError(f"at address {address} another answers, {moved.hex()}")


def _why(error: NeuronError) -> str:
    if isinstance(error, Refused) and error.reason is Reason.UNSIGNED:
        return "a key is installed: its address changes by a signed order only"
    return str(error)


@contextmanager
def blinking(link: Link, uid: bytes, speak: Speak = plainly) -> Iterator[None]:
    """The lamp of the node with this UID blinks meanwhile; then it does what it did before."""
    with selected(link, uid) as node, node.refusals("blink"):
        require_uid(node, uid.hex())
        before = bool(node.read(Table.COIL, IDENTIFY, 1)[0])
        speak(node).write_coil(IDENTIFY, True)
    try:
        yield
    finally:
        with selected(link, uid) as node:
            require_uid(node, uid.hex())
            speak(node).write_coil(IDENTIFY, before)
