"""Keys: who has one signs what changes a node, and the node obeys nobody else.

python -m host.keys new FILE                        make a key
python -m host.keys install PORT --key FILE         a node's first key: someone must be at the board
python -m host.keys rotate PORT --key OLD --to NEW  another key in its place
python -m host.keys remove PORT --key FILE          no key any more
python -m host.keys status PORT                     whom a node obeys
python -m host.keys floor PORT --release N --firmware X.Y --key FILE    no older models and firmware from now on
python -m host.keys source                          Monocypher's source, for simulated nodes with keys
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from host.cli.key import Key, passphrase_of
from host.cli.keys import parse
from host.cli.line import line_of
from host.errors import NeuronError, command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from host.node.keyfile import Signer
    from host.node.node import Node


def new(args: argparse.Namespace) -> None:
    """A key and its file."""
    from host.node.keyfile import new_key

    def passphrase() -> str:
        given = passphrase_of(args.file, args.passphrase_file, twice=True)
        if not given:
            raise NeuronError("an empty passphrase keeps nobody out: nothing was made")
        return given

    public = new_key(args.file, passphrase)
    print(f"{args.file}: a new key, its public half is {public.hex()}")
    print("Keep a copy of the file and its passphrase, each in another place: nobody can make them anew.")


def source(args: argparse.Namespace) -> None:
    """Monocypher's source."""
    from host.boards.monocypher import fetch

    print(f"{fetch()}: simulated nodes that start from now on have hashes and take keys")


def status(args: argparse.Namespace) -> None:
    """Whom a node obeys."""
    with line_of(args).open(args.port) as node:
        show(node, args)


@contextmanager
def changed(args: argparse.Namespace, other: Key | None = None) -> Iterator[tuple[Node, Signer]]:
    """A node, and the key that shall sign for it; what it says in the end is shown. other: a key that is opened along
    with it, before the port is."""
    line = line_of(args)
    assert line.key is not None
    signer = line.key.open()
    if other is not None:
        other.open()
    with line.open(args.port) as node:
        yield node, signer
        show(node, args)


def show(node: Node, args: argparse.Namespace) -> None:
    """What a node says of whom it obeys."""
    import json

    from host.node.keyed import require_trusted
    from host.show.trust import hashes, in_full

    identity, trusted = node.identity(), require_trusted(node)
    if args.json:
        print(json.dumps({"address": node.address, "uid": identity.uid, **trusted.as_dict()}))
        return
    print(f"node {node.address}, uid {identity.uid}")
    for text in in_full(trusted) + hashes(trusted, identity.firmware):
        print(f"  {text}")


# -------------------------------------------------------------------------------------------------- orders


def install(args: argparse.Namespace) -> None:
    """A node's first key; a key that is installed there already may be told what it guards."""
    from host.node.installing import install_key

    with changed(args) as (node, signer):
        install_key(node, signer, args.guard_inputs)


def rotate(args: argparse.Namespace) -> None:
    """Another key in place of the installed one."""
    from host.node.installing import replace_key

    to = Key(args.to, args.to_passphrase_file or args.passphrase_file)
    with changed(args, to) as (node, signer):
        replace_key(node, signer, to.open(), args.guard_inputs)


def remove(args: argparse.Namespace) -> None:
    """No key any more."""
    from host.node.installing import remove_key

    with changed(args) as (node, signer):
        remove_key(node, signer)


def floor(args: argparse.Namespace) -> None:
    """No older models and firmware from now on."""
    from host.node.installing import set_floors

    with changed(args) as (node, signer):
        set_floors(node, signer, args.release, args.firmware)


DO = {
    "new": new,
    "install": install,
    "rotate": rotate,
    "remove": remove,
    "status": status,
    "floor": floor,
    "source": source,
}


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    DO[args.command](args)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
