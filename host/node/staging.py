"""A model's way into a node: stage, verify, commit, and prove that the node computes what we compute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.core.hashes import hash_of
from host.core.wire import IMAGE_MAX, Command, Reason, State
from host.errors import NeuronError
from host.node.client import NodeError
from host.node.identity import Identity, Running, in_words
from host.node.node import Node, Refused
from host.node.trusted import trial_left
from host.progress import Progress, silent

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from host.core.image import Model
    from host.node.proof import Row

PROVING = "prove; the lamp follows"
"""The step of a deploy that evaluates rows on the node, which its lamp shows."""

ROTTEN = {Reason.ROTTEN_MODEL, Reason.ROTTEN_RUNNING}
"""A newer model is damaged: to write the one that runs once more is what mends it."""

GONE = {Reason.MAGIC, Reason.NOT_VERIFIED}
"""Refusals of an image that stood in the stage before: the node has lost it, as it does with its power."""

INPUTS_ALONG = 4
"""So many inputs are read along with the answer to a command; more of them would hold it up."""

COMMIT_SECONDS, COMMIT_SECONDS_BYTE = 0.005, 4e-6
"""What a commit takes where its sector stands ready, at 16 us a word: a look before that is in vain."""


@dataclass(frozen=True)
class Deployed:
    """A model that runs, and was proven unless that was not wanted.

    crc: CRC-32 of its image; image_hash: its BLAKE2b-256; sequence: the node's commit number; already: it ran there
    before, and nothing was written; warnings: what else is to be known of the node; rows: what it was proven by, where
    that was given; proving: the seconds of `seconds` that this took; senses: it takes its inputs from its channels, so
    that none were given to it: its self-test, features of windows included, is the proof.
    """

    address: int
    crc: int
    sequence: int
    seconds: float
    already: bool = False
    warnings: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    proving: float = 0.0
    senses: bool = False
    image_hash: bytes = b""

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the rows."""
        return {
            "address": self.address,
            "crc32": self.crc,
            "hash": self.image_hash.hex(),
            "sequence": self.sequence,
            "seconds": self.seconds,
            "already": self.already,
        }

    def in_words(self, proven: bool = True) -> list[str]:
        """What runs there now, for people."""
        already = "it ran there already: nothing was written; the model to go back to stays"
        running = f"running: CRC-32 {self.crc:08x}, sequence {self.sequence}, after {self.seconds:.1f} s"
        how = (
            ", proven by its own self-test, windows included"
            if self.senses
            else ("" if proven else ", not proven")
        )
        return [already] * self.already + [running + how]


def stage(node: Node, image: bytes, progress: Progress = silent) -> None:
    """Write the image into the node's stage."""
    with node.refusals("take an image into its stage"):
        node.write_bytes("STAGE", image, progress, "stage")


def checked_image(image: bytes) -> Model:
    """The model of an image that computes what it says itself; NeuronError for any other."""
    from host.core.image import decode  # with it comes numpy
    from host.core.infer import self_test

    model = decode(image)
    self_test(model)
    return model


# ------------------------------------------------------------------------------------------------------------ commit


@dataclass(frozen=True)
class Meant:
    """A command that has the node run an image. seconds: of a trial."""

    code: Command
    doing: str
    crc: int
    image_hash: bytes
    length: int = 0
    seconds: int = 0

    def give(self, node: Node, inputs: int = 0) -> list[int]:
        """inputs: so many are read along with the answer."""
        return node.command(
            self.code,
            self.doing,
            self.length,
            self.crc,
            image_hash=self.image_hash,
            seconds=self.seconds,
            inputs=inputs,
        )

    def settle(self, node: Node) -> Identity:
        """Wait for the end, and see that the node runs what it was told to.

        The acknowledgement of a command says only that one was written. A late one, of the command before, can be taken
        for it while this one was lost; what the node then runs tells, and each of these commands may be given again.
        """
        for once_more in (True, False):
            identity = node.wait_idle()
            if identity.model_crc == self.crc:
                return identity
            if identity.reason is not Reason.NONE or not once_more:
                break
            node.doubt()
            try:
                self.give(node)
            except Refused as error:
                if error.reason not in GONE:
                    raise
                raise NodeError(
                    f"the node did not {self.doing}: it has started again meanwhile, as when its power fails, and "
                    f"still runs {_running(identity)}; try again"
                ) from error
        why = "" if identity.reason is Reason.NONE else f"{in_words(identity.reason, identity.detail)}; "
        raise NodeError(
            f"the node did not {self.doing}: {why}it still runs {_running(identity)} "
            f"(reason {identity.reason.name}); try again"
        )


