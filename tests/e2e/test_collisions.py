"""Several drivers at once on the simulated bus: damage where a search asks for it, the end of the simulation else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import reduce

import pytest

from host.boards.opening import open_node
from host.boards.simulated import Sim, simulate
from host.core.modbus import frame_seal, frame_valid, registers_of, write_read_pdu
from host.core.registers import Block, bytes_registers, placed, register_bytes
from host.core.wire import (
    DEFAULT_BAUD,
    DEFAULT_FORMAT,
    SEARCH_ADDRESS,
    UID_BYTES,
    WIRE_VERSION,
)
from host.errors import NeuronError
from host.node.link import Link, open_link
from tests.patience import growing

FOUND = Block.between("FOUND_UID", "FOUND_VERSION")
NODES = 6


def search(bits: int, uid: bytes, count: int = FOUND.count) -> bytes:
    address, words = placed(SEARCH_BITS=bits, SEARCH_UID=uid)
    return write_read_pdu(address, words, FOUND.address, count)


@contextmanager
def line(sim: Sim, seconds: float) -> Iterator[Link]:
    link = open_link(sim.port, baud=DEFAULT_BAUD, line_format=DEFAULT_FORMAT, timeout=seconds)
    try:
        yield link
    finally:
        link.close()


def ask(sim: Sim, pdu: bytes, wired: bytes) -> bytes | None:
    """The answer's PDU, if there is a good one. It is asked again, with a wait that grows, until `wired` is heard: on a
    busy machine a node may answer when the others have ended."""
    heard = b""
    for seconds in growing():
        with line(sim, seconds) as link:
            reply = link.exchange(SEARCH_ADDRESS, pdu)
            heard = link._heard
            if heard == wired:
                return reply
    raise AssertionError(f"heard {heard.hex(' ') or 'nothing'}, not {wired.hex(' ')}")


def answer(uid: str, count: int = FOUND.count) -> bytes:
    """The frame that the node of this UID answers."""
    words = [*bytes_registers(bytes.fromhex(uid)), 1, WIRE_VERSION][:count]
    return frame_seal(bytes([SEARCH_ADDRESS, 23, 2 * count]) + register_bytes(words))


@pytest.mark.parametrize("pace", [False, True], ids=["at once", "at the wire's pace"])
def test_answers_to_a_search_collide_as_on_the_wire(pace: bool) -> None:
    with simulate(nodes=range(1, NODES + 1), fresh=True, pace=pace) as sim:
        uids = list(sim.uids.values())
        assert len(set(uids)) == NODES
        wired = reduce(lambda a, b: bytes(x & y for x, y in zip(a, b, strict=True)), map(answer, uids))
        assert not frame_valid(wired)
        assert ask(sim, search(0, bytes(UID_BYTES)), wired) is None
        for uid in uids:
            reply = ask(sim, search(8 * UID_BYTES, bytes.fromhex(uid)), answer(uid))
            assert reply is not None
            assert registers_of(reply)[:6] == bytes_registers(bytes.fromhex(uid))
        assert sim.running


def test_answers_that_are_the_same_are_heard_as_one() -> None:
    with simulate(nodes=[3, 4]) as sim:
        pdu = search(16, b"si" + bytes(UID_BYTES - 2), count=1)
        reply = ask(sim, pdu, answer(b"simulated\0\0\3".hex(), count=1))
        assert reply == bytes([23, 2]) + b"si"


def test_any_other_collision_is_a_fault() -> None:
    with simulate(nodes=range(1, NODES + 1), fresh=True) as sim:
        while sim.running:
            with suppress(NeuronError), open_node(sim.port, timeout=0.1) as node:
                node.identity()
        assert "it drives the bus while another node does" in sim.lines[-1]
    assert sim.exit_status == 3


def test_fresh_nodes_are_the_same_at_each_start() -> None:
    with simulate(nodes=[1, 2, 9], fresh=True) as first:
        uids = first.uids
    with simulate(nodes=range(1, 11), fresh=True) as second:
        assert uids == {number: second.uids[number] for number in (1, 2, 9)}
