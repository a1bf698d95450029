"""Stage 2, train: `python -m host.train [...] [--deploy PORT]`, the whole pipeline.

dataset -> learn -> quantise -> save -> deploy
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from host import cli, learn, picture, plot
from host.dataset import BUILT_IN, VALUE_MAX, Dataset, read_csv, with_sign_targets
from host.errors import NeuronError, command
from host.image import Model, encode, image_crc, save_image
from host.interval import Dense, Float
from host.learn import Epoch
from host.quantise import Report, quantise
from host.wire import Activation

if TYPE_CHECKING:
    from rich.console import Console

    from host.node import Node

EXAMPLES = """\
examples:
  python -m host.train                          w.x and AND, on this PC only
  python -m host.train --deploy sim             then AND on a simulated node
  python -m host.train --deploy /dev/ttyUSB0    then AND on a real one (Windows: COM3)
  python -m host.train --model wx --algorithm sgd --epochs 200
  python -m host.train --model and --data alarm.csv --lr 0.001 --save alarm.img
  python -m host.train --model and --data alarm.csv --deploy socket://10.0.0.7:502
"""


@dataclass(frozen=True)
class Recipe:
    """A model, and the articles' way to train it on the built-in set of the same name. start: w.., then b."""

    label: str
    kind: str
    bias: bool
    activation: Activation
    algorithm: str
    rate: float
    epochs: int
    start: tuple[float, ...]


RECIPES = {
    "wx": Recipe("w·x", "a line through 0", False, Activation.IDENTITY, "batch", 0.01, 100, (1.0,)),
    "and": Recipe(
        "AND", "a neuron that decides", True, Activation.STEP, "sgd", 0.01, 20, (0.666, 0.333, 0.233)
    ),
}


@dataclass(frozen=True)
class Trained:
    """All that a training left: what it was, every epoch, and the model as it travels."""

    name: str
    data: Dataset
    algorithm: str
    rate: float
    history: list[Epoch]
    layers: list[Dense]
    model: Model
    report: Report
    image: bytes

    @property
    def label(self) -> str:
        """What people call it: the article's name, or its file's."""
        return RECIPES[self.name].label if self.data.name == self.name else self.data.name

    def as_dict(self) -> dict[str, Any]:
        end = self.history[-1]
        return {
            "model": self.name,
            "data": self.data.name,
            "inputs": list(self.data.inputs),
            "samples": len(self.data),
            "algorithm": self.algorithm,
            "lr": self.rate,
            "parameters": {"w": end.w, "b": end.b},
            "history": [asdict(epoch) for epoch in self.history],
            "quantisation": self.report.as_dict(),
            "image": {"bytes": len(self.image), "crc32": image_crc(self.image)},
        }


# -------------------------------------------------------------------------------------------------- pipeline


@command
def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    picture.check(args.plot, show=args.show)
    out = None if args.json else cli.console()
    trained: list[Trained] = []
    for name in [args.model] if args.model else RECIPES:
        with cli.progress(out) as progress:
            trained.append(fit(name, args, progress))
        show(trained[-1], out)
    last = trained[-1]
    if args.save:
        save_image(args.save, last.image)
        say(out, f"Saved {args.save}, {len(last.image)} bytes")
    if args.plot or args.show:
        draw(last, args)
        say(out, f"Drawn to {args.plot}" if args.plot else "Drawn")
    result = last.as_dict()
    if args.deploy:
        say(out, f"Deploying {last.label} to {cli.describe_line(args, args.deploy)}", style="bold")
        with cli.open_from(args, args.deploy) as node:
            result["deployed"] = deploy_to(node, last, out)
    if args.json:
        print(json.dumps({**result, "models": [t.as_dict() for t in trained]}, allow_nan=False))
    return 0


def fit(name: str, args: argparse.Namespace, progress: cli.Progress | None = None) -> Trained:
    """dataset -> learn -> quantise, as the options say or else as the articles did."""
    recipe = RECIPES[name]
    data = read_csv(args.data) if args.data else BUILT_IN[name]
    if recipe.activation is Activation.STEP:
        data = with_sign_targets(data)

    w, b = start(recipe, data, args)
    algorithm, rate = args.algorithm or recipe.algorithm, args.lr or recipe.rate
    epochs = args.epochs or recipe.epochs
    history = learn.train(
        data.x, data.y, algorithm=algorithm, rate=rate, epochs=epochs, w=w, b=b, progress=progress
    )

    neuron = Dense(np.array([history[-1].w]), np.array([history[-1].b or 0.0]), recipe.activation)
    threshold = args.led_threshold
    if threshold is None:
        threshold = 0.0 if recipe.activation is Activation.STEP else (data.y.min() + data.y.max()) / 2
    ranges = declared_ranges(args.range, data)
    model, report = quantise(data.name, [neuron], data.x, ranges=ranges, led_threshold=float(threshold))
    return Trained(name, data, algorithm, rate, history, [neuron], model, report, encode(model))


