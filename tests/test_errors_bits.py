"""Deploys over a line with bit errors: never a wrong model, never a dead node.

The whole traffic of deploys, one image after another, with 10,000 of its frames damaged on their way: flipped bits,
lost and doubled characters, frames run together, characters that arrive with a parity error; and replies get lost too,
so that requests come twice. The master repeats each request until it is answered, as host/node/client.py does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from host.core.image import encode
from host.core.modbus import frame_seal, frame_valid, write_registers_pdu
from host.core.registers import bytes_registers
from host.core.wire import BY_NAME, IMAGE_MAX, Command, Reason, Table
from tests.memory_node import MemoryNode
from tests.models import random_model
from tests.pdus import command_pdu

DAMAGED_FRAMES = 10_000
ERROR_RATE, LOST_REPLIES = 0.5, 0.05
RATES = [1, 2, 3, 8, 30]
"""Flipped bits in a frame."""
STAGE_FRAME = 24
"""Registers a frame: many frames, not few long ones."""
BUSY = 6


class Line:
    """The way to a node, with errors on it."""

    def __init__(self, node: MemoryNode, seed: int) -> None:
        self.node = node
        self.rng = np.random.default_rng(seed)
        self.damaged = 0
        self.last = b""

    def _break(self, frame: bytes) -> bytes:
        rng, data = self.rng, bytearray(frame)
        kind = rng.integers(6)
        if kind == 0:
            del data[int(rng.integers(len(data)))]
        elif kind == 1:
            data = data[: int(rng.integers(len(data)))]
        elif kind == 2:
            at = int(rng.integers(len(data)))
            data[at:at] = rng.bytes(int(rng.integers(1, 5)))
        elif kind == 3:
            data = bytearray(self.last) + data
        else:
            for _ in range(int(rng.choice(RATES))):
                data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        return bytes(data)

    def _send(self, frame: bytes) -> bytes:
        """One request on its way to the node, and maybe its reply."""
        broken = frame
        if self.rng.random() < ERROR_RATE:
            broken = self._break(frame)
            self.damaged += 1
        elif self.rng.random() < 0.1:
            self.damaged += 1
            assert self.node.request(frame, damaged=int(self.rng.integers(len(frame)))) == b""
            return b""
        reply = self.node.request(broken)
        self.last = frame
        if self.rng.random() < LOST_REPLIES:
            return b""
        return reply

    def ask(self, pdu: bytes) -> None:
        """A request, again and again until it is answered without a fault."""
        frame = frame_seal(b"\1" + pdu)
        for _ in range(1000):
            reply = self._send(frame)
            if not reply:
                self.node.work(int(self.rng.integers(1, 200)))
                continue
            assert frame_valid(reply)
            if reply[1] == pdu[0]:
                return
            if reply[2] != BUSY:
                raise LookupError(reply.hex())
        raise AssertionError("the node no longer answers")


def images() -> list[bytes]:
    """Models of many sizes."""
    rng = np.random.default_rng(6)
    made = [encode(random_model(rng, largest=largest)) for largest in (3, 9, 9, 20, 20, 40)]
    assert len(set(made)) == len(made)
    assert all(len(image) <= IMAGE_MAX for image in made)
    return made


def running(node: MemoryNode) -> bytes:
    """The image that the node runs, as it can be read."""
    length, data = node.get("MODEL_LENGTH"), b""
    for first in range(0, length // 2, 125):
        values = node.read(Table.INPUT, BY_NAME["IMAGE"].address + first, min(125, length // 2 - first))
        data += b"".join(value.to_bytes(2, "big") for value in values)
    return data


def deploy_frames(image: bytes) -> Iterator[bytes]:
    values, crc = bytes_registers(image), int.from_bytes(image[-4:], "little")
    for first in range(0, len(values), STAGE_FRAME):
        part = values[first : first + STAGE_FRAME]
        yield write_registers_pdu(BY_NAME["STAGE"].address + first, part)
    yield command_pdu(Command.VERIFY, len(image), crc)
    yield command_pdu(Command.COMMIT, crc=crc)


@pytest.fixture(scope="module")
def node() -> Iterator[MemoryNode]:
    with MemoryNode() as node:
        yield node


def test_ten_thousand_damaged_frames(node: MemoryNode) -> None:
    pool = images()
    node.factory()
    node.deploy(pool[0])
    line, sequence, deploys, turn = Line(node, seed=10), 1, 0, 0
    while line.damaged < DAMAGED_FRAMES:
        turn += 1
        old, new = running(node), pool[turn % len(pool)]
        try:
            for pdu in deploy_frames(new):
                line.ask(pdu)
                assert running(node) in (old, new)
        except LookupError:
            # An error that the CRC-16 cannot see, one in 65536, has spoilt the stage: refused, and tried again.
            assert node.get("REASON") != Reason.NONE
        node.work()
        now = running(node)
        assert now in pool, "a wrong model was committed"
        assert node.get("SEQUENCE") - sequence == (now != old)
        sequence = node.get("SEQUENCE")
        deploys += now == new
        if turn % 10 == 0:
            node.power_cycle()
            assert running(node) == now
    assert line.damaged >= DAMAGED_FRAMES
    assert deploys >= turn - 2
    assert turn > 50
    node.deploy(pool[0])
    assert running(node) == pool[0]


def test_a_stage_with_an_error_is_refused(node: MemoryNode) -> None:
    """What the CRC-16 would let through, the image's CRC-32 finds: every single bit of the staged image."""
    small = min(images(), key=len)
    other = max(images(), key=len)
    node.factory()
    node.deploy(other)
    crc = int.from_bytes(small[-4:], "little")
    start = BY_NAME["STAGE"].address
    values = bytes_registers(small)
    node.write(start, values)
    for bit in range(8 * len(small)):
        node.write(start + bit // 16, [values[bit // 16] ^ 1 << bit % 16])
        assert node.refusal(command_pdu(Command.VERIFY, len(small), crc)) == 4
        assert node.refusal(command_pdu(Command.COMMIT, crc=crc)) == 4
        node.write(start + bit // 16, [values[bit // 16]])
    assert running(node) == other
    node.command(Command.VERIFY, len(small), crc)
