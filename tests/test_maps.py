"""docs/maps/: what other software reads by these files is what the node says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from host.core.image import encode
from host.core.infer import dequantise_outputs
from host.core.modbus import write_read_pdu, write_registers_pdu
from host.core.registers import bytes_registers, unpack
from host.core.wire import ANALOG, BY_NAME, REGISTERS, Activation, Command, Register, Table
from host.models.dense import Dense
from host.models.quantise import quantise
from host.node.events import Events
from host.node.line import read_settings
from host.node.node import Node
from tests.map_readers import (
    MAPS,
    Map,
    Read,
    Told,
    assistant_hub,
    by_assistant,
    by_csv,
    by_mbmap,
    by_telegraf,
    csv_rows,
    telegraf_fields,
    telegraf_input,
)
from tests.memory_node import MemoryNode, Scan
from tests.test_modbus import pdu
from tests.virtual_link import VirtualLink
from tools.make_maps import IN_ONE_FRAME

ALL = pytest.mark.parametrize("told", [by_csv, by_mbmap, by_telegraf, by_assistant])

# ---------------------------------------------------------------------------------------------------- every value


def marks(table: Table, address: int, count: int) -> list[int]:
    """Bits, or registers: each differs from the next, is negative where it has a sign, and finite as a float."""
    numbers = [7919 * (65536 * table + at) for at in range(address, address + count)]
    if table in (Table.COIL, Table.DISCRETE):
        return [number >> 3 & 1 for number in numbers]
    return [0x9000 + number % 0x5000 for number in numbers]


def row_of(name: str) -> tuple[Register, int]:
    """The row of a value, and which of its values it is."""
    base, _, number = name.upper().rpartition("_")
    return (BY_NAME[name.upper()], 0) if name.upper() in BY_NAME else (BY_NAME[base], int(number))


@cache
def row_unpacked(row: Register) -> Any:
    return unpack(row, marks(row.table, row.address, row.size))


def as_host_reads(name: str, told: Told) -> Any:
    row, number = row_of(name)
    if row.kind == "bit":
        return bool(marks(row.table, row.address, 1)[0])
    value = row_unpacked(row)
    if row.kind == "bytes":
        pair = value[2 * number : 2 * number + 2]
        return value.decode("latin-1") if told.kind == "STRING" else bytes_registers(pair)[0]
    return value[number] if row.count > 1 else value


@ALL
def test_every_value_stands_where_the_map_says(told: Callable[[], Map]) -> None:
    for name, place in told().items():
        assert place.stands(marks) == as_host_reads(name, place), name


def test_the_csv_has_every_register() -> None:
    assert [row["name"] for row in csv_rows()] == [row.name for row in REGISTERS]
    assert sum(place.size for place in by_csv().values()) == sum(row.size for row in REGISTERS)


# --------------------------------------------------------------------------------------------------------- a node

WEIGHTS = np.array([[0.75, 0.5], [-8.125, 3.5], [100.25, -40.0]])
MODEL = quantise(
    "maps",
    [Dense(WEIGHTS, np.array([0.125, -0.5, 300]), Activation.IDENTITY)],
    [(0, 0), (0, 1), (1, 0), (1, 1)],
)[0]
INPUTS = 0.375, 0.875
UPTIME = 0x12345678
"""ms"""
PULSES, PULSE = 250, 8
"""On D0, and the scans of each."""
SEEN = {
    "led",
    "decision",
    "fault",
    "class",
    "outputs_float_0",
    "outputs_float_2",
    "sequence",
    "uptime",
    "frequency_0",
}
"""What each map has at least."""


@pytest.fixture(scope="module")
def node() -> Iterator[MemoryNode]:
    """It has been on for UPTIME, has a watchdog of 2.5 s, runs MODEL, and has counted pulses for two seconds."""
    with MemoryNode() as running:
        running.advance(UPTIME)
        running.write(BY_NAME["WATCHDOG"].address, [25])
        running.command(Command.SAVE_SETTINGS)
        running.work()
        running.deploy(encode(MODEL))
        running.write(BY_NAME["SAMPLE_CHANNELS"].address, [1 << ANALOG])
        running.work()
        for _ in range(PULSES // 5):
            running.scans([Scan(levels=level, times=PULSE // 2) for level in (0, 1)] * 5)
            running.work()
        yield running


def as_the_host_says(node: MemoryNode) -> dict[str, Any]:
    """By the names of the maps, in people's units."""
    host = Node(VirtualLink(node.answer, baud=19200), node.address)
    result = host.evaluate_float([INPUTS], MODEL.outputs, classes=True)
    outputs = dequantise_outputs(MODEL, result.outputs)[0].tolist()
    identity, settings = host.identity(), read_settings(host)
    major, minor = map(int, identity.firmware.split("."))
    uid = bytes_registers(bytes.fromhex(identity.uid))
    return {
        "led": bool(result.led[0]),
        "decision": True,
        "fault": bool(identity.faults),
        "bus_lost": False,
        "class": int(result.classes[0]),
        "model_crc": identity.model_crc,
        "sequence": identity.sequence,
        "model_name": "maps",
        "firmware_version": major << 8 | minor,
        "baud_in_force": settings.baud,
        "watchdog_in_force": settings.as_dict()["watchdog"],
        "uptime": UPTIME,
        "sampling_rate": 1000,
        "edges_0": PULSES,
        "frequency_0": 1000 / PULSE,
        "events_head": Events(host).next,
        **{f"outputs_float_{number}": output for number, output in enumerate(outputs)},
        **{f"inputs_float_{number}": value for number, value in enumerate(INPUTS)},
        **{f"uid_{number}": word for number, word in enumerate(uid)},
    }


