"""Modbus RTU as pure functions: frames and their CRC, a master's requests, and whether a frame answers one.
Twin of firmware/core/modbus.c, from the other end of the line.

A PDU is a frame without address and CRC. Functions 1 2 3 4 5 8 16 and 23 after "MODBUS Application Protocol V1.1b3".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from host.core.crc import crc16
from host.core.wire import Table

BROADCAST = 0
"""The address of all nodes, which nobody answers."""
FRAME_MIN = 4
FRAME_MAX = 256
WRITE_REGISTERS_MAX = 123
READ_REGISTERS_MAX = 125
FC23_WRITE_REGISTERS_MAX = 121

READ_COILS, READ_DISCRETES, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, DIAGNOSTICS, WRITE_REGISTERS, WRITE_READ = 5, 8, 16, 23
READ_FUNCTION = {
    Table.COIL: READ_COILS,
    Table.DISCRETE: READ_DISCRETES,
    Table.HOLDING: READ_HOLDING,
    Table.INPUT: READ_INPUT,
}
EXCEPTION = 0x80
"""In the function code of a reply: the request was refused."""
EXCEPTION_SIZE = 5
"""Bytes of such a frame."""
COIL_ON = 0xFF00

EXCEPTION_TEXT = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    10: "gateway path unavailable",
    11: "no answer behind the gateway",
}
ILLEGAL_ADDRESS = 2
DEVICE_FAILURE = 4
DEVICE_BUSY = 6
FUNCTION_TEXT = {
    1: "read coils",
    2: "read discrete inputs",
    3: "read holding registers",
    4: "read input registers",
    5: "write coil",
    6: "write register",
    8: "diagnostics",
    15: "write coils",
    16: "write registers",
    17: "report server id",
    22: "mask write register",
    23: "read/write registers",
    43: "device identification",
}

# ------------------------------------------------------------------------------------------------------ frames


def frame_seal(frame: bytes) -> bytes:
    """The frame with its CRC-16 appended, low byte first."""
    return frame + crc16(frame).to_bytes(2, "little")


def frame_valid(frame: bytes) -> bool:
    """Whether these bytes are a frame: 4 to 256 of them, with the right CRC."""
    return FRAME_MIN <= len(frame) <= FRAME_MAX and crc16(frame) == 0


def frame_text(frame: bytes) -> str:
    """A frame for people: its bytes, and what its function code and CRC say."""
    text = frame.hex(" ")
    if not frame_valid(frame):
        return f"{text}  (not a whole frame)"
    function = frame[1] & ~EXCEPTION
    name = FUNCTION_TEXT.get(function, f"function {function}")
    if frame[1] & EXCEPTION:
        name += f": exception {frame[2]}, {EXCEPTION_TEXT.get(frame[2], 'unknown')}"
    return f"{text}  ({name})"


# ---------------------------------------------------------------------------------------------------- requests


def read_pdu(function: int, address: int, count: int) -> bytes:
    """Functions 1 to 4: `count` bits or registers from `address` on."""
    return struct.pack(">BHH", function, address, count)


def write_coil_pdu(address: int, value: bool) -> bytes:
    """Function 5."""
    return struct.pack(">BHH", WRITE_COIL, address, COIL_ON if value else 0)


def echo_pdu(data: int) -> bytes:
    """Function 8, sub-function 0: the node sends these 16 bits back."""
    return struct.pack(">BHH", DIAGNOSTICS, 0, data)


def write_registers_pdu(address: int, words: Sequence[int]) -> bytes:
    """Function 16: 1 to WRITE_REGISTERS_MAX registers."""
    return struct.pack(f">BHHB{len(words)}H", WRITE_REGISTERS, address, len(words), 2 * len(words), *words)


def write_read_pdu(address: int, words: Sequence[int], read_address: int, read_count: int) -> bytes:
    """Function 23: write 1 to FC23_WRITE_REGISTERS_MAX registers, then read up to READ_REGISTERS_MAX."""
    head = (WRITE_READ, read_address, read_count, address, len(words), 2 * len(words))
    return struct.pack(f">BHHHHB{len(words)}H", *head, *words)


# ----------------------------------------------------------------------------------------------------- replies


def _data_bytes(request: bytes) -> int | None:
    """Bytes of data in the good reply to a request PDU; None where it repeats the request's head instead."""
    count = int.from_bytes(request[3:5], "big")
    if request[0] in (READ_COILS, READ_DISCRETES):
        return (count + 7) // 8
    return 2 * count if request[0] in (READ_HOLDING, READ_INPUT, WRITE_READ) else None


def reply_size(request: bytes) -> int:
    """Bytes of the frame of a good reply to a request PDU."""
    data = _data_bytes(request)
    return 8 if data is None else 5 + data


def answers(request: bytes, reply: bytes) -> bool:
    """Whether a reply PDU, as it came, is the answer to a request PDU: an exception to its function, as much data as it
    asks for, or where it writes, its own head."""
    if len(reply) == 2 and reply[0] == request[0] | EXCEPTION:
        return True
    data = _data_bytes(request)
    if data is None:
        return reply == request[:5]
    return reply[:2] == bytes([request[0], data]) and len(reply) == 2 + data


def echo_answers(request: bytes) -> bool:
    """Whether the good reply to a request PDU is the request itself."""
    return request[0] in (WRITE_COIL, DIAGNOSTICS)


def _may_answer(request: bytes, begun: bytes) -> bool:
    """Whether the good reply to a request PDU may begin so."""
    data = _data_bytes(request)
    head = request[:5] if data is None else bytes([request[0], data])
    return begun[: len(head)] == head[: len(begun)]


def find_reply(address: int, request: bytes, heard: bytes) -> bytes | None:
    """The PDU of the first frame among the bytes heard that answers this request to this address, whatever stands
    before and behind it: noise, or an answer to something else. None while there is none."""
    sizes = (reply_size(request), EXCEPTION_SIZE)
    at = heard.find(address)
    while at >= 0:
        for size in sizes:
            frame = heard[at : at + size]
            if len(frame) == size and answers(request, frame[1:-2]) and frame_valid(frame):
                return frame[1:-2]
        if len(heard) - at < sizes[0] and _may_answer(request, heard[at + 1 :]):
            return None  # what stands in its data answers nothing
        at = heard.find(address, at + 1)
    return None


def registers_of(reply: bytes) -> list[int]:
    """The registers in a reply PDU to function 3, 4 or 23."""
    return list(struct.unpack(f">{reply[1] // 2}H", reply[2:]))


def bits_of(reply: bytes, count: int) -> list[int]:
    """The first `count` bits in a reply PDU to function 1 or 2."""
    return [reply[2 + i // 8] >> i % 8 & 1 for i in range(count)]
