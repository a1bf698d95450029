"""Registers and values: one codec, from the names and types of core/wire.

A value of more than one register stands high word first (Modbus itself does not say; wire.py does), bytes travel two
a register, the first one high. A row of one value is that value, a row of several a list, a row of bytes is bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from host.core.wire import BY_NAME, Register

Words = list[int]
"""Registers, 0..65535 each."""

CODES = {"u16": "H", "i16": "h", "u32": "I", "f32": "f", "f64": "d"}
"""struct's letter of each kind."""


def register_bytes(words: Sequence[int]) -> bytes:
    """Registers as the bytes that they carry, high byte first."""
    return struct.pack(f">{len(words)}H", *words)


def bytes_registers(data: bytes) -> Words:
    """Bytes, an even number, as the registers that carry them."""
    return list(struct.unpack(f">{len(data) // 2}H", data))


def pack(row: Register, value: Any) -> Words:
    """The registers of a row: a number, a sequence of at most row.count numbers, or bytes, NUL padded to its size."""
    if row.kind == "bytes":
        if len(value) > row.count:
            raise ValueError(f"{row.name} takes {row.count} bytes, not {len(value)}")
        return bytes_registers(bytes(value).ljust(row.count, b"\0"))
    values = value if isinstance(value, Sequence) else [value]
    if len(values) > row.count:
        raise ValueError(f"{row.name} takes {row.count} values, not {len(values)}")
    return bytes_registers(struct.pack(f">{len(values)}{CODES[row.kind]}", *values))


def unpack(row: Register, words: Sequence[int]) -> Any:
    """The value of a row, or of its first registers."""
    data = register_bytes(words)
    if row.kind == "bytes":
        return data
    values = struct.unpack(f">{len(words) // row.width}{CODES[row.kind]}", data)
    return values[0] if row.count == 1 else list(values)


@dataclass(frozen=True)
class Block:
    """Rows of one table that stand side by side, so that one request carries them. Gaps belong to nobody."""

    rows: tuple[Register, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> Block:
        """These rows, in the order of the wire."""
        rows = sorted((BY_NAME[name] for name in names), key=lambda row: row.address)
        if len({row.table for row in rows}) != 1:
            raise ValueError("a block lies in one table")
        return cls(tuple(rows))

    @classmethod
    def between(cls, first: str, last: str) -> Block:
        """All rows from one to another."""
        start, end = BY_NAME[first], BY_NAME[last]
        return cls.of(
            row.name
            for row in BY_NAME.values()
            if row.table is start.table and start.address <= row.address <= end.address
        )

    @property
    def address(self) -> int:
        return self.rows[0].address

    @property
    def count(self) -> int:
        """Registers from the first to the last."""
        return self.rows[-1].end - self.address

    def pack(self, values: Mapping[str, Any]) -> Words:
        """The registers of a value for each row. Rows must touch; only the last may have fewer values than it holds."""
        words: Words = []
        for row in self.rows:
            if row.address != self.address + len(words):
                raise ValueError(f"the registers before {row.name} would be left unsaid")
            words += pack(row, values[row.name])
        return words

    def unpack(self, words: Sequence[int]) -> dict[str, Any]:
        """The value of each row, by name."""
        return {
            row.name: unpack(row, words[row.address - self.address : row.end - self.address])
            for row in self.rows
        }


def placed(**values: Any) -> tuple[int, Words]:
    """Values of rows that stand side by side, by name: the first one's address, and all their registers."""
    block = Block.of(values)
    return block.address, block.pack(values)
