"""A model's way into a node: stage, verify, commit, and prove that the node computes what we compute."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from host.core.fixed import Int16, fixed_clips, fixed_from_float, fixed_to_float
from host.core.image import Model, decode, image_crc
from host.core.infer import dequantise_outputs, infer, led, self_test
from host.core.wire import IMAGE_MAX, REGISTERS, Command, Reason, Table
from host.errors import NeuronError
from host.node.client import NodeError
from host.node.identity import Identity, in_words
from host.node.node import Node
from host.progress import Progress, silent

PROVING = "prove; the lamp follows"
"""The step of a deploy that evaluates rows on the node, which its lamp shows."""

ROTTEN = {Reason.ROTTEN_MODEL, Reason.ROTTEN_RUNNING}
"""A newer model is damaged: to write the one that runs once more is what mends it."""


@dataclass(frozen=True)
class Deployed:
    """A model that runs, and was proven unless that was not wanted.

    crc: CRC-32 of its image; sequence: the node's commit number; already: it ran there before, and nothing was
    written; warnings: what else is to be known of the node.
    """

    address: int
    crc: int
    sequence: int
    seconds: float
    already: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taken:
    """Inputs as a node takes them. q: at the model's scales; used: the same in its own units; clipped: those that are
    beyond what the formats hold, not only rounded."""

    q: list[int]
    used: list[float]
    clipped: list[bool]

    def warnings(self, inputs: Sequence[float]) -> list[str]:
        return [
            f"input {i + 1} is {inputs[i]:g}, beyond what the model can hold: the node used {self.used[i]:g}"
            for i, beyond in enumerate(self.clipped)
            if beyond
        ]


def taken(inputs: Sequence[float], fractions: Sequence[int]) -> Taken:
    """What a node makes of inputs; fractions: of its model's inputs."""
    with np.errstate(over="ignore"):  # what float32 cannot hold is clipped as well
        values = np.asarray(inputs, dtype=np.float32)
    pairs = list(zip(values, fractions, strict=True))
    q = [int(fixed_from_float(value, f)) for value, f in pairs]
    used = [float(fixed_to_float(value, f)) for value, f in zip(q, fractions, strict=True)]
    return Taken(q, used, [bool(fixed_clips(value, f)) for value, f in pairs])


@dataclass(frozen=True)
class Row:
    """One evaluation on the node, in the model's own units. used: the inputs that it took; clipped: one of them was
    beyond what the model can hold."""

    inputs: list[float]
    outputs: list[float]
    led: bool
    used: list[float]
    clipped: bool


def stage(node: Node, image: bytes, progress: Progress = silent) -> None:
    """Write the image into the node's stage."""
    node.write_bytes("STAGE", image, progress, "stage")


def _commit(node: Node, code: Command, crc: int, doing: str) -> Identity:
    """Have the node commit, wait for the end, and see that it runs what it was told to.

    The acknowledgement of a command says only that one was written. A late one, of the command before, can be taken
    for it while this one was lost; what the node then runs tells, and both commands may be given again.
    """
    for _ in range(2):
        node.command(code, doing, crc=crc)
        identity = node.wait_idle()
        if identity.model_crc == crc:
            return identity
        if identity.reason is not Reason.NONE:
            break
        node.doubt()
    why = "" if identity.reason is Reason.NONE else f"{in_words(identity.reason, identity.detail)}; "
    raise NodeError(
        f"the node did not {doing}: {why}it still runs {_running(identity)} (reason {identity.reason.name}); try again"
    )


def _running(identity: Identity) -> str:
    return f"CRC-32 {identity.model_crc:08x}" if identity.sequence else "no model"


@contextmanager
def inputs_kept(node: Node, count: int) -> Iterator[None]:
    """Leave the first `count` inputs as they are found, whatever is evaluated meanwhile, and however that ends.

    Inputs that another master has written meanwhile are newer than ours: they stay.
    """
    before = node.read_inputs(count)

    def put_back() -> None:
        if node.inputs_are_ours():
            node.write_inputs(before)

    try:
        yield
    except BaseException:
        with suppress(NeuronError):  # of a node that has gone, the first failure says more
            put_back()
        raise
    put_back()


def prove_vectors(node: Node, model: Model, progress: Progress = silent) -> None:
    """Evaluate the image's vectors over the bus and compare with our own twin, exactly. Meanwhile the lamp follows
    them; the inputs are left as they were found."""
    expected = infer(model, model.vector_inputs)
    lamps = led(model, expected)
    with inputs_kept(node, model.inputs):
        for i, x in enumerate(model.vector_inputs):
            for once_more in (True, False):
                result = node.evaluate(x[np.newaxis], model.outputs)
                if (result.outputs[0] == expected[i]).all() and result.led[0] == lamps[i]:
                    break
                if not once_more:
                    raise _not_proven(node, i, result.outputs[0], expected[i])
                node.doubt()  # a reply that came twice looks like the answer to the next row
            progress(PROVING, i + 1, len(expected))


def set_coils(node: Node) -> list[str]:
    """The coils that are set: each holds the lamp, or the outputs."""
    names = [row.name for row in REGISTERS if row.table is Table.COIL]
    return [name for name, bit in zip(names, node.read(Table.COIL, 0, len(names)), strict=True) if bit]


