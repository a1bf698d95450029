"""Which firmware a node runs: its hash, as the register FIRMWARE_HASH has it, of the ELF file that was flashed."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from host.core.wire import HASH_BYTES
from host.errors import NeuronError

LOADED = 1
"""PT_LOAD, a segment that is programmed."""
SECTOR = 16 * 1024
"""Of the flash: the code begins with one, and so does the start-up."""


def firmware_hash(elf: Path) -> bytes:
    """BLAKE2b-256 of what an ELF file of the board's firmware puts into the flash, in the order of its addresses."""
    data = elf.read_bytes()
    if data[:7] != b"\x7fELF\x01\x01\x01" or len(data) < 52:
        raise NeuronError(
            f"{elf} is no ELF file of the board's firmware: take firmware.elf, not firmware.bin"
        )
    (table,) = struct.unpack_from("<I", data, 28)
    size, count = struct.unpack_from("<2H", data, 42)
    try:
        headers = [struct.unpack_from("<5I", data, table + size * number) for number in range(count)]
    except struct.error as error:
        raise NeuronError(f"{elf} is cut off: build the firmware again") from error
    hashing, end = hashlib.blake2b(digest_size=HASH_BYTES), 0
    for kind, offset, _, address, length in sorted(headers, key=lambda header: header[3]):
        if kind == LOADED and length:
            if offset + length > len(data):
                raise NeuronError(f"{elf} is cut off: build the firmware again")
            if address != end and address % SECTOR:
                raise NeuronError(
                    f"{elf} has a gap before 0x{address:08X}: what a node has there is not known"
                )
            hashing.update(data[offset : offset + length])
            end = address + length
    if not end:
        raise NeuronError(f"{elf} has nothing to program: take firmware.elf of the build")
    return hashing.digest()
