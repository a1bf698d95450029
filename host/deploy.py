"""Send a model to a node: stage, verify, commit, and prove that the node computes what we compute.

python -m host.deploy PORT IMAGE        deploy a saved image
python -m host.deploy PORT --rollback   bring back the previous model
python -m host.deploy PORT --fetch FILE save the image that the node is running
python -m host.deploy PORT              say what runs there
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from host.errors import NeuronError, command
from host.identity import Identity
from host.image import Model, decode, image_crc, save_image
from host.infer import dequantise_outputs, infer, led, self_test
from host.modbus import WRITE_REGISTERS_MAX
from host.node import Node, NodeError
from host.wire import BY_NAME, Command

Progress = Callable[[str, int, int], None]
"""progress(step, done, total)"""


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


def _nothing(step: str, done: int, total: int) -> None:
    pass


def stage(node: Node, image: bytes, progress: Progress = _nothing) -> None:
    """Write the image into the node's stage, as many registers a frame as Modbus allows."""
    start = BY_NAME["STAGE"].address
    words = np.frombuffer(image, ">u2").tolist()
    frames = range(0, len(words), WRITE_REGISTERS_MAX)
    for done, first in enumerate(frames):
        node.write(start + first, words[first : first + WRITE_REGISTERS_MAX])
        progress("stage", done + 1, len(frames))


def _committed(node: Node, crc: int, doing: str) -> Identity:
    """Wait for the end of a commit and see that the node runs what it was told to."""
    identity = node.wait_idle()
    if identity.model_crc != crc:
        still = f"CRC-32 {identity.model_crc:08x}" if identity.sequence else "no model"
        raise NodeError(
            f"the node did not {doing}: it still runs {still} (reason {identity.reason.name}); try again"
        )
    return identity


def prove(node: Node, model: Model, progress: Progress = _nothing) -> None:
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


def deploy(node: Node, image: bytes, *, progress: Progress = _nothing) -> Deployed:
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
    node: Node, image: bytes, *, progress: Progress = _nothing, began: float | None = None
) -> Deployed:
    """Commit the image that stands verified in the node's stage, and prove it. began: when the deployment did."""
    began = time.monotonic() if began is None else began
    model, crc = decode(image), image_crc(image)
    node.command(Command.COMMIT, "commit the image", crc=crc)
    identity = _committed(node, crc, "commit the image")
    progress("commit", 1, 1)
    prove(node, model, progress)
    return Deployed(node.address, crc, identity.sequence, time.monotonic() - began)


def rollback(node: Node) -> Identity:
    """Bring back the model before the running one; it becomes the newest, so a second rollback returns."""
    identity = node.identity()
    if identity.previous_sequence == 0:
        raise NodeError("the node keeps no previous model: there is nothing to go back to")
    node.command(Command.ROLLBACK, "roll back", crc=identity.previous_crc)
    return _committed(node, identity.previous_crc, "roll back")


def evaluate_rows(node: Node, model: Model, x: np.typing.ArrayLike) -> list[Row]:
    """Evaluate rows of inputs (rows, inputs), in their own units, on the node."""
    rows = np.atleast_2d(np.asarray(x, dtype=np.float64))
    result = node.evaluate_float(rows, model.outputs)
    outputs = dequantise_outputs(model, result.outputs)
    return [
        Row(inputs.tolist(), output.tolist(), bool(lamp))
        for inputs, output, lamp in zip(rows, outputs, result.led, strict=True)
    ]


# ------------------------------------------------------------------------------------------------------ files


def load_image(path: str) -> bytes:
    """The bytes of an image file, checked."""
    try:
        image = Path(path).read_bytes()
    except OSError as error:
        raise NeuronError(f"{path} cannot be read: {error.strerror}") from error
    try:
        self_test(decode(image))
    except NeuronError as error:
        raise NeuronError(f"{path} is no good image: {error}") from error
    return image


# ---------------------------------------------------------------------------------------------------- command


def _describe(identity: Identity) -> str:
    if identity.sequence == 0:
        return f"no model (firmware {identity.firmware}, uid {identity.uid})"
    return (
        f"{identity.name or 'a model'}: {identity.inputs} inputs, {identity.layers} layers, "
        f"{identity.outputs} outputs, {identity.model_length} bytes, "
        f"CRC-32 {identity.model_crc:08x}, sequence {identity.sequence}"
    )


def _as_json(identity: Identity, **more: object) -> str:
    return json.dumps(
        {
            "sequence": identity.sequence,
            "crc32": identity.model_crc,
            "name": identity.name,
            "uid": identity.uid,
            "firmware": identity.firmware,
            "start": identity.start.name,
            "fault": identity.fault,
            **more,
        }
    )


@command
def main(argv: Sequence[str] | None = None) -> int:
    from host.cli import PORT_HELP, Parser, add_json_option, add_line_options, console, open_from, progress

    parser = Parser(
        prog="python -m host.deploy",
        description="Send a saved image to a node and prove it there. Without an image: say what runs there.",
    )
    parser.add_argument("port", metavar="PORT", help=PORT_HELP)
    parser.add_argument(
        "image", nargs="?", metavar="IMAGE", help="image file, as host.train --save writes it"
    )
    parser.add_argument("--rollback", action="store_true", help="bring back the previous model")
    parser.add_argument("--fetch", metavar="FILE", help="save the image that the node is running")
    add_line_options(parser)
    add_json_option(parser)
    args = parser.parse_args(argv)
    if sum(bool(choice) for choice in (args.image, args.rollback, args.fetch)) > 1:
        raise NeuronError("choose one: an image to deploy, --rollback, or --fetch")
    image = load_image(args.image) if args.image else None
    out = None if args.json else console()
    with open_from(args, args.port) as node:
        more: dict[str, object] = {}
        if image is not None:
            with progress(out, keep=True) as update:
                more["seconds"] = round(deploy(node, image, progress=update).seconds, 3)
        elif args.rollback:
            rollback(node)
        identity = node.identity()
        if args.fetch:
            if identity.sequence == 0:
                raise NodeError("the node runs no model: there is nothing to fetch")
            save_image(args.fetch, node.read_image(identity.model_length))
            load_image(args.fetch)
    if out is None:
        print(_as_json(identity, address=args.address, **more))
    else:
        out.print(f"node {args.address} runs {_describe(identity)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
