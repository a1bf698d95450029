"""Send a saved model to a node, or ask what runs there.

python -m host.deploy PORT IMAGE        deploy a saved image
python -m host.deploy PORT --rollback   bring back the previous model
python -m host.deploy PORT --fetch FILE save the image that the node is running
python -m host.deploy PORT --describe   say what is inside of it: inputs, ranges, classes, what lights the LED
python -m host.deploy IMAGE --describe  the same of a saved image
python -m host.deploy PORT              say what runs there, and what holds it
python -m host.deploy PORT --acknowledge      let a latched decision go
python -m host.deploy PORT --override on|off  whether the bus writes the inputs that the node measures
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from host.boards.opening import PORT_HELP
from host.cli.line import add_line_options, line_of, names_image, require_no_line
from host.cli.parser import Parser, add_json_option, file_name, program, spoken
from host.errors import NeuronError, command, counted
from host.show.terminal import console, progress, warn

if TYPE_CHECKING:
    import argparse

    from host.node.identity import Identity

EXAMPLES = """\
examples:
  python -m host.deploy /dev/ttyUSB0 iris.img      send it, prove it
  python -m host.deploy /dev/ttyUSB0               what runs there?
  python -m host.deploy /dev/ttyUSB0 --rollback    back to the model before
  python -m host.deploy iris.img --describe        what is inside?
"""


HELD_BY = {
    "BUS_LOST": "the watchdog missed its master, and the lamp goes as --safe of host.settings says",
    "LATCHED": "the lamp stays on until --acknowledge",
    "OVERRIDE": "the node leaves its channels aside until --override off",
    "HOLD": "outputs and lamp stay as they are",
    "IDENTIFY": "the lamp blinks",
    "LAMP_TEST": "the lamp is lit",
}
"""What coils and discrete inputs do."""


def _describe(identity: Identity) -> str:
    if identity.sequence == 0:
        return f"no model (firmware {identity.firmware}, uid {identity.uid})"
    parts = {"input": identity.inputs, "layer": identity.layers, "output": identity.outputs}
    counts = ", ".join(counted(count, name) for name, count in parts.items())
    return (
        f"{identity.name or 'a model'}: {counts}, {identity.model_length} bytes, "
        f"CRC-32 {identity.model_crc:08x}, sequence {identity.sequence}"
    )


def _save(name: str, image: bytes) -> None:
    from host.core.image import image_crc, image_newest
    from host.core.wire import IMAGE_VERSION, IMAGE_VERSION_OLDEST
    from host.files import replace_file

    newest = image_newest(image)
    replace_file(name, newest)
    if newest != image:
        warn(
            [
                f"the node runs an image of format {IMAGE_VERSION_OLDEST}, which is written no more: {name} has the "
                f"same model in format {IMAGE_VERSION}, with CRC-32 {image_crc(newest):08x}"
            ]
        )


def _as_json(identity: Identity, **more: object) -> str:
    import json

    return json.dumps(
        {
            "sequence": identity.sequence,
            "crc32": identity.model_crc,
            "name": identity.name,
            "uid": identity.uid,
            "firmware": identity.firmware,
            "start": identity.start.name,
            "broke": identity.broke,
            "fault": bool(identity.faults),
            "faults": [fault.name for fault in identity.faults],
            "reason": identity.reason.name,
            "detail": identity.detail,
            "missed": identity.missed,
            **more,
        }
    )


def describe(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Say what is inside of an image file, or of the image that a node runs."""
    import json

    from host.node.staging import fetch, load_image
    from host.show.describe import as_dict, as_lines

    if names_image(args.port):
        require_no_line(args, parser)
        image = load_image(args.port)
    else:
        with line_of(args).open(args.port) as node:
            image = fetch(node)
    if args.json:
        print(json.dumps(as_dict(image)))
        return
    out = console()
    for text in as_lines(image):
        out.print(text)


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog=program("deploy"),
        usage="%(prog)s [options] PORT [IMAGE]",
        description="Send a saved image to a node and prove it there: the lamp follows a test row,\n"
        "then the inputs are put back. Without an image: say what runs there.",
        epilog=spoken(EXAMPLES),
    )
    parser.add_argument(
        "port", metavar="PORT", help=f"{PORT_HELP}; with --describe also an image file, which needs no node"
    )
    parser.add_argument(
        "image",
        nargs="?",
        type=file_name,
        metavar="IMAGE",
        help="image file, as --save of train and convert writes it",
    )
    parser.add_argument("--rollback", action="store_true", help="bring back the previous model")
    parser.add_argument(
        "--fetch", type=file_name, metavar="FILE", help="save the image that the node is running"
    )
    parser.add_argument(
        "--describe", action="store_true", help="say what is inside the running image, or an image file"
    )
    parser.add_argument(
        "--acknowledge",
        action="store_true",
        help="let a latched decision go, once what set it has ended",
    )
    parser.add_argument(
        "--override",
        choices=("on", "off"),
        help="on: the bus writes the inputs that the node measures, and windows do not; until off or a start",
    )
    parser.add_argument(
        "--no-prove",
        action="store_true",
        help="leave inputs and lamp alone after the commit, without the proof",
    )
    add_line_options(parser)
    add_json_option(parser)
    args = parser.parse_intermixed_args(argv)
    line = line_of(args)
    from host.files import require_writable
    from host.node.coils import acknowledge, held_by, override
    from host.node.staging import deploy, fetch, load_image, rollback

    choices = (args.image, args.rollback, args.fetch, args.describe, args.acknowledge, args.override)
    if sum(bool(choice) for choice in choices) > 1:
        raise NeuronError(
            "choose one: an image to deploy, --rollback, --fetch, --describe, --acknowledge or --override"
        )
    if args.no_prove and not args.image:
        parser.error("--no-prove goes with an image to deploy")
    if args.describe:
        describe(args, parser)
        return 0
    if args.fetch:
        require_writable(args.fetch)
    image = load_image(args.image) if args.image else None
    out = None if args.json else console()
    with line.open(args.port) as node:
        more: dict[str, object] = {}
        if image is not None:
            with progress(out, keep=True) as update:
                deployed = deploy(node, image, progress=update, prove=not args.no_prove)
            more = {"seconds": round(deployed.seconds, 3), "already": deployed.already}
        elif args.rollback:
            rollback(node)
        elif args.fetch:
            _save(args.fetch, fetch(node))
        elif args.acknowledge:
            more = {"acknowledged": acknowledge(node)}
        elif args.override:
            override(node, args.override == "on")
        held = held_by(node)
        identity = node.identity()
    if out is None:
        print(_as_json(identity, address=line.address, held_by=held, **more))
    else:
        if more.get("already"):
            out.print("already runs there: nothing was written; the model to go back to stays")
        if "acknowledged" in more:
            out.print("the latch is let go" if more["acknowledged"] else "nothing was latched")
        out.print(f"node {line.address} runs {_describe(identity)}")
        for name in held:
            out.print(f"  {name}: {HELD_BY[name]}")
        warn(identity.warnings())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
