"""What a register is: its table, address and kind. host/core/wire.py lists them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Table(IntEnum):
    """The four Modbus tables."""

    COIL = 0
    DISCRETE = 1
    HOLDING = 2
    INPUT = 3


@dataclass(frozen=True)
class Register:
    """One named value or row of values on the bus.

    `kind` is bit, u16, i16, u32, f32, f64 or bytes; `count` is how many values stand in a row, of bytes
    how many bytes.
    """

    table: Table
    address: int
    name: str
    kind: str
    count: int
    text: str

    @property
    def width(self) -> int:
        """Modbus addresses that one value takes."""
        return {"u32": 2, "f32": 2, "f64": 4}.get(self.kind, 1)

    @property
    def size(self) -> int:
        """Modbus addresses that the whole row takes."""
        return self.count // 2 if self.kind == "bytes" else self.count * self.width

    @property
    def end(self) -> int:
        return self.address + self.size


def codes_text(codes: type[IntEnum]) -> str:
    """ "0 IDLE, 1 ERASING, ...": the codes of a register, for its text."""
    return ", ".join(f"{code.value} {code.name}" for code in codes)


def rows(table: Table, *rows: tuple[int, str, str, int, str]) -> list[Register]:
    return [Register(table, *row) for row in rows]
