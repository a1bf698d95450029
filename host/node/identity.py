"""What a node says of itself: the block of input registers from WIRE_VERSION to FAULT_FILE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from host.core.registers import Block
from host.core.wire import Reason, Start, State

E = TypeVar("E", bound=IntEnum)

IDENTITY = Block.between("WIRE_VERSION", "FAULT_FILE")


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
    """The identity that the registers of the block IDENTITY hold."""
    values = IDENTITY.unpack(words)
    return Identity(
        wire_version=values["WIRE_VERSION"],
        firmware=f"{values['FIRMWARE_VERSION'] >> 8}.{values['FIRMWARE_VERSION'] & 0xFF}",
        uid=values["UID"].hex(),
        state=_code(State, values["STATE"]),
        reason=_code(Reason, values["REASON"]),
        detail=values["DETAIL"],
        sequence=values["SEQUENCE"],
        model_crc=values["MODEL_CRC"],
        model_length=values["MODEL_LENGTH"],
        layers=values["MODEL_LAYERS"],
        inputs=values["MODEL_INPUTS"],
        outputs=values["MODEL_OUTPUTS"],
        vectors=values["MODEL_VECTORS"],
        name=_text(values["MODEL_NAME"]),
        previous_sequence=values["PREVIOUS_SEQUENCE"],
        previous_crc=values["PREVIOUS_CRC"],
        staged_crc=values["STAGED_CRC"],
        start=_code(Start, values["START_CAUSE"]),
        fault=_fault(_text(values["FAULT_FILE"]), values["FAULT_LINE"], values["FAULT_PC"]),
    )


def _code(kind: type[E], value: int) -> E:
    """A code of the wire; one that this version does not know becomes the first."""
    return kind(value) if value in kind.__members__.values() else kind(0)


def _fault(file: str, line: int, pc: int) -> str:
    """Where the node's last fault was, "" for none: main.c:12, or HardFault at 0x08010000."""
    if not file:
        return ""
    return f"{file}:{line}" if line else f"{file} at 0x{pc:08x}"


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("ascii", "replace")
