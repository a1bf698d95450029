"""A frame of the wire for people: its bytes, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

from host.core.modbus import (
    BROADCAST,
    COIL_ON,
    DIAGNOSTICS,
    EXCEPTION,
    EXCEPTION_TEXT,
    FRAME_MIN,
    FUNCTION_TEXT,
    READ_FUNCTION,
    WRITE_COIL,
    WRITE_READ,
    WRITE_REGISTERS,
    frame_valid,
)
from host.core.registers import bytes_registers, unpack
from host.core.wire import REGISTERS, SEARCH_ADDRESS, Command, Reason, Register, Session, State, Table
from host.errors import counted, listed

Piece = tuple[int, str]
"""So many bytes, and what they say."""

STRANGE = "..."
"""Of bytes that say nothing here: what they belong to is not known, or they are not what should stand there."""
TABLE = {function: table for table, function in READ_FUNCTION.items()} | {WRITE_READ: Table.HOLDING}
"""Where the reply to a function comes from."""
BITS = (Table.COIL, Table.DISCRETE)
CODES: dict[str, type[IntEnum]] = {
    "COMMAND": Command,
    "STATE": State,
    "REASON": Reason,
    "SESSION_STATE": Session,
}
SHOWN_BYTES = 16
"""Of bytes in a row up to so many are shown: a name or a UID, and no image."""
NAMES_SHOWN = 16
"""Of bits that are set."""
ADDRESS_TEXT = {BROADCAST: ": to all nodes", SEARCH_ADDRESS: ": a search"}


def parts(way: str, frame: bytes, request: bytes = b"") -> list[dict[str, str]]:
    """The frame's parts in their order, {"hex", "text"} each. way: "->" for a request, "<-" for a reply; request: the
    frame that a reply answers, without which nobody knows whose registers it has."""
    if len(frame) < FRAME_MIN:
        return _cut(frame, [])
    said = _request(frame[1:-2]) if way == "->" else _reply(frame[1:-2], request[1:-2])
    return [
        *_cut(frame[:1], [(1, f"address {frame[0]}{ADDRESS_TEXT.get(frame[0], '')}")]),
        *_cut(frame[1:-2], said),
        *_cut(
            frame[-2:], [(2, "CRC, right" if frame_valid(frame) else "CRC, wrong: nobody takes this frame")]
        ),
    ]


def spoken(frames: Iterable[tuple[str, bytes]]) -> list[dict[str, object]]:
    """Frames as they passed, {"way", "hex", "parts"} each."""
    said: list[dict[str, object]] = []
    request = b""
    for way, frame in frames:
        said.append({"way": way, "hex": frame.hex(" "), "parts": parts(way, frame, request)})
        request = frame if way == "->" else request
    return said


def _cut(data: bytes, pieces: Iterable[Piece]) -> list[dict[str, str]]:
    """Bytes in pieces; STRANGE from where they end too early, or where there is no piece for them."""
    found, at = [], 0
    for size, text in pieces:
        if size > len(data) - at:
            break
        if size:
            found.append({"hex": data[at : at + size].hex(" "), "text": text})
        at += size
    return [*found, {"hex": data[at:].hex(" "), "text": STRANGE}] if at < len(data) else found


# ------------------------------------------------------------------------------------------------------- requests


def _request(pdu: bytes) -> Iterator[Piece]:
    function = pdu[0] if pdu else 0
    yield 1, f"function {function}: {FUNCTION_TEXT.get(function, 'unknown')}"
    if function in READ_FUNCTION.values():
        yield from _span(TABLE[function], pdu[1:5])
    elif function == WRITE_COIL:
        yield 2, _place(Table.COIL, _number(pdu[1:3]))
        yield 2, {0: "off", COIL_ON: "on"}.get(_number(pdu[3:5]), STRANGE)
    elif function == DIAGNOSTICS:
        yield 2, f"sub-function {_number(pdu[1:3])}" + ": echo" * (pdu[1:3] == b"\0\0")
        yield 2, f"data {_number(pdu[3:5])}"
    elif function == WRITE_REGISTERS:
        yield from _span(Table.HOLDING, pdu[1:5])
        yield from _values(Table.HOLDING, _number(pdu[1:3]), pdu[5:])
    elif function == WRITE_READ:
        yield from _span(Table.HOLDING, pdu[1:5], "read ")
        yield from _span(Table.HOLDING, pdu[5:9], "write ")
        yield from _values(Table.HOLDING, _number(pdu[5:7]), pdu[9:])


def _reply(pdu: bytes, request: bytes) -> Iterator[Piece]:
    function = pdu[0] if pdu else 0
    if function & EXCEPTION:
        asked = function & ~EXCEPTION
        yield 1, f"function {asked} refused: {FUNCTION_TEXT.get(asked, 'unknown')}"
        code = _number(pdu[1:2])
        yield 1, f"exception {code}: {EXCEPTION_TEXT.get(code, 'unknown')}"
    elif function not in TABLE:  # the request's head once more
        yield from _request(pdu[:5])
    else:
        yield 1, f"function {function}: {FUNCTION_TEXT[function]}"
        if request[:1] == pdu[:1]:
            table, first, count = TABLE[function], _number(request[1:3]), _number(request[3:5])
            yield from (
                _bits(table, first, count, pdu[1:]) if table in BITS else _values(table, first, pdu[1:])
            )


# ----------------------------------------------------------------------------------------------------- what stands


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _row(table: Table, address: int) -> Register | None:
    return next((row for row in REGISTERS if row.table is table and row.address <= address < row.end), None)


def _place(table: Table, address: int) -> str:
    """A register by its name: INPUTS[3], RESULT_CRC, STAGE at byte 240."""
    row = _row(table, address)
    if row is None:
        return f"{address:#06x}, which nobody has"
    at = address - row.address
    if row.kind == "bytes":
        return f"{row.name} at byte {2 * at}" if at else row.name
    whole = f"{row.name}[{at // row.width}]" if row.count > 1 else row.name
    return f"a part of {whole}" if at % row.width else whole


def _span(table: Table, data: bytes, deed: str = "") -> Iterator[Piece]:
    """A first address, and how many there are. deed: what is done there."""
    first, count = _number(data[:2]), _number(data[2:4])
    yield 2, f"{deed}from {_place(table, first)}"
    row = _row(table, first + count - 1)
    yield 2, counted(count, "bit" if table in BITS else "register") + (f", to {row.name}" if row else "")


def _bits(table: Table, first: int, count: int, data: bytes) -> Iterator[Piece]:
    """Their bytes, counted; which of them stand."""
    yield 1, counted(data[0] if data else 0, "byte")
    bits = int.from_bytes(data[1:], "little")
    if data and data[0] == len(data) - 1 == (count + 7) // 8:
        stand = [_place(table, first + number) for number in range(count) if bits >> number & 1]
        yield data[0], listed(stand, NAMES_SHOWN) + " set" if stand else "none set"


def _values(table: Table, first: int, data: bytes) -> Iterator[Piece]:
    """Registers, their bytes counted; each value of them."""
    yield 1, counted(data[0] if data else 0, "byte")
    if not data or data[0] != len(data) - 1 or data[0] % 2:
        return
    words, at = bytes_registers(data[1:]), 0
    while at < len(words):
        row, left = _row(table, first + at), len(words) - at
        size = 1 if row is None else row.width
        if row and row.kind == "bytes":
            size = min(left, row.end - first - at)
        elif row and ((first + at - row.address) % size or size > left):
            size, row = 1, None
        place = _place(table, first + at)
        yield 2 * size, place if row is None else f"{place}{_value(row, words[at : at + size])}"
        at += size


def _value(row: Register, words: list[int]) -> str:
    """What one value of a row says, behind its name."""
    if row.kind == "bytes":
        data = unpack(row, words)
        if len(data) > SHOWN_BYTES:
            return f", {len(data)} bytes"
        text = data.rstrip(b"\0")
        return f": {text.decode() if text.isascii() and text.decode().isprintable() and text else data.hex()}"
    value = unpack(row, words)
    value = value[0] if isinstance(value, list) else value
    if row.name in ("RESULT_BITS", "WINDOW_BITS"):
        stand = [one.name for one in REGISTERS if one.table is Table.DISCRETE and value >> one.address & 1]
        return f": {', '.join(stand) or 'none'} set"
    if row.name.endswith("_CRC") or row.name == "CRC":
        return f" = 0x{value:08x}"
    if row.name in CODES:
        code = CODES[row.name]
        return f" = {value} {code(value).name if value in list(code) else 'unknown'}"
    return f" = {value:.9g} ({row.kind})" if row.kind in ("f32", "f64") else f" = {value} ({row.kind})"