@ALL
def test_a_node_is_read_by_the_map(node: MemoryNode, told: Callable[[], Map]) -> None:
    says, places = as_the_host_says(node), told()
    read = as_telegraf(node) if told is by_telegraf else node.read
    assert places.keys() >= SEEN
    for name in says.keys() & places.keys():
        assert places[name].value(read) == says[name], name


# ------------------------------------------------------------------------------------------------------------ CSV


def test_the_csv_is_as_rfc_4180_has_it() -> None:
    data = (MAPS / "neuron485.csv").read_bytes()
    assert data.endswith(b"\r\n")
    assert data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n") == len(REGISTERS) + 1
    assert data.decode("ascii").startswith("name,table,read,write,address,")
    assert all(None not in row and None not in row.values() for row in csv_rows())


def test_reference_numbers_count_from_1_behind_the_table() -> None:
    by_name = {row["name"]: (row["reference"], row["reference_6"]) for row in csv_rows()}
    assert by_name["LAMP_TEST"] == ("00001", "000001")
    assert by_name["DECISION"] == ("10007", "100007")
    assert by_name["UPTIME"] == ("30541", "300541")
    assert by_name["OUTPUTS_FLOAT"] == ("30257", "300257")
    assert by_name["ADDRESS"] == ("40513", "400513")
    assert by_name["ARENA"] == ("", "416385")
    for row in csv_rows():
        assert int(row["reference_6"][1:]) == int(row["address"]) + 1
        assert row["reference"] in ("", row["reference_6"][0] + row["reference_6"][2:])


NO_SUCH_ADDRESS = 2
"""Exception code."""


def test_the_csv_has_the_functions_that_the_node_takes(node: MemoryNode) -> None:
    for row in csv_rows():
        table, address = BY_NAME[row["name"]].table, int(row["address"])
        count = min(int(row["registers"]), 16)
        for function in map(int, row["read"].split()):
            nothing = BY_NAME["COMMAND"].address, [Command.NONE]
            asks = (
                write_read_pdu(*nothing, address, count) if function == 23 else pdu(function, address, count)
            )
            assert node.refusal(asks) == 0, row["name"]
        words = node.read(table, address, count)
        tries = {"5": pdu(5, address, 0), "15": pdu(15, address, 1) + b"\1\0"}
        if table is Table.HOLDING:
            tries = {
                "6": pdu(6, address, words[0]),
                "16": write_registers_pdu(address, words),
                "22": pdu(22, address, 0xFFFF, 0),
                "23": write_read_pdu(address, words, BY_NAME["INPUTS"].address, 1),
            }
        taken = [function for function, asks in tries.items() if node.refusal(asks) != NO_SUCH_ADDRESS]
        node.work()
        assert row["access"] == ("rw" if row["write"] else "ro")
        if row["name"] in IN_ONE_FRAME:
            assert row["write"] == "16 23"
        elif table in (Table.COIL, Table.HOLDING):
            assert row["write"].split() == taken, row["name"]


