"""The master's half of Modbus, host/core/modbus.py, against pymodbus, which was made by others: the same requests, and
its replies are known for answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu import bit_message as bits
from pymodbus.pdu import diag_message as diag
from pymodbus.pdu import register_message as registers

from host.core.modbus import (
    EXCEPTION,
    FC23_WRITE_REGISTERS_MAX,
    READ_REGISTERS_MAX,
    WRITE_REGISTERS_MAX,
    answers,
    bits_of,
    echo_pdu,
    find_reply,
    frame_seal,
    read_pdu,
    registers_of,
    reply_size,
    write_coil_pdu,
    write_read_pdu,
    write_registers_pdu,
)

NODE = 17
ADDRESSES = st.integers(0, 0xFFFF)
WORDS = st.integers(0, 0xFFFF)


def frame_of(pdu: ModbusPDU) -> bytes:
    """As pymodbus sends it."""
    pdu.dev_id = NODE
    return bytes(FramerRTU(DecodePDU(True)).buildFrame(pdu))


def same(ours: bytes, theirs: ModbusPDU) -> None:
    assert frame_seal(bytes([NODE]) + ours) == frame_of(theirs)


def answered(request: bytes, reply: ModbusPDU) -> bytes:
    """Our view of their reply: it is the answer, is as long as we expect, and its PDU."""
    frame = frame_of(reply)
    assert len(frame) == reply_size(request)
    found = find_reply(NODE, request, frame)
    assert found == frame[1:-2]
    return found


@given(address=ADDRESSES, words=st.lists(WORDS, min_size=1, max_size=READ_REGISTERS_MAX))
def test_registers_are_read(address: int, words: list[int]) -> None:
    kinds = [
        (3, registers.ReadHoldingRegistersRequest, registers.ReadHoldingRegistersResponse),
        (4, registers.ReadInputRegistersRequest, registers.ReadInputRegistersResponse),
    ]
    for function, request, response in kinds:
        ours = read_pdu(function, address, len(words))
        same(ours, request(address=address, count=len(words)))
        assert registers_of(answered(ours, response(registers=words))) == words


@given(address=ADDRESSES, values=st.lists(st.booleans(), min_size=1, max_size=40))
def test_bits_are_read(address: int, values: list[bool]) -> None:
    kinds = [
        (1, bits.ReadCoilsRequest, bits.ReadCoilsResponse),
        (2, bits.ReadDiscreteInputsRequest, bits.ReadDiscreteInputsResponse),
    ]
    for function, request, response in kinds:
        ours = read_pdu(function, address, len(values))
        same(ours, request(address=address, count=len(values)))
        assert bits_of(answered(ours, response(bits=values)), len(values)) == values


@given(address=ADDRESSES, words=st.lists(WORDS, min_size=1, max_size=WRITE_REGISTERS_MAX))
def test_registers_are_written(address: int, words: list[int]) -> None:
    ours = write_registers_pdu(address, words)
    same(ours, registers.WriteMultipleRegistersRequest(address=address, registers=words))
    answered(ours, registers.WriteMultipleRegistersResponse(address=address, count=len(words)))


@given(
    address=ADDRESSES,
    words=st.lists(WORDS, min_size=1, max_size=FC23_WRITE_REGISTERS_MAX),
    where=ADDRESSES,
    given=st.lists(WORDS, min_size=1, max_size=READ_REGISTERS_MAX),
)
def test_registers_are_written_and_read(address: int, words: list[int], where: int, given: list[int]) -> None:
    ours = write_read_pdu(address, words, where, len(given))
    theirs = registers.ReadWriteMultipleRegistersRequest(
        read_address=where, read_count=len(given), write_address=address, write_registers=words
    )
    same(ours, theirs)
    reply = answered(ours, registers.ReadWriteMultipleRegistersResponse(registers=given))
    assert registers_of(reply) == given


@given(address=ADDRESSES, value=st.booleans(), data=WORDS)
def test_a_coil_is_written_and_an_echo_comes_back(address: int, value: bool, data: int) -> None:
    ours = write_coil_pdu(address, value)
    same(ours, bits.WriteSingleCoilRequest(address=address, bits=[value]))
    answered(ours, bits.WriteSingleCoilResponse(address=address, bits=[value]))
    same(echo_pdu(data), diag.ReturnQueryDataRequest(message=data.to_bytes(2, "big")))
    answered(echo_pdu(data), diag.ReturnQueryDataResponse(message=data.to_bytes(2, "big")))


REQUESTS = {
    "coils": read_pdu(1, 3, 9),
    "discrete inputs": read_pdu(2, 3, 8),
    "holding registers": read_pdu(3, 0x0100, 2),
    "input registers": read_pdu(4, 0x0100, 2),
    "coil": write_coil_pdu(3, True),
    "echo": echo_pdu(7),
    "write": write_registers_pdu(0x0100, [1, 2]),
    "write and read": write_read_pdu(0x0100, [1, 2], 0x0200, 2),
}
REPLIES = {
    "coils": bytes([1, 2, 0xFF, 1]),
    "discrete inputs": bytes([2, 1, 0xFF]),
    "holding registers": bytes([3, 4, 1, 2, 3, 4]),
    "input registers": bytes([4, 4, 1, 2, 3, 4]),
    "coil": write_coil_pdu(3, True),
    "echo": echo_pdu(7),
    "write": bytes([16, 1, 0, 0, 2]),
    "write and read": bytes([23, 4, 1, 2, 3, 4]),
}
STRANGE = {
    "another coil": write_coil_pdu(4, True),
    "the coil cleared": write_coil_pdu(3, False),
    "another echo": echo_pdu(8),
    "a write elsewhere": bytes([16, 1, 1, 0, 2]),
    "a write of more": bytes([16, 1, 0, 0, 3]),
    "fewer registers": bytes([3, 2, 1, 2]),
    "fewer bytes than are said": bytes([3, 4, 1, 2]),
    "more bytes than are said": bytes([4, 4, 1, 2, 3, 4, 5]),
    "nothing": b"",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_only_its_own_reply_answers_a_request(name: str) -> None:
    request = REQUESTS[name]
    for other, reply in {**REPLIES, **STRANGE}.items():
        assert answers(request, reply) is (other == name), other
    exception = frame_of(ExceptionResponse(request[0], 4))
    assert find_reply(NODE, request, exception) == bytes([request[0] | 0x80, 4])
    assert not answers(request, bytes([request[0] + 1 | 0x80, 4]))


@pytest.mark.parametrize("name", REQUESTS)
def test_an_answer_is_found_among_other_bytes(name: str) -> None:
    """And no damaged, foreign or unfinished one."""
    request, reply = REQUESTS[name], frame_seal(bytes([NODE]) + REPLIES[name])
    for noise in (b"", b"\0", bytes([NODE]), bytes([NODE, request[0]]), reply[:-1], b"\xff" * 300):
        assert find_reply(NODE, request, noise) is None
        assert find_reply(NODE, request, noise + reply + noise) == REPLIES[name]
    assert find_reply(NODE + 1, request, reply) is None
    refusal = frame_seal(bytes([NODE, request[0] | EXCEPTION, 2]))
    assert find_reply(NODE, request, b"\0" + refusal) == refusal[1:-2]
    for bit in range(8 * len(reply)):
        damaged = bytearray(reply)
        damaged[bit // 8] ^= 1 << bit % 8
        assert find_reply(NODE, request, bytes(damaged)) is None


def test_an_answer_within_the_data_of_another_answers_nothing() -> None:
    """A node's image, which anybody may have made, can hold a frame."""
    request = read_pdu(4, 0, 8)
    inner = frame_seal(bytes([NODE, 4 | EXCEPTION, 2]))
    outer = frame_seal(bytes([NODE, 4, 16]) + inner.ljust(16, b"\0"))
    for size in range(len(outer)):
        assert find_reply(NODE, request, outer[:size]) is None
    assert find_reply(NODE, request, outer) == outer[1:-2]
