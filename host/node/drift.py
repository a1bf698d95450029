"""How the nodes of a fleet stand on their line, beside what the fleet's file wants of them.

A node is known by its UID: at the address where one of the fleet should be, another may stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from host.core.hashes import hash_of, short
from host.core.modbus import ILLEGAL_ADDRESS
from host.core.registers import Block
from host.core.wire import ADDRESS_MAX, ADDRESS_MIN, WIRE_VERSION, Gap, State, Table
from host.errors import NeuronError
from host.node.client import Answered, NoAnswer
from host.node.fleet import Fleet, Member
from host.node.identity import IDENTITY, Identity, Strange, checked, identity_of, known
from host.node.link import Link, is_gone
from host.node.node import Node
from host.node.trusted import Trusted, read_trusted
from host.progress import Progress, silent

ALL_OF_IT = Block.between("GROUP_IN_FORCE", "UID")


class Drift(StrEnum):
    """What may be otherwise than the file wants it."""

    MISSING = "missing"
    """Nothing answers at its address."""
    OTHER = "other"
    """A node with another UID stands at its address."""
    STRANGE = "strange"
    """What answers there says what no node of this version can say."""
    ADDRESS = "address"
    GROUP = "group"
    MODEL = "model"
    FIRMWARE = "firmware"
    TRIAL = "trial"
    """A model is on trial, and not kept."""


ABSENT = (Drift.MISSING, Drift.OTHER, Drift.STRANGE)
"""Of a node that cannot be asked what it is."""
SENT = (Drift.ADDRESS, Drift.GROUP, Drift.MODEL)
"""What can be mended over the line."""


@dataclass(frozen=True)
class Difference:
    """is_: what was found; wanted: what the file says; both for people."""

    drift: Drift
    is_: str
    wanted: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"drift": self.drift.value, "is": self.is_, "wanted": self.wanted}

    def in_words(self) -> str:
        return f"{self.drift}: {self.is_}" + (f" -> {self.wanted}" if self.wanted else "")


@dataclass(frozen=True)
class Found:
    """A node as it is. gap: the silence that it wants between frames; shares: another has the same address."""

    address: int
    group: int
    gap: Gap
    identity: Identity
    trusted: Trusted
    shares: bool = False

    @property
    def uid(self) -> str:
        return self.identity.uid


@dataclass(frozen=True)
class Standing:
    """A member of the fleet and what was found of it. found None: nothing that it could be asked."""

    member: Member
    found: Found | None
    differs: tuple[Difference, ...] = ()

    def has(self, *drifts: Drift) -> bool:
        """Whether it differs in one of these."""
        return any(difference.drift in drifts for difference in self.differs)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is not known is None."""
        member, found = self.member, self.found
        return {
            "uid": member.uid,
            "name": member.name,
            "address": found.address if found else None,
            "group": found.group if found else None,
            "model": found.identity.name if found and found.identity.sequence else None,
            "model_hash": found.trusted.model_hash.hex() if found else None,
            "sequence": found.identity.sequence if found else None,
            "shares_address": found.shares if found else None,
            "keyed": found.trusted.keyed if found else None,
            "firmware": found.identity.firmware if found else None,
            "firmware_hash": found.trusted.firmware_hash.hex() if found else None,
            "trial_left": found.trusted.trial_left if found else None,
            "faults": [fault.name for fault in found.identity.faults] if found else None,
            "wanted": {
                "address": member.address,
                "group": member.group,
                "model": member.model,
                "model_hash": hash_of(member.image).hex() if member.image is not None else "",
                "firmware_hash": member.firmware,
            },
            "differs": [difference.as_dict() for difference in self.differs],
        }


@dataclass(frozen=True)
class Unknown:
    """A node that is on the line and not in the file. address None: more than one node seems to have this UID."""

    uid: str
    address: int | None

    def as_dict(self) -> dict[str, Any]:
        return {"uid": self.uid, "address": self.address}


@dataclass
class Survey:
    """standings: of all members, in the file's order; unknown: of others that came to light."""

    standings: list[Standing] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)

    @property
    def as_wanted(self) -> bool:
        """Nothing differs, and nobody else is there."""
        return not self.unknown and not any(standing.differs for standing in self.standings)

    def of(self, uid: str) -> Standing:
        """That of the member with this UID."""
        return next(standing for standing in self.standings if standing.member.uid == uid)


# ---------------------------------------------------------------------------------------------------------- look


def look(node: Node) -> Found:
    """What a node is, in two requests. NeuronError where it does not answer, or is none of ours."""
    try:
        words = node.read(Table.INPUT, ALL_OF_IT.address, ALL_OF_IT.count)
    except Answered as error:
        if error.code == ILLEGAL_ADDRESS:
            node.handshake()  # which says what is wrong, if it is only another version
        raise
    values = ALL_OF_IT.unpack(words)
    if values["WIRE_VERSION"] != WIRE_VERSION:
        node.handshake()
        raise Strange("WIRE_VERSION", values["WIRE_VERSION"])
    return Found(
        address=checked("ADDRESS_IN_FORCE", values["ADDRESS_IN_FORCE"], ADDRESS_MIN, ADDRESS_MAX),
        group=values["GROUP_IN_FORCE"],
        gap=known(Gap, "GAP_IN_FORCE", values["GAP_IN_FORCE"]),
        identity=identity_of(words[IDENTITY.address - ALL_OF_IT.address :]),
        trusted=read_trusted(node),
    )


