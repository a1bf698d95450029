"""host/core/registers.py: names and types of the wire to registers and back; what cannot be said is refused."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.core.registers import Block, bytes_registers, pack, placed, register_bytes, unpack
from host.core.wire import BY_NAME, REGISTERS, Table

INTEGERS = {"u16": (0, 0xFFFF), "i16": (-0x8000, 0x7FFF), "u32": (0, 0xFFFFFFFF)}
ROWS = [row for row in REGISTERS if row.table in (Table.HOLDING, Table.INPUT)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.table.name}-{row.name}")
def test_a_row_comes_back_as_it_went(row) -> None:
    if row.kind == "bytes":
        value = bytes(i % 251 for i in range(row.count))
    elif row.kind in INTEGERS:
        value = [INTEGERS[row.kind][i % 2] for i in range(row.count)]
    else:
        value = [0.5 - i for i in range(row.count)]
    value = value if row.count > 1 else value[0]
    words = pack(row, value)
    assert len(words) == row.size
    assert all(0 <= word <= 0xFFFF for word in words)
    assert unpack(row, words) == value


def test_registers_stand_high_word_first() -> None:
    assert placed(COMMAND=1, LENGTH=0x12345678, CRC=2) == (0x0300, [1, 0x1234, 0x5678, 0, 2])
    assert pack(BY_NAME["TRAIN_RATE"], 1.0) == [0x3FF0, 0, 0, 0]
    assert pack(BY_NAME["INPUTS"], [-1, 2]) == [0xFFFF, 2]
    assert pack(BY_NAME["TRAIN_NAME"], b"and")[:2] == [0x616E, 0x6400]


@given(st.binary(max_size=246).filter(lambda data: len(data) % 2 == 0))
def test_bytes_travel_as_they_stand(data: bytes) -> None:
    assert register_bytes(bytes_registers(data)) == data


@given(st.floats(width=32))
def test_a_float32_keeps_its_bits(value: float) -> None:
    words = pack(BY_NAME["INPUTS_FLOAT"], [value])
    (back,) = unpack(BY_NAME["INPUTS_FLOAT"], words)
    assert math.isnan(value) == math.isnan(back)
    assert math.isnan(value) or struct.pack(">f", back) == struct.pack(">f", value)


def test_a_block_is_read_whole_and_by_name() -> None:
    block = Block.between("WIRE_VERSION", "FAULT_FILE")
    values = block.unpack(list(range(block.count)))
    assert (block.address, block.count) == (0x0200, 0x2C)
    assert values["MODEL_NAME"] == bytes.fromhex("000c000d000e000f0010001100120013")
    assert values["MODEL_CRC"] == 0x00020003


def test_what_would_leave_registers_unsaid_is_our_own_fault() -> None:
    with pytest.raises(ValueError, match="before CRC"):
        placed(COMMAND=1, CRC=2)
    with pytest.raises(ValueError, match="one table"):
        Block.of(["COMMAND", "STATE"])
    with pytest.raises(ValueError, match="takes 64 values"):
        pack(BY_NAME["INPUTS"], [0] * 65)
    with pytest.raises(ValueError, match="takes 16 bytes"):
        pack(BY_NAME["TRAIN_NAME"], bytes(17))
    with pytest.raises(struct.error):
        pack(BY_NAME["ADDRESS"], 70000)
