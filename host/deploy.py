"""Send a saved model to a node, or ask what runs there.

python -m host.deploy PORT IMAGE        deploy a saved image
python -m host.deploy PORT --rollback   bring back the previous model
python -m host.deploy PORT --fetch FILE save the image that the node is running
python -m host.deploy PORT              say what runs there
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from host.boards.opening import PORT_HELP
from host.cli.line import add_line_options, line_of
from host.cli.parser import Parser, add_json_option, file_name, program
from host.errors import NeuronError, command, counted
from host.show.terminal import console, progress, warn

if TYPE_CHECKING:
    from host.node.identity import Identity


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


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog=program("deploy"),
        description="Send a saved image to a node and prove it there: the lamp follows a test row for a moment, "
        "then\nthe inputs are put back. Without an image: say what runs there.",
    )
    parser.add_argument("port", metavar="PORT", help=PORT_HELP)
    parser.add_argument(
        "image", nargs="?", type=file_name, metavar="IMAGE", help="image file, as train --save writes it"
    )
    parser.add_argument("--rollback", action="store_true", help="bring back the previous model")
    parser.add_argument(
        "--fetch", type=file_name, metavar="FILE", help="save the image that the node is running"
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
    from host.node.staging import deploy, fetch, load_image, rollback

    if sum(bool(choice) for choice in (args.image, args.rollback, args.fetch)) > 1:
        raise NeuronError("choose one: an image to deploy, --rollback, or --fetch")
    if args.no_prove and not args.image:
        parser.error("--no-prove goes with an image to deploy")
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
        identity = node.identity()
    if out is None:
        print(_as_json(identity, address=line.address, **more))
    else:
        if more.get("already"):
            out.print("already runs there: nothing was written; the model to go back to stays")
        out.print(f"node {line.address} runs {_describe(identity)}")
        warn(identity.warnings())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
