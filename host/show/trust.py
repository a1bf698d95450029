"""Whom a node obeys, in words."""

from __future__ import annotations

from host.core.wire import REASON_TEXT, TRUST_TEXT, OrderResult, Reason, Trust
from host.node.orders import days_ahead
from host.node.trusted import Trusted


def hashes(trusted: Trusted, firmware: str) -> list[str]:
    """What the node holds, by BLAKE2b-256, a line each; firmware: its version."""
    said = [("hash", trusted.model_hash), (f"firmware {firmware}, hash", trusted.firmware_hash)]
    return [f"{name} {value.hex()}" for name, value in said if value]


def states(trusted: Trusted) -> list[str]:
    """What stands otherwise than in a node of which nobody has asked anything, a line each."""
    said = []
    if trusted.trial_left:
        said.append(
            f"on trial: in {trusted.trial_left} s the model of before comes back by itself, unless --confirm"
        )
    if trusted.keyed:
        guarded = ", inputs and coils too" if trusted.guarded else ""
        said.append(f"KEYED: it obeys orders signed by {trusted.key.hex()}{guarded}")
    if trusted.locked:
        said.append(f"LOCKED: {TRUST_TEXT[Trust.LOCKED]}: no commands, no settings")
    if trusted.present:
        said.append(f"PRESENT: {TRUST_TEXT[Trust.PRESENT]}")
    return said


def in_full(trusted: Trusted) -> list[str]:
    """All of it but for the hashes, for who asks for nothing else, a line each."""
    said = states(trusted)
    if not trusted.keyed:
        said.insert(0, "no key is installed: whoever reaches the bus may change it")
    if not trusted.crypto:
        said.append(REASON_TEXT[Reason.CRYPTO])
    if trusted.keyed or trusted.counter:
        said.append(f"counter of orders: {trusted.counter}{_ahead(trusted.counter)}")
    if trusted.release_floor or trusted.firmware_floor:
        major, minor = trusted.firmware_floor >> 8, trusted.firmware_floor & 0xFF
        said.append(f"floors: release {trusted.release_floor} of models, firmware {major}.{minor}")
    if trusted.result is OrderResult.REFUSED:
        said.append(f"the last order was refused: {REASON_TEXT[trusted.reason]} ({trusted.reason.name})")
    return said


def _ahead(counter: int) -> str:
    days = days_ahead(counter)
    return f", {days} days ahead of this computer's clock" if days else ""
