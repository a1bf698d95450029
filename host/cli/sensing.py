"""Options of a training for recordings, and for how the LED follows what the model says."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from host.cli.parser import number, whole
from host.core.decide import Decision
from host.core.wire import DELAY_MAX, HOP_MAX, VOTES_MAX, WINDOW_MAX, WINDOW_MIN

if TYPE_CHECKING:
    from host.data.windows import Windowing

ALL = ["all"]
RECORDING_OPTIONS = ("hop", "features")
"""What needs --window."""
ROWS_OPTIONS = ("drop", "columns", "categorical", "missing")
"""What does not go with it."""
DECISION_OPTIONS = ("off_threshold", "votes", "on_delay", "off_delay", "hold", "latch", "before")


def window(text: str) -> int:
    """Option type: scans of a window."""
    value = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
    if not WINDOW_MIN <= value <= WINDOW_MAX or value & (value - 1):
        powers = 2 ** max(1, min(value.bit_length() - 1, 10))
        near = f": {powers} or {2 * powers}, say" if WINDOW_MIN < value < WINDOW_MAX else ""
        raise argparse.ArgumentTypeError(
            f"{text!r} is no power of two of {WINDOW_MIN}..{WINDOW_MAX} scans{near}"
        )
    return value


def features(text: str) -> list[str]:
    """Option type: names parted by commas, but not by those of a band's ends."""
    found = [part.strip() for part in re.split(r",(?![^()]*\))", text)]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name")
    return found


def votes(text: str) -> tuple[int, int]:
    """Option type: 3/5, so many of the last so many."""
    match = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})", text)
    n, m = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= n <= m <= VOTES_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 3/5: N of the last M, M up to {VOTES_MAX}")
    return n, m


def duration(text: str) -> int:
    """Option type: 1.5s or 500ms, in ms. Neither is meant by 500 alone."""
    match = re.fullmatch(r"([0-9.]+)\s*(ms|s)", text)
    milliseconds = number(match[1]) * (1 if match[2] == "ms" else 1000) if match else -1.0
    if not 0 <= milliseconds <= DELAY_MAX or milliseconds != round(milliseconds):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time like 500ms or 1.5s, in whole ms up to {DELAY_MAX // 1000} s"
        )
    return round(milliseconds)


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "--data as recordings of host.record, for a node that decides by itself"
    )
    group.add_argument(
        "--window", type=window, metavar="N", help="learn from windows of so many scans, a power of two"
    )
    group.add_argument(
        "--hop",
        type=whole(1, HOP_MAX),
        metavar="N",
        help="a window begins every so many scans (default: half of one)",
    )
    group.add_argument(
        "--features",
        type=features,
        default=ALL,
        metavar="NAME,..",
        help="what is measured in a window: a0.last mean min max p2p std rms crossings, 'a0.band(100,150)' in Hz and "
        "in quotes, "
        "d0.level count frequency; all (default): try them, keep those that tell most",
    )


def add_decision_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how the LED follows the model")
    group.add_argument(
        "--off-threshold",
        type=number,
        metavar="Y",
        help="dark again only when the output is no more than this",
    )
    group.add_argument(
        "--votes", type=votes, metavar="N/M", help="lit when N of the last M windows or rows say so"
    )
    group.add_argument(
        "--on-delay", type=duration, metavar="TIME", help="lit when it has held so long: 500ms, 1.5s"
    )
    group.add_argument("--off-delay", type=duration, metavar="TIME", help="dark when it has held so long")
    group.add_argument(
        "--hold", type=duration, metavar="TIME", help="stay as it is so long after each change"
    )
    group.add_argument(
        "--latch",
        action="store_true",
        help="once lit, lit until it is acknowledged: host.deploy PORT --acknowledge",
    )
    group.add_argument(
        "--before", choices=("on", "off"), help="the LED from power-on to the first window (default off)"
    )


def recordings_conflict(args: argparse.Namespace, given: Callable[[Sequence[str]], str | None]) -> str | None:
    """What is wrong with these options together, or None. given: the first of some options that is there."""
    if args.window is None and (option := given(RECORDING_OPTIONS)):
        return f"{option} is of recordings: give --window N too"
    if args.window is None and args.data and len(args.data) > 1:
        return "--data is given twice: files are learnt from together as recordings, with --window N"
    if args.window is not None and (option := given(ROWS_OPTIONS)):
        return f"{option} is of rows: recordings have --features"
    if args.on_board and args.window is not None:
        return (
            "--on-board is of rows: a node measures the windows of a recording, it does not learn from them"
        )
    if args.on_board and (option := given(DECISION_OPTIONS)):
        return f"{option} goes without --on-board: the image that a node makes itself lights the LED at once"
    return None


def windowing_of(args: argparse.Namespace) -> Windowing | None:
    from host.data.windows import Windowing

    if args.window is None:
        return None
    chosen = None if args.features == ALL else tuple(args.features)
    return Windowing(args.window, args.hop or args.window // 2, chosen)


def decision_of(args: argparse.Namespace) -> Decision:
    """All but --off-threshold, which is in the output's units."""
    n, m = args.votes or (1, 1)
    return Decision(
        votes=n,
        of=m,
        on_delay=args.on_delay or 0,
        off_delay=args.off_delay or 0,
        hold=args.hold or 0,
        latch=args.latch,
        before=args.before == "on",
    )
