"""How fast and how small we are, beside others.

python -m tools.bench            all of it, in about four minutes
python -m tools.bench board      what is counted on the board's ELF; likewise fleet, gateway, wire, pc, data
python -m tools.bench --json     one object on standard output
python -m tools.bench --write    into docs/benchmarks.md; a part that lacks its peer, PyTorch, pandas or
                                 Mosquitto, stays as it is
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from host.errors import NeuronError, command
from host.progress import Progress
from host.show.terminal import progress, warn
from tools.bench import board, data, fleet, gateway, pc, wire
from tools.bench.report import (
    Part,
    board_part,
    data_part,
    fleet_part,
    gateway_part,
    markdown,
    pc_part,
    text,
    wire_part,
)
from tools.firmware import FirmwareError, build_firmware
from tools.generate import fill

PAGE = "docs/benchmarks.md"


def _board(update: Progress) -> Part:
    try:
        return board_part(board.count(build_firmware(), update))
    except FirmwareError as error:
        raise NeuronError(str(error)) from error


def _fleet(update: Progress) -> Part:
    return fleet_part(fleet.measure(update))


def _gateway(update: Progress) -> Part:
    return gateway_part(gateway.measure(update))


def _wire(update: Progress) -> Part:
    return wire_part(wire.measure(update))


def _pc(update: Progress) -> Part:
    return pc_part(pc.measure(update))


def _data(update: Progress) -> Part:
    return data_part(data.measure(update))


KINDS: dict[str, Callable[[Progress], Part]] = {
    "board": _board,
    "fleet": _fleet,
    "gateway": _gateway,
    "wire": _wire,
    "pc": _pc,
    "data": _data,
}


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", nargs="*", help=f"one of {', '.join(KINDS)}; without: all")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    how.add_argument("--write", action="store_true", help=f"renew {PAGE}")
    args = parser.parse_args(argv)
    unknown = set(args.kind) - set(KINDS)
    if unknown:
        parser.error(f"there is no kind {', '.join(sorted(unknown))}: the kinds are {', '.join(KINDS)}")
    figures: dict[str, Any] = {}
    with progress(Console(stderr=True)) as update:
        for kind in args.kind or KINDS:
            part = KINDS[kind](update)
            figures |= part.figures
            warn(part.lacks)
            if args.write:
                if not part.lacks:
                    fill(PAGE, {kind: markdown(part)}).write()
            elif not args.json:
                print(text(part), flush=True)
    if args.json:
        print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
