"""Ask a model: on a node, or in an image file.

python -m host.predict PORT x1 x2 ...              one row of inputs, in the model's own units
python -m host.predict PORT width=1.5 height=2     the same by name
python -m host.predict PORT --data FILE.csv        every row of a file
python -m host.predict FILE.img ...                what a node would say, on this computer
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from host.boards.opening import PORT_HELP, SIMULATED
from host.cli.line import add_line_options, line_of, names_image, require_no_line
from host.cli.parser import Parser, file_name, number, program, spoken
from host.errors import NeuronError, command, counted
from host.show.terminal import can_draw, console, note, progress, say, warn

if TYPE_CHECKING:
    import argparse

    from host.core.image import Model
    from host.data.lookup import Lookup
    from host.data.rows import Incoming
    from host.node.asking import Answers, Offline
    from host.show.sinks import Batch, Put

EXAMPLES = """\
examples:
  python -m host.predict /dev/ttyUSB0 1 1                              one row, on the node
  python -m host.predict and.img x1=1 x2=0                             one row by name, on this computer
  python -m host.predict /dev/ttyUSB0 --data new.csv --save said.csv   every row of a file
  tail -f log.csv | python -m host.predict and.img --data - --save -   rows as they come
"""


def given(text: str) -> float | str:
    """Option type: a number, or name=value."""
    return text if "=" in text[1:] else number(text)


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog=program("predict"),
        usage="%(prog)s [options] PORT (x ... | --data FILE.csv)",
        description="Ask a model on a node, or one in an image file, in its own units. The node's inputs stay as the "
        "last row\nhas set them.",
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
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a row on standard output and nothing else there",
    )
    add_line_options(parser)
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
    (many if args.data else one)(args)
    return 0


@contextmanager
def asked(args: argparse.Namespace) -> Iterator[Offline]:
    """The model behind PORT."""
    from host.node.asking import Offline, OnNode
    from host.node.staging import load_image

    if names_image(args.port):
        yield Offline(load_image(args.port))
        return
    with line_of(args).open(args.port) as node:
        yield OnNode(node, f"deploy one first ({program('train')} --deploy PORT)")


# --------------------------------------------------------------------------------------------------------- a row


def one(args: argparse.Namespace) -> None:
    """The row of inputs that was typed."""
    import json

    with asked(args) as model:
        inputs = typed(args.inputs, model)
        answers = model.ask([inputs])
        warnings = model.warnings()
    from host.show.predictions import Tally, as_line, as_object

    tally = Tally(model.model, many=False)
    tally.add([1], [inputs], answers)
    warn([*tally.warnings(), *warnings])
    if args.json:
        print(json.dumps(as_object(model.model, model.crc, inputs, answers, 0)))
    else:
        print(as_line(model.model, answers, 0))


def typed(inputs: Sequence[float | str], model: Offline) -> list[float]:
    """The numbers that were typed, in the order of the model's inputs."""
    wanted, numbers = model.model.inputs, [value for value in inputs if not isinstance(value, str)]
    if not numbers:
        return named([str(value) for value in inputs], model.model)
    if len(numbers) < len(inputs):
        raise NeuronError("some inputs are named and some are not: name all of them, or none")
    if len(numbers) != wanted:
        raise NeuronError(f"the model takes {counted(wanted, 'input')}, not {len(numbers)}")
    return numbers


def named(inputs: Sequence[str], model: Model) -> list[float]:
    """The same of name=value."""
    from host.data.lookup import Lookup
    from host.data.rows import Row

    if not model.names.inputs:
        raise NeuronError(
            f"the image does not name its inputs: give {counted(model.inputs, 'number')} in their order"
        )
    pairs = [text.rpartition("=") for text in inputs]
    found = Lookup(
        model.names.inputs, model.inputs, [name.strip() for name, _, _ in pairs], "the inputs given"
    )
    if found.unused:
        raise NeuronError(f"the model has no input {found.unused[0]}, only {', '.join(model.names.inputs)}")
    return found.values(Row(1, [value for _, _, value in pairs]))


# ------------------------------------------------------------------------------------------------------ many rows


def many(args: argparse.Namespace) -> None:
    """The rows of a table, each said before the next is asked for."""
    from host.data import rows
    from host.data.lookup import Lookup
    from host.files import require_writable
    from host.node.client import NodeError
    from host.show.predictions import Tally

    file = args.save if args.save != "-" else None
    if file:
        beside = {"--data": args.data, "PORT": args.port if names_image(args.port) else None}
        require_writable(file, {option: other for option, other in beside.items() if other != "-"})
    done = 0
    try:
        with rows.opened(args.data) as table, asked(args) as source:
            model = source.model
            found = Lookup(
                model.names.inputs, model.inputs, table.header, table.name, comma=table.delimiter != ","
            )
            note(noted(found, model, table))
            tally = Tally(model, many=True)
            with sink(args, table, found, source) as put:
                for batch in table.batches(found.values, source.most):
                    numbers, x = [row.number for row, _ in batch], [inputs for _, inputs in batch]
                    try:
                        answers = source.ask(x)
                    except NodeError as error:
                        raise NodeError(f"{table.name}, row {numbers[0]}: {error}") from error
                    put(batch, answers)
                    tally.add(numbers, x, answers)
                    done += len(batch)
                if not done:
                    raise NeuronError(f"{table.name}: a header but no rows below it")
            warnings = source.warnings()
    except KeyboardInterrupt:
        kept = f"; {file} stays as it was" if file else ""
        raise KeyboardInterrupt(f"after {counted(done, 'row')}{kept}") from None
    warn([*tally.warnings(), *warnings])
    if file and not args.json:
        say(console(), f"Saved {file}, {counted(done, 'row')}")


def noted(found: Lookup, model: Model, table: Incoming) -> list[str]:
    """Which columns are what, where that does not go without saying."""
    said = []
    if not model.names.inputs:
        said.append(
            f"the image does not name its inputs: they are the first {counted(model.inputs, 'column')} of {table.name}"
        )
    if found.unused:
        said.append(f"not asked about, as no input is called so: {', '.join(found.unused)}")
    return said


@contextmanager
def sink(args: argparse.Namespace, table: Incoming, found: Lookup, source: Offline) -> Iterator[Put]:
    """Where rows and their answers go."""
    from host.files import replacing
    from host.show.sinks import as_csv, as_json, as_progress, as_table

    model, puts = source.model, []
    with ExitStack() as stack:
        if args.save == "-":
            puts.append(as_csv(model, table, found.written, to_standard_output))
        elif args.save:
            puts.append(as_csv(model, table, found.written, stack.enter_context(replacing(args.save))))
            update = stack.enter_context(progress(None if args.json else console()))
            puts.append(as_progress(table.lines, update))
        if args.json:
            puts.append(as_json(model, source.crc))
        elif not args.save:
            puts.append(as_table(model, drawn=can_draw()))

        def put(batch: Batch, answers: Answers) -> None:
            for each in puts:
                each(batch, answers)

        yield put


def to_standard_output(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    raise SystemExit(main())
