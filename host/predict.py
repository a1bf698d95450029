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

from host.cli.asking import inputs_of, parse
from host.cli.line import Deed, line_of, names_image
from host.cli.parser import program
from host.errors import NeuronError, command, counted
from host.show.terminal import can_draw, console, note, progress, say, warn

if TYPE_CHECKING:
    import argparse

    from host.core.image import Model
    from host.data.lookup import Lookup
    from host.data.rows import Incoming
    from host.node.asking import Answers, Twin
    from host.show.sinks import Batch, Put


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    (many if args.data else one)(args)
    return 0


@contextmanager
def asked(args: argparse.Namespace) -> Iterator[Twin]:
    """The model behind PORT."""
    from host.node.asking import OnNode, Twin
    from host.node.staging import load_image

    if names_image(args.port):
        yield Twin(load_image(args.port))
        return
    with line_of(args).open(args.port, Deed.RUN) as node:
        yield OnNode(
            node,
            f"deploy one first ({program('train')} --deploy PORT)",
            f"{program('deploy')} PORT --override on",
        )


# --------------------------------------------------------------------------------------------------------- a row


def one(args: argparse.Namespace) -> None:
    """The row of inputs that was typed."""
    import json

    with asked(args) as model:
        inputs = inputs_of(args.inputs, model.model)
        answers = model.ask([inputs])
        warnings = model.warnings()
    from host.show.predictions import Tally, as_line, as_object

    tally = Tally(model.model, many=False)
    tally.add([1], [inputs], answers)
    warn([*tally.warnings(), *warnings])
    if args.json:
        print(json.dumps(as_object(model.model, model.known, inputs, answers, 0)))
    else:
        print(as_line(model.model, answers, 0))


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
            found = Lookup(model.names.inputs, model.inputs, table.header, table.name, table.delimiter)
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
        said.append(f"not used, as the model has no such inputs: {', '.join(found.unused)}")
    return said


@contextmanager
def sink(args: argparse.Namespace, table: Incoming, found: Lookup, source: Twin) -> Iterator[Put]:
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
            puts.append(as_json(model, source.known))
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
