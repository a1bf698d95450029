"""Who is on a line: every node by its UID, whatever its address, several at the same one included.

python -m host.scan PORT                       who is there
python -m host.scan PORT --baud-all            at all usual rates and formats
python -m host.scan PORT --assign              an address of its own for each that shares one
python -m host.scan PORT --save fleet.toml     write them down, for host.fleet
python -m host.scan PORT --lamp UID            blink one
"""

from __future__ import annotations

import argparse
import os.path
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from host.boards.opening import PORT_HELP, SIMULATED, open_port
from host.cli.bus import Bus, add_bus_options, bus_of, uid
from host.cli.key import add_key_options, key_of
from host.cli.parser import Parser, add_json_option, program, seconds, spoken, whole
from host.core.wire import ADDRESS_MAX, ADDRESS_MIN
from host.errors import NeuronError, command

if TYPE_CHECKING:
    from host.node.assigning import Move, Speak
    from host.node.link import Link
    from host.node.scanning import Scan, Speed
    from host.progress import Progress

NOTE = """\
The search changes nothing and speaks to an address that the standard leaves to
nobody. At a wrong rate a frame is noise to whoever listens, as on any line.
"""
LAMP_SECONDS = 10.0
EXIT_TROUBLE = 1


def _addresses(text: str) -> range:
    """FIRST-LAST."""
    first, dash, last = text.partition("-")
    address = whole(ADDRESS_MIN, ADDRESS_MAX)
    low, high = address(first), address(last) if dash else address(first)
    if high < low:
        raise argparse.ArgumentTypeError(f"{text!r} ends before it begins")
    return range(low, high + 1)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=program("scan"),
        description="Find every node on a line by its UID, whatever its address.",
        epilog=NOTE,
    )
    parser.add_argument("port", metavar="PORT", help=PORT_HELP)
    parser.add_argument(
        "--baud-all", action="store_true", help="look at all usual rates, 9600 to 1000000, and formats"
    )
    parser.add_argument(
        "--foreign",
        type=_addresses,
        nargs="?",
        const=range(ADDRESS_MIN, ADDRESS_MAX + 1),
        metavar="FIRST-LAST",
        help="look for other Modbus devices too: each address (default all) that no node has is asked once to read a "
        "register; takes a timeout for each that is silent",
    )
    deeds = parser.add_mutually_exclusive_group()
    deeds.add_argument(
        "--assign",
        type=whole(ADDRESS_MIN, ADDRESS_MAX),
        nargs="?",
        const=ADDRESS_MIN,
        metavar="FIRST",
        help="give each node that shares its address one of its own, the lowest that is free from FIRST on; the others "
        "keep theirs",
    )
    deeds.add_argument(
        "--lamp", type=uid, metavar="UID", help="blink the lamp of this node, then let it go on"
    )
    parser.add_argument(
        "--save", metavar="FILE", help="write what was found into a new fleet's file, for host.fleet"
    )
    parser.add_argument(
        "--seconds", type=seconds, metavar="S", help=f"how long --lamp blinks (default {LAMP_SECONDS:g})"
    )
    add_bus_options(parser, file=False)
    add_key_options(parser)
    add_json_option(parser)
    args = parser.parse_args(argv)
    if args.save is not None and os.path.lexists(args.save):
        parser.error(
            f"{args.save} is there already, and a fleet's file is not overwritten: choose another name"
        )
    if args.seconds is not None and args.lamp is None:
        parser.error("--seconds goes with --lamp UID")
    if args.lamp is not None and (args.baud_all or args.foreign is not None or args.save or args.json):
        parser.error("--lamp UID goes with none of --baud-all, --foreign, --save and --json")
    if args.key is not None and args.assign is None and args.lamp is None:
        parser.error("--key goes with --assign or --lamp: to look needs none")
    if args.baud_all:
        if any(value is not None for value in (args.baud, args.parity, args.stop_bits)):
            parser.error(
                "--baud-all looks at all rates and formats: leave --baud, --parity and --stop-bits out"
            )
        from host.node.link import SERVED

        if args.port in SIMULATED or args.port.startswith(SERVED):
            parser.error(f"--baud-all does nothing with {args.port}: its line has a speed of its own")
    return args


def _opener(port: str, bus: Bus) -> Callable[[Speed], Link]:
    return lambda speed: replace(bus, baud=speed.baud, line_format=speed.line_format).link(port)


def _wait(port: str, bus: Bus) -> float:
    """Seconds for an answer in the search."""
    from host.node.link import is_pty
    from host.node.scanning import SIMULATED_SECONDS, WAIT_SECONDS

    if bus.timeout is not None:
        return bus.timeout
    return SIMULATED_SECONDS if is_pty(port) else WAIT_SECONDS


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = _parse(argv)
    bus, speak = bus_of(args), _speak(args)
    with open_port(args.port) as line:
        if args.lamp is not None:
            return _blink(args, line.port, bus, speak)
        return _scan(args, line.port, bus, speak)


def _speak(args: argparse.Namespace) -> Speak:
    """How nodes are told."""
    from host.node.assigning import plainly

    key = key_of(args)
    if key is None:
        return plainly
    from host.node.keyed import with_key

    signer = key.open()
    return lambda node: with_key(node, signer)


