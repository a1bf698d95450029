"""What a node keeps of whom it trusts, in its flash: found there, and written as no node would, for tests."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from host.core.wire import KEY_BYTES
from tests.memory_node import SECTOR_SIZE, MemoryNode

SECTORS = (4, 5)
"""In the order of the port's sectors."""
HEADER = struct.Struct("<6I")
RECORD = struct.Struct(f"<IIHH{KEY_BYTES}s")
MARK_SIZE, OVERHEAD = 8, 48
SIZE = OVERHEAD + RECORD.size
"""Of a record, header and verdict included."""
MAGIC = int.from_bytes(b"N4R5", "little")


class Kept(NamedTuple):
    """One record. at: its first byte, of all the flash."""

    at: int
    sequence: int
    ceiling: int
    release_floor: int
    firmware_floor: int
    flags: int
    key: bytes


def kept(flash: bytes) -> list[Kept]:
    """All records that are whole but, perhaps, for their verdicts; the oldest first."""
    return sorted(_records(flash), key=lambda record: record.sequence)


def _records(flash: bytes) -> Iterator[Kept]:
    for sector in SECTORS:
        for at in range(sector * SECTOR_SIZE + MARK_SIZE, (sector + 1) * SECTOR_SIZE - SIZE + 1, 4):
            magic, _, sequence, length, crc, _ = HEADER.unpack_from(flash, at)
            payload = flash[at + HEADER.size : at + HEADER.size + RECORD.size]
            if magic == MAGIC and length == RECORD.size and crc == zlib.crc32(payload):
                yield Kept(at, sequence, *RECORD.unpack(payload))


def rewrite(node: MemoryNode, record: Kept) -> None:
    """Put other values where that record stands, with checksums that are right: what another firmware may have left."""
    flash = node.flash()
    payload = RECORD.pack(*record[2:])
    fields = list(HEADER.unpack_from(flash, record.at))
    fields[4] = zlib.crc32(payload)
    place = struct.pack("<2I", record.at // SECTOR_SIZE - SECTORS[0], record.at % SECTOR_SIZE)
    fields[5] = zlib.crc32(struct.pack("<5I", *fields[:5]) + place)
    new = HEADER.pack(*fields) + payload
    old = flash[record.at : record.at + len(new)]
    node.rot(record.at, bytes(a ^ b for a, b in zip(old, new, strict=True)))
