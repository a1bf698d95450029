"""Who is on a line: nodes by their UIDs, what each says of itself, and other Modbus devices by their addresses.

Nothing here changes anything, and nobody but our nodes is spoken to in a way that a device must understand: the search
goes to an address that the standard leaves to nobody, and other devices are asked to read one register.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from host.core.modbus import EXCEPTION, EXCEPTION_TEXT, READ_HOLDING, read_pdu
from host.core.registers import Block
from host.core.wire import ADDRESS_MAX, ADDRESS_MIN, SEARCH_ADDRESS, WIRE_VERSION, Format, Table
from host.errors import NeuronError
from host.node import node as usual
from host.node.client import NodeError
from host.node.identity import IDENTITY, Identity, identity_of, speed_of
from host.node.link import Gone, Link, is_gone
from host.node.node import Node
from host.node.search import EVERYBODY, Ask, Found, Heard, Prefix, asking, search
from host.node.trusted import Trusted, read_trusted
from host.progress import Progress, silent

BAUDS = (19200, 9600, 115200, 38400, 57600, 230400, 460800, 921600, 1_000_000)
"""The usual rates, the likeliest first."""
FORMATS = (Format.F8E1, Format.F8N2, Format.F8O1)
"""8N2 reaches those that speak 8N1 too: what they take for silence is a stop bit more, and theirs is one for us."""
GLANCE_SECONDS = 0.02
"""To wait for somebody at a rate where there may be nobody: a node begins to answer within its silence and a
millisecond, and an adapter keeps what it hears for up to 16."""
WAIT_SECONDS = 0.05
"""To wait for an answer in a search."""
SIMULATED_SECONDS = 0.2
"""The same where the line keeps no time: who answers are processes, as late as this computer is busy."""
DESCRIPTION = Block.between("BAUD_IN_FORCE", "UID")
SELECTS = 3


@dataclass(frozen=True)
class Speed:
    """How a line is spoken."""

    baud: int
    line_format: Format

    def __str__(self) -> str:
        return f"{self.baud} {self.line_format.name[1:]}"


USUAL = tuple(Speed(baud, line_format) for baud in BAUDS for line_format in FORMATS)
"""Where --baud-all looks."""
Opener = Callable[[Speed], Link]
"""The line, opened to be spoken so."""


@dataclass(frozen=True)
class Seen:
    """A node of ours. speed: as it says, else as it was found; identity, trusted: None where it could not be asked, as
    trouble says: it speaks another version, or its answers are damaged."""

    uid: str
    address: int
    speed: Speed
    version: int
    identity: Identity | None = None
    trusted: Trusted | None = None
    trouble: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is not known is None."""
        identity, trusted = self.identity, self.trusted
        runs = identity is not None and identity.sequence > 0
        return {
            "uid": self.uid,
            "address": self.address,
            "baud": self.speed.baud,
            "format": self.speed.line_format.name[1:],
            "wire_version": self.version,
            "firmware": identity.firmware if identity else None,
            "firmware_hash": trusted.firmware_hash.hex() if trusted else None,
            "model": identity.name if identity and runs else None,
            "model_crc": f"{identity.model_crc:08x}" if identity and runs else None,
            "model_hash": trusted.model_hash.hex() if trusted else None,
            "sequence": identity.sequence if identity else None,
            "keyed": trusted.keyed if trusted else None,
            "locked": trusted.locked if trusted else None,
            "warnings": identity.warnings() if identity else [],
            "trouble": self.trouble,
        }


@dataclass(frozen=True)
class Device:
    """Another Modbus device. says: what it answered to a read of its first register."""

    address: int
    speed: Speed
    says: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "baud": self.speed.baud,
            "format": self.speed.line_format.name[1:],
            "says": self.says,
        }


@dataclass(frozen=True)
class Scan:
    """nodes: by address, then UID; foreign: None where nobody looked for others; requests: how many it took."""

    nodes: tuple[Seen, ...]
    foreign: tuple[Device, ...] | None
    speeds: tuple[Speed, ...]
    requests: int

    def shared(self) -> set[int]:
        """Addresses that more than one node has."""
        return {address for address, count in self.addresses().items() if count > 1}

    def addresses(self) -> Counter[int]:
        """How many nodes each address has, whatever their speed: they may come to speak the same."""
        return Counter(node.address for node in self.nodes)


# ------------------------------------------------------------------------------------------------------- one node


@contextmanager
def waiting(link: Link, seconds: float) -> Iterator[None]:
    """Wait so long for an answer, meanwhile."""
    before, link.timeout = link.timeout, seconds
    try:
        yield
    finally:
        link.timeout = before


@contextmanager
def selected(link: Link, uid: bytes) -> Iterator[Node]:
    """The node with this UID, at the address of the search. NodeError where it does not answer, or not alone. One that
    was selected before and has not heard that it is no longer answers as well: ask for the UID before anything is
    written."""
    ask, whom = asking(link), Prefix.of(uid)
    heard: list[Found | Heard] = []
    while len(heard) < SELECTS and not any(isinstance(one, Found) for one in heard):
        answer = ask(whom)
        # One that answers another question is late, or lies.
        heard.append(Heard.DAMAGE if isinstance(answer, Found) and answer.uid != uid else answer)
    if Heard.DAMAGE is heard[-1]:
        raise NodeError(f"more than one node answers to UID {uid.hex()}, or the line damages what they say")
    if Heard.SILENCE is heard[-1]:
        raise NodeError(f"no node with UID {uid.hex()} answers")
    with waiting(link, max(link.timeout, usual.DEFAULT_TIMEOUT)):
        node = Node(link, SEARCH_ADDRESS)
        if len(heard) > 1:  # an answer to the first may still come
            node.doubt()
        yield node


