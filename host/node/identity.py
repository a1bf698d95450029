"""What a node says of itself: the block of input registers from WIRE_VERSION to UID, and the little of it that every
command needs.

A node is a stranger: what it says is checked before anybody believes or shows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from host.core.registers import Block
from host.core.wire import (
    BAUD_MAX,
    BAUD_MIN,
    BY_NAME,
    FRACTION_MAX,
    FRACTION_MIN,
    IMAGE_MAX,
    LAYERS_MAX,
    REASON_TEXT,
    UNITS_MAX,
    VECTORS_MAX,
    WIRE_VERSION,
    Format,
    Gap,
    Reason,
    Start,
    State,
)
from host.errors import NeuronError, counted

E = TypeVar("E", bound=IntEnum)

IDENTITY = Block.between("WIRE_VERSION", "UID")
STATUS = Block.between("GAP_IN_FORCE", "MODEL_CRC")
STATUS_SERVED = Block.between("BAUD_IN_FORCE", "MODEL_CRC")
"""Behind a serial server only the node knows how fast it speaks."""
RUNNING = Block.between("RESULT_SEQUENCE", "RESULT_BITS")


class Strange(NeuronError):
    """A node says what no node can say."""

    def __init__(self, name: str, value: object) -> None:
        super().__init__(
            f"the node says {name} is {value}: it is not a neuron485 node of wire version {WIRE_VERSION}, "
            "or its memory is broken"
        )


def checked(name: str, value: int, low: int, high: int) -> int:
    """A number of the node's, which must be one of low..high."""
    if not low <= value <= high:
        raise Strange(name, value)
    return value


def known(kind: type[E], name: str, value: int) -> E:
    """A code of the node's, which must be one of the wire's."""
    try:
        return kind(value)
    except ValueError:
        raise Strange(name, value) from None


def checked_fraction(name: str, value: int) -> int:
    return checked(name, value, FRACTION_MIN, FRACTION_MAX)


def checked_offset(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise Strange(name, value)
    return value


def in_words(reason: Reason, detail: int) -> str:
    """A reason for people."""
    return REASON_TEXT[reason].replace("DETAIL", str(detail))


@dataclass(frozen=True)
class Status:
    """What every command needs to know of a node: the silence it wants, and what it runs. model_crc 0: no model."""

    gap: Gap
    state: State
    model_crc: int


def status_of(values: Mapping[str, int]) -> Status:
    """The status that the values of the block STATUS are."""
    return Status(
        gap=known(Gap, "GAP_IN_FORCE", values["GAP_IN_FORCE"]),
        state=known(State, "STATE", values["STATE"]),
        model_crc=values["MODEL_CRC"],
    )


def speed_of(values: Mapping[str, int]) -> tuple[int, Format]:
    """How fast a node speaks, by the values of the block STATUS_SERVED."""
    return (
        checked("BAUD_IN_FORCE", values["BAUD_IN_FORCE"], BAUD_MIN, BAUD_MAX),
        known(Format, "FORMAT_IN_FORCE", values["FORMAT_IN_FORCE"]),
    )


def bit_of(bits: int, name: str) -> bool:
    """A discrete input in the register RESULT_BITS."""
    return bool(bits >> BY_NAME[name].address & 1)


@dataclass(frozen=True)
class Running:
    """Which model gave the results that stand in a node. sequence 0: none. busy: an erase or a commit is under way;
    attention: the identity has something to say that people should know."""

    sequence: int
    model_crc: int
    busy: bool
    attention: bool


def running_of(words: Sequence[int]) -> Running:
    """What the registers of the block RUNNING say."""
    values = RUNNING.unpack(words)
    bits = values["RESULT_BITS"]
    return Running(
        values["RESULT_SEQUENCE"], values["RESULT_CRC"], bit_of(bits, "BUSY"), bit_of(bits, "ATTENTION")
    )


@dataclass(frozen=True)
class Identity:
    """What a node says of itself and of its model.

    The model's fields hold only where sequence is not 0. faults: what stands wrong since the start; missed: broadcasts
    that were lost since then; broke: where the fault was that the node last restarted for, "" for none.
    """

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
    broke: str
    faults: tuple[Reason, ...]
    missed: int

    def warnings(self) -> list[str]:
        """What people should know of this node, a line each."""
        said = [f"{REASON_TEXT[fault]} ({fault.name})" for fault in self.faults]
        if self.broke:
            said.append(f"the node has restarted after a fault: {self.broke}")
        if self.missed:
            said.append(f"the node missed {counted(self.missed, 'broadcast')} since it started")
        return said


def identity_of(words: Sequence[int]) -> Identity:
    """The identity that the registers of the block IDENTITY hold."""
    values = IDENTITY.unpack(words)
    if values["SEQUENCE"]:
        _check_model(values)
    return Identity(
        wire_version=values["WIRE_VERSION"],
        firmware=f"{values['FIRMWARE_VERSION'] >> 8}.{values['FIRMWARE_VERSION'] & 0xFF}",
        uid=values["UID"].hex(),
        state=known(State, "STATE", values["STATE"]),
        reason=known(Reason, "REASON", values["REASON"]),
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
        start=known(Start, "START_CAUSE", values["START_CAUSE"]),
        broke=_broke(_text(values["FAULT_FILE"]), values["FAULT_LINE"], values["FAULT_PC"]),
        faults=_faults(values["FAULTS"]),
        missed=values["MISSED"],
    )


def _check_model(values: Mapping[str, int]) -> None:
    from host.core.image import CRC, HEADER  # with it comes numpy

    limits = {
        "MODEL_LENGTH": (HEADER.size + CRC.size, IMAGE_MAX),
        "MODEL_LAYERS": (1, LAYERS_MAX),
        "MODEL_INPUTS": (1, UNITS_MAX),
        "MODEL_OUTPUTS": (1, UNITS_MAX),
        "MODEL_VECTORS": (1, VECTORS_MAX),
    }
    for name, (low, high) in limits.items():
        checked(name, values[name], low, high)
    if values["MODEL_LENGTH"] % 4:
        raise Strange("MODEL_LENGTH", values["MODEL_LENGTH"])


def _faults(bits: int) -> tuple[Reason, ...]:
    faults = tuple(reason for reason in Reason if reason is not Reason.NONE and bits >> reason & 1)
    if bits != sum(1 << fault for fault in faults):
        raise Strange("FAULTS", f"0x{bits:08x}")
    return faults


def _broke(file: str, line: int, pc: int) -> str:
    """main.c:12, or HardFault at 0x08010000."""
    if not file:
        return ""
    return f"{file}:{line}" if line else f"{file} at 0x{pc:08x}"


def _text(data: bytes) -> str:
    """ASCII for people: nothing in it may steer a terminal."""
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E else "?" for byte in data.rstrip(b"\0"))
