"""The server against the specifications: "MODBUS Application Protocol V1.1b3" and "MODBUS over Serial Line V1.02".

The requests are written out here byte by byte, with no client's help.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest

from host.core import wire
from host.core.image import encode
from host.core.modbus import frame_seal, frame_valid, write_registers_pdu
from host.core.wire import BY_NAME, Command, Register, Table
from tests.memory_node import MemoryNode, ModbusException
from tests.models import random_model
from tests.pdus import command_pdu

FUNCTION, ADDRESS, VALUE, FAILURE, BUSY = 1, 2, 3, 4, 6
KNOWN = [1, 2, 3, 4, 5, 6, 8, 15, 16, 17, 22, 23, 43]
COILS, DISCRETES = 5, 16
ACKNOWLEDGE = BY_NAME["ACKNOWLEDGE"].address
INPUTS = BY_NAME["INPUTS"].address
FLOATS = BY_NAME["INPUTS_FLOAT"].address
STAGE = BY_NAME["STAGE"].address
RESULTS = BY_NAME["RESULT_BITS"].address


def pdu(function: int, *values: int) -> bytes:
    return struct.pack(f">B{len(values)}H", function, *values)


def state(node: MemoryNode) -> list[list[int]]:
    """All that a request could have changed."""
    return [
        node.read(Table.COIL, 0, COILS),
        node.read(Table.HOLDING, INPUTS, 64),
        node.read(Table.HOLDING, BY_NAME["ADDRESS"].address, 5),
        node.read(Table.HOLDING, BY_NAME["COMMAND"].address, 5),
        node.read(Table.HOLDING, STAGE, 125),
        node.read(Table.HOLDING, STAGE + 4096 - 125, 125),
    ]


def areas(table: Table) -> list[tuple[int, int]]:
    """[start, end) of the rows of a table that touch each other: what one request may span."""
    joined: list[list[int]] = []
    for row in sorted((row for row in wire.REGISTERS if row.table is table), key=lambda row: row.address):
        if row.name == "IMAGE":
            continue
        if joined and joined[-1][1] == row.address:
            joined[-1][1] = row.end
        else:
            joined.append([row.address, row.end])
    return [(start, end) for start, end in joined]


# -------------------------------------------------------------------------------------------------------------- reads


def test_read_coils_and_discretes(node: MemoryNode) -> None:
    node.ask(pdu(5, 0, 0xFF00))
    node.ask(pdu(5, 2, 0xFF00))
    assert node.ask(pdu(1, 0, 3)) == bytes([1, 1, 0b101])
    assert node.ask(pdu(1, 1, 2)) == bytes([1, 1, 0b10])
    assert node.ask(pdu(1, 1, 1)) == bytes([1, 1, 0])
    assert node.ask(pdu(2, 0, 8)) == bytes([2, 1, 1])  # LED, forced by LAMP_TEST
    assert node.ask(pdu(2, 6, 1)) == bytes([2, 1, 0])
    assert node.ask(pdu(2, 0, 10)) == bytes([2, 2, 1, 0b10])  # HELD
    node.factory()
    node.work()
    node.health(dead_crystal=True)
    node.power_cycle()
    node.work()
    assert node.ask(pdu(2, 0, 9)) == bytes([2, 2, 0b1000, 1])  # FAULT, ATTENTION
    assert node.ask(pdu(2, 3, 6)) == bytes([2, 1, 0b100001])


@pytest.mark.parametrize(("function", "size"), [(1, COILS), (2, DISCRETES)])
def test_read_bits_refuses(node: MemoryNode, function: int, size: int) -> None:
    for count in (0, 2001, 0x8000, 0xFFFF):
        assert node.refusal(pdu(function, 0, count)) == VALUE
        assert node.refusal(pdu(function, 0xFFFF, count)) == VALUE, "03 comes before 02"
    for address, count in ((size, 1), (0, size + 1), (size - 1, 2), (0, 2000), (0xFFFF, 1), (0xFFFF, 2000)):
        assert node.refusal(pdu(function, address, count)) == ADDRESS
    for bad in (pdu(function), pdu(function, 0), pdu(function, 0, 1, 0), pdu(function, 0, 1) + b"\0"):
        assert node.refusal(bad) == VALUE


@pytest.mark.parametrize("table", [Table.HOLDING, Table.INPUT])
def test_read_registers_at_both_ends(node: MemoryNode, table: Table) -> None:
    function = {Table.HOLDING: 3, Table.INPUT: 4}[table]
    for start, end in areas(table):
        count = min(125, end - start)
        assert len(node.read(table, start, count)) == count
        assert len(node.read(table, end - count, count)) == count
        assert node.refusal(pdu(function, end - 1, 2)) == ADDRESS
        assert node.refusal(pdu(function, end, 1)) == ADDRESS
        if start > 0:
            assert node.refusal(pdu(function, start - 1, 1)) == ADDRESS
            assert node.refusal(pdu(function, start - 1, 2)) == ADDRESS
    for count in (0, 126, 127, 0x8000, 0xFFFF):
        assert node.refusal(pdu(function, 0, count)) == VALUE
        assert node.refusal(pdu(function, 0x0FFF, count)) == VALUE, "03 comes before 02"
    assert node.refusal(pdu(function, 0xFFFF, 1)) == ADDRESS
    assert node.refusal(pdu(function, 0xFFFF, 125)) == ADDRESS
    for bad in (pdu(function), pdu(function, 0), pdu(function, 0, 1, 0), pdu(function, 0, 1) + b"\0"):
        assert node.refusal(bad) == VALUE


def test_every_named_register_reads(node: MemoryNode) -> None:
    for row in wire.REGISTERS:
        if row.name == "IMAGE":
            assert node.refusal(pdu(4, row.address, 1)) == ADDRESS, "there is no image yet"
        else:
            assert len(node.read(row.table, row.address, min(row.size, 125))) == min(row.size, 125)
    assert node.get("WIRE_VERSION") == wire.WIRE_VERSION
    assert node.get("FIRMWARE_VERSION") == wire.FIRMWARE_MAJOR << 8 | wire.FIRMWARE_MINOR
    assert node.read(Table.INPUT, BY_NAME["UID"].address, 6) == list(struct.unpack(">6H", b"memory node\0"))


def test_image_reads_up_to_its_length(node: MemoryNode) -> None:
    image = encode(random_model(np.random.default_rng(1), largest=9))
    node.deploy(image)
    start, length = BY_NAME["IMAGE"].address, len(image) // 2
    read = node.read(Table.INPUT, start, min(125, length))
    assert struct.pack(f">{len(read)}H", *read) == image[: 2 * len(read)]
    assert node.refusal(pdu(4, start + length - 1, 1)) == 0
    assert node.refusal(pdu(4, start + length - 1, 2)) == ADDRESS
    assert node.refusal(pdu(4, start + length, 1)) == ADDRESS


# ------------------------------------------------------------------------------------------------------- single writes


def test_write_coil(node: MemoryNode) -> None:
    for value, bit in ((0xFF00, 1), (0x0000, 0)):
        for address in range(COILS):
            assert node.ask(pdu(5, address, value)) == pdu(5, address, value)
            assert node.read(Table.COIL, address) == [bit if address != ACKNOWLEDGE else 0]
    before = state(node)
    for value in (1, 0x00FF, 0xFF01, 0xFFFF, 0x1234, 0x0100):
        assert node.refusal(pdu(5, 0, value)) == VALUE
        assert node.refusal(pdu(5, COILS, value)) == VALUE, "03 comes before 02"
    for address in (COILS, 7, 8, 15, 16, 31, 32, 0xFFFF):
        assert node.refusal(pdu(5, address, 0xFF00)) == ADDRESS
    for bad in (pdu(5, 0), pdu(5, 0, 0xFF00) + b"\0", pdu(5, 0, 0xFF00)[:-1]):
        assert node.refusal(bad) == VALUE
    assert state(node) == before


def test_write_register(node: MemoryNode) -> None:
    for address, value in ((INPUTS, 0x8000), (INPUTS + 63, 0x7FFF), (STAGE, 0x1234), (STAGE + 4095, 0xFEDC)):
        assert node.ask(pdu(6, address, value)) == pdu(6, address, value)
        assert node.read(Table.HOLDING, address) == [value]
    before = state(node)
    for address in (INPUTS + 64, STAGE - 1, STAGE + 4096, RESULTS, RESULTS + 1, 0xFFFF):
        assert node.refusal(pdu(6, address, 1)) == ADDRESS
    for bad in (pdu(6, 0), pdu(6, 0, 1) + b"\0", pdu(6, 0, 1)[:-1]):
        assert node.refusal(bad) == VALUE
    assert state(node) == before


PARTS = ("SESSION_LENGTH", "BLOCK_TAG")
"""Of an opening and of a block, which are written as a whole."""


def wide_rows() -> list[Register]:
    return [
        row
        for row in wire.REGISTERS
        if row.table is Table.HOLDING and row.width == 2 and not row.text.startswith("read only")
    ]


@pytest.mark.parametrize("row", wide_rows(), ids=lambda row: row.name)
def test_half_a_value_is_refused(node: MemoryNode, row: Register) -> None:
    before = state(node)
    for offset in (0, 1):
        address = row.address + offset
        assert node.refusal(pdu(6, address, 1)) == ADDRESS
        assert node.refusal(pdu(22, address, 0, 1)) == ADDRESS
        assert node.refusal(write_registers_pdu(address, [1])) == ADDRESS
        assert node.refusal(pdu(23, 0, 1, address, 1) + b"\2\0\1") == ADDRESS
    assert state(node) == before
    if row.name in PARTS:
        assert node.refusal(write_registers_pdu(row.address, [0, 1200])) == ADDRESS
        return
    assert node.refusal(write_registers_pdu(row.address, [0, 1200])) == 0
    assert node.read(Table.HOLDING, row.address, 2) == [0, 1200]


def test_mask_write(node: MemoryNode) -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        address = STAGE + int(rng.integers(4096))
        current, and_mask, or_mask = (int(v) for v in rng.integers(0x10000, size=3))
        node.write(address, [current])
        assert node.ask(pdu(22, address, and_mask, or_mask)) == pdu(22, address, and_mask, or_mask)
        assert node.read(Table.HOLDING, address) == [current & and_mask | or_mask & ~and_mask & 0xFFFF]
    node.write(INPUTS + 5, [0x12])  # the specification's own example, 6.16
    node.ask(pdu(22, INPUTS + 5, 0xF2, 0x25))
    assert node.read(Table.HOLDING, INPUTS + 5) == [0x17]
    before = state(node)
    for address in (INPUTS + 64, RESULTS, 0xFFFF):
        assert node.refusal(pdu(22, address, 0, 0)) == ADDRESS
    for bad in (pdu(22, 0), pdu(22, 0, 0), pdu(22, 0, 0, 0)[:-1], pdu(22, 0, 0, 0) + b"\0"):
        assert node.refusal(bad) == VALUE
    assert state(node) == before


# --------------------------------------------------------------------------------------------------------- many writes


def test_write_coils(node: MemoryNode) -> None:
    assert node.ask(pdu(15, 0, 3) + b"\1\x05") == pdu(15, 0, 3)
    assert node.read(Table.COIL, 0, 3) == [1, 0, 1]
    assert node.ask(pdu(15, 1, 2) + b"\1\xfd") == pdu(15, 1, 2)  # spare bits are not looked at
    assert node.read(Table.COIL, 0, 3) == [1, 1, 0]
    before = state(node)
    for bad in (
        pdu(15, 0, 0) + b"\0",
        pdu(15, 0, 1969) + b"\xf7" + bytes(246),
        pdu(15, 0, 3) + b"\2\1\0",
        pdu(15, 0, 3) + b"\0",
        pdu(15, 0, 3) + b"\1",
        pdu(15, 0, 3) + b"\1\1\1",
        pdu(15, 0, 3),
        pdu(15, 0),
        pdu(15, 3, 9) + b"\1\1",
    ):
        assert node.refusal(bad) == VALUE
    for good in (pdu(15, 5, 1) + b"\1\1", pdu(15, 0, 6) + b"\1\1", pdu(15, 0, 1968) + b"\xf6" + bytes(246)):
        assert node.refusal(good) == ADDRESS
    assert node.refusal(pdu(15, 0xFFFF, 2) + b"\1\3") == ADDRESS
    assert state(node) == before


def test_write_registers(node: MemoryNode) -> None:
    values = list(range(1, 124))
    for address in (STAGE, STAGE + 4096 - 123):
        assert node.ask(write_registers_pdu(address, values)) == pdu(16, address, 123)
        assert node.read(Table.HOLDING, address, 123) == values
    before = state(node)
    for bad in (
        pdu(16, STAGE, 0) + b"\0",
        pdu(16, STAGE, 124) + b"\xf8" + bytes(246),
        pdu(16, STAGE, 1) + b"\1\0\1",
        pdu(16, STAGE, 1) + b"\2\0",
        pdu(16, STAGE, 1) + b"\2\0\1\0",
        pdu(16, STAGE, 2) + b"\2\0\1",
        pdu(16, STAGE, 129) + b"\2\0\1",  # 258 bytes would be 2 in a byte
        pdu(16, STAGE, 1),
        pdu(16, STAGE),
    ):
        assert node.refusal(bad) == VALUE
    for start, end in areas(Table.HOLDING):
        if start != RESULTS:
            assert node.refusal(write_registers_pdu(end - 2, [7, 7, 7])) == ADDRESS, hex(end)
    for address in (RESULTS, BY_NAME["RESULTS_FLOAT"].address, 0xFFFF, STAGE - 1):
        assert node.refusal(write_registers_pdu(address, [7, 7])) == ADDRESS
    assert state(node) == before


def test_nan_is_refused_whole(node: MemoryNode) -> None:
    before = state(node)
    for nan in (0x7FC00000, 0x7F800001, 0xFFFFFFFF):
        assert node.refusal(write_registers_pdu(FLOATS, [0x3F80, 0, nan >> 16, nan & 0xFFFF])) == VALUE
    assert state(node) == before
    assert node.refusal(write_registers_pdu(FLOATS, [0x7F80, 0, 0xFF80, 0])) == 0
    assert node.read(Table.HOLDING, INPUTS, 2) == [0x7FFF, 0x8000], "infinities saturate"


def test_read_write_registers(node: MemoryNode) -> None:
    node.write(STAGE, [1, 2, 3, 4])
    assert node.ask(pdu(23, STAGE, 4, STAGE + 1, 2) + b"\4\0\7\0\x08") == bytes(
        [23, 8, 0, 1, 0, 7, 0, 8, 0, 4]
    )
    largest = pdu(23, STAGE, 125, STAGE, 121) + bytes([242]) + bytes(range(242))
    assert node.ask(largest)[2 : 2 + 242] == bytes(range(242))
    before = state(node)
    for bad in (
        pdu(23, STAGE, 0, STAGE, 1) + b"\2\0\7",
        pdu(23, STAGE, 126, STAGE, 1) + b"\2\0\7",
        pdu(23, STAGE, 1, STAGE, 0) + b"\0",
        pdu(23, STAGE, 1, STAGE, 122) + b"\xf4" + bytes(242),
        pdu(23, STAGE, 1, STAGE, 1) + b"\3\0\7",
        pdu(23, STAGE, 1, STAGE, 1) + b"\2\0",
        pdu(23, STAGE, 1, STAGE, 1) + b"\2\0\7\0",
        pdu(23, STAGE, 1, STAGE, 129) + b"\2\0\7",
        pdu(23, STAGE, 1, STAGE, 1),
        pdu(23, 0x0FFF, 0, 0x0FFF, 1) + b"\2\0\7",
    ):
        assert node.refusal(bad) == VALUE
    for read, write in (
        (STAGE - 1, STAGE),
        (STAGE + 4096, STAGE),
        (0xFFFF, STAGE),
        (STAGE, STAGE - 1),
        (0, RESULTS),
    ):
        assert node.refusal(pdu(23, read, 1, write, 1) + b"\2\0\7") == ADDRESS
    assert node.refusal(pdu(23, STAGE + 4095, 2, STAGE, 1) + b"\2\0\7") == ADDRESS, (
        "no write when the read is bad"
    )
    assert node.refusal(pdu(23, STAGE, 1, STAGE + 4095, 2) + b"\4\0\7\0\7") == ADDRESS
    assert node.refusal(pdu(23, 0xFFFF, 125, STAGE, 1) + b"\2\0\7") == ADDRESS
    assert state(node) == before


# ------------------------------------------------------------------------------------------------- function and format


def test_unknown_functions(node: MemoryNode) -> None:
    before = state(node)
    for function in set(range(128)) - set(KNOWN):
        for data in (b"", b"\0", bytes(4), bytes(252)):
            assert node.refusal(bytes([function]) + data) == FUNCTION, function
    for function in (0x80, 0x83, 0xFF):  # an exception's bit in a request
        reply = node.request(frame_seal(bytes([1, function, 0, 0, 0, 1])))
        assert frame_valid(reply)
        assert reply[:3] == bytes([1, function | 0x80, FUNCTION])
    assert state(node) == before


def test_a_command_is_refused_without_trace(node: MemoryNode) -> None:
    before = state(node)
    assert node.refusal(command_pdu(Command.COMMIT, crc=1)) == FAILURE
    assert node.refusal(command_pdu(99)) == VALUE
    assert state(node) == before


def test_busy(node: MemoryNode) -> None:
    image = encode(random_model(np.random.default_rng(3), largest=5))
    node.write(STAGE, list(struct.unpack(f">{len(image) // 2}H", image)))
    crc = int.from_bytes(image[-4:], "little")
    node.command(Command.VERIFY, len(image), crc)
    node.command(Command.COMMIT, crc=crc)
    node.command(Command.COMMIT, crc=crc)  # may be repeated
    assert node.get("STATE") == wire.State.COMMITTING
    assert node.read(Table.DISCRETE, BY_NAME["BUSY"].address) == [1]
    for refused in (
        write_registers_pdu(STAGE, [0]),
        command_pdu(Command.VERIFY, len(image), crc),
        command_pdu(Command.COMMIT, crc=crc ^ 1),
        command_pdu(Command.ROLLBACK, crc=crc ^ 1),
        command_pdu(Command.RESTART),
    ):
        assert node.refusal(refused) == BUSY
    node.work()
    assert node.get("MODEL_CRC") == crc
    node.command(Command.COMMIT, crc=crc)
    with pytest.raises(ModbusException):
        node.command(Command.COMMIT, crc=crc ^ 1)
    assert node.get("SEQUENCE") == 1


def test_a_commit_may_come_at_any_moment(node: MemoryNode) -> None:
    """Both stores, models and settings, prepare their flash: neither may disturb an erase of the other."""
    image = encode(random_model(np.random.default_rng(4), largest=3))
    for rounds in range(30):
        node.factory()
        node.work(rounds)
        node.write(BY_NAME["BAUD"].address, [0, 9600])
        node.command(Command.SAVE_SETTINGS)
        node.deploy(image)
        node.power_cycle()
        assert node.line().baud == 9600
        assert node.get("MODEL_CRC") == int.from_bytes(image[-4:], "little")
