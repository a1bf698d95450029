"""Write the registers as tables that other software reads, from host/core/wire.py: docs/maps/neuron485.csv (RFC 4180)
and docs/maps/neuron485.mbmap.json.

python -m tools.generated writes both.

MBMap v2 is followed by the notes of its releases 2.0.0 to 2.2.0 (nobrega8/mbmap-library on GitHub), which tell what a
map can say. Its specification and schema could not be had: keys that the notes do not name have the plain word.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from host.core import wire
from host.core.wire import REGISTERS, Register, Table

ORDER_TEXT = "A value of more than one register stands high word first."


@dataclass(frozen=True)
class Kind:
    """How other software calls a table. digit: the first of a reference number; read, write: functions; names: of the
    table in the CSV, in Telegraf and in Home Assistant."""

    digit: int
    read: Sequence[int]
    write: Sequence[int]
    name: str
    telegraf: str
    assistant: str


TABLES = {
    Table.COIL: Kind(0, (1,), (5, 15), "coil", "coil", "coil"),
    Table.DISCRETE: Kind(1, (2,), (), "discrete input", "discrete", "discrete_input"),
    Table.HOLDING: Kind(4, (3, 23), (6, 16, 22, 23), "holding register", "holding", "holding"),
    Table.INPUT: Kind(3, (4,), (), "input register", "input", "input"),
}
WHOLE = (16, 23)
"""Functions that write more than one register at once."""
IN_ONE_FRAME = {
    *"ORDER GO BLOCK_TAG BLOCK_INDEX BLOCK".split(),
    *"SESSION_HASH SESSION_LENGTH SESSION_GO SESSION_SECONDS".split(),
}
"""Rows that are written whole, or with their neighbours, as their texts say."""
TYPES = {
    "bit": "bool",
    "i16": "int16",
    "u16": "uint16",
    "u32": "uint32",
    "f32": "float32",
    "f64": "float64",
    "bytes": "bytes",
}
TEXTS = {"MODEL_NAME", "FAULT_FILE", "TRAIN_NAME"}
"""Bytes that are ASCII, NUL padded."""
UNITS = {
    **dict.fromkeys("BAUD BAUD_IN_FORCE".split(), "bit/s"),
    **dict.fromkeys("SAMPLE_RATE SAMPLING_RATE FREQUENCY".split(), "Hz"),
    **dict.fromkeys("DEBOUNCE DEBOUNCE_IN_FORCE UPTIME EVENT_UPTIME".split(), "ms"),
    **dict.fromkeys("WATCHDOG WATCHDOG_IN_FORCE LOCK LOCK_IN_FORCE".split(), "s"),
    **dict.fromkeys("SECONDS SESSION_SECONDS TRIAL_LEFT".split(), "s"),
    **dict.fromkeys("LENGTH MODEL_LENGTH SESSION_LENGTH".split(), "bytes"),
}
"""Where a register has one of its own. The rest are numbers, or in the units of the model."""
SCALES = {"WATCHDOG": 0.1, "WATCHDOG_IN_FORCE": 0.1, "FREQUENCY": 1 / 256}
"""Of these units, what one is."""


def writable(row: Register) -> bool:
    return bool(TABLES[row.table].write) and not row.text.startswith("read only: ")


@dataclass(frozen=True)
class Value:
    """One value of a row, under the name that it has in other software."""

    row: Register
    name: str
    address: int


def values_of(row: Register, most: int = wire.UNITS_MAX) -> Iterator[Value]:
    """A row's first values."""
    if row.count == 1 or row.name in TEXTS:
        yield Value(row, row.name.lower(), row.address)
        return
    for number in range(min(row.size // row.width, most)):
        yield Value(row, f"{row.name.lower()}_{number}", row.address + number * row.width)


# ------------------------------------------------------------------------------------------------------------ CSV

COLUMNS = (
    "name table read write address reference reference_6 type count registers access unit scale meaning"
).split()


def table_csv() -> str:
    """docs/maps/neuron485.csv. reference: the number of five digits, where there is one, and of six."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow(COLUMNS)
    for row in REGISTERS:
        kind = TABLES[row.table]
        write = WHOLE if row.width > 1 or row.name in IN_ONE_FRAME else kind.write
        number = row.address + 1
        lines.writerow(
            [
                row.name,
                kind.name,
                " ".join(map(str, kind.read)),
                " ".join(map(str, write)) if writable(row) else "",
                row.address,
                f"{kind.digit}{number:04}" if number <= 9999 else "",
                f"{kind.digit}{number:05}",
                TYPES[row.kind],
                row.count,
                row.size,
                "rw" if writable(row) else "ro",
                UNITS.get(row.name, ""),
                SCALES.get(row.name, ""),
                row.text.removeprefix("read only: "),
            ]
        )
    return text.getvalue()


# ---------------------------------------------------------------------------------------------------------- MBMap


def mbmap() -> str:
    """docs/maps/neuron485.mbmap.json: an entry for each value; those of long rows are left out, blocks for programs."""
    head = {
        "format": "mbmap",
        "version": 2,
        "revision": wire.WIRE_VERSION,
        "manufacturer": wire.VENDOR_NAME,
        "model": wire.PRODUCT_CODE,
        "description": "Generated by tools/make_maps.py from host/core/wire.py, do not edit. "
        f"{ORDER_TEXT} Not yet checked against MBMap's own schema.",
        "address_base": 0,
        "byte_order": "big",
        "word_order": "big",
    }
    rows = [row for row in REGISTERS if row.name in TEXTS or row.size // row.width <= wire.UNITS_MAX]
    entries = [_mbmap_register(value) for row in rows for value in values_of(row)]
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    listed = ",\n".join("    " + json.dumps(entry) for entry in entries)
    return "\n".join(["{", *lines, '  "registers": [', listed, "  ]", "}"]) + "\n"


def _mbmap_register(value: Value) -> dict[str, object]:
    row = value.row
    entry: dict[str, object] = {
        "name": value.name,
        "table": TABLES[row.table].assistant,
        "address": value.address,
        "type": TYPES[row.kind],
        "access": "rw" if writable(row) else "r",
    }
    if row.kind == "bytes":
        entry |= {"type": "string", "length": row.size} if row.name in TEXTS else {"type": "uint16"}
    if row.name in UNITS:
        entry["unit"] = UNITS[row.name]
    if row.name in SCALES:
        entry["scale"] = SCALES[row.name]
    return entry | {"description": row.text.removeprefix("read only: ")}