def start(recipe: Recipe, data: Dataset, args: argparse.Namespace) -> tuple[list[float], float | None]:
    """The weights to start from: --init, else random by --seed, else the articles', else 0."""
    inputs = data.x.shape[1]
    wanted = inputs + recipe.bias
    if args.init is not None:
        values = args.init
        if len(values) != wanted:
            shape = f"{inputs} weight{'s' * (inputs > 1)}" + (
                " and a bias" if recipe.bias else " and no bias"
            )
            raise NeuronError(f"--init has {len(values)} numbers, this model has {shape}: give {wanted}")
    elif args.seed is not None:
        generator = random.Random(args.seed)
        values = [generator.uniform(-1, 1) for _ in range(wanted)]
    else:
        values = list(recipe.start) if args.data is None else [0.0] * wanted
    return values[:inputs], values[inputs] if recipe.bias else None


def declared_ranges(ends: list[float] | None, data: Dataset) -> list[tuple[float, float]] | None:
    """--range low,high for all inputs, or low,high,low,high,... for each."""
    if ends is None:
        return None
    inputs = data.x.shape[1]
    if len(ends) == 2:
        ends = ends * inputs
    if len(ends) != 2 * inputs:
        raise NeuronError(
            f"--range has {len(ends)} numbers: give 2 (low,high for all inputs) or {2 * inputs}"
        )
    return list(zip(ends[::2], ends[1::2], strict=True))


def deploy_to(node: Node, trained: Trained, out: Console | None) -> dict[str, Any]:
    """Deploy, then evaluate the data's rows on the node, over the bus."""
    from host.deploy import deploy, evaluate_rows

    with cli.progress(out, keep=True) as progress:
        deployed = deploy(node, trained.image, progress=progress)
    rows = evaluate_rows(node, trained.model, rows_to_show(trained.data))
    say(
        out,
        f"  running: CRC-32 {deployed.crc:08x}, sequence {deployed.sequence}, after {deployed.seconds:.1f} s",
    )
    say(out)
    header, *lines = plot.node_table(rows, trained.data, drawn=cli.can_draw())
    say(out, header)
    for line, row in zip(lines, rows, strict=True):
        say(out, line, style="bold red" if row.led else None)
    return {
        "address": deployed.address,
        "crc32": deployed.crc,
        "sequence": deployed.sequence,
        "seconds": deployed.seconds,
        "rows": [{"inputs": row.inputs, "output": row.outputs[0], "led": row.led} for row in rows],
    }


ROWS_SHOWN = 16


def rows_to_show(data: Dataset) -> Float:
    """Rows of inputs, each once and sorted; some, evenly spread, where there are many."""
    rows: Float = np.unique(data.x, axis=0)
    chosen: Float = rows[np.linspace(0, len(rows) - 1, min(ROWS_SHOWN, len(rows))).round().astype(int)]
    return chosen


def draw(trained: Trained, args: argparse.Namespace) -> None:
    """--plot and --show: a picture of the training."""
    data, history = trained.data, trained.history
    w, b = start(RECIPES[trained.name], data, args)
    path = [[*e.w, *([] if e.b is None else [e.b])] for e in [Epoch(-1, 0.0, w, b), *history]]

    def loss(parameters: Sequence[float]) -> float:
        return learn.mean_loss(data.x, data.y, parameters[: len(w)], None if b is None else parameters[-1])

    subject = picture.subject_of(
        trained.layers,
        trained.model,
        trained.report,
        title=f"{trained.label}: {len(data)} samples, {trained.algorithm}, "
        f"rate {trained.rate:g}, {len(history)} epochs",
        inputs=data.inputs,
        target=data.target,
        x=data.x,
        y=data.y,
        path=path,
        losses={"training": loss},
        loss_name=f"mean squared error of {data.target}",
    )
    picture.draw(args.plot, subject, show=args.show)


# -------------------------------------------------------------------------------------------------- terminal


def say(out: Console | None, line: str = "", style: str | None = None) -> None:
    if out is not None:
        out.print(line, style=style)


