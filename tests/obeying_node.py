"""A node that obeys signed orders, in Python: for what the firmware never does (it lies, forgets, answers late), and to
count what is asked of it. It has no model and computes nothing; what an order asks for is written down."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import monocypher

from host.core.modbus import DEVICE_BUSY, DEVICE_FAILURE, ILLEGAL_ADDRESS
from host.core.order import FLAG_GUARDS, Order, OrderError, order_message, order_parse
from host.core.registers import bytes_registers, pack, register_bytes
from host.core.wire import (
    BY_NAME,
    DEFAULT_BAUD,
    REGISTERS,
    SIGNATURE_BYTES,
    UID_BYTES,
    WIRE_VERSION,
    Command,
    OrderResult,
    Reason,
    Scope,
    Table,
    Trust,
)
from host.node.keyfile import Signer
from tests.virtual_link import VirtualLink

UID = bytes(range(1, UID_BYTES + 1))
ORDER = BY_NAME["ORDER"]


def signer(path: str = "a.key") -> Signer:
    """A key of its own, that no file has."""
    secret, public = monocypher.generate_signing_key_pair()
    return Signer(path, bytes(public), bytes(secret))


@dataclass
class ObeyingNode:
    """key: b"" for none; obeyed: the orders that were carried out; asked: the requests so far; lost: answers still to
    be lost; checks: looks at an order's result until it is checked; deaf: a broadcast goes by; refusal: of the deed."""

    key: bytes = b""
    counter: int = 0
    guarded: bool = False
    present: bool = False
    locked: bool = False
    group: int = 0
    uid: bytes = UID
    crypto: bool = True
    lost: int = 0
    checks: int = 2
    deaf: bool = False
    busy: int = 0
    refusal: Reason = Reason.NONE
    result: OrderResult = OrderResult.NONE
    reason: Reason = Reason.NONE
    refused: Reason = Reason.NONE
    last: bytes = b""
    says: dict[str, object] = field(default_factory=dict)
    floors: tuple[int, int] = (0, 0)
    obeyed: list[Order] = field(default_factory=list)
    written: list[tuple[int, list[int]]] = field(default_factory=list)
    asked: int = 0
    old: bool = False

    def answer(self, pdu: bytes) -> bytes | None:
        self.asked += 1
        reply = self._answer(pdu)
        if self.lost:
            self.lost -= 1
            return None
        return reply

    def _answer(self, pdu: bytes) -> bytes:
        code = pdu[0]
        if code == 8:
            return pdu
        first, second = struct.unpack_from(">2H", pdu, 1)
        if code in (3, 4):
            words = self._read(Table.INPUT if code == 4 else Table.HOLDING, first, second)
            if words is None:
                return bytes([code | 0x80, ILLEGAL_ADDRESS])
            return struct.pack(f">2B{second}H", code, 2 * second, *words)
        if code in (1, 2):
            return bytes([code, 1, 0])
        if code == 5:
            self.written.append((first, [second]))
            return pdu
        assert code == 16, pdu.hex()
        words = list(struct.unpack_from(f">{second}H", pdu, 6))
        if first != ORDER.address:
            self.written.append((first, words))
            return pdu[:5]
        if self.busy:
            self.busy -= 1
            return bytes([code | 0x80, DEVICE_BUSY])
        self.refused = self.take(register_bytes(words))
        return pdu[:5] if self.refused is Reason.NONE else bytes([code | 0x80, DEVICE_FAILURE])

    def hear(self, pdu: bytes) -> None:
        """A broadcast."""
        if not self.deaf:
            self._answer(pdu)

    # ---------------------------------------------------------------------------------------------- registers

    def _read(self, table: Table, first: int, count: int) -> list[int] | None:
        words: dict[int, int] = {}
        for row in REGISTERS:
            if row.table is table and row.kind != "bit":
                zero = bytes(row.count) if row.kind == "bytes" else [0] * row.count
                values = pack(row, self._values().get(row.name, zero))
                words |= {row.address + i: word for i, word in enumerate(values)}
        if self.old and table is Table.INPUT and first == BY_NAME["TRUST"].address:
            return None
        return [words.get(first + i, 0) for i in range(count)]

    def _values(self) -> dict[str, object]:
        if self.result is OrderResult.CHECKING:
            self.checks -= 1
            if self.checks <= 0:
                self.decide()
        has = {
            Trust.KEYED: bool(self.key),
            Trust.PRESENT: self.present,
            Trust.LOCKED: self.locked,
            Trust.GUARDED: self.guarded,
            Trust.CRYPTO: self.crypto,
        }
        return {
            "WIRE_VERSION": WIRE_VERSION,
            "BAUD_IN_FORCE": DEFAULT_BAUD,
            "ADDRESS_IN_FORCE": 1,
            "GROUP_IN_FORCE": self.group,
            "FIRMWARE_VERSION": 0x0102,
            "UID": self.uid,
            "TRUST": sum(1 << bit for bit, on in has.items() if on),
            "KEY": self.key,
            "RELEASE_FLOOR": self.floors[0],
            "FIRMWARE_FLOOR": self.floors[1],
            "ORDER_COUNTER": self.counter,
            "ORDER_RESULT": self.result,
            "ORDER_REASON": self.reason,
            "REASON": self.refused,
            **self.says,
        }

    # ------------------------------------------------------------------------------------------------- orders

    def take(self, data: bytes) -> Reason:
        """What is cheap to see."""
        if data == self.last and self.result is not OrderResult.NONE:
            return Reason.NONE
        try:
            order = order_parse(data)
        except OrderError:
            return Reason.ORDER
        meant = self.uid if order.scope is Scope.UID else self.group
        if order.target != meant or not meant:
            return Reason.TARGET
        if order.counter <= self.counter:
            return Reason.COUNTER
        if not self.key and not (order.command is Command.KEY and self.present):
            return Reason.PRESENCE
        self.last, self.result = data, OrderResult.CHECKING
        return Reason.NONE

    def decide(self) -> None:
        """The signature, then the counter, then the deed."""
        order = order_parse(self.last)
        key = self.key or order.arguments[:32]
        self.result, self.reason = OrderResult.REFUSED, Reason.SIGNATURE
        if not monocypher.signature_check(self.last[-SIGNATURE_BYTES:], key, order_message(order)):
            return
        self.counter, self.reason = order.counter, self.refusal
        if self.refusal is not Reason.NONE:
            return
        self.result = OrderResult.DONE
        self.obeyed.append(order)
        if order.command is Command.KEY:
            self.key = order.arguments[:32] if any(order.arguments[:32]) else b""
            self.guarded = bool(order.arguments[32] & FLAG_GUARDS)
        if order.command is Command.FLOOR:
            release, firmware = struct.unpack("<IH", order.arguments)
            self.floors = release, firmware

    def restart(self) -> None:
        """A loss of power: the node counts from its ceiling."""
        self.counter += 64
        self.result, self.last = OrderResult.NONE, b""


class Bus(VirtualLink):
    """A line with nodes by their addresses."""

    def __init__(self, nodes: dict[int, ObeyingNode]) -> None:
        super().__init__(lambda pdu: None, baud=DEFAULT_BAUD)
        self.nodes = nodes
        self.broadcasts = 0

    def exchange(self, address: int, request: bytes) -> bytes | None:
        return self.nodes[address].answer(request) if address in self.nodes else None

    def broadcast(self, request: bytes) -> bool:
        self.broadcasts += 1
        for node in self.nodes.values():
            node.hear(request)
        return True


def order_pdu(order: bytes) -> bytes:
    """The request that brings an order."""
    words = bytes_registers(order)
    return struct.pack(f">B2HB{len(words)}H", 16, ORDER.address, len(words), len(order), *words)
