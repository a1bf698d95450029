"""Send a saved model to a node, or ask what runs there.

python -m host.deploy PORT IMAGE        deploy a saved image
python -m host.deploy PORT --rollback   bring back the previous model
python -m host.deploy PORT IMAGE --trial S    run it from RAM, until --confirm keeps it, or --revert or S seconds end it
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

from host.cli.deploying import parse
from host.cli.line import Deed, line_of, names_image
from host.errors import command, counted
from host.show.terminal import console, progress, warn

if TYPE_CHECKING:
    import argparse

    from host.node.identity import Identity
    from host.node.node import Node
    from host.node.staging import Deployed
    from host.node.trusted import Trusted

HELD_BY = {
    "BUS_LOST": "the watchdog missed its master, and the lamp goes as --safe of host.settings says",
    "LATCHED": "the lamp stays on until --acknowledge",
    "OVERRIDE": "the node leaves its channels aside until --override off",
    "HOLD": "outputs and lamp stay as they are",
    "IDENTIFY": "the lamp blinks",
    "LAMP_TEST": "the lamp is lit",
}
"""What coils and discrete inputs do."""


def _describe(identity: Identity, trusted: Trusted | None) -> str:
    if identity.sequence == 0:
        return f"no model (firmware {identity.firmware}, uid {identity.uid})"
    parts = {"input": identity.inputs, "layer": identity.layers, "output": identity.outputs}
    counts = ", ".join(counted(count, name) for name, count in parts.items())
    released = f", release {trusted.release}" if trusted and trusted.release else ""
    return (
        f"{identity.name or 'a model'}: {counts}, {identity.model_length} bytes, "
        f"CRC-32 {identity.model_crc:08x}, sequence {identity.sequence}{released}"
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


def _as_json(identity: Identity, trusted: Trusted | None, **more: object) -> str:
    import json

    return json.dumps(
        {
            "sequence": identity.sequence,
            "crc32": identity.model_crc,
            "hash": trusted.model_hash.hex() if trusted else "",
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
            "trust": trusted.as_dict() if trusted else None,
            **more,
        }
    )


def describe(args: argparse.Namespace) -> None:
    """Say what is inside of an image file, or of the image that a node runs."""
    import json

    from host.node.staging import fetch, load_image
    from host.show.describe import as_dict, as_lines

    if names_image(args.port):
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


def deed_of(args: argparse.Namespace) -> Deed:
    """What is done to the node."""
    if args.image or args.rollback or args.confirm or args.revert:
        return Deed.CHANGE
    return Deed.RUN if args.acknowledge or args.override else Deed.READ


def bring(node: Node, image: bytes, args: argparse.Namespace) -> Deployed:
    """The image onto the node, to stay or on trial."""
    from host.node.staging import deploy, try_out

    with progress(None if args.json else console(), keep=True) as update:
        if args.trial:
            return try_out(node, image, args.trial, progress=update, prove=not args.no_prove)
        return deploy(node, image, progress=update, prove=not args.no_prove)


def carry_out(node: Node, image: bytes | None, args: argparse.Namespace) -> dict[str, object]:
    """What is asked for; for JSON, what is to be said of it."""
    from host.node.coils import acknowledge, override
    from host.node.staging import rollback
    from host.node.trials import confirm, revert

    if image is not None:
        deployed = bring(node, image, args)
        return {"seconds": round(deployed.seconds, 3), "already": deployed.already}
    if args.rollback:
        rollback(node)
    elif args.confirm:
        confirm(node)
    elif args.revert:
        revert(node)
    elif args.acknowledge:
        return {"acknowledged": acknowledge(node)}
    elif args.override:
        override(node, args.override == "on")
    return {}


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    line = line_of(args)
    from host.files import require_writable
    from host.node.coils import held_by
    from host.node.staging import fetch, load_image
    from host.node.trusted import knows_trust
    from host.show import trust

    if args.describe:
        describe(args)
        return 0
    if args.fetch:
        require_writable(args.fetch)
    image = load_image(args.image) if args.image else None
    with line.open(args.port, deed_of(args)) as node:
        more = carry_out(node, image, args)
        fetched = fetch(node) if args.fetch else None
        held = held_by(node)
        identity, trusted = node.identity(), knows_trust(node)
    if fetched is not None:
        _save(args.fetch, fetched)
    if args.json:
        print(_as_json(identity, trusted, address=line.address, held_by=held, **more))
        return 0
    out = console()
    if more.get("already"):
        out.print("already runs there: nothing was written; the model to go back to stays")
    if "acknowledged" in more:
        out.print("the latch is let go" if more["acknowledged"] else "nothing was latched")
    out.print(f"node {line.address} runs {_describe(identity, trusted)}")
    if trusted:
        for text in trust.hashes(trusted, identity.firmware) + trust.states(trusted):
            out.print(f"  {text}")
    for name in held:
        out.print(f"  {name}: {HELD_BY[name]}")
    warn(identity.warnings())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
