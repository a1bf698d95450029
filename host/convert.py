"""A model that was trained elsewhere: `python -m host.convert MODEL --data SAMPLE.csv [--save FILE] [--deploy PORT]`.

import -> quantise -> save -> deploy; host.models does the same from Python.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from host.boards.opening import PORT_HELP
from host.cli.key import add_key_options
from host.cli.line import Deed, add_line_options, line_of
from host.cli.parser import (
    Parser,
    add_allow_changed_option,
    add_json_option,
    add_range_option,
    add_release_option,
    file_name,
    names,
    number,
    program,
    spoken,
)
from host.errors import NeuronError, command, counted
from host.show.terminal import console, progress, say, warn

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from host.data.dataset import Dataset
    from host.models.conversion import Converted
    from host.models.imported import Imported
    from host.node.node import Node
    from host.training.scores import Decide, Scores

EXAMPLES = """\
examples:
  python -m host.convert iris.onnx --data iris.csv --save iris.img
  python -m host.convert iris.onnx --data iris.csv --target species --deploy sim
  python -m host.convert net.pt --activation relu --classes no,yes --data x.csv
  python -m host.convert mine.joblib --trust --data iris.csv --save mine.img

how the file is made:
  scikit-learn   onnx = skl2onnx.to_onnx(model, x[:1])
                 open("iris.onnx", "wb").write(onnx.SerializeToString())
  PyTorch        torch.onnx.export(model.eval(), (x,), "net.onnx")
                 or torch.save(model.state_dict(), "net.pt")
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=program("convert"),
        usage="%(prog)s MODEL --data SAMPLE.csv [options]",
        description="Turn a model that was trained elsewhere into fixed point, and send it to a node\n"
        "over RS485.",
        epilog=spoken(EXAMPLES),
    )
    parser.add_argument(
        "model",
        type=file_name,
        metavar="MODEL",
        help=".onnx; .pt or .pth, a state dict of PyTorch; .joblib or .pkl of scikit-learn, with --trust",
    )
    parser.add_argument(
        "--data",
        type=file_name,
        metavar="SAMPLE.csv",
        required=True,
        help="rows as the model gets them: they say how large its inputs become, and are what is counted on",
    )
    parser.add_argument(
        "--columns",
        type=names,
        metavar="A,B,..",
        help="the model's inputs in its order (default: its names, or the columns in theirs)",
    )
    parser.add_argument(
        "--target",
        type=names,
        metavar="NAME[,..]",
        help="the column with the true class or number, to score by; several for several outputs",
    )
    parser.add_argument("--missing", choices=("drop",), help="leave rows with an empty cell out")
    parser.add_argument(
        "--classes",
        type=names,
        metavar="A,B,..",
        help="names of the classes in the order of the outputs, for a model without names or decision",
    )
    parser.add_argument(
        "--activation",
        type=lambda text: text.split(","),
        metavar="A[,B,..]",
        help="what stands behind the layers of a state dict, relu, tanh, sigmoid or identity: one for all but the "
        "last, or one a layer",
    )
    parser.add_argument(
        "--trust", action="store_true", help="load .joblib and .pkl, which run whatever code they hold"
    )
    add_range_option(parser, "sample")
    parser.add_argument("--led", metavar="NAME", help="the class that lights the LED (default: the last)")
    parser.add_argument(
        "--led-threshold",
        type=number,
        metavar="Y",
        help="light the LED above this output (default: 0.5 of a probability; the middle of numbers)",
    )
    add_release_option(parser)
    parser.add_argument("--save", type=file_name, metavar="FILE", help="write the image")
    parser.add_argument("--deploy", metavar="PORT", help=f"send it to a node: {PORT_HELP}")
    add_allow_changed_option(parser)
    add_line_options(parser)
    add_key_options(parser)
    add_json_option(parser)
    args = parser.parse_args(argv)
    if args.range and len(args.range) % 2:
        parser.error(f"--range has {len(args.range)} numbers: give LOW,HIGH, or LOW,HIGH of each input")
    return args


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    line = line_of(args)
    if args.save:
        from host.files import replace_file, require_writable

        require_writable(args.save, {"MODEL": args.model, "--data": args.data})
    from host.core.hashes import hash_of
    from host.core.image import image_crc
    from host.models import convert, load

    out = None if args.json else console()
    model = load(args.model, classes=args.classes or (), activation=args.activation or (), trust=args.trust)
    model, data = with_sample(model, args, out)
    if args.deploy is not None:
        line.require(args.deploy, Deed.CHANGE)
    ranges = list(zip(args.range[::2], args.range[1::2], strict=True)) if args.range else None
    image, converted = convert(
        model, data.x, ranges=ranges, led=args.led, led_threshold=args.led_threshold, release=args.release
    )
    metrics = metrics_of(converted, data)
    if out is not None:
        from host.show.converted import in_words

        title, *lines = in_words(converted, data, metrics)
        say(out, title, style="bold")
        for text in lines:
            say(out, text)
    if args.save:
        replace_file(args.save, image)
        say(out, f"Saved {args.save}, {counted(len(image), 'byte')}")
    there: dict[str, Any] = {}
    if args.deploy is not None:
        converted.changes.require(args.allow_changed)
        say(out, f"Deploying {model.name} to {line.describe(args.deploy)}", style="bold")
        with line.open(args.deploy, Deed.CHANGE, asked=True) as node:
            there["deployed"] = deploy_to(node, image, converted, data, metrics, out)
    if args.json:
        import json

        of_image = {"bytes": len(image), "crc32": image_crc(image), "hash": hash_of(image).hex()}
        said = {**converted.as_dict(), "metrics": metrics, "image": of_image, **there}
        print(json.dumps(said, allow_nan=False))
    return 0