def _running(found: Identity | Running) -> str:
    return f"CRC-32 {found.model_crc:08x}" if found.sequence else "no model"


@dataclass
class _Phase:
    """said: what a Ctrl-C now says of the models."""

    said: str


BEFORE = "nothing was committed: the model that ran goes on"
AMID = "the node may run the one model or the other: python -m host.deploy PORT says which"


@contextmanager
def _if_interrupted(said: str) -> Iterator[_Phase]:
    """A Ctrl-C meanwhile says which model runs."""
    phase = _Phase(said)
    try:
        yield phase
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(str(interrupt) or phase.said) from None


# ------------------------------------------------------------------------------------------------------------ deploy


def deploy(
    node: Node, image: bytes, *, progress: Progress = silent, prove: bool = True, x: ArrayLike | None = None
) -> Deployed:
    """Replace the node's model by this image; an image that runs there already is not written again.

    Until the commit's last word the node runs the old model, and after any failure too; each failure is a
    NeuronError of one line. The node has tested itself by all of the image's vectors before it commits; at the end its
    outputs over the bus equal ours for one of them, or for the rows x (rows, inputs) in their own units, unless that
    is not to be proven, or the node measures its inputs itself.
    """
    return _deploy(node, image, False, progress, prove, x)


def try_out(
    node: Node, image: bytes, seconds: int, *, progress: Progress = silent, prove: bool = True
) -> Deployed:
    """Have the node run this image on trial, from RAM: the model of before comes back by itself after so many seconds,
    1..65535, or by a reset, unless `host.node.trials.confirm` comes before. NeuronError as from deploy; also where the
    image runs there already, and is kept."""
    return _deploy(node, image, False, progress, prove, None, seconds)


def commit_staged(
    node: Node, image: bytes, *, progress: Progress = silent, prove: bool = True, x: ArrayLike | None = None
) -> Deployed:
    """Commit the image that stands verified in the node's stage, and prove it, as deploy does."""
    return _deploy(node, image, True, progress, prove, x)


