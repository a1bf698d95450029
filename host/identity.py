"""What a node says of itself: the block of input registers from WIRE_VERSION to FAULT_FILE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from host.wire import BY_NAME, Reason, Start, State

E = TypeVar("E", bound=IntEnum)

IDENTITY_START = BY_NAME["WIRE_VERSION"].address
IDENTITY_WORDS = BY_NAME["FAULT_FILE"].end - IDENTITY_START


@dataclass(frozen=True)
class Identity:
    """What a node says of itself and of its model."""

    wire_version: int
    firmware: str
    uid: str
    state: State
    reason: Reason
    detail: int
    sequence: int
    model_crc: int
    model_length: int
    layers: int
    inputs: int
    outputs: int
    vectors: int
    name: str
    previous_sequence: int
    previous_crc: int
    staged_crc: int
    start: Start
    fault: str


def identity_of(words: Sequence[int]) -> Identity:
    """The identity that IDENTITY_WORDS registers from IDENTITY_START hold."""

    def field(name: str) -> Sequence[int]:
        row = BY_NAME[name]
        return words[row.address - IDENTITY_START : row.end - IDENTITY_START]

    def number(name: str) -> int:
        return int.from_bytes(register_bytes(field(name)), "big")

    return Identity(
        wire_version=number("WIRE_VERSION"),
        firmware=f"{number('FIRMWARE_VERSION') >> 8}.{number('FIRMWARE_VERSION') & 0xFF}",
        uid=register_bytes(field("UID")).hex(),
        state=_code(State, number("STATE")),
        reason=_code(Reason, number("REASON")),
        detail=number("DETAIL"),
        sequence=number("SEQUENCE"),
        model_crc=number("MODEL_CRC"),
        model_length=number("MODEL_LENGTH"),
        layers=number("MODEL_LAYERS"),
        inputs=number("MODEL_INPUTS"),
        outputs=number("MODEL_OUTPUTS"),
        vectors=number("MODEL_VECTORS"),
        name=_text(field("MODEL_NAME")),
        previous_sequence=number("PREVIOUS_SEQUENCE"),
        previous_crc=number("PREVIOUS_CRC"),
        staged_crc=number("STAGED_CRC"),
        start=_code(Start, number("START_CAUSE")),
        fault=_fault(_text(field("FAULT_FILE")), number("FAULT_LINE"), number("FAULT_PC")),
    )


def _code(kind: type[E], value: int) -> E:
    """A code of the wire; one that this version does not know becomes the first."""
    return kind(value) if value in kind.__members__.values() else kind(0)


def _fault(file: str, line: int, pc: int) -> str:
    """Where the node's last fault was, "" for none: main.c:12, or HardFault at 0x08010000."""
    if not file:
        return ""
    return f"{file}:{line}" if line else f"{file} at 0x{pc:08x}"


def _text(words: Sequence[int]) -> str:
    return register_bytes(words).rstrip(b"\0").decode("ascii", "replace")


def register_bytes(words: Sequence[int]) -> bytes:
    """Registers as the bytes that they carry, high byte first."""
    return b"".join(word.to_bytes(2, "big") for word in words)