def look(link: Link, found: Found) -> Seen:
    """What a node says of itself, in three requests."""
    seen = Seen(found.uid.hex(), found.address, Speed(link.baud, link.line_format), found.version)
    if found.version != WIRE_VERSION:
        return replace(
            seen,
            trouble=f"it speaks wire version {found.version}, this program {WIRE_VERSION}: update the older",
        )
    try:
        with selected(link, found.uid) as node:
            words = node.read(Table.INPUT, DESCRIPTION.address, DESCRIPTION.count)
            speed = Speed(*speed_of(DESCRIPTION.unpack(words)))
            identity = identity_of(words[IDENTITY.address - DESCRIPTION.address :])
            trusted = read_trusted(node)
    except NeuronError as error:
        if is_gone(error):
            raise
        return replace(seen, trouble=_trouble(error, link.heard))
    if identity.uid != seen.uid:
        return replace(seen, trouble=f"it says that its UID is {identity.uid}: its memory is broken")
    return replace(seen, speed=speed, identity=identity, trusted=trusted)


def _trouble(error: NeuronError, heard: bool) -> str:
    if heard:
        return "it is found, but what it says of itself comes damaged: have two nodes this UID? else check termination"
    return str(error)


# ------------------------------------------------------------------------------------------------------- one line


class Counting:
    """Questions, and how many there were."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.requests = 0

    def __call__(self, prefix: Prefix) -> Found | Heard:
        self.requests += 1
        return self._ask(prefix)


def glance(link: Link) -> tuple[bool, int]:
    """Whether anybody answers a search at all, and how many requests that took; silence counts when it comes twice."""
    ask = Counting(asking(link))
    there = any(ask(EVERYBODY) is not Heard.SILENCE for _ in range(2))
    return there, ask.requests


def scan_line(link: Link, wait: float, progress: Progress = silent) -> tuple[list[Seen], int]:
    """The nodes of an open line, and how many requests were sent. wait: seconds for an answer."""
    with waiting(link, wait):
        roll = search(asking(link))
        speed = Speed(link.baud, link.line_format)
        nodes = [
            Seen(uid.hex(), 0, speed, 0, trouble="more than one node has this UID, at different addresses")
            for uid in roll.clashes
        ]
        for done, found in enumerate(roll.found):
            progress("ask each node", done, len(roll.found))
            nodes.append(look(link, found))
        progress("ask each node", len(roll.found), max(1, len(roll.found)))
    # Each is selected, and asked two questions.
    return nodes, roll.requests + 3 * len(roll.found)


def scan(
    open_line: Opener,
    speeds: Sequence[Speed],
    *,
    wait: float,
    foreign: Sequence[int] | None = None,
    progress: Progress = silent,
) -> Scan:
    """Everybody on a line, at each of these speeds. wait: seconds for an answer; foreign: addresses to ask for other
    devices, but those that our nodes have."""
    found: dict[tuple[str, int], Seen] = {}
    devices: list[Device] = []
    requests = 0
    for done, speed in enumerate(speeds):
        progress("look at each rate", done, len(speeds))
        link = open_line(speed)
        try:
            if len(speeds) > 1:
                with waiting(link, min(wait, GLANCE_SECONDS) if link.timed else wait):
                    there, asked = glance(link)
                requests += asked
                if not there and foreign is None:
                    continue
            nodes, asked = scan_line(link, wait, progress)
            requests += asked
            # A pseudo-terminal has no parity, and 8N1 hears 8N2: who was found before is the same one.
            found.update(
                {(node.uid, node.address): node for node in nodes if (node.uid, node.address) not in found}
            )
            if foreign is not None:
                ours = {node.address for node in found.values()}
                others = [address for address in foreign if address not in ours]
                devices += look_for_devices(link, others, wait, progress)
                requests += len(others)
        finally:
            link.close()
    progress("look at each rate", len(speeds), len(speeds))
    nodes = sorted(found.values(), key=lambda node: (node.address, node.uid))
    return Scan(tuple(nodes), None if foreign is None else tuple(devices), tuple(speeds), requests)


# -------------------------------------------------------------------------------------------------- other devices

READ_ONE = read_pdu(READ_HOLDING, 0, 1)
"""What every device answers, if only that it has no such register; it changes nothing."""


def device_at(link: Link, address: int) -> Device | None:
    """Who answers at an address, if anybody."""
    speed = Speed(link.baud, link.line_format)
    link.forget()
    try:
        reply = link.exchange(address, READ_ONE)
    except Gone as error:
        raise NodeError(str(error)) from error
    if reply is None:
        says = "something that is no answer: two devices at this address, or noise"
        return Device(address, speed, says) if link.heard else None
    if reply[0] & EXCEPTION:
        text = EXCEPTION_TEXT.get(reply[1], "unknown")
        return Device(
            address, speed, f"exception {reply[1]}, {text}, to a read of its first holding register"
        )
    return Device(address, speed, f"its first holding register is {int.from_bytes(reply[2:4], 'big')}")


def look_for_devices(
    link: Link, addresses: Sequence[int], wait: float, progress: Progress = silent
) -> list[Device]:
    """Those that answer at these addresses, each of which is asked once; none may be a node of ours."""
    devices = []
    with waiting(link, wait):
        for done, address in enumerate(addresses):
            progress("look for other devices", done, len(addresses))
            device = device_at(link, address)
            if device is not None:
                devices.append(device)
    progress("look for other devices", len(addresses), max(1, len(addresses)))
    return devices


def free_addresses(taken: set[int], first: int) -> Iterator[int]:
    """Those that nobody has, from `first` on, then from the beginning."""
    return (
        address
        for address in itertools.chain(range(first, ADDRESS_MAX + 1), range(ADDRESS_MIN, first))
        if address not in taken
    )
