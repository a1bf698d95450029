"""The owner of a key, for tests: orders signed by pymonocypher, and a node's answer to them."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import monocypher

from host.core.modbus import write_registers_pdu
from host.core.order import NO_HASH, Order, key_arguments, order_bytes, order_message
from host.core.registers import Block, bytes_registers, register_bytes
from host.core.wire import (
    BY_NAME,
    DEFAULT_ADDRESS,
    DEFAULT_BAUD,
    HASH_BYTES,
    Command,
    OrderResult,
    Reason,
    Trust,
)
from tests import eddsa
from tests.memory_node import MemoryNode
from tests.node_model import UID

FIRST = 1_790_000_000
"""Counter of a first key: seconds since 1970."""
GUARDED = True
FAILURE = 4
SETTINGS = Block.between("ADDRESS", "BROADCASTS")
NEW = {"ADDRESS": DEFAULT_ADDRESS, "BAUD": DEFAULT_BAUD}
"""Those settings of a new node that are not 0."""


def hash_of(image: bytes) -> bytes:
    return hashlib.blake2b(image, digest_size=HASH_BYTES).digest()


def order_pdu(order: bytes) -> bytes:
    return write_registers_pdu(BY_NAME["ORDER"].address, bytes_registers(order))


class Owner:
    """Who has the secret half of `key`, another one for every seed. counter: of the last order signed by `give`."""

    def __init__(self, seed: int = 485, counter: int = FIRST - 1) -> None:
        self._secret = random.Random(seed).randbytes(32)
        self.key = eddsa.public_key(self._secret)
        self.counter = counter

    def sign(self, order: Order) -> bytes:
        """Its bytes, with the right signature."""
        signature = bytes(monocypher.signature_sign(self._secret + self.key, order_message(order)))
        return order_bytes(replace(order, signature=signature))

    def order(
        self,
        command: Command,
        arguments: bytes = b"",
        *,
        image: bytes = NO_HASH,
        target: bytes | int = UID,
        counter: int | None = None,
    ) -> bytes:
        """An order with the next counter, unless another is given. image: the hash of the one that is meant."""
        if counter is None:
            self.counter += 1
            counter = self.counter
        return self.sign(Order(command, target, counter, image, arguments))

    def give(
        self, node: MemoryNode, command: Command, arguments: bytes = b"", *, image: bytes = NO_HASH
    ) -> None:
        """An order to this node alone, which must be carried out."""
        node.ask(order_pdu(self.order(command, arguments, image=image)))
        node.work()
        if command != Command.RESTART:
            assert outcome(node) == (OrderResult.DONE, Reason.NONE, self.counter)

    def install(self, node: MemoryNode, guarded: bool = False) -> None:
        """The first key of a node, with someone at its board for that, and a start without him."""
        node.present()
        node.power_cycle()
        node.work()
        self.give(node, Command.KEY, key_arguments(self.key, guarded))
        node.present(False)
        node.power_cycle()
        node.work()
        self.counter = max(self.counter, int(node.get("ORDER_COUNTER")))


def outcome(node: MemoryNode) -> tuple[OrderResult, Reason, int]:
    """Of the last order, and the counter that the next one must be above."""
    result, reason = OrderResult(node.get("ORDER_RESULT")), Reason(node.get("ORDER_REASON"))
    return result, reason, int(node.get("ORDER_COUNTER"))


def bytes_of(node: MemoryNode, name: str) -> bytes:
    row = BY_NAME[name]
    return register_bytes(node.read(row.table, row.address, row.size))


def bits(node: MemoryNode) -> set[Trust]:
    """Of the register TRUST."""
    return {bit for bit in Trust if node.get("TRUST") >> bit & 1}


def refused(node: MemoryNode, pdu: bytes) -> Reason:
    """Why, where it is refused at once by exception 04."""
    assert node.refusal(pdu) == FAILURE
    return Reason(node.get("REASON"))


def ended(node: MemoryNode, order: bytes) -> tuple[OrderResult, Reason, int]:
    """How an order that was taken ends."""
    node.ask(order_pdu(order))
    node.work()
    return outcome(node)


def stage(node: MemoryNode, image: bytes) -> None:
    node.write(BY_NAME["STAGE"].address, bytes_registers(image))


def settings_words(**values: int) -> list[int]:
    """The settings of a new node, but for these."""
    return SETTINGS.pack({row.name: values.get(row.name, NEW.get(row.name, 0)) for row in SETTINGS.rows})