def show(trained: Trained, out: Console | None) -> None:
    """A training, for people."""
    if out is None:
        return
    data, history, report = trained.data, trained.history, trained.report
    recipe = RECIPES[trained.name]
    say(out, f"{trained.label}, {recipe.kind}", style="bold")
    say(out, f"  {len(data)} samples, {trained.algorithm}, rate {trained.rate:g}, {len(history)} epochs")
    if data.note:
        say(out, f"  {data.note}")
    say(out)
    # sgd's own loss is that of one sample: whether all of them are learnt shows in the mean.
    one = trained.algorithm == "sgd"
    for line in plot.training_table(history, "last loss" if one else "loss"):
        say(out, line)
    say(out)
    losses = [learn.mean_loss(data.x, data.y, e.w, e.b) if one else e.loss for e in history]
    title = "mean loss of all samples" if one else "loss"
    for line in plot.loss_curve(losses, title, drawn=cli.can_draw()):
        say(out, line)
    say(out)
    for line in result_in_words(trained):
        say(out, line)
    say(out)
    say(out, f"  quantised to 16 bits, an image of {report.image_bytes} bytes")
    for line in plot.quantisation(report, data):
        say(out, line)
    say(out)


def result_in_words(trained: Trained) -> list[str]:
    """What was learnt, and what the LED makes of it."""
    data, end = trained.data, trained.history[-1]
    text = plot.formula(data, end)
    if RECIPES[trained.name].activation is Activation.STEP:
        outputs = learn.forward(end.w, end.b, data.x.T) > 0
        right = int((outputs == (data.y > 0)).sum())
        verdict = (
            f"all {len(data)} samples right"
            if right == len(data)
            else f"{right} of {len(data)} samples right"
        )
        return [*plot.wrapped(f"1 if {text} > 0"), f"  {verdict}; the LED is lit for 1"]
    lines = plot.wrapped(f"{data.target} = {text}")
    if data is BUILT_IN["wx"]:
        lines.append(f"  for x = 4 that is {learn.forward(end.w, end.b, [4.0])!r}")
    return [*lines, f"  the LED is lit when {data.target} > {trained.report.led_threshold:g}"]


# --------------------------------------------------------------------------------------------------- options


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.Parser(
        prog="python -m host.train",
        usage="%(prog)s [options]",
        description="Train a neuron on this PC, turn it into fixed point, and send it to a node over RS485.\n"
        "Without options: w.x and then AND, from the articles' data.",
        epilog=EXAMPLES,
    )
    what = parser.add_argument_group("what to train")
    what.add_argument("--model", choices=tuple(RECIPES), help="wx: y = w.x; and: fires when w.x + b > 0")
    what.add_argument(
        "--data", metavar="FILE.csv", help="header row, last column the target (for and: -1/1 or 0/1)"
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--algorithm",
        choices=tuple(learn.ALGORITHMS),
        help="all samples a step, or one (wx: batch, and: sgd)",
    )
    how.add_argument("--lr", type=cli.positive, metavar="RATE", help="learning rate (default 0.01)")
    how.add_argument(
        "--epochs", type=cli.whole(1, 10**9), metavar="N", help="passes over the data (wx: 100, and: 20)"
    )
    how.add_argument("--init", type=cli.numbers, metavar="w1,w2,..,b", help="weights to start from")
    how.add_argument(
        "--seed", type=cli.whole(0, 2**32 - 1), metavar="N", help="start from random weights of -1..1"
    )
    picture.add_options(parser)
    node = parser.add_argument_group("the node's model")
    node.add_argument(
        "--range",
        type=cli.numbers,
        metavar="LOW,HIGH",
        help="values that the node must take, for all inputs or LOW,HIGH of each (default: twice the data's)",
    )
    node.add_argument(
        "--led-threshold",
        type=cli.number,
        metavar="Y",
        help="light the LED above this output (wx: the middle of the targets)",
    )
    node.add_argument("--save", metavar="FILE", help="write the model's image")
    node.add_argument("--deploy", metavar="PORT", help=f"send it to a node: {cli.PORT_HELP}")
    cli.add_line_options(parser)
    cli.add_json_option(parser)
    args = parser.parse_args(argv)
    if args.model is None:
        for option in ("data", "init", "range", "led_threshold"):
            if getattr(args, option) is not None:
                parser.error(f"--{option.replace('_', '-')} needs --model wx or --model and")
    if args.init is not None and max(map(abs, args.init)) > VALUE_MAX:
        parser.error(f"--init has a number beyond {VALUE_MAX:.0f}")
    cli.line_format(args)
    return args


if __name__ == "__main__":
    sys.exit(main())
