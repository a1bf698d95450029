"""The two checksums of the project. Twin of firmware/core/crc.c.

CRC-32 (IEEE 802.3, the zip one) guards images and records; CRC-16/MODBUS guards frames.
Check values of b"123456789": 0xCBF43926 and 0x4B37 (catalogue of parametrised CRC algorithms, G. Cook).
"""

from __future__ import annotations

import zlib


def _table(polynomial: int) -> tuple[int, ...]:
    """The 256 steps of a reflected CRC, a byte at a time."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)
    return tuple(table)


CRC16_TABLE = _table(0xA001)
CRC32_TABLE = _table(0xEDB88320)


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS; on the wire its low byte goes first."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC16_TABLE[(crc ^ byte) & 0xFF]
    return crc


def crc32(data: bytes) -> int:
    """CRC-32; the standard library's, which the C twin equals."""
    return zlib.crc32(data)
