"""The options of host.record."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from host.boards.opening import PORT_HELP
from host.cli.line import add_line_options, line_of
from host.cli.parser import Parser, add_json_option, file_name, number, positive, program, spoken, whole
from host.core.channels import NAMES, is_analog, ordered
from host.core.wire import RATE_MAX, RATE_MIN, SAMPLE_WORDS
from host.errors import NeuronError

if TYPE_CHECKING:
    from host.data.labels import ByChannel, Labels

NO_LABEL = " "
"""The key that ends a label."""
SECONDS_MAX = 10**9
"""30 years."""
EXAMPLES = """\
examples:
  python -m host.record PORT run.csv --channels a0 --rate 700 --seconds 60
              19200 baud carry some 700 values a second, 115200 some 4000
  python -m host.record PORT run.csv --channels a0 --rate 1000 --baud 115200
      --keys n=normal,w=worn
              n and w say what it is from then on, space that it is neither
  python -m host.record PORT run.csv --channels a0 --label-channel d0=off,on
  python -m host.record PORT level.csv --channels a0 --rate 10
      --scale a0=0.00537,0,mA
              4-20 mA through 150 ohm
  python -m host.record PORT alarms.csv --channels a0 --before 2000 --after 500
"""


def channels(text: str) -> tuple[str, ...]:
    """Option type: channels, separated by commas, in any order."""
    names = [name.strip().lower() for name in text.split(",")]
    if wrong := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is no channel, which are a0..a7 and d0..d3")
    if twice := [name for name in names if names.count(name) > 1]:
        raise argparse.ArgumentTypeError(f"{text!r} names {twice[0]} twice")
    return ordered(names)


def duration(text: str) -> float:
    """Option type: seconds, above 0."""
    value = positive(text)
    if value > SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {SECONDS_MAX} s")
    return value


def label(text: str) -> str:
    """Option type: a word that may stand in a recording."""
    from host.data.recording import is_label  # --help does without

    if not is_label(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no label: one word or more, without commas and quotes")
    return text


def scale(text: str) -> tuple[str, tuple[float, float, str]]:
    """Option type: a0=FACTOR,OFFSET,UNIT."""
    name, _, rest = text.partition("=")
    factor, _, rest = rest.partition(",")
    offset, _, unit = rest.partition(",")
    (name,) = channels(name) if "," not in name else ("",)
    if not unit or not unit.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not like a0=0.00537,0,mA: factor, offset and unit")
    if not is_analog(name):
        raise argparse.ArgumentTypeError(f"{name} is digital: it has no scale")
    from host.data.recording import SCALE_MAX, can_scale  # --help does without

    if not number(factor):
        raise argparse.ArgumentTypeError(f"{text!r}: a factor of 0 leaves nothing")
    if not can_scale(number(factor), number(offset)):
        raise argparse.ArgumentTypeError(
            f"{text!r}: a factor of {1 / SCALE_MAX:g}..{SCALE_MAX:g}, an offset of up to that"
        )
    return name, (number(factor), number(offset), unit)


def keys(text: str) -> dict[str, str]:
    """Option type: n=normal,w=worn: a key, and the label that it begins."""
    found: dict[str, str] = {}
    for part in text.split(","):
        key, equals, word = part.strip().partition("=")
        if len(key) != 1 or not key.isprintable() or key == NO_LABEL or not equals:
            raise argparse.ArgumentTypeError(f"{part!r} is not like n=normal: one key, and its label")
        if key in found:
            raise argparse.ArgumentTypeError(f"{text!r} gives key {key} twice")
        found[key] = label(word)
    return found


def by_channel(text: str) -> ByChannel:
    """Option type: d0=off,on, or d0,d1=off,normal,off,worn."""
    from host.data.labels import by_channel as found  # --help does without

    try:
        return found(text)
    except NeuronError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=program("record"),
        usage="%(prog)s [options] PORT FILE.csv",
        description="Record what the channels of a node measure, by its own sample numbers, into a\n"
        "CSV file, with what else is known in a JSON file beside it. A recording that is\n"
        "there already goes on. Ctrl-C ends it; what was got is kept. A node that was not\n"
        "asked to sample before is not afterwards.",
        epilog=spoken(EXAMPLES),
    )
    parser.add_argument("port", metavar="PORT", help=PORT_HELP)
    parser.add_argument("file", type=file_name, metavar="FILE.csv", help="what is recorded")
    parser.add_argument(
        "--channels",
        type=channels,
        metavar="a0,d0",
        help="of a0..a7 and d0..d3 (default: as FILE.csv has them)",
    )
    parser.add_argument(
        "--rate",
        type=whole(RATE_MIN, RATE_MAX),
        metavar="N",
        help=f"scans a second, {RATE_MIN}..{RATE_MAX} (default: FILE.csv's, or that at which the node samples now, for "
        "its model or a master)",
    )
    parser.add_argument("--seconds", type=duration, metavar="S", help="how long (default: until Ctrl-C)")
    group = parser.add_argument_group("labels").add_mutually_exclusive_group()
    group.add_argument("--label", type=label, metavar="NAME", help="of all that is recorded now")
    group.add_argument(
        "--keys",
        type=keys,
        metavar="n=NAME,w=NAME",
        help="labels that begin with a key, while it runs; space ends one",
    )
    group.add_argument(
        "--label-channel",
        type=by_channel,
        metavar="d0=NAME,NAME",
        help="the labels of a digital channel at 0 and at 1; of d0,d1 at 0, 1, 2 and 3, which is d0 + 2 d1",
    )
    parser.add_argument(
        "--scale",
        type=scale,
        action="append",
        default=[],
        metavar="a0=F,O,UNIT",
        help="value = raw * F + O, in UNIT; noted beside the raw values (once a channel)",
    )
    around = parser.add_argument_group("only around events")
    for option, what in (("--before", "before each event of the node"), ("--after", "from each event on")):
        around.add_argument(
            option, type=whole(0, SAMPLE_WORDS), metavar="N", help=f"record so many scans {what}, no others"
        )
    add_json_option(parser)
    add_line_options(parser)
    args = parser.parse_args(argv)
    names = [name for name, _ in args.scale]
    if twice := [name for name in names if names.count(name) > 1]:
        parser.error(f"--scale is given twice for {twice[0]}")
    if args.channels and (strange := [name for name in names if name not in args.channels]):
        parser.error(f"--scale {strange[0]}, which is not among --channels")
    if not (args.before or args.after or args.before is args.after is None):
        parser.error("--before and --after: no scan would be recorded")
    line_of(args)
    return args


def labels_of(args: argparse.Namespace) -> Labels | None:
    """Where labels come from; None: there are none."""
    from host.data.labels import ByMarks, Fixed

    if args.label is not None:
        return Fixed(args.label)
    if args.label_channel is not None:
        by_levels: ByChannel = args.label_channel
        return by_levels
    return ByMarks() if args.keys else None