def with_sample(model: Imported, args: argparse.Namespace, out: Console | None) -> tuple[Imported, Dataset]:
    """The sample as the model takes it, and the model with the names that the columns give it."""
    from host.data.later import read_for

    inputs, targets = args.columns or model.inputs, args.target or []
    if targets and len(targets) != (outputs := 1 if model.classes else model.units[-1]):
        raise NeuronError(
            f"--target names {counted(len(targets), 'column')}, {model.name} gives {counted(outputs, 'output')}"
            + "; if the largest of them decides, --classes names what for" * (outputs > 1)
        )
    with progress(out) as update:
        data = read_for(
            args.data,
            inputs or (lambda header: columns_of(args.data, header, model, targets)),
            targets,
            model.classes,
            args.missing == "drop",
            update,
        )
    if targets and not data.targets_named:
        raise no_target(args.data, targets)
    notes = model.notes
    if not inputs:
        order = ", ".join(data.inputs)
        notes = (*notes, f"the model does not name its inputs: it gets {order}, in this order")
    return replace(model, inputs=data.inputs, outputs=tuple(targets) or model.outputs, notes=notes), data


def no_target(path: str, targets: Sequence[str]) -> NeuronError:
    return NeuronError(f"{path} has no column {' or '.join(targets)} (--target)")


def columns_of(path: str, header: Sequence[str], model: Imported, targets: Sequence[str]) -> list[str]:
    """The inputs of a model that does not name them: the columns but for the targets, or but for the last one, where
    there is just one more."""
    if not set(targets) <= set(header):
        raise no_target(path, targets)
    columns, count = [name for name in header if name not in targets], model.units[0]
    if len(columns) == count + 1 and not targets:
        columns.pop()
    if len(columns) != count:
        raise NeuronError(
            f"{path} has {counted(len(columns), 'column')}{' beside the target' * bool(targets)}, {model.name} takes "
            f"{counted(count, 'input')} and does not name them: --columns names those to take, in its order"
        )
    return columns


def metrics_of(converted: Converted, data: Dataset) -> dict[str, Scores]:
    """How good the model is on the sample, in float and in fixed point, and who has learnt nothing but what is most
    frequent there, or the mean; nothing without a target."""
    from host.models.dense import reference
    from host.training.scores import baseline, score

    if not data.targets_named:
        return {}
    decide, outputs = decide_of(converted.source), reference(converted.source.layers, data.x)[1]
    return {
        "baseline": baseline(data, data, data.classes, decide),
        "float": score(data, outputs, decide),
        "fixed": score(data, converted.outputs(data.x), decide),
    }


def decide_of(source: Imported) -> Decide | None:
    """What outputs decide, as host.training.scores asks for it; None where they are numbers."""
    if source.decide.value == "numbers":
        return None
    return (
        lambda outputs: source.decisions_of(outputs)[:, 0] if source.classes else source.decisions_of(outputs)
    )


def deploy_to(
    node: Node,
    image: bytes,
    converted: Converted,
    data: Dataset,
    metrics: dict[str, Scores],
    out: Console | None,
) -> dict[str, Any]:
    """Deploy, and ask the node for rows of the sample: its outputs are ours, to the bit; `metrics` gets its score."""
    import numpy as np

    from host.node.staging import deploy
    from host.show.converted import asked_in_words
    from host.training.scores import question_of

    question = question_of({"sample": data})
    with progress(out, keep=True) as update:
        deployed = deploy(node, image, progress=update, x=question.x)
    for text in deployed.in_words():
        say(out, f"  {text}")
    warn(deployed.warnings)
    if metrics:
        outputs = np.array([row.outputs for row in deployed.rows], np.float64)
        metrics["node"] = question.score(outputs, decide_of(converted.source))
    for text in asked_in_words(len(question.x), question.of, metrics.get("node")):
        say(out, text)
    return deployed.as_dict() | {"asked": {"rows": len(question.x), "of": question.of}}


if __name__ == "__main__":
    sys.exit(main())
