"""What the tests' masters ask, as registers and PDUs. Standard library only: Renode's Python may have no more."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from host.core.modbus import WRITE_REGISTERS_MAX
from host.core.registers import Words, bytes_registers, placed
from host.core.wire import BY_NAME


def command_words(code: int, length: int = 0, crc: int = 0) -> Words:
    """The registers of COMMAND, LENGTH and CRC."""
    return placed(COMMAND=code, LENGTH=length, CRC=crc)[1]


def stage_frames(image: bytes, size: int = WRITE_REGISTERS_MAX) -> Iterator[tuple[int, Words]]:
    """Address and registers of every frame that stages an image."""
    words = bytes_registers(image)
    for first in range(0, len(words), size):
        yield BY_NAME["STAGE"].address + first, words[first : first + size]


def write_pdu(address: int, words: Sequence[int]) -> bytes:
    """Function 16."""
    return struct.pack(f">BHHB{len(words)}H", 16, address, len(words), 2 * len(words), *words)


def command_pdu(code: int, length: int = 0, crc: int = 0) -> bytes:
    return write_pdu(BY_NAME["COMMAND"].address, command_words(code, length, crc))
