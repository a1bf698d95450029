"""A node's key: the first one, another in its place, or none any more; and what is too old for it."""

from __future__ import annotations

from host.core.order import NO_KEY, floor_arguments, key_arguments
from host.core.wire import REASON_TEXT, Command, Reason
from host.node.client import NodeError
from host.node.keyed import KeyedNode, require_same, require_trusted, short, uid_of
from host.node.keyfile import Signer
from host.node.node import Node
from host.node.orders import first_counter, give, signed
from host.node.trusted import Trusted, read_trusted

AT_THE_BOARD = (
    "hold the pin PD2 to ground, on the board, while it is switched on, and say this again (a simulated node: "
    "host.sim --present)"
)


def install_key(node: Node, signer: Signer, guards: bool | None) -> None:
    """Have a node obey this key from now on. guards: inputs and coils need an order too, None: as it is, and with a
    first key no. NodeError where another key is installed, or nobody is at the board; one that obeys this key already
    is told what it guards."""
    trusted = require_trusted(node)
    if not trusted.crypto:
        raise NodeError(f"{REASON_TEXT[Reason.CRYPTO]} (for a simulated one: python -m host.keys source)")
    if trusted.keyed:
        if trusted.key != signer.public:
            raise NodeError(
                f"a key is installed already, {short(trusted.key)}: only an order signed by it brings another "
                "(python -m host.keys rotate PORT --key OLD --to NEW)"
            )
        if guards is not None and guards != trusted.guarded:
            _order_key(node, signer, trusted, signer.public, guards)
        return
    if not trusted.present:
        raise NodeError(f"the first key needs someone at the board: {AT_THE_BOARD}")
    counter = first_counter(trusted.counter)
    arguments = key_arguments(signer.public, bool(guards))
    give(node, signed(signer, Command.KEY, uid_of(node), counter, arguments), "take the key")
    _see(node, signer.public, bool(guards))


def replace_key(node: Node, old: Signer, new: Signer, guards: bool) -> None:
    """Have a node that obeys the one key obey the other. What it guards stays guarded."""
    trusted = _obeys(node, old)
    _order_key(node, old, trusted, new.public, guards or trusted.guarded)


def remove_key(node: Node, signer: Signer) -> None:
    """Have a node that obeys this key obey everybody again."""
    _order_key(node, signer, _obeys(node, signer), b"", False)


def set_floors(node: Node, signer: Signer, release: int, firmware: int) -> None:
    """Have a node refuse models of a lower release, and do nothing with firmware of a lower version (major << 8 |
    minor). NodeError before it is closed by that for good, as floors never go down."""
    trusted = _obeys(node, signer)
    now = node.read_value("FIRMWARE_VERSION")
    if firmware > now:
        raise NodeError(
            f"the node runs firmware {now >> 8}.{now & 0xFF}, which would obey nothing below the floor "
            f"{firmware >> 8}.{firmware & 0xFF}: bring the newer firmware first"
        )
    if trusted.model_hash and trusted.release < release:
        raise NodeError(
            f"the node runs a model of release {trusted.release}, which the floor {release} would never let in again: "
            "deploy one that is new enough first"
        )
    if release < trusted.release_floor or firmware < trusted.firmware_floor:
        raise NodeError(
            f"floors never go down: they are release {trusted.release_floor} and firmware "
            f"{trusted.firmware_floor >> 8}.{trusted.firmware_floor & 0xFF}"
        )
    _keyed(node, signer, trusted).order(Command.FLOOR, "set the floors", floor_arguments(release, firmware))
    after = read_trusted(node)
    if (after.release_floor, after.firmware_floor) != (release, firmware):
        raise NodeError(f"the node says that it has carried out the order, and has other floors: {_TELL}")


_TELL = "it is another one than it says, or lies"


def _obeys(node: Node, signer: Signer) -> Trusted:
    """What a node says that obeys this key; NodeError for any other."""
    trusted = require_trusted(node)
    if not trusted.keyed:
        raise NodeError("no key is installed in this node (python -m host.keys install)")
    require_same(trusted, signer)
    return trusted


def _keyed(node: Node, signer: Signer, trusted: Trusted) -> KeyedNode:
    return KeyedNode(node, signer, uid_of(node), trusted)


def _order_key(node: Node, signer: Signer, trusted: Trusted, key: bytes, guards: bool) -> None:
    """key: b"" for none."""
    arguments = key_arguments(key or NO_KEY, guards)
    _keyed(node, signer, trusted).order(Command.KEY, "take the key" if key else "forget its key", arguments)
    _see(node, key, guards)


def _see(node: Node, key: bytes, guards: bool) -> None:
    """That it now says so itself."""
    after = read_trusted(node)
    if (after.keyed, after.key, after.guarded) != (bool(key), key, guards):
        obeyed = f"the key {short(after.key)}" if after.key else "no key"
        raise NodeError(
            f"the node says that it has carried out the order, and that it obeys {obeyed}: {_TELL}"
        )
