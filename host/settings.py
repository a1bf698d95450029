"""Read and change a node's line settings. It keeps them over a loss of power.

python -m host.settings PORT                                         what they are
python -m host.settings PORT --new-address 7 --new-baud 115200
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from host.boards.opening import PORT_HELP, SIMULATED
from host.cli.line import add_line_options, line_of
from host.cli.parser import Parser, add_json_option, program, whole
from host.core.wire import ADDRESS_MAX, ADDRESS_MIN, BAUD_MAX, BAUD_MIN
from host.errors import command
from host.node.line import FORMATS, GAPS, Settings, read_settings, save_settings
from host.node.node import NodeError


def _describe(settings: Settings) -> str:
    kept = settings.as_dict()
    return f"address {kept['address']}, {kept['baud']} baud {kept['line_format']}, gap {kept['gap']}"


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog=program("settings"),
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
    line = line_of(args)

    wanted = {
        "address": args.new_address,
        "baud": args.new_baud,
        "line_format": FORMATS.get(args.new_format),
        "gap": GAPS.get(args.new_gap),
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    with line.open(args.port) as node:
        settings = replace(read_settings(node), **changes)
        if changes:
            save_settings(node, settings)
    if changes and args.port not in SIMULATED:
        # Behind a serial server, whose own settings decide, the line is opened as before.
        served = args.port.startswith("socket://")
        baud, spoken = (line.baud, line.line_format) if served else (settings.baud, settings.line_format)
        spoken_line = replace(line, address=settings.address, baud=baud, line_format=spoken)
        with spoken_line.open(args.port) as node:
            if read_settings(node) != settings:
                raise NodeError("the node did not take the new settings; it still has the old ones")
    print(json.dumps(settings.as_dict()) if args.json else _describe(settings))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
