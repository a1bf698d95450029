"""A search for nodes by their UIDs, whatever their addresses: who begins so? Twin of firmware/app/search.c.

One answer, silence or damage say whether it is one, none or several; where several speak at once, the next bit parts
them. For N random UIDs a tree has 2.9 N - 1 such questions. What a noisy line may do to any of them:

    a request is lost       to all: silence is believed only when it comes twice
                            to one of several: the other's answer is believed only when it comes twice
    an answer is damaged    it passes for several; the halves then show that it was one, or none
    an answer is late       it answers a question that was not asked: its UID is asked for itself

What it cannot see: a node whose driver is drowned by another's each time, so that the stronger is heard unharmed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from host.core.modbus import EXCEPTION, registers_of, write_read_pdu
from host.core.registers import Block, placed
from host.core.wire import ADDRESS_MAX, ADDRESS_MIN, SEARCH_ADDRESS, UID_BYTES
from host.errors import NeuronError
from host.node.client import NodeError
from host.node.link import Gone, Link

UID_BITS = 8 * UID_BYTES
FOUND = Block.between("FOUND_UID", "FOUND_VERSION")
CLASHES_MAX = 3
"""UIDs that more than one node may seem to have: beyond that it is the line that is damaged."""
LOOKS = 3
"""How often what is damaged to the last bit is asked for again."""
REQUESTS, REQUESTS_A_NODE = 600, 150
"""So many it may take, and so many more for each that is found: twice what UIDs that differ in their last bits alone
take. It is only where somebody answers whatever is asked, or noise does, that there would be no end."""
NODES_MAX = ADDRESS_MAX - ADDRESS_MIN + 1


class Prefix(NamedTuple):
    """The first bits of UIDs. value: bit n of it is bit n of the UID, which is bit n % 8 of its byte n // 8."""

    bits: int
    value: int

    @classmethod
    def of(cls, uid: bytes) -> Prefix:
        """All bits of a UID."""
        return cls(UID_BITS, int.from_bytes(uid, "little"))

    @property
    def uid(self) -> bytes:
        """The UID that begins so and has zeros behind."""
        return self.value.to_bytes(UID_BYTES, "little")

    def matches(self, uid: bytes) -> bool:
        """Whether a UID begins so."""
        return (int.from_bytes(uid, "little") ^ self.value) & (1 << self.bits) - 1 == 0

    def halves(self) -> tuple[Prefix, Prefix]:
        """Those with a 0 and those with a 1 behind."""
        return Prefix(self.bits + 1, self.value), Prefix(self.bits + 1, self.value | 1 << self.bits)


EVERYBODY = Prefix(0, 0)


class Found(NamedTuple):
    """A node's answer. address: in force; version: of its wire."""

    uid: bytes
    address: int
    version: int


class Heard(Enum):
    """What is no answer."""

    SILENCE = 0
    DAMAGE = 1


Ask = Callable[[Prefix], Found | Heard]
"""One question to the line, and what is heard."""


def search_pdu(prefix: Prefix) -> bytes:
    """The request's PDU."""
    address, words = placed(SEARCH_BITS=prefix.bits, SEARCH_UID=prefix.uid)
    return write_read_pdu(address, words, FOUND.address, FOUND.count)


def asking(link: Link) -> Ask:
    """Questions over a line."""

    def ask(prefix: Prefix) -> Found | Heard:
        link.forget()
        try:
            reply = link.exchange(SEARCH_ADDRESS, search_pdu(prefix))
        except Gone as error:
            raise NodeError(str(error)) from error
        if link.echoed:
            raise NodeError(
                f"{link.where} hears what it sends, which passes for answers: switch the adapter's echo off"
            )
        if reply is None:
            return Heard.DAMAGE if link.heard else Heard.SILENCE
        if reply[0] & EXCEPTION:
            raise NodeError(
                f"something at address {SEARCH_ADDRESS}, which the standard leaves to nobody, refuses to be searched: "
                "take that device off the line"
            )
        values = FOUND.unpack(registers_of(reply))
        return Found(values["FOUND_UID"], values["FOUND_ADDRESS"], values["FOUND_VERSION"])

    return ask


@dataclass(frozen=True)
class Roll:
    """Who is on a line. clashes: UIDs that more than one node has; requests: how many it took."""

    found: tuple[Found, ...]
    clashes: tuple[bytes, ...]
    requests: int


class _Search:
    def __init__(self, ask: Ask) -> None:
        self._line = ask
        self.requests = 0
        self.found: dict[bytes, Found] = {}
        self.clashes: list[bytes] = []
        self.late: set[bytes] = set()

    def _require_end(self) -> None:
        """NeuronError where the line says more than its nodes can."""
        found = len(self.found) + len(self.clashes)
        if found > NODES_MAX or self.requests >= REQUESTS + REQUESTS_A_NODE * found:
            raise NeuronError(
                f"the search finds no end, after {self.requests} requests and {found} nodes: is another master on the "
                "line, noise, or a device that answers to any address?"
            )

    def ask(self, prefix: Prefix) -> Found | Heard:
        """Once; but for who answers another question, who is late."""
        while True:
            self._require_end()
            self.requests += 1
            heard = self._line(prefix)
            if not isinstance(heard, Found) or prefix.matches(heard.uid):
                return heard
            if heard.uid in self.late:
                return Heard.DAMAGE
            self.late.add(heard.uid)

    def look(self, prefix: Prefix) -> bool:
        """Whether there is anybody; who it is, is written down."""
        first = self.ask(prefix)
        if first is Heard.DAMAGE:
            return self.part(prefix)
        second = self.ask(prefix)
        if first is second is Heard.SILENCE:
            return False
        if isinstance(second, Found) and first in (second, Heard.SILENCE):
            self.found[second.uid] = second
            return True
        return self.part(prefix)

    def part(self, prefix: Prefix) -> bool:
        """Several have answered, or noise."""
        if prefix.bits == UID_BITS:
            return self.look_closely(prefix)
        there = [self.look(half) for half in prefix.halves()]
        if any(there):
            return True
        heard = self.ask(prefix)  # it was noise then, or is now
        if isinstance(heard, Found):
            self.found[heard.uid] = heard
        return isinstance(heard, Found)

    def look_closely(self, prefix: Prefix) -> bool:
        """All bits are given, and still it is damaged."""
        for _ in range(LOOKS):
            heard = self.ask(prefix)
            if isinstance(heard, Found):
                self.found[heard.uid] = heard
                return True
            if heard is Heard.SILENCE:
                return False
        self.clashes.append(prefix.uid)
        if len(self.clashes) > CLASHES_MAX:
            raise NeuronError(
                "every answer to the search is damaged: check wiring (A/B), termination and bias; is another master on "
                "the line, or a device that answers to any address?"
            )
        return True


def search(ask: Ask) -> Roll:
    """Everybody on a line. NeuronError where it carries nothing whole."""
    looking = _Search(ask)
    looking.look(EVERYBODY)
    for uid in looking.late - looking.found.keys() - set(looking.clashes):
        looking.look(Prefix.of(uid))
    return Roll(tuple(looking.found.values()), tuple(looking.clashes), looking.requests)
