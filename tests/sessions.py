"""What a test's master says in a session: an opening, blocks, GO; of host.node.broadcast, as PDUs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from host.core.hashes import hash_of
from host.core.modbus import DEVICE_FAILURE, write_registers_pdu
from host.core.registers import register_bytes
from host.core.wire import BLOCKS_MAX, BY_NAME, GO_BYTES, Reason, Session
from host.node.broadcast import block, blocks_of, closing, going, opening

if TYPE_CHECKING:
    from tests.memory_node import MemoryNode

GO = bytes(range(GO_BYTES))
NO_HASH = bytes(32)


def open_pdu(image: bytes, go: bytes = GO, seconds: int = 30) -> bytes:
    return write_registers_pdu(*opening(image, go, seconds))


def close_pdu() -> bytes:
    return write_registers_pdu(*closing())


def block_pdu(image: bytes, index: int) -> bytes:
    return write_registers_pdu(*block(image, index))


def go_pdu(go: bytes = GO) -> bytes:
    return write_registers_pdu(*going(go))


def state(node: MemoryNode) -> Session:
    return Session(node.get("SESSION_STATE"))


def missing(node: MemoryNode) -> set[int]:
    """Numbers of the blocks that have not come."""
    row = BY_NAME["BLOCKS_MISSING"]
    words = node.read(row.table, row.address, row.size)
    found = {n for n in range(16 * row.size) if words[n // 16] >> n % 16 & 1}
    assert max(found, default=0) < BLOCKS_MAX
    return found


def bytes_of(node: MemoryNode, name: str) -> bytes:
    row = BY_NAME[name]
    return register_bytes(node.read(row.table, row.address, row.size))


def reason(node: MemoryNode) -> Reason:
    return Reason(node.get("REASON"))


def refused(node: MemoryNode, pdu: bytes) -> Reason:
    """Why a request is refused, which it must be."""
    assert node.refusal(pdu) == DEVICE_FAILURE
    return reason(node)


def send_blocks(node: MemoryNode, image: bytes, indices: Iterable[int] | None = None) -> None:
    for index in blocks_of(image) if indices is None else indices:
        node.ask(block_pdu(image, index))


def bring(node: MemoryNode, image: bytes, go: bytes = GO, seconds: int = 30) -> None:
    """As far as VERIFIED."""
    node.ask(open_pdu(image, go, seconds))
    send_blocks(node, image)
    node.work()
    assert state(node) is Session.VERIFIED


def assert_runs(node: MemoryNode, running: bytes | None, previous: bytes | None) -> None:
    """By hash and by CRC-32; what would come back likewise."""
    for image, names in (
        (running, ("MODEL_HASH", "MODEL_CRC")),
        (previous, ("PREVIOUS_HASH", "PREVIOUS_CRC")),
    ):
        assert bytes_of(node, names[0]) == (hash_of(image) if image else NO_HASH), names[0]
        assert node.get(names[1]) == (int.from_bytes(image[-4:], "little") if image else 0), names[1]