def _blink(args: argparse.Namespace, port: str, bus: Bus, speak: Speak) -> int:
    import time

    from host.node.assigning import blinking
    from host.node.scanning import waiting

    link = bus.link(port)
    duration = LAMP_SECONDS if args.seconds is None else args.seconds
    try:
        with waiting(link, _wait(port, bus)), blinking(link, bytes.fromhex(args.lamp), speak):
            print(f"the lamp of node {args.lamp} blinks for {duration:g} s; Ctrl-C ends it", flush=True)
            time.sleep(duration)
    finally:
        link.close()
    return 0


def _scan(args: argparse.Namespace, port: str, bus: Bus, speak: Speak) -> int:
    import json

    from host.node.assigning import moved
    from host.node.scanning import USUAL, Speed, scan
    from host.show.scanned import device_lines, move_lines, node_lines, summary, troubles
    from host.show.terminal import console, progress, warn

    out = None if args.json else console()
    speeds = USUAL if args.baud_all else (Speed(bus.baud, bus.line_format),)
    open_line, wait = _opener(port, bus), _wait(port, bus)
    moves: list[Move] = []
    with progress(out) as update:
        found = scan(open_line, speeds, wait=wait, foreign=args.foreign, progress=update)
        if args.assign is not None:
            moves = _assign(open_line, found, args.assign, wait, update, speak)
            found = moved(found, moves)
    if args.save is not None:
        _save(args.save, found)
    failed = any(node.trouble for node in found.nodes) or any(move.trouble for move in moves)
    if out is None:
        foreign = None if found.foreign is None else [device.as_dict() for device in found.foreign]
        print(
            json.dumps(
                {
                    "port": args.port,
                    "nodes": [node.as_dict() for node in found.nodes],
                    "foreign": foreign,
                    "shared": sorted(found.shared()),
                    "assigned": [move.as_dict() for move in moves],
                    "requests": found.requests,
                }
            )
        )
    else:
        lines = [*node_lines(found), *device_lines(found.foreign or ()), *move_lines(moves)]
        for line in (*lines, summary(args.port, found), *_next(args, found, moves)):
            out.print(line)
        warn(troubles(found))
    return EXIT_TROUBLE if failed else 0


def _assign(
    open_line: Callable[[Speed], Link],
    found: Scan,
    first: int,
    wait: float,
    update: Progress,
    speak: Speak,
) -> list[Move]:
    from host.node.assigning import assign, to_move
    from host.node.line import Settings, save_settings
    from host.node.node import Node

    def save(node: Node, settings: Settings) -> None:
        save_settings(speak(node), settings)

    taken = {node.address for node in found.nodes} | {device.address for device in found.foreign or ()}
    moves: list[Move] = []
    movers = to_move(found.nodes)
    # Who was found at one speed alone can be spoken to at that one, whatever a serial server makes of it.
    speeds = found.speeds if len(found.speeds) == 1 else sorted({node.speed for node in movers}, key=str)
    for speed in speeds:
        link = open_line(speed)
        try:
            here = [node for node in movers if len(found.speeds) == 1 or node.speed == speed]
            moves += assign(link, here, taken, first=first, wait=wait, save=save, progress=update)
        finally:
            link.close()
    return moves


def _save(path: str, found: Scan) -> None:
    """The fleet's file; NeuronError where there can be none of what was found."""
    from host.files import replace_file
    from host.node.fleet import Member, fleet_text

    if not found.nodes:
        raise NeuronError(f"{path} is not written: nobody answers")
    if found.shared():
        raise NeuronError(f"{path} is not written: nodes share an address, which --assign ends")
    speeds = {node.speed for node in found.nodes}
    if len(speeds) > 1:
        said = ", ".join(sorted(map(str, speeds)))
        raise NeuronError(f"{path} is not written: a fleet speaks in one way, these nodes in several: {said}")
    members = [Member(node.uid, f"node {node.address}", node.address) for node in found.nodes]
    (speed,) = speeds
    replace_file(path, fleet_text(members, speed.baud, speed.line_format).encode())


def _next(args: argparse.Namespace, found: Scan, moves: Sequence[Move]) -> list[str]:
    """What may be typed now."""
    port = args.port
    if not found.nodes:
        if args.baud_all:
            return ["nobody answers: check power, wiring (A/B) and termination"]
        more = f"python -m host.scan {port} --baud-all"
        return [spoken(f"nobody answers: check power and wiring (A/B); {more} looks at the other rates")]
    lines = []
    if found.shared() and not moves:
        lines.append(spoken(f"python -m host.scan {port} --assign gives each an address of its own"))
    elif port not in SIMULATED:
        address = found.nodes[0].address
        speed = found.nodes[0].speed
        options = f"--address {address} --baud {speed.baud}"
        if speed.line_format.name != "F8E1":
            name = speed.line_format.name
            options += f" --parity {name[2]}" + (" --stop-bits 2" if name[3] == "2" else "")
        lines.append(spoken(f"python -m host.deploy {port} {options} says what runs there"))
    if args.save is not None:
        lines.append(
            spoken(f"{args.save}: name a model in it, then python -m host.fleet {port} {args.save} plan")
        )
    if found.foreign is None:
        lines.append("other Modbus devices were not looked for: --foreign does")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