def survey(link: Link, fleet: Fleet, progress: Progress = silent) -> Survey:
    """Ask at the address of each member who is there and how it stands. Where all that are there hear short silences,
    the line has short ones from then on. NeuronError where the line goes."""
    at: dict[int, Found | Difference] = {}
    for done, member in enumerate(fleet.members):
        progress("look", done, len(fleet.members))
        try:
            at[member.address] = look(Node(link, member.address))
        except NoAnswer as error:
            at[member.address] = Difference(Drift.MISSING, str(error))
        except NeuronError as error:
            if is_gone(error):
                raise
            at[member.address] = Difference(Drift.STRANGE, str(error))
    progress("look", len(fleet.members), len(fleet.members))
    gaps = {found.gap for found in at.values() if isinstance(found, Found)}
    link.gap = Gap.TRUE_CHARACTERS if gaps == {Gap.TRUE_CHARACTERS} else Gap.STANDARD
    return _survey(fleet, at)


def _survey(fleet: Fleet, at: dict[int, Found | Difference]) -> Survey:
    """at: what was found at each address."""
    by_uid = {found.uid: found for found in at.values() if isinstance(found, Found)}
    standings = []
    for member in fleet.members:
        found, there = by_uid.get(member.uid), at.get(member.address)
        if found is not None:
            standings.append(Standing(member, found, tuple(differences(member, found))))
        elif isinstance(there, Difference):
            standings.append(Standing(member, None, (there,)))
        elif there is not None:
            other = Difference(Drift.OTHER, f"at address {member.address} stands the node {there.uid}")
            standings.append(Standing(member, None, (other,)))
        else:
            standings.append(Standing(member, None, (Difference(Drift.MISSING, "it was not found"),)))
    members = {member.uid for member in fleet.members}
    unknown = [Unknown(uid, found.address) for uid, found in by_uid.items() if uid not in members]
    return Survey(standings, unknown)


# ----------------------------------------------------------------------------------------------------- differences


def model_of(found: Found) -> str:
    """What runs there, for people; "" where nothing does."""
    if not found.identity.sequence and not found.trusted.model_hash:
        return ""
    name = found.identity.name or "a model"
    return f"{name} {short(found.trusted.model_hash)}" if found.trusted.model_hash else name


def differences(member: Member, found: Found) -> list[Difference]:
    """In what a node is otherwise than wanted."""
    differs, trusted = [], found.trusted
    if found.address != member.address or found.shares:
        is_ = f"{found.address}, as another node has" if found.shares else str(found.address)
        differs.append(Difference(Drift.ADDRESS, is_, str(member.address)))
    if member.group is not None and found.group != member.group:
        differs.append(
            Difference(Drift.GROUP, str(found.group) if found.group else "none", str(member.group))
        )
    if member.image is not None and trusted.model_hash != hash_of(member.image):
        wanted = f"{member.model} {short(hash_of(member.image))}"
        differs.append(Difference(Drift.MODEL, model_of(found) or "none", wanted))
    if member.firmware and trusted.firmware_hash.hex() != member.firmware:
        is_ = (
            short(trusted.firmware_hash)
            or "not known: it has not read through it yet, or was built without hashes"
        )
        wanted = f"{short(bytes.fromhex(member.firmware))}: flash it"
        differs.append(Difference(Drift.FIRMWARE, f"{found.identity.firmware} {is_}", wanted))
    if trusted.trial_left:
        differs.append(
            Difference(Drift.TRIAL, f"{trusted.trial_left} s are left, then the model before comes back")
        )
    return differs


def unready(found: Found) -> str:
    """Why a node cannot be given an image now; "" where it can, as far as it says."""
    if not found.trusted.crypto:
        return "it was built without Monocypher and takes no image by broadcast: use host.deploy, or flash it"
    if found.trusted.trial_left:
        return f"a model is on trial there for another {found.trusted.trial_left} s: wait until it has ended"
    if found.identity.state is State.TRAINING:
        return "it is training a model itself: wait until it has ended, or stop it"
    return ""


# ---------------------------------------------------------------------------------------------------------- plan


@dataclass
class Shipment:
    """An image, and those who shall have it."""

    image: bytes
    model: str
    standings: list[Standing] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "hash": hash_of(self.image).hex(),
            "bytes": len(self.image),
            "nodes": [standing.member.name for standing in self.standings],
        }


def shipments(standings: Sequence[Standing]) -> list[Shipment]:
    """What is to be sent to whom, an image once, however many files it stands in."""
    by_hash: dict[bytes, Shipment] = {}
    for standing in standings:
        image = standing.member.image
        if image is not None and standing.found is not None and standing.has(Drift.MODEL):
            ship = by_hash.setdefault(hash_of(image), Shipment(image, standing.member.model))
            ship.standings.append(standing)
    return list(by_hash.values())
