"""A node that lies: the firmware itself, but some of its registers say what somebody else wants."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from host.core.wire import REGISTERS, Register, Table
from tests.e2e.stand_in import Answer
from tests.memory_node import MemoryNode

Place = tuple[Table, int]
"""A register."""
ROUNDS = 20_000
"""Of the main loop, after each request."""


def all_words(row: Register, word: int) -> dict[Place, int]:
    """Every register of a row says this."""
    return {(row.table, address): word for address in range(row.address, row.end)}


def honest(node: MemoryNode) -> Answer:
    """Answers as the node does."""
    return lambda pdu: node.answer(pdu, ROUNDS)


def liar(truth: Answer, lies: Mapping[Place, int], asked: set[Place] | None = None) -> Answer:
    """Answers as the truth is, but for the lies. asked: takes up the registers that were read."""

    def answer(pdu: bytes) -> bytes | None:
        reply = truth(pdu)
        if pdu[0] not in (3, 4, 23) or reply is None or reply[:1] != pdu[:1]:
            return reply
        table = Table.INPUT if pdu[0] == 4 else Table.HOLDING
        address, count = struct.unpack_from(">HH", pdu, 1)
        places = [(table, address + i) for i in range(count)]
        if asked is not None:
            asked.update(places)
        words = struct.unpack(f">{count}H", reply[2:])
        told = [lies.get(place, word) for place, word in zip(places, words, strict=True)]
        return reply[:2] + struct.pack(f">{count}H", *told)

    return answer


def sound(status: int, out: str, err: str) -> None:
    """What every command must be, whatever the node said."""
    assert status in (0, 2)
    errors = [line for line in err.splitlines() if not line.startswith(("warning: ", "note: "))]
    assert len(errors) == (status == 2), err
    assert all(line.startswith("error: ") for line in errors)
    assert "wiring" not in err
    assert all(char.isprintable() or char == "\n" for char in out + err), (out, err)


def rows_of(places: set[Place]) -> list[Register]:
    """The rows that these registers are of."""
    return [
        row
        for row in REGISTERS
        if row.table in (Table.INPUT, Table.HOLDING)
        and any((row.table, address) in places for address in range(row.address, row.end))
    ]
