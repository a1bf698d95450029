"""All nodes of a line, as a file wants them.

python -m host.fleet PORT fleet.toml status    how they stand, and what differs
python -m host.fleet PORT fleet.toml plan      the same, and what apply would send
python -m host.fleet PORT fleet.toml apply     send it: to all at once, and switch them together
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from host.cli.bus import Bus, add_bus_options, bus_of
from host.cli.key import add_key_options, key_of
from host.cli.parser import Parser, add_json_option, file_name, numbers, program, share, spoken, whole
from host.core.wire import ADDRESS_MAX
from host.errors import command

if TYPE_CHECKING:
    from host.node.deeds import Deeds
    from host.node.drift import Survey
    from host.node.fleet import Fleet
    from host.node.link import Link
    from host.node.rollout import Trial
    from host.progress import Progress

EXAMPLES = """\
examples:
  python -m host.fleet /dev/ttyUSB0 fleet.toml status
  python -m host.fleet /dev/ttyUSB0 fleet.toml apply
  python -m host.fleet /dev/ttyUSB0 fleet.toml apply --trial 60 --canary 2

exit status: 0 all is as the file wants it, 1 something is not, 2 it could not
be done
"""
EXIT_DRIFT = 1
TRIAL_MAX = 3600


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=program("fleet"),
        description="Bring all nodes of a line to what a file says of them: by UID, each one's\n"
        "address, group and model. An image goes to all of them at once, and they switch\n"
        "together.",
        epilog=spoken(EXAMPLES),
    )
    parser.add_argument(
        "port", metavar="PORT", help="a serial device, or socket://host:port for a serial server"
    )
    parser.add_argument("file", type=file_name, metavar="fleet.toml", help="the fleet")
    parser.add_argument("action", choices=("plan", "apply", "status"))
    trial = parser.add_argument_group("trial, of apply")
    trial.add_argument(
        "--trial",
        type=whole(1, TRIAL_MAX),
        metavar="S",
        help="have new models run from RAM, watch them for S seconds, then keep them; what fails goes back",
    )
    trial.add_argument(
        "--canary",
        type=whole(1, ADDRESS_MAX),
        metavar="N",
        help="watch N nodes of each image first; the others get it once these have done well (default: watch all)",
    )
    trial.add_argument(
        "--max-failed",
        type=whole(0, ADDRESS_MAX),
        metavar="N",
        help="go on though N nodes fail, which go back alone; more of them, and all go back (default 0)",
    )
    trial.add_argument(
        "--max-out-of-range",
        type=share,
        metavar="SHARE",
        help="of the looks at a node, at which an input may be clipped or out of range (default 0)",
    )
    trial.add_argument(
        "--lit",
        type=numbers,
        metavar="LOW,HIGH",
        help="share of the looks at which the lamp must be lit (default 0,1)",
    )
    parser.add_argument(
        "--search",
        action=argparse.BooleanOptionalAction,
        help="look for nodes by UID too: elsewhere, or not in the file (default: where one is missing)",
    )
    add_bus_options(parser)
    add_key_options(parser)
    add_json_option(parser)
    args = parser.parse_args(argv)
    for option in ("trial", "canary", "max_failed", "max_out_of_range", "lit", "key"):
        if getattr(args, option) is not None:
            if args.action != "apply":
                parser.error(f"--{option.replace('_', '-')} goes with apply")
            if args.trial is None and option != "key":
                parser.error(f"--{option.replace('_', '-')} goes with --trial S")
    if args.lit is not None and not (len(args.lit) == 2 and 0 <= args.lit[0] <= args.lit[1] <= 1):
        parser.error("--lit takes two shares of 0..1, like 0.1,0.9")
    return args


def _as_dict(port: str, bus: Bus, survey: Survey, **more: Any) -> dict[str, Any]:
    return {
        "port": port,
        "baud": bus.baud,
        "format": bus.line_format.name[1:],
        "as_wanted": survey.as_wanted,
        "nodes": [standing.as_dict() for standing in survey.standings],
        "unknown": [unknown.as_dict() for unknown in survey.unknown],
        **more,
    }


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = _parse(argv)
    from host.node.fleet import read_fleet

    fleet = read_fleet(args.file)
    bus = bus_of(args, fleet.baud, fleet.line_format)
    if args.action == "apply":
        return _apply(args, fleet, bus)
    return _look(args, fleet, bus)


def _survey(args: argparse.Namespace, link: Link, fleet: Fleet, update: Progress) -> Survey:
    """Who is there."""
    from host.node.drift import survey
    from host.node.seeking import is_wanted, seek

    found = survey(link, fleet, update)
    return seek(link, found, update) if args.search or (args.search is None and is_wanted(found)) else found


def _look(args: argparse.Namespace, fleet: Fleet, bus: Bus) -> int:
    """plan and status."""
    import json

    from host.node.drift import Drift, shipments
    from host.show.fleets import plan_lines, status_lines, summary
    from host.show.terminal import console, progress

    out = None if args.json else console()
    with bus.open(args.port) as link, progress(out) as update:
        found = _survey(args, link, fleet, update)
    ships = shipments(found.standings)
    moves = [standing for standing in found.standings if standing.has(Drift.ADDRESS, Drift.GROUP)]
    if out is None:
        more = {"images": [ship.as_dict() for ship in ships]} if args.action == "plan" else {}
        print(json.dumps(_as_dict(args.port, bus, found, **more)))
    else:
        for line in status_lines(found):
            out.print(line)
        out.print(f"{bus.describe(args.port)}: {summary(found)}")
        for line in plan_lines(ships, moves) if args.action == "plan" else ():
            out.print(line)
    return 0 if found.as_wanted else EXIT_DRIFT


def _apply(args: argparse.Namespace, fleet: Fleet, bus: Bus) -> int:
    """apply. However it ends, it says what each node runs."""
    import json

    from host.node.applied import Apply
    from host.show.fleets import outcome_lines, status_lines, summary
    from host.show.terminal import console, progress

    out = None if args.json else console()
    deeds = _deeds(args)
    apply: Apply | None = None
    try:
        with bus.open(args.port) as link, progress(out, keep=True) as update:
            found = _survey(args, link, fleet, update)
            if out is not None:
                for line in status_lines(found):
                    out.print(line)
                out.print(f"{bus.describe(args.port)}: {summary(found)}")
            apply = Apply(link, found, _trial(args), deeds)
            apply.run(update)
    finally:
        if apply is not None and out is not None:
            for line in outcome_lines(apply):
                out.print(line)
        elif apply is not None:
            print(json.dumps({**_as_dict(args.port, bus, apply.survey), **apply.as_dict()}))
    return 0 if apply.as_wanted else EXIT_DRIFT


def _deeds(args: argparse.Namespace) -> Deeds:
    """How nodes are told."""
    from host.node.deeds import Deeds
    from host.node.signed_deeds import SignedDeeds

    key = key_of(args)
    return SignedDeeds(key.open()) if key else Deeds()


def _trial(args: argparse.Namespace) -> Trial | None:
    from host.node.onset import Limits
    from host.node.rollout import Trial

    if args.trial is None:
        return None
    low, high = args.lit or (0.0, 1.0)
    limits = Limits(args.max_out_of_range or 0.0, (low, high))
    return Trial(args.trial, args.canary or 0, args.max_failed or 0, limits)


if __name__ == "__main__":
    raise SystemExit(main())
