"""Send a saved model to a node, or ask what runs there.

python -m host.deploy PORT IMAGE        deploy a saved image
python -m host.deploy PORT --rollback   bring back the previous model
python -m host.deploy PORT --fetch FILE save the image that the node is running
python -m host.deploy PORT              say what runs there
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from host.boards.opening import PORT_HELP
from host.cli.line import add_line_options, line_of
from host.cli.parser import Parser, add_json_option, program
from host.errors import NeuronError, command
from host.files import replace_file
from host.node.identity import Identity
from host.node.node import NodeError
from host.node.staging import deploy, load_image, rollback
from host.show.terminal import console, progress


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
    parser = Parser(
        prog=program("deploy"),
        description="Send a saved image to a node and prove it there. Without an image: say what runs there.",
    )
    parser.add_argument("port", metavar="PORT", help=PORT_HELP)
    parser.add_argument("image", nargs="?", metavar="IMAGE", help="image file, as train --save writes it")
    parser.add_argument("--rollback", action="store_true", help="bring back the previous model")
    parser.add_argument("--fetch", metavar="FILE", help="save the image that the node is running")
    add_line_options(parser)
    add_json_option(parser)
    args = parser.parse_args(argv)
    line = line_of(args)
    if sum(bool(choice) for choice in (args.image, args.rollback, args.fetch)) > 1:
        raise NeuronError("choose one: an image to deploy, --rollback, or --fetch")
    image = load_image(args.image) if args.image else None
    out = None if args.json else console()
    with line.open(args.port) as node:
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
            replace_file(args.fetch, node.read_image(identity.model_length))
            load_image(args.fetch)
    if out is None:
        print(_as_json(identity, address=line.address, **more))
    else:
        out.print(f"node {line.address} runs {_describe(identity)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
