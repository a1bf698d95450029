"""What the tests' masters ask, as registers and PDUs. Standard library only: Renode's Python may have no more."""

from __future__ import annotations

from collections.abc import Iterator

from host.core.modbus import WRITE_REGISTERS_MAX, write_registers_pdu
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


def command_pdu(code: int, length: int = 0, crc: int = 0) -> bytes:
    return write_registers_pdu(BY_NAME["COMMAND"].address, command_words(code, length, crc))