def _deploy(
    node: Node,
    image: bytes,
    staged: bool,
    progress: Progress,
    prove: bool,
    x: ArrayLike | None,
    seconds: int = 0,
) -> Deployed:
    from host.core.image import image_crc
    from host.core.load import require_in_time
    from host.node import proof

    began = time.monotonic()
    model, crc = checked_image(image), image_crc(image)
    require_in_time(model)
    prove = prove and model.senses is None  # rows are not for a node that measures its inputs
    if staged:
        order = Meant(Command.COMMIT, "commit the image", crc, hash_of(image))
    elif seconds:
        order = Meant(Command.TRIAL, "try the image", crc, hash_of(image), len(image), seconds)
    else:
        order = Meant(Command.INSTALL, "take the image", crc, hash_of(image), len(image))
    q, took = (proof.vector_of(model), []) if x is None or not prove else proof.quantised(model, x)
    found: list[int] = []
    rows: list[Row] = []
    proving = 0.0
    last = "try" if seconds else "commit"

    def runs(row: int) -> None:
        if row == 0:
            phase.said = f"the model runs, CRC-32 {crc:08x}, and is not proven"
            if not already:
                progress(last, 1, 1)
        if prove:
            progress(PROVING, row + 1, len(q))

    with _if_interrupted(BEFORE) as phase:
        already = _runs(node, image)
        if already and trial_left(node):
            raise NodeError("that model is on trial there: confirm it to keep it (--confirm), or --revert")
        settle = None if already else lambda: order.settle(node)
        if not already:
            if not staged:
                stage(node, image, progress)
                progress("verify", 0, 1)
            phase.said = AMID
            found = order.give(node, model.inputs if prove and model.inputs <= INPUTS_ALONG else 0)
            if not staged:
                progress("verify", 1, 1)
            progress(last, 0, 1)
            time.sleep(COMMIT_SECONDS + COMMIT_SECONDS_BYTE * len(image))
        if prove:
            with proof.inputs_kept(node, found or node.read_inputs(model.inputs)) as kept:
                since = time.monotonic()
                proven = proof.prove(node, model, q, crc=crc, settle=settle, done=runs)
                proving = time.monotonic() - since
            rows = [] if x is None else proof.rows_of(model, x, took, proven)
        running = (prove and kept.running) or node.running()
        if not prove and settle:
            if running.busy or running.model_crc != crc:
                settle()
                running = node.running()
            runs(0)
        warnings = node.identity().warnings() if running.attention else []
    if running.sequence == 0 or running.model_crc != crc:
        raise NodeError(f"the node runs {_running(running)} now: another master has changed its model")
    return Deployed(
        node.address,
        crc,
        running.sequence,
        time.monotonic() - began,
        already,
        tuple(warnings),
        tuple(rows),
        proving,
        model.senses is not None,
        hash_of(image),
    )


def rollback(node: Node) -> Identity:
    """Bring back the model before the running one; it becomes the newest, so a second rollback returns."""
    with _if_interrupted(BEFORE) as phase:
        identity = node.identity()
        if identity.previous_sequence == 0:
            raise NodeError("the node keeps no previous model: there is nothing to go back to")
        previous = node.read_value("PREVIOUS_HASH") if node.keyed else b""
        order = Meant(Command.ROLLBACK, "roll back", identity.previous_crc, previous)
        phase.said = AMID
        order.give(node)
        return order.settle(node)


def _runs(node: Node, image: bytes) -> bool:
    """Whether the node, at rest, runs this image, byte for byte."""
    from host.core.image import image_crc

    status, crc = node.status(), image_crc(image)
    if status.state is State.IDLE and status.model_crc != crc:
        return False
    identity = node.wait_idle()
    return (
        identity.sequence != 0
        and not ROTTEN & set(identity.faults)
        and (identity.model_crc, identity.model_length) == (crc, len(image))
        and node.read_image(len(image)) == image
    )


def fetch(node: Node) -> bytes:
    """The image that the node runs when it is idle, checked."""
    identity = node.wait_idle()
    if identity.sequence == 0:
        raise NodeError("the node runs no model: there is nothing to fetch")
    return running_image(node, identity)


def running_image(node: Node, identity: Identity) -> bytes:
    """The image of the model that runs by the node's identity, checked."""
    from host.core.image import image_crc

    image = node.read_image(identity.model_length)
    try:
        checked_image(image)
    except NeuronError as error:
        raise NodeError(f"the image that the node gives is no good: {error}; nothing was written") from error
    if image_crc(image) != identity.model_crc:
        raise NodeError(
            f"the image that the node gives has CRC-32 {image_crc(image):08x}, "
            f"but it says that it runs {identity.model_crc:08x}; nothing was written, try again"
        )
    return image


# ------------------------------------------------------------------------------------------------------ files


def load_image(path: str) -> bytes:
    """The bytes of an image file, checked."""
    try:
        with Path(path).open("rb") as file:
            image = file.read(IMAGE_MAX + 1)  # what is longer is refused, however long it is
    except OSError as error:
        raise NeuronError(f"{path} cannot be read: {error.strerror}") from error
    try:
        checked_image(image)
    except NeuronError as error:
        raise NeuronError(f"{path} is no good image: {error}") from error
    return image