def _not_proven(node: Node, vector: int, outputs: Int16, expected: Int16) -> NodeError:
    """Why the node does not compute what it should, as far as its registers tell."""
    if not node.inputs_are_ours():
        return NodeError(
            f"the model runs, but could not be proven: another master writes the node's inputs (vector {vector}); "
            "stop it for a moment, or go without the proof (--no-prove)"
        )
    coils = set_coils(node)
    if coils:
        return NodeError(
            f"the model runs, but could not be proven: coil {coils[0]} is set and holds the lamp or the outputs; "
            "clear it, or go without the proof (--no-prove)"
        )
    return NodeError(
        f"the node computes {outputs.tolist()} for vector {vector}, expected {expected.tolist()}: "
        "is another master at work, or its firmware of another version?"
    )


@contextmanager
def _if_interrupted(said: str) -> Iterator[None]:
    """A Ctrl-C meanwhile says which model runs."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(str(interrupt) or said) from None


BEFORE = "nothing was committed: the model that ran goes on"
AMID = "the node may run the one model or the other: python -m host.deploy PORT says which"


def deploy(node: Node, image: bytes, *, progress: Progress = silent, prove: bool = True) -> Deployed:
    """Replace the node's model by this image; an image that runs there already is not written again.

    Until the commit's last word the node runs the old model, and after any failure too; each failure is a
    NeuronError of one line. At the end the node's outputs for the image's vectors equal ours, unless that is not
    to be proven.
    """
    began = time.monotonic()
    self_test(decode(image))
    with _if_interrupted(BEFORE):
        already = _runs(node, image)
        if not already:
            stage(node, image, progress)
            node.command(Command.VERIFY, "accept the image", len(image), image_crc(image))
            progress("verify", 1, 1)
    return _commit_and_prove(node, image, progress, began, already, prove)


def commit_staged(node: Node, image: bytes, *, progress: Progress = silent, prove: bool = True) -> Deployed:
    """Commit the image that stands verified in the node's stage, and prove it."""
    began = time.monotonic()
    with _if_interrupted(BEFORE):
        already = _runs(node, image)
    return _commit_and_prove(node, image, progress, began, already, prove)


def _commit_and_prove(
    node: Node, image: bytes, progress: Progress, began: float, already: bool, prove: bool
) -> Deployed:
    """The end of a deploy. began: when it did, by the monotonic clock; already: the image runs there."""
    model, crc = decode(image), image_crc(image)
    if not already:
        with _if_interrupted(AMID):
            _commit(node, Command.COMMIT, crc, "commit the image")
            progress("commit", 1, 1)
    with _if_interrupted(f"the model runs, CRC-32 {crc:08x}, and is not proven"):
        if prove:
            prove_vectors(node, model, progress)
        identity = node.identity()
    if identity.sequence == 0 or identity.model_crc != crc:
        raise NodeError(f"the node runs {_running(identity)} now: another master has changed its model")
    return Deployed(
        node.address,
        crc,
        identity.sequence,
        time.monotonic() - began,
        already,
        tuple(identity.warnings()),
    )


def rollback(node: Node) -> Identity:
    """Bring back the model before the running one; it becomes the newest, so a second rollback returns."""
    with _if_interrupted(BEFORE):
        identity = node.identity()
        if identity.previous_sequence == 0:
            raise NodeError("the node keeps no previous model: there is nothing to go back to")
    with _if_interrupted(AMID):
        return _commit(node, Command.ROLLBACK, identity.previous_crc, "roll back")


def _runs(node: Node, image: bytes) -> bool:
    """Whether the node runs this image, byte for byte."""
    identity = node.wait_idle()
    return (
        identity.sequence != 0
        and not ROTTEN & set(identity.faults)
        and (identity.model_crc, identity.model_length) == (image_crc(image), len(image))
        and node.read_image(len(image)) == image
    )


def fetch(node: Node) -> bytes:
    """The image that the node runs, checked."""
    identity = node.wait_idle()
    if identity.sequence == 0:
        raise NodeError("the node runs no model: there is nothing to fetch")
    image = node.read_image(identity.model_length)
    try:
        self_test(decode(image))
    except NeuronError as error:
        raise NodeError(f"the image that the node gives is no good: {error}; nothing was written") from error
    if image_crc(image) != identity.model_crc:
        raise NodeError(
            f"the image that the node gives has CRC-32 {image_crc(image):08x}, "
            f"but it says that it runs {identity.model_crc:08x}; nothing was written, try again"
        )
    return image


def evaluate_rows(node: Node, model: Model, x: np.typing.ArrayLike) -> list[Row]:
    """Evaluate rows of inputs (rows, inputs), in their own units, on the node. The lamp is looked at where it can be
    seen, else the node is believed."""
    rows = []
    for inputs in np.atleast_2d(np.asarray(x, dtype=np.float64)):
        result = node.evaluate_float(inputs, model.outputs)
        output = dequantise_outputs(model, result.outputs)[0]
        lit = node.lamp() if node.lamp else bool(result.led[0])
        took = taken(inputs.tolist(), model.input_fraction)
        rows.append(Row(inputs.tolist(), output.tolist(), lit, took.used, any(took.clipped)))
    return rows


# ------------------------------------------------------------------------------------------------------ files


def load_image(path: str) -> bytes:
    """The bytes of an image file, checked."""
    try:
        with Path(path).open("rb") as file:
            image = file.read(IMAGE_MAX + 1)  # what is longer is refused, however long it is
    except OSError as error:
        raise NeuronError(f"{path} cannot be read: {error.strerror}") from error
    try:
        self_test(decode(image))
    except NeuronError as error:
        raise NeuronError(f"{path} is no good image: {error}") from error
    return image
