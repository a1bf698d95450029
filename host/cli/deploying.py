"""The options of host.deploy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from host.boards.opening import PORT_HELP
from host.cli.key import add_key_options
from host.cli.line import add_line_options, names_image, require_no_line
from host.cli.parser import Parser, add_json_option, file_name, program, spoken, whole
from host.core.wire import TRIAL_MAX
from host.errors import NeuronError

EXAMPLES = """\
examples:
  python -m host.deploy /dev/ttyUSB0 iris.img      send it, prove it
  python -m host.deploy /dev/ttyUSB0               what runs there?
  python -m host.deploy /dev/ttyUSB0 --rollback    back to the model before
  python -m host.deploy /dev/ttyUSB0 iris.img --trial 60     for a minute, then
  python -m host.deploy /dev/ttyUSB0 --confirm     keep it; else it goes again
  python -m host.deploy iris.img --describe        what is inside?
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=program("deploy"),
        usage="%(prog)s [options] PORT [IMAGE]",
        description="Send a saved image to a node and prove it there: the lamp follows a test row,\n"
        "then the inputs are put back. Without an image: say what runs there.",
        epilog=spoken(EXAMPLES),
    )
    parser.add_argument(
        "port", metavar="PORT", help=f"{PORT_HELP}; with --describe also an image file, which needs no node"
    )
    parser.add_argument(
        "image",
        nargs="?",
        type=file_name,
        metavar="IMAGE",
        help="image file, as --save of train and convert writes it",
    )
    parser.add_argument(
        "--trial",
        type=whole(1, TRIAL_MAX),
        metavar="S",
        help=f"with an image: run it from RAM for S seconds, 1..{TRIAL_MAX}; then, and after any reset, the model of "
        "before comes back, unless --confirm",
    )
    parser.add_argument("--confirm", action="store_true", help="keep the model that is on trial")
    parser.add_argument("--revert", action="store_true", help="end the trial: the model of before comes back")
    parser.add_argument("--rollback", action="store_true", help="bring back the previous model")
    parser.add_argument(
        "--fetch", type=file_name, metavar="FILE", help="save the image that the node is running"
    )
    parser.add_argument(
        "--describe", action="store_true", help="say what is inside the running image, or an image file"
    )
    parser.add_argument(
        "--acknowledge",
        action="store_true",
        help="let a latched decision go, once what set it has ended",
    )
    parser.add_argument(
        "--override",
        choices=("on", "off"),
        help="on: the bus writes the inputs that the node measures, and windows do not; until off or a start",
    )
    parser.add_argument(
        "--no-prove",
        action="store_true",
        help="leave inputs and lamp alone after the commit, without the proof",
    )
    add_line_options(parser)
    add_key_options(parser)
    add_json_option(parser)
    args = parser.parse_intermixed_args(argv)
    choices = {
        "an image to deploy": args.image,
        "--confirm": args.confirm,
        "--revert": args.revert,
        "--rollback": args.rollback,
        "--fetch": args.fetch,
        "--describe": args.describe,
        "--acknowledge": args.acknowledge,
        "--override": args.override,
    }
    if sum(bool(choice) for choice in choices.values()) > 1:
        *names, last = choices
        raise NeuronError(f"choose one: {', '.join(names)} or {last}")
    if args.no_prove and not args.image:
        parser.error("--no-prove goes with an image to deploy")
    if args.trial and not args.image:
        parser.error("--trial goes with an image to deploy")
    if args.describe and names_image(args.port):
        require_no_line(args, parser)
    return args
