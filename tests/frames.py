"""Where a Modbus RTU frame ends, by its shape: for those who carry frames where silence cannot tell."""

from __future__ import annotations


def request_size(data: bytes) -> int:
    """Bytes of the request that begins here; more than there are while it cannot be known."""
    if len(data) < 2:
        return 2
    counts = {15: 6, 16: 6, 23: 10}
    at = counts.get(data[1])
    if at is None:
        return 8
    return at + 1 + data[at] + 2 if len(data) > at else at + 1


def reply_size(data: bytes) -> int:
    """Bytes of the reply that begins here; more than there are while it cannot be known."""
    if len(data) < 3:
        return 3
    if data[1] & 0x80:
        return 5
    return 5 + data[2] if data[1] in (1, 2, 3, 4, 23) else 8
