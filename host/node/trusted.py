"""What a node says of whom it obeys: its key, counter, floors and lock, the trial, and the hashes of what it holds.

As with the identity (host/node/identity.py): a node is a stranger, and what it says is checked before anybody believes
or shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from host.core.modbus import ILLEGAL_ADDRESS
from host.core.registers import Block
from host.core.wire import OrderResult, Reason, Table, Trust
from host.node.client import Answered, Client
from host.node.identity import Strange, known

TRUSTED = Block.between("TRUST", "FIRMWARE_HASH")
BITS, LEFT = Block.of(["TRUST"]), Block.of(["TRIAL_LEFT"])
STANDING = Block.between("TRUST", "TRIAL_LEFT")


@dataclass(frozen=True)
class Trusted:
    """What the input registers TRUST to FIRMWARE_HASH say.

    keyed: a key is installed; present: someone was at the board at power-on; locked: LOCK is in force; guarded: inputs
    and coils need an order too; crypto: it can hash and check signatures. release_floor, firmware_floor: what is lower
    is refused. key: 32 bytes, b"" without one. counter, result, reason: of the last order. trial_left: seconds, 0: no
    trial. release: of the running model, 0 where its image says none. The hashes are BLAKE2b-256, b"" where there is
    nothing to be hashed, or not yet.
    """

    keyed: bool
    present: bool
    locked: bool
    guarded: bool
    crypto: bool
    release_floor: int
    firmware_floor: int
    key: bytes
    counter: int
    result: OrderResult
    reason: Reason
    trial_left: int
    release: int
    model_hash: bytes
    staged_hash: bytes
    previous_hash: bytes
    firmware_hash: bytes

    def as_dict(self) -> dict[str, Any]:
        """For JSON: bytes in hexadecimal, codes by their names."""
        values = {
            name: value.hex() if isinstance(value, bytes) else value for name, value in vars(self).items()
        }
        return {**values, "result": self.result.name, "reason": self.reason.name}


def trusted_of(words: Sequence[int]) -> Trusted:
    """What the registers of the block TRUSTED say; Strange where no node can say that."""
    values = TRUSTED.unpack(words)
    has = _has(values["TRUST"])
    key = _bytes(values, "KEY")
    if key and not (has[Trust.KEYED] and has[Trust.CRYPTO]):
        raise Strange("KEY", f"{key.hex()}, and TRUST 0x{values['TRUST']:04x}")
    return Trusted(
        keyed=has[Trust.KEYED],
        present=has[Trust.PRESENT],
        locked=has[Trust.LOCKED],
        guarded=has[Trust.GUARDED],
        crypto=has[Trust.CRYPTO],
        release_floor=values["RELEASE_FLOOR"],
        firmware_floor=values["FIRMWARE_FLOOR"],
        key=key,
        counter=values["ORDER_COUNTER"],
        result=known(OrderResult, "ORDER_RESULT", values["ORDER_RESULT"]),
        reason=known(Reason, "ORDER_REASON", values["ORDER_REASON"]),
        trial_left=values["TRIAL_LEFT"],
        release=values["MODEL_RELEASE"],
        model_hash=_bytes(values, "MODEL_HASH"),
        staged_hash=_bytes(values, "STAGED_HASH"),
        previous_hash=_bytes(values, "PREVIOUS_HASH"),
        firmware_hash=_bytes(values, "FIRMWARE_HASH"),
    )


def _has(bits: int) -> dict[Trust, bool]:
    """The bits of the register TRUST."""
    if bits >> len(Trust):
        raise Strange("TRUST", f"0x{bits:04x}")
    return {bit: bool(bits >> bit & 1) for bit in Trust}


def _bytes(values: Mapping[str, Any], name: str) -> bytes:
    """Bytes that are all zeros where there are none."""
    value: bytes = values[name]
    return value if any(value) else b""


def read_trusted(node: Client) -> Trusted:
    """What a node says of whom it obeys, in one request."""
    return trusted_of(node.read(Table.INPUT, TRUSTED.address, TRUSTED.count))


def knows_trust(node: Client) -> Trusted | None:
    """The same; None of firmware of an earlier build, which knows no keys."""
    try:
        return read_trusted(node)
    except Answered as error:
        if error.code != ILLEGAL_ADDRESS:
            raise
        return None


def read_bits(node: Client) -> dict[Trust, bool]:
    """The bits of the register TRUST alone, in a short request; none of firmware of an earlier build."""
    return _has(_short(node, BITS))


def read_standing(node: Client) -> dict[str, Any]:
    """For JSON: whether a key is installed, whether it is locked, and the seconds of a trial; None for each of firmware
    of an earlier build."""
    try:
        values = STANDING.unpack(node.read(Table.INPUT, STANDING.address, STANDING.count))
    except Answered as error:
        if error.code != ILLEGAL_ADDRESS:
            raise
        return {"keyed": None, "locked": None, "trial_left": None}
    has = _has(values["TRUST"])
    return {"keyed": has[Trust.KEYED], "locked": has[Trust.LOCKED], "trial_left": values["TRIAL_LEFT"]}


def trial_left(node: Client) -> int:
    """Seconds until the old model comes back, 0: no model is on trial; as short."""
    return _short(node, LEFT)


def _short(node: Client, block: Block) -> int:
    """A register; 0 where the node has none such."""
    try:
        return node.read(Table.INPUT, block.address, block.count)[0]
    except Answered as error:
        if error.code != ILLEGAL_ADDRESS:
            raise
        return 0
