"""Readers of docs/maps/ that know nothing but the files' formats. Values are made of registers by pymodbus."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pymodbus.client.mixin import ModbusClientMixin

from host.compiler import ROOT
from host.core.wire import Table

MAPS = ROOT / "docs" / "maps"
Read = Callable[[Table, int, int], Sequence[int]]
"""Bits or registers of a node: table, address, count."""


def table_of(word: str) -> Table:
    return {"c": Table.COIL, "d": Table.DISCRETE, "h": Table.HOLDING, "i": Table.INPUT}[word[0]]


def width(kind: str) -> int:
    """Bits or registers that a value takes."""
    return 1 if kind == "BOOL" else ModbusClientMixin.DATATYPE[kind].value[1]


@dataclass(frozen=True)
class Told:
    """Where a map says that a value stands, and what it is. kind: BOOL, or pymodbus' word; size: bits or registers;
    order: of words."""

    table: Table
    address: int
    kind: str
    size: int
    scale: float = 1.0
    order: str = "big"

    def stands(self, read: Read) -> Any:
        """The value without its scale."""
        words = list(read(self.table, self.address, self.size))
        if self.kind == "BOOL":
            return bool(words[0])
        kind = ModbusClientMixin.DATATYPE[self.kind]
        return ModbusClientMixin.convert_from_registers(words, kind, self.order, "latin-1")

    def value(self, read: Read) -> Any:
        stands = self.stands(read)
        return stands if self.kind in ("BOOL", "STRING") else stands * self.scale


Map = dict[str, Told]
"""By names as the fields of Telegraf have them: led, outputs_float_0."""


def csv_rows() -> list[dict[str, str]]:
    with (MAPS / "neuron485.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def by_csv() -> Map:
    """Bytes are told as registers."""
    told = {}
    for row in csv_rows():
        kind = "UINT16" if row["type"] == "bytes" else row["type"].upper()
        table, scale, size = table_of(row["table"]), float(row["scale"] or 1), width(kind)
        count = int(row["registers"]) // size
        for number in range(count):
            name = row["name"].lower() + (f"_{number}" if count > 1 else "")
            told[name] = Told(table, int(row["address"]) + number * size, kind, size, scale)
    return told


def by_mbmap() -> Map:
    found = json.loads((MAPS / "neuron485.mbmap.json").read_text(encoding="utf-8"))
    assert (found["format"], found["version"], found["byte_order"]) == ("mbmap", 2, "big")
    told = {}
    for entry in found["registers"]:
        kind = entry["type"].upper()
        told[entry["name"]] = Told(
            table_of(entry["table"]),
            entry["address"] - found["address_base"],
            kind,
            entry.get("length") or width(kind),
            entry.get("scale", 1.0),
            found["word_order"],
        )
    assert len(told) == len(found["registers"])
    return told


def telegraf_input() -> dict[str, Any]:
    """Its only [[inputs.modbus]]."""
    found: dict[str, Any] = tomllib.loads((MAPS / "telegraf.conf").read_text(encoding="utf-8"))
    (only,) = found["inputs"]["modbus"]
    assert isinstance(only, dict)
    return only


def telegraf_fields(request: dict[str, Any]) -> Map:
    order = {"ABCD": "big", "CDAB": "little"}[request.get("byte_order", "ABCD")]
    bits = request["register"] in ("coil", "discrete")
    told = {}
    for field in request["fields"]:
        kind, scale = "BOOL" if bits else field["type"], field.get("scale", 1.0)
        told[field["name"]] = Told(
            table_of(request["register"]), field["address"], kind, width(kind), scale, order
        )
    assert len(told) == len(request["fields"])
    return told


def by_telegraf() -> Map:
    told: Map = {}
    for request in telegraf_input()["request"]:
        fields = telegraf_fields(request)
        assert not told.keys() & fields.keys(), "all tables come in one metric"
        told |= fields
    return told


def assistant_hub() -> dict[str, Any]:
    """The hub, by as much of YAML as the file has: a mapping with lists of mappings."""
    text = (MAPS / "home-assistant.yaml").read_text(encoding="utf-8")
    head, *lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    assert head == "modbus:"
    hub: dict[str, Any] = {}
    for line in lines:
        match = re.fullmatch(r"(  - |    |      - |        )(\w+):(?: (\S.*))?", line)
        assert match, line
        start, key, value = match.groups()
        if start.endswith("  - ") and len(start) == 8:
            hub[list(hub)[-1]].append({})
        place = hub if len(start) == 4 else hub[list(hub)[-1]][-1]
        assert key not in place, line
        place[key] = [] if value is None else value
    return hub


def by_assistant() -> Map:
    hub = assistant_hub()
    told = {}
    for entity in [*hub["binary_sensors"], *hub["sensors"]]:
        kind = entity.get("data_type", "bool").upper()
        order = "little" if entity.get("swap", "none").startswith("word") else "big"
        told[entity["name"].split()[-1]] = Told(
            table_of(entity["input_type"]),
            int(entity["address"]),
            kind,
            width(kind),
            float(entity.get("scale", 1)),
            order,
        )
    return told
