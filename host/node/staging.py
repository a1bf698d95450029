"""A model's way into a node: stage, verify, commit, and prove that the node computes what we compute."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from host.core.image import Model, decode, image_crc
from host.core.infer import dequantise_outputs, infer, led, self_test
from host.core.wire import IMAGE_MAX, Command, Reason
from host.errors import NeuronError
from host.node.identity import Identity
from host.node.node import Node, NodeError
from host.progress import Progress, silent


@dataclass(frozen=True)
class Deployed:
    """A model that was committed and proven. crc: CRC-32 of its image; sequence: the node's commit number."""

    address: int
    crc: int
    sequence: int
    seconds: float


@dataclass(frozen=True)
class Row:
    """One evaluation on the node, in the model's own units."""

    inputs: list[float]
    outputs: list[float]
    led: bool


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
    still = f"CRC-32 {identity.model_crc:08x}" if identity.sequence else "no model"
    raise NodeError(
        f"the node did not {doing}: it still runs {still} (reason {identity.reason.name}); try again"
    )


def prove(node: Node, model: Model, progress: Progress = silent) -> None:
    """Evaluate the image's vectors over the bus and compare with our own twin, exactly."""
    expected = infer(model, model.vector_inputs)
    lamps = led(model, expected)
    for i, x in enumerate(model.vector_inputs):
        for once_more in (True, False):
            result = node.evaluate(x[np.newaxis], model.outputs)
            if (result.outputs[0] == expected[i]).all() and result.led[0] == lamps[i]:
                break
            if not once_more:
                raise NodeError(
                    f"the node computes {result.outputs[0].tolist()} for vector {i}, "
                    f"expected {expected[i].tolist()}: "
                    "is another master writing its inputs, or a coil forcing its lamp?"
                )
            node.doubt()  # a reply that came twice looks like the answer to the next row
        progress("prove", i + 1, len(expected))


def deploy(node: Node, image: bytes, *, progress: Progress = silent) -> Deployed:
    """Replace the node's model by this image.

    Until the commit's last word the node runs the old model, and after any failure too; each failure is a
    NeuronError of one line. At the end the node's outputs for the image's vectors equal ours.
    """
    began = time.monotonic()
    model = decode(image)
    self_test(model)
    crc = image_crc(image)
    stage(node, image, progress)
    node.command(Command.VERIFY, "accept the image", len(image), crc)
    progress("verify", 1, 1)
    return commit_staged(node, image, progress=progress, began=began)


def commit_staged(
    node: Node, image: bytes, *, progress: Progress = silent, began: float | None = None
) -> Deployed:
    """Commit the image that stands verified in the node's stage, and prove it. began: when the deployment did."""
    began = time.monotonic() if began is None else began
    model, crc = decode(image), image_crc(image)
    identity = _commit(node, Command.COMMIT, crc, "commit the image")
    progress("commit", 1, 1)
    prove(node, model, progress)
    return Deployed(node.address, crc, identity.sequence, time.monotonic() - began)


def rollback(node: Node) -> Identity:
    """Bring back the model before the running one; it becomes the newest, so a second rollback returns."""
    identity = node.identity()
    if identity.previous_sequence == 0:
        raise NodeError("the node keeps no previous model: there is nothing to go back to")
    return _commit(node, Command.ROLLBACK, identity.previous_crc, "roll back")


def evaluate_rows(node: Node, model: Model, x: np.typing.ArrayLike) -> list[Row]:
    """Evaluate rows of inputs (rows, inputs), in their own units, on the node. The lamp is looked at where it can be
    seen, else the node is believed."""
    rows = []
    for inputs in np.atleast_2d(np.asarray(x, dtype=np.float64)):
        result = node.evaluate_float(inputs, model.outputs)
        output = dequantise_outputs(model, result.outputs)[0]
        lit = node.lamp() if node.lamp else bool(result.led[0])
        rows.append(Row(inputs.tolist(), output.tolist(), lit))
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
