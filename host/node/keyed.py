"""A node with a key installed, and the key's owner: what changes it goes as a signed order, and all else as ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from host.core.order import (
    NO_HASH,
    coils_arguments,
    install_arguments,
    settings_arguments,
    trial_arguments,
    write_arguments,
)
from host.core.registers import placed
from host.core.wire import ARGUMENTS_MAX, REASON_TEXT, Command, Reason, Table, Trust
from host.node.client import NodeError
from host.node.keyfile import Signer
from host.node.node import Node, Refused
from host.node.orders import give, next_counter, send, signed
from host.node.trusted import Trusted, knows_trust, read_bits

UNGUARDED = {Command.NONE, Command.VERIFY, Command.TRAIN, Command.RESUME, Command.STOP}
"""Commands that only prepare: anybody may give them."""
ORDER_WORDS = (ARGUMENTS_MAX - 2) // 4 * 2
"""Registers of inputs that an order writes: whole floats, or integers."""

CHECKED_SECONDS = 0.4
"""A board has checked a signature by then, and kept what the order says."""
KEYLESS = "no key is installed there, so nothing can be signed for it: python -m host.keys install, or leave --key out"
Giving = Callable[[Node, bytes, str], None]


class KeyedNode(Node):
    """A node that is given signed orders. node: the same, shaken hands with; uid: 12 bytes; trusted: what it says."""

    keyed = True

    def __init__(self, node: Node, signer: Signer, uid: bytes, trusted: Trusted) -> None:
        super().__init__(node.link, node.address)
        self.lamp, self.uid = node.lamp, uid
        self._greeting = node._greeting
        self._signer, self._uid, self._counter = signer, uid, trusted.counter
        self._guarded = trusted.guarded
        if self._guarded:
            self.words_at_once = ORDER_WORDS

    def order(
        self,
        command: Command,
        doing: str,
        arguments: bytes = b"",
        image_hash: bytes = NO_HASH,
        giving: Giving = give,
    ) -> None:
        """Sign an order and have the node carry it out. Refused where it will not."""
        for once_more in (True, False):
            self._counter = next_counter([self._counter])
            order = signed(self._signer, command, self._uid, self._counter, arguments, image_hash)
            try:
                giving(self, order, doing)
                return
            except Refused as error:
                if error.reason is not Reason.COUNTER or not once_more:
                    raise
                # It has restarted since, or another master holds the key too.
                self._counter = self.read_value("ORDER_COUNTER")

    def command(
        self,
        code: Command,
        doing: str,
        length: int = 0,
        crc: int = 0,
        *,
        image_hash: bytes = NO_HASH,
        seconds: int = 0,
        inputs: int = 0,
    ) -> list[int]:
        if code in UNGUARDED:
            return super().command(code, doing, length, crc, inputs=inputs)
        arguments = b""
        if code is Command.INSTALL:
            arguments = install_arguments(length)
        elif code is Command.TRIAL:
            arguments = trial_arguments(length, seconds)
        self.order(code, doing, arguments, image_hash)
        return self.read_inputs(inputs) if inputs else []

    def keep_settings(self, **values: Any) -> None:
        spoken = (values["ADDRESS"], values["BAUD"], values["FORMAT"])
        stays = spoken == (self.address, self.link.baud, self.link.line_format)
        arguments = settings_arguments(placed(**values)[1])
        self.order(Command.SAVE_SETTINGS, "save the settings", arguments, giving=give if stays else send)
        if not stays:
            time.sleep(CHECKED_SECONDS)  # it answers no more when it has taken them, and not yet before

    def start_again(self) -> None:
        self.order(Command.RESTART, "start again", giving=send)  # it forgets what became of the order

    def give_inputs(self, address: int, words: Sequence[int], read_address: int, count: int) -> list[int]:
        if not self._guarded:
            return super().give_inputs(address, words, read_address, count)
        self.give_some_inputs(address, words)
        return self.read(Table.HOLDING, read_address, count)

    def give_some_inputs(self, address: int, words: Sequence[int]) -> None:
        if not self._guarded:
            super().give_some_inputs(address, words)
            return
        self.order(Command.WRITE, "take inputs", write_arguments(address, words))

    def write_coil(self, address: int, value: bool) -> None:
        if not self._guarded:
            super().write_coil(address, value)
            return
        self.order(Command.COILS, "write a coil", coils_arguments(address, 1, int(value)))


# ---------------------------------------------------------------------------------------------------- opening


def short(key: bytes) -> str:
    """A key for people: enough of it to tell it from others, all of it is what `host.keys status` says."""
    return f"{key.hex()[:16]}.."


def require_uid(node: Node, uid: str) -> None:
    """NodeError where the node has another UID, 24 hex digits; from then on orders to it name this one."""
    with node.aside():
        found = node.read_value("UID").hex()
    if found != uid:
        raise NodeError(f"the node at address {node.address} is {found}, not {uid}: nothing was sent to it")
    node.uid = bytes.fromhex(uid)


def uid_of(node: Node) -> bytes:
    """Whom orders to this node name: who it must be, else who it says that it is."""
    uid: bytes = node.read_value("UID") if node.uid is None else node.uid
    return uid


def require_free(node: Node, changes: bool) -> None:
    """NodeError where the node takes no commands without an order, or not now; changes False: no inputs and coils."""
    with node.aside():
        has = read_bits(node)
    if has[Trust.KEYED] and (changes or has[Trust.GUARDED]):
        raise NodeError(REASON_TEXT[Reason.UNSIGNED])
    if has[Trust.LOCKED] and changes:
        raise NodeError(REASON_TEXT[Reason.LOCKED])


def with_key(node: Node, signer: Signer) -> KeyedNode:
    """The node, to be given orders by the key's owner. NodeError where it obeys another key, or none: nobody shall
    believe that what it is told was signed."""
    with node.aside():
        trusted = require_trusted(node)
        if not trusted.keyed:
            raise NodeError(KEYLESS)
        require_same(trusted, signer)
        uid = uid_of(node)
    return KeyedNode(node, signer, uid, trusted)


def obeyed(node: Node, signer: Signer | None, changes: bool) -> Node:
    """The node, in the form that it obeys the owner of this key, None: anybody. changes: as require_free has it.
    NodeError before anything is sent to a node that would refuse."""
    if signer is not None:
        return with_key(node, signer)
    require_free(node, changes)
    return node


def require_trusted(node: Node) -> Trusted:
    """What the node says of whom it obeys; NodeError where it knows no keys."""
    trusted = knows_trust(node)
    if trusted is None:
        raise NodeError("the node's firmware knows no keys: it is of an earlier build, update it")
    return trusted


def require_same(trusted: Trusted, signer: Signer) -> None:
    """NodeError where the key that the node says it obeys is not this one."""
    if trusted.key != signer.public:
        raise NodeError(
            f"the node says that it obeys the key {short(trusted.key)}, not {short(signer.public)} of {signer.path}: "
            "the wrong file, the wrong node, or one that lies; nothing was sent"
        )
