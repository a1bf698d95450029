"""An image's way to many nodes at once: a session on each, blocks to all, what is missing again, then GO to all.

A node that falls out on the way keeps the model that it runs, and the line says why (Receiver.trouble). None can end
with a mix: it checks the whole image against the session's hash before it calls itself VERIFIED, and GO names, by a
secret that nobody else knows, that session alone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from host.core.hashes import hash_of
from host.core.modbus import write_registers_pdu
from host.core.registers import Block, bytes_registers, placed
from host.core.wire import BLOCK_BYTES, GO_BYTES, Reason, Session
from host.errors import NeuronError, listed
from host.node import client
from host.node.client import NodeError
from host.node.identity import Strange, in_words, known
from host.node.link import Link, is_gone
from host.node.node import POLL_SECONDS, Node
from host.node.trusted import read_trusted
from host.progress import Progress, silent

STANDING = Block.between("SESSION_STATE", "BLOCKS_MISSING")
FRUITLESS = 3
"""Rounds of repair by broadcast that bring nobody anything, after which each node is given its blocks alone."""
GOES = 3
"""Times that GO is said to all; then to each that has not heard it."""
READY = (Session.VERIFIED, Session.ARMED)


@dataclass
class Receiver:
    """A node that is given an image. go: the secret that makes it run; hash: of the image; missing: its blocks, as it
    last said; state: of its session, likewise; trouble: why it takes no part any more."""

    name: str
    node: Node
    go: bytes
    hash: bytes = b""
    missing: set[int] = field(default_factory=set)
    state: Session = Session.NONE
    trouble: str = ""

    @contextmanager
    def or_trouble(self) -> Iterator[None]:
        """What goes wrong with this node meanwhile is its own trouble; a line that has gone is everybody's."""
        try:
            yield
        except NeuronError as error:
            if is_gone(error):
                raise
            self.trouble = str(error)


def taking_part(receivers: Sequence[Receiver]) -> list[Receiver]:
    """Those without trouble."""
    return [receiver for receiver in receivers if not receiver.trouble]


def new_go() -> bytes:
    """A secret for one switch."""
    return secrets.token_bytes(GO_BYTES)


# ------------------------------------------------------------------------------------------------------- requests


def opening(image: bytes, go: bytes, seconds: int) -> tuple[int, list[int]]:
    """The registers that open a session: the first one's address, and all of them."""
    return placed(
        SESSION_HASH=hash_of(image),
        SESSION_LENGTH=len(image),
        SESSION_GO=hash_of(go),
        SESSION_SECONDS=seconds,
    )


def closing() -> tuple[int, list[int]]:
    """Those that close it."""
    return placed(SESSION_HASH=b"", SESSION_LENGTH=0, SESSION_GO=b"", SESSION_SECONDS=0)


