"""The options of host.keys."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from host.boards.opening import PORT_HELP
from host.cli.key import add_key_options, add_passphrase_option
from host.cli.line import add_line_options
from host.cli.parser import Parser, add_json_option, file_name, program, spoken, whole

EXAMPLES = """\
examples:
  python -m host.keys new site.key                 make a key, once for a site
  python -m host.keys install /dev/ttyUSB0 --key site.key    its first key, for
                                                   who is at the board
  python -m host.keys status /dev/ttyUSB0          whom does it obey?
  python -m host.deploy /dev/ttyUSB0 iris.img --key site.key
"""
COMMANDS = {
    "new": "make a key and its file",
    "install": "have a node obey the key from now on: its first one, with someone at the board",
    "rotate": "another key in place of the installed one",
    "remove": "no key any more: the node obeys everybody again",
    "status": "whom a node obeys: key, counter, floors, lock",
    "floor": "refuse older models and firmware from now on",
    "source": "fetch Monocypher's source: with it simulated nodes take keys too",
}
GUARD = "inputs and coils need an order too"


def version(text: str) -> int:
    """Option type: a firmware's version, as major << 8 | minor."""
    found = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})", text)
    if found is None or int(found[1]) > 255 or int(found[2]) > 255:
        raise argparse.ArgumentTypeError(f"{text!r} is no version like 1.2")
    return int(found[1]) << 8 | int(found[2])


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=program("keys"),
        description="Keys: who has one signs what changes a node; the node obeys nobody else.\n"
        "A key is a file with a passphrase; a node keeps its public half only.",
        epilog=spoken(EXAMPLES),
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    added = {
        name: commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        for name, text in COMMANDS.items()
    }
    for name, each in added.items():
        if name == "new":
            each.add_argument("file", type=file_name, metavar="FILE", help="the key's file, not there yet")
            add_passphrase_option(each)
        elif name != "source":
            each.add_argument("port", metavar="PORT", help=PORT_HELP)
    added["install"].add_argument(
        "--guard-inputs",
        action=argparse.BooleanOptionalAction,
        help=f"{GUARD} (default: as it is, with a first key no)",
    )
    added["rotate"].add_argument("--guard-inputs", action="store_true", help=f"{GUARD} (default: as it is)")
    added["rotate"].add_argument(
        "--to", type=file_name, required=True, metavar="FILE", help="the file of the key to come"
    )
    added["rotate"].add_argument(
        "--to-passphrase-file",
        type=file_name,
        metavar="FILE",
        help="its passphrase (default: as that of --key)",
    )
    added["floor"].add_argument(
        "--release",
        type=whole(0, 0xFFFFFFFF),
        required=True,
        metavar="N",
        help="models of a lower release are refused, and those that have none; 0: none are",
    )
    added["floor"].add_argument(
        "--firmware",
        type=version,
        required=True,
        metavar="X.Y",
        help="firmware of a lower version obeys nothing; 0.0: any does",
    )
    for name in ("install", "rotate", "remove", "status", "floor"):
        add_line_options(added[name])
        if name != "status":
            add_key_options(added[name], required=True)
        add_json_option(added[name])
    return parser.parse_args(argv)
