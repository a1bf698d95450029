"""A node's coils, and what keeps its lamp or its inputs from following the model."""

from __future__ import annotations

from host.core.wire import BY_NAME, REGISTERS, Table
from host.errors import NeuronError
from host.node.identity import bit_of
from host.node.node import Node


def set_coils(node: Node) -> list[str]:
    """The coils that are set: each holds the lamp, the outputs or the inputs."""
    names = [row.name for row in REGISTERS if row.table is Table.COIL]
    return [name for name, bit in zip(names, node.read(Table.COIL, 0, len(names)), strict=True) if bit]


def held_by(node: Node) -> list[str]:
    """The coils that are set, then BUS_LOST and LATCHED where they are."""
    bits = node.read_value("RESULT_BITS")
    coils = set_coils(node) if bit_of(bits, "HELD") else []
    return [*coils, *(name for name in ("BUS_LOST", "LATCHED") if bit_of(bits, name))]


def acknowledge(node: Node) -> bool:
    """Let a latched decision go; whether there was one. NeuronError where what set it has not ended."""
    latched = bit_of(node.read_value("RESULT_BITS"), "LATCHED")
    node.write_coil(BY_NAME["ACKNOWLEDGE"].address, True)
    if bit_of(node.read_value("RESULT_BITS"), "LATCHED"):
        raise NeuronError(
            "the decision stays latched: what set it has not ended; acknowledge it again when it has"
        )
    return latched


def override(node: Node, on: bool) -> None:
    """Whether the bus, in place of the channels, writes the inputs that come from channels."""
    node.write_coil(BY_NAME["OVERRIDE"].address, on)


def identify(node: Node, on: bool) -> None:
    """Whether the lamp blinks, to find this node among many."""
    node.write_coil(BY_NAME["IDENTIFY"].address, on)