def blocks_of(image: bytes) -> range:
    """The numbers of its blocks."""
    return range(-(-len(image) // BLOCK_BYTES))


def block(image: bytes, index: int) -> tuple[int, list[int]]:
    """The registers that carry a block."""
    address, words = placed(BLOCK_TAG=int.from_bytes(hash_of(image)[:4], "big"), BLOCK_INDEX=index)
    part = image[BLOCK_BYTES * index : BLOCK_BYTES * (index + 1)]
    return address, words + bytes_registers(part)


def going(go: bytes) -> tuple[int, list[int]]:
    """The registers that switch."""
    return placed(GO=go)


# ---------------------------------------------------------------------------------------------------------- stage


class Broadcast:
    """One image on its way. receivers: all who shall have it; seconds: of the trial after GO, 0: none."""

    def __init__(self, link: Link, image: bytes, receivers: Sequence[Receiver], seconds: int = 0) -> None:
        self._link, self._image, self.receivers = link, image, receivers
        self._seconds = seconds
        for receiver in receivers:
            receiver.hash = hash_of(image)

    def stage(self, progress: Progress = silent) -> None:
        """Bring the image to all receivers, until each that takes part is VERIFIED. Whatever ends it before that leaves
        sessions open: see close."""
        self._open(progress)
        self._send(progress)
        self._wait_verified()

    def _open(self, progress: Progress) -> None:
        for done, receiver in enumerate(self.receivers):
            progress("open", done, len(self.receivers))
            with receiver.or_trouble(), receiver.node.refusals("open a session"):
                receiver.node.write(*opening(self._image, receiver.go, self._seconds))
                receiver.state, receiver.missing = Session.OPEN, set(blocks_of(self._image))
        progress("open", len(self.receivers), len(self.receivers))

    def _missing(self) -> list[int]:
        """Blocks that somebody still lacks."""
        return sorted(set().union(*(receiver.missing for receiver in taking_part(self.receivers))))

    def _lacking(self) -> int:
        return sum(len(receiver.missing) for receiver in taking_part(self.receivers))

    def _send(self, progress: Progress) -> None:
        fruitless, least = 0, self._lacking()
        while (union := self._missing()) and fruitless < FRUITLESS:
            for done, index in enumerate(union):
                self._link.broadcast(write_registers_pdu(*block(self._image, index)))
                progress("blocks", done + 1, len(union))
            self._look(receiver for receiver in taking_part(self.receivers) if receiver.missing)
            # Fewer than ever: one that lies may lack them again and again.
            fruitless = 0 if self._lacking() < least else fruitless + 1
            least = min(least, self._lacking())
        for receiver in taking_part(self.receivers):
            if receiver.missing:
                self._send_alone(receiver)

    def _send_alone(self, receiver: Receiver) -> None:
        """To a node that hears no broadcast: each block is answered for."""
        with receiver.or_trouble(), receiver.node.refusals("take a block"):
            for index in sorted(receiver.missing):
                receiver.node.write(*block(self._image, index))
            self._look([receiver])
            if receiver.missing and not receiver.trouble:
                numbers = listed([str(index) for index in sorted(receiver.missing)], 3)
                raise NodeError(f"it says that it lacks blocks however often they are sent: {numbers}")

    def _look(self, receivers: Iterator[Receiver] | Sequence[Receiver]) -> None:
        """Ask these how far they are."""
        for receiver in receivers:
            with receiver.or_trouble():
                values = receiver.node.read_block(STANDING)
                self._take(receiver, values["SESSION_STATE"], values["BLOCKS_MISSING"])

    def _take(self, receiver: Receiver, state: int, words: list[int]) -> None:
        receiver.state = known(Session, "SESSION_STATE", state)
        missing = {number for number in range(16 * len(words)) if words[number // 16] >> number % 16 & 1}
        if missing - set(blocks_of(self._image)):
            raise Strange("BLOCKS_MISSING", " ".join(f"{word:04x}" for word in words))
        receiver.missing = missing if receiver.state is Session.OPEN else set()
        if receiver.state is Session.REFUSED:
            identity = receiver.node.identity()
            raise NodeError(f"it refused the image: {in_words(identity.reason, identity.detail)}")
        if receiver.state in (Session.NONE, Session.DONE):
            raise NodeError(
                "its session has gone: it has restarted, or another master has taken its stage; its model goes on"
            )

    def _wait_verified(self) -> None:
        """Each checks the image by itself."""
        deadline = time.monotonic() + client.BUSY_SECONDS
        while waiting := [r for r in taking_part(self.receivers) if r.state not in READY]:
            if time.monotonic() > deadline:
                for receiver in waiting:
                    receiver.trouble = "it has all blocks, but does not come to check them: is it busy?"
                return
            time.sleep(POLL_SECONDS)
            self._look(waiting)


# --------------------------------------------------------------------------------------------------------- switch


def close(receivers: Sequence[Receiver]) -> None:
    """Let the stages of these go, as far as they can be reached: what runs goes on."""
    for receiver in receivers:
        if receiver.state in (Session.OPEN, *READY):
            with receiver.or_trouble():
                receiver.node.write(*closing())
                receiver.state = Session.NONE


def switch(link: Link, receivers: Sequence[Receiver], progress: Progress = silent) -> None:
    """Have these, who have one secret, run their images now, all at once. Who does not is in trouble."""
    waiting = taking_part(receivers)
    for _ in range(GOES):
        if not waiting:
            return
        link.broadcast(write_registers_pdu(*going(waiting[0].go)))
        for done, receiver in enumerate(waiting):
            progress("switch", done, len(waiting))
            _runs(receiver)
        progress("switch", len(waiting), len(waiting))
        waiting = [receiver for receiver in taking_part(waiting) if receiver.state is not Session.DONE]
    for receiver in waiting:
        with receiver.or_trouble(), receiver.node.refusals("go over to the image"):
            receiver.node.write(*going(receiver.go))
            if not _runs(receiver) and not receiver.trouble:
                raise NodeError("it was told to go over to the image, and runs another")


def _runs(receiver: Receiver) -> bool:
    with receiver.or_trouble():
        if receiver.node.read_value("MODEL_HASH") == receiver.hash:
            receiver.state = Session.DONE
            return True
    return False


def require_kept(receiver: Receiver) -> None:
    """See that the image is no longer on trial there but kept, or say why not: that is its trouble."""
    with receiver.or_trouble():
        identity = receiver.node.wait_idle()
        trusted = read_trusted(receiver.node)
        if trusted.model_hash != receiver.hash:
            raise NodeError(_went_back(identity.reason, identity.detail))
        if trusted.trial_left:
            raise NodeError("it runs the image, but has not kept it")


def _went_back(reason: Reason, detail: int) -> str:
    why = "" if reason is Reason.NONE else f": {in_words(reason, detail)} ({reason.name})"
    return f"it does not run the image any more{why}"
