"""What was found on a line, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from host.core.hashes import short
from host.errors import counted
from host.node.assigning import Move
from host.node.scanning import Device, Scan, Seen
from host.show.columns import columns


def _model(node: Seen) -> str:
    if node.identity is None or node.trusted is None:
        return "?"
    if not node.identity.sequence:
        return "none"
    model_hash = short(node.trusted.model_hash)
    known_by = f"hash {model_hash}" if model_hash else f"CRC-32 {node.identity.model_crc:08x}"
    return f"{node.identity.name} ({known_by})"


def _key(node: Seen) -> str:
    return "?" if node.trusted is None else "key" if node.trusted.keyed else "no key"


def node_lines(scan: Scan) -> Iterator[str]:
    """A line a node, under a heading."""
    if not scan.nodes:
        return
    rows = [("UID", "address", "speaks", "firmware", "key", "model")]
    shared = scan.shared()
    for node in scan.nodes:
        address = str(node.address or "?") + (" shared" if node.address in shared else "")
        firmware = node.identity.firmware if node.identity else "?"
        rows.append((node.uid, address, str(node.speed), firmware, _key(node), _model(node)))
    yield from columns(rows)


def troubles(scan: Scan) -> Iterator[str]:
    """What is wrong with single nodes, a line each."""
    for node in scan.nodes:
        for text in (
            *([node.trouble] if node.trouble else []),
            *(node.identity.warnings() if node.identity else []),
        ):
            yield f"node {node.uid}: {text}"


def device_lines(devices: Sequence[Device]) -> Iterator[str]:
    for device in devices:
        yield f"another device at address {device.address}, {device.speed}: {device.says}"


def where(scan: Scan) -> str:
    """At which speeds was looked."""
    if len(scan.speeds) == 1:
        return f"at {scan.speeds[0]}"
    return f"at {len(scan.speeds)} usual rates and formats"


def summary(port: str, scan: Scan) -> str:
    """How many, where, and what they share."""
    text = f"{port}, {where(scan)}: {counted(len(scan.nodes), 'node')}"
    if scan.foreign is not None:
        text += f", {counted(len(scan.foreign), 'other device')}"
    for address in sorted(scan.shared()):
        text += f"; {scan.addresses()[address]} at address {address}"
    return text


def move_lines(moves: Sequence[Move]) -> Iterator[str]:
    for move in moves:
        if move.trouble:
            yield f"node {move.uid} stays at address {move.before}: {move.trouble}"
        else:
            yield f"node {move.uid}: address {move.before} -> {move.address}"
