"""Modbus RTU frames: the CRC at their end, and frames in words. Twin of the framing in firmware/core/modbus.c.

Talking to a node is host/node/node.py's business, with a client library; this is what the twins must agree on, and what
--trace shows.
"""

from __future__ import annotations

from host.core.crc import crc16

FRAME_MIN = 4
FRAME_MAX = 256
WRITE_REGISTERS_MAX = 123
READ_REGISTERS_MAX = 125

EXCEPTION_TEXT = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    6: "device busy",
}
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
    function = frame[1] & 0x7F
    name = FUNCTION_TEXT.get(function, f"function {function}")
    if frame[1] & 0x80:
        name += f": exception {frame[2]}, {EXCEPTION_TEXT.get(frame[2], 'unknown')}"
    return f"{text}  ({name})"