# ------------------------------------------------------------------------------------------------------- Telegraf


def telegraf_requests() -> list[tuple[Table, int, int]]:
    """Table, address and count, as the plugin makes them of the fields: what stands side by side is asked for at once,
    and with max_insert what has no more than so many registers between."""
    found = []
    for request in telegraf_input()["request"]:
        fill = request.get("optimization_max_register_fill", 0)
        assert request.get("optimization", "none") == ("max_insert" if fill else "none")
        places = sorted(telegraf_fields(request).values(), key=lambda place: place.address)
        table, start, end = places[0].table, places[0].address, places[0].address
        most = 2000 if table in (Table.COIL, Table.DISCRETE) else 125
        for place in places:
            assert place.address >= end, "fields overlap"
            if place.address - end > fill or place.address + place.size - start > most:
                found.append((table, start, end - start))
                start = place.address
            end = place.address + place.size
        found.append((table, start, end - start))
    return found


def as_telegraf(node: MemoryNode) -> Read:
    """What a round of Telegraf gets: the node must answer all of its requests."""
    found = {
        (table, address + number): word
        for table, address, count in telegraf_requests()
        for number, word in enumerate(node.read(table, address, count))
    }
    return lambda table, address, count: [found[table, at] for at in range(address, address + count)]


def test_telegraf_needs_eight_requests_a_round() -> None:
    assert len(telegraf_requests()) == 8


def test_telegraf_finds_nothing_that_it_does_not_know() -> None:
    plugin = telegraf_input()
    line = {"baud_rate": 19200, "data_bits": 8, "parity": "E", "stop_bits": 1, "transmission_mode": "RTU"}
    assert (
        plugin.items() >= {**line, "configuration_type": "request", "exclude_register_type_tag": True}.items()
    )
    known = {
        *line,
        "name",
        "interval",
        "controller",
        "timeout",
        "configuration_type",
        "exclude_register_type_tag",
    }
    assert plugin.keys() == {*known, "request", "workarounds"}
    for request in plugin["request"]:
        bits = request["register"] == "discrete"
        assert bits or request["register"] in ("holding", "input")
        how = set() if bits else {"byte_order", "optimization", "optimization_max_register_fill"}
        assert request.keys() <= {"slave_id", "register", "measurement", "fields", *how}
        for field in request["fields"]:
            rest = {key: value for key, value in field.items() if key not in ("address", "name")}
            if bits:
                assert rest == {"output": "BOOL"}
            else:
                assert rest["type"] in ("UINT16", "UINT32", "FLOAT32")
                assert rest.keys() <= {"type", "scale"}


# ------------------------------------------------------------------------------------------------- Home Assistant


def test_home_assistant_finds_nothing_that_it_does_not_know() -> None:
    hub = assistant_hub()
    line = {"method": "rtu", "baudrate": "19200", "bytesize": "8", "parity": "E", "stopbits": "1"}
    assert hub.items() >= {"type": "serial", **line}.items()
    assert hub.keys() == {"name", "type", "port", *line, "timeout", "binary_sensors", "sensors"}
    always = {"name", "unique_id", "slave", "address", "input_type"}
    for bit in hub["binary_sensors"]:
        assert bit.keys() == always
    for number in hub["sensors"]:
        assert number.keys() >= {*always, "data_type"}
        assert number.keys() <= {*always, "data_type", "precision", "scale", "unit_of_measurement"}
    entities = [*hub["binary_sensors"], *hub["sensors"]]
    for key in ("name", "unique_id"):
        assert len({entity[key] for entity in entities}) == len(entities)
