"""The options of host.predict, and the inputs that were typed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from host.boards.opening import PORT_HELP, SIMULATED
from host.cli.key import add_key_options
from host.cli.line import add_line_options, line_of, names_image, require_no_line
from host.cli.parser import Parser, add_json_option, file_name, number, program, spoken
from host.errors import NeuronError, counted

if TYPE_CHECKING:
    from host.core.image import Model

EXAMPLES = """\
examples:
  python -m host.predict /dev/ttyUSB0 1 1              one row, on the node
  python -m host.predict house.img area=84 rooms=3     by name, on this computer
  python -m host.predict house.img --data new.csv --save said.csv     every row
  tail -f log.csv | python -m host.predict house.img --data - --save -
                                                       rows as they come
"""


def given(text: str) -> float | str:
    """Option type: a number, or name=value."""
    return text if "=" in text[1:] else number(text)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=program("predict"),
        usage="%(prog)s [options] PORT (x ... | --data FILE.csv)",
        description="Ask a model on a node, or one in an image file, in its own units. The node's\n"
        "inputs stay as the last row has set them.",
        epilog=spoken(EXAMPLES),
    )
    parser.add_argument("port", metavar="PORT", help=f"{PORT_HELP}; or an image file, asked on this computer")
    parser.add_argument(
        "inputs",
        nargs="*",
        type=given,
        metavar="x",
        help="a number for each input of the model, or name=value",
    )
    parser.add_argument(
        "--data",
        type=file_name,
        metavar="FILE.csv",
        help="rows below a header that names the model's inputs, in any order; - for standard input",
    )
    parser.add_argument(
        "--save",
        type=file_name,
        metavar="OUT.csv",
        help="with --data: write its columns, and what the model says behind them; - for standard output",
    )
    add_json_option(parser, "row")
    add_line_options(parser)
    add_key_options(parser)
    args = parser.parse_intermixed_args(argv)
    if args.inputs and args.data:
        parser.error("choose one: inputs, or --data FILE.csv")
    if not args.inputs and not args.data:
        parser.error("the following arguments are required: x, or --data FILE.csv")
    if args.save and not args.data:
        parser.error("--save goes with --data FILE.csv")
    if args.json and args.save == "-":
        parser.error("--json and --save - both want standard output: choose one")
    line_of(args)
    if names_image(args.port):
        require_no_line(args, parser)
    elif args.port in SIMULATED:
        alone = f"{SIMULATED[args.port]} of its own has no model: start one that stays"
        how = "python -m host.sim --link /tmp/node, then deploy to /tmp/node and ask there"
        raise NeuronError(f"{alone}, {spoken(how)}")
    return args


def inputs_of(typed: Sequence[float | str], model: Model) -> list[float]:
    """The numbers that were typed, in the order of the model's inputs."""
    numbers = [value for value in typed if not isinstance(value, str)]
    if not numbers:
        return _named([str(value) for value in typed], model)
    if len(numbers) < len(typed):
        raise NeuronError("some inputs are named and some are not: name all of them, or none")
    if len(numbers) != model.inputs:
        raise NeuronError(f"the model takes {counted(model.inputs, 'input')}, not {len(numbers)}")
    return numbers


def _named(typed: Sequence[str], model: Model) -> list[float]:
    """The same of name=value."""
    from host.data.lookup import Lookup
    from host.data.rows import Row

    if not model.names.inputs:
        raise NeuronError(
            f"the image does not name its inputs: give {counted(model.inputs, 'number')} in their order"
        )
    pairs = [text.rpartition("=") for text in typed]
    found = Lookup(
        model.names.inputs, model.inputs, [name.strip() for name, _, _ in pairs], "the inputs given"
    )
    if found.unused:
        raise NeuronError(f"the model has no input {found.unused[0]}, only {', '.join(model.names.inputs)}")
    return found.values(Row(1, [value for _, _, value in pairs]))
