"""Read and change a node's line settings. It keeps them over a loss of power.

python -m host.settings PORT                                         what they are
python -m host.settings PORT --new-address 7 --new-baud 115200
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from host.errors import command
from host.node import Node, NodeError, open_node
from host.wire import (
    ADDRESS_MAX,
    ADDRESS_MIN,
    BAUD_MAX,
    BAUD_MIN,
    BY_NAME,
    Command,
    Format,
    Gap,
    Table,
)

FORMATS = {code.name[1:]: code for code in Format}
GAPS = {"standard": Gap.STANDARD, "true": Gap.TRUE_CHARACTERS}


@dataclass(frozen=True)
class Settings:
    """address 1..247; baud 1200..1000000; line_format 8E1 8O1 8N1 8N2; gap: standard (1750 us above 19200 baud) or
    true (3.5 characters at every rate)."""

    address: int
    baud: int
    line_format: Format
    gap: Gap

    def as_dict(self) -> dict[str, int | str]:
        names = {code: name for name, code in GAPS.items()}
        return {**asdict(self), "line_format": self.line_format.name[1:], "gap": names[self.gap]}


def read_settings(node: Node) -> Settings:
    first, last = BY_NAME["ADDRESS"], BY_NAME["GAP"]
    words = node.read(Table.HOLDING, first.address, last.end - first.address)
    return Settings(words[0], words[1] << 16 | words[2], Format(words[3]), Gap(words[4]))


def save_settings(node: Node, settings: Settings) -> None:
    """Have the node keep these settings. It answers on the old ones, then speaks the new."""
    words = [
        settings.address,
        settings.baud >> 16,
        settings.baud & 0xFFFF,
        settings.line_format,
        settings.gap,
    ]
    node.write(BY_NAME["ADDRESS"].address, words)
    node.command(Command.SAVE_SETTINGS, "save the settings")


def _describe(settings: Settings) -> str:
    kept = settings.as_dict()
    return f"address {kept['address']}, {kept['baud']} baud {kept['line_format']}, gap {kept['gap']}"


@command
def main(argv: Sequence[str] | None = None) -> int:
    from host.cli import PORT_HELP, Parser, add_json_option, add_line_options, line_format, open_from, whole

    parser = Parser(
        prog="python -m host.settings",
        description="Show a node's line settings, or change them: --address and --baud say how it speaks now, "
        "--new-... how it shall speak from now on.",
    )
    parser.add_argument("port", metavar="PORT", help=PORT_HELP)
    parser.add_argument("--new-address", type=whole(ADDRESS_MIN, ADDRESS_MAX), metavar="N")
    parser.add_argument("--new-baud", type=whole(BAUD_MIN, BAUD_MAX), metavar="N")
    parser.add_argument("--new-format", choices=FORMATS, help="character format")
    parser.add_argument("--new-gap", choices=GAPS, help="silence that ends a frame")
    add_line_options(parser)
    add_json_option(parser)
    args = parser.parse_args(argv)

    wanted = {
        "address": args.new_address,
        "baud": args.new_baud,
        "line_format": FORMATS.get(args.new_format),
        "gap": GAPS.get(args.new_gap),
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    with open_from(args, args.port) as node:
        settings = replace(read_settings(node), **changes)
        if changes:
            save_settings(node, settings)
    if changes and args.port not in ("sim", "renode"):
        # Behind a serial server, whose own settings decide, the line is opened as before.
        served = args.port.startswith("socket://")
        baud, spoken = (args.baud, line_format(args)) if served else (settings.baud, settings.line_format)
        with open_node(args.port, address=settings.address, baud=baud, line_format=spoken) as node:
            if read_settings(node) != settings:
                raise NodeError("the node did not take the new settings; it still has the old ones")
    print(json.dumps(settings.as_dict()) if args.json else _describe(settings))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
