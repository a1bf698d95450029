"""The options of host.train, and what they ask for."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from host.boards.opening import PORT_HELP
from host.cli.key import add_key_options
from host.cli.line import add_line_options
from host.cli.parser import (
    Parser,
    add_allow_changed_option,
    add_json_option,
    add_range_option,
    add_release_option,
    file_name,
    names,
    number,
    numbers,
    positive,
    program,
    spoken,
    whole,
)
from host.cli.sensing import (
    DECISION_OPTIONS,
    add_decision_options,
    add_recording_options,
    decision_of,
    recordings_conflict,
    windowing_of,
)
from host.core.wire import LAYERS_MAX, UNITS_MAX
from host.training.recipes import ALGORITHMS, CLASS_WEIGHTS, DTYPES, HIDDEN_ACTIVATIONS, LOSSES, RECIPES

if TYPE_CHECKING:
    from host.training.options import Options

EXAMPLES = """\
examples:
  python -m host.train                          w.x and AND, on this PC only
  python -m host.train --deploy sim             then AND on a simulated node
  python -m host.train --deploy /dev/ttyUSB0    on a real one (Windows: COM3)
  python -m host.train --deploy renode          on its firmware, in Renode
  python -m host.train --deploy sim --on-board  the node trains itself too
  python -m host.train --model mlp --layers 2-4-1 --deploy sim     learns XOR
  python -m host.train --model wxb --loss mse --lr 0.1             explodes
  python -m host.train --model wxb --algorithm grid --grid 0,4,0.1
  python -m host.train --model mlp --data iris.csv --target species --tries 5
  python -m host.train --model wxb --data prices.csv --target price --drop id
  python -m host.train --model logistic --data run1.csv --data run2.csv
      --window 256 --hop 128 --features a0.rms,a0.p2p --votes 3/5 --deploy PORT
                          recordings of host.record: the node then decides alone
"""


def layers(text: str) -> list[int]:
    """Option type: 2-4-1, the units of each layer."""
    units = [int(part) for part in text.split("-")] if re.fullmatch(r"\d{1,4}(-\d{1,4})+", text) else []
    if not 2 <= len(units) <= LAYERS_MAX + 1 or not all(1 <= unit <= UNITS_MAX for unit in units):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no network like 2-4-1: up to {LAYERS_MAX} layers behind the inputs, "
            f"each of 1..{UNITS_MAX} units"
        )
    return units


def shares(text: str) -> list[float]:
    """Option type: 70,15,15, the shares of training, validation and test."""
    parts = numbers(text)
    if len(parts) not in (2, 3) or parts[0] <= 0 or min(parts) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no split like 80,20 or 70,15,15")
    return [*parts, 0.0][:3]


def from_zero(text: str) -> float:
    """Option type: a number of 0 or more."""
    value = number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is below 0")
    return value


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=program("train"),
        usage="%(prog)s [options]",
        description="Train a model on this PC, turn it into fixed point, and send it to a node over\n"
        "RS485. Without options: w.x and then AND, from the articles' data.",
        epilog=spoken(EXAMPLES),
    )
    _add_what(parser)
    _add_columns(parser)
    add_recording_options(parser)
    _add_how(parser)
    _add_node(parser)
    add_decision_options(parser)
    _add_pictures(parser)
    add_line_options(parser)
    add_key_options(parser)
    add_json_option(parser)
    parser.add_argument(
        "--full-history",
        action="store_true",
        help="with --json: every epoch, also of a long training, of which else some are left out",
    )
    args = parser.parse_args(argv)
    problem = _conflict(args, parser)
    if problem:
        parser.error(problem)
    return args


def options_of(args: argparse.Namespace, model: str) -> Options:
    """What these arguments ask for, with that model."""
    from host.training.options import Options  # with it comes numpy, which --help does without

    return Options(
        model=model,
        data=args.data[0] if args.data and args.window is None else None,
        recordings=tuple(args.data) if args.data and args.window is not None else (),
        windowing=windowing_of(args),
        target=args.target,
        drop=args.drop,
        columns=args.columns,
        categorical=args.categorical,
        missing=args.missing,
        task=args.task,
        layers=args.layers,
        bias=not args.no_bias,
        activation=args.activation,
        class_weight=args.class_weight,
        split=args.split,
        split_seed=args.split_seed,
        standardise=args.standardise,
        algorithm=args.algorithm,
        loss=args.loss,
        rate=args.lr,
        epochs=args.epochs,
        batch_size=args.batch_size,
        shuffle=args.shuffle,
        tolerance=args.tolerance,
        patience=args.patience,
        l2=args.l2,
        dtype=args.dtype,
        grid=args.grid,
        init=args.init,
        seed=args.seed,
        tries=args.tries,
        ranges=args.range,
        led=args.led,
        led_threshold=args.led_threshold,
        off_threshold=args.off_threshold,
        decision=decision_of(args),
        release=args.release,
        full_history=args.full_history,
        resume=args.resume,
    )


def _add_what(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to train")
    what.add_argument(
        "--model",
        choices=tuple(RECIPES),
        help="wx: y = w.x; wxb: y = w.x + b; and: fires when w.x + b > 0; logistic: a probability, or a score a class; "
        "mlp: a network of dense layers",
    )
    what.add_argument("--layers", type=layers, metavar="N-N-..", help="units of mlp, inputs first (4-10-3)")
    what.add_argument(
        "--activation", choices=tuple(HIDDEN_ACTIVATIONS), help="of mlp's layers between (default relu)"
    )
    what.add_argument("--no-bias", action="store_true", help="mlp: layers without biases")
    what.add_argument(
        "--data",
        type=file_name,
        action="append",
        metavar="FILE.csv",
        help="a header row, then a sample a row; without --target the last column is the target; with --window a "
        "recording, and --data may be repeated",
    )
    what.add_argument(
        "--split",
        type=shares,
        metavar="70,15,15",
        help="training, validation and test, chosen by --seed, of recordings blocks of time (default for 20 rows and "
        "more: 64,16,20; 100,0 holds nothing out)",
    )
    what.add_argument(
        "--split-seed", type=whole(0, 2**32 - 1), metavar="N", help="choose the split by this, not by --seed"
    )
    what.add_argument(
        "--standardise",
        action=argparse.BooleanOptionalAction,
        help="scale inputs and targets that are numbers; the node still takes and gives raw units (default for --data)",
    )


def _add_columns(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the columns of --data are")
    group.add_argument("--target", type=names, metavar="NAME,..", help="what to learn: one column or several")
    group.add_argument("--drop", type=names, metavar="NAME,..", help="leave these columns out")
    group.add_argument("--columns", type=names, metavar="NAME,..", help="take only these for inputs")
    group.add_argument(
        "--categorical", type=names, metavar="NAME,..", help="inputs of text: one input for each of its words"
    )
    group.add_argument("--missing", choices=("drop",), help="leave rows with an empty cell out")
    group.add_argument(
        "--task", choices=("classes", "numbers"), help="what the target is, where the data could mean either"
    )


def _add_how(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how")
    how.add_argument(
        "--algorithm",
        choices=ALGORITHMS,
        help="all samples a step, one, or some; adam; or every point of a grid",
    )
    how.add_argument("--loss", choices=tuple(LOSSES), help="what to make small")
    how.add_argument("--lr", type=positive, metavar="RATE", help="learning rate")
    how.add_argument("--epochs", type=whole(1, 10**9), metavar="N", help="passes over the data, at most")
    how.add_argument(
        "--batch-size", type=whole(1, 10**9), metavar="N", help="samples a step of minibatch and adam"
    )
    how.add_argument("--shuffle", action="store_true", help="a new order every epoch, by --seed")
    how.add_argument("--tolerance", type=positive, metavar="T", help="end when the loss changes by less")
    how.add_argument(
        "--patience", type=whole(1, 10**9), metavar="N", help="epochs without a lower validation loss"
    )
    how.add_argument("--dtype", choices=DTYPES, default="float64", help="(default float64)")
    how.add_argument(
        "--l2", type=from_zero, metavar="L", help="keep weights small: add L/2 times their squares"
    )
    how.add_argument(
        "--class-weight",
        choices=CLASS_WEIGHTS,
        help="let every class count the same, however few its rows are",
    )
    how.add_argument(
        "--grid", type=numbers, metavar="LOW,HIGH,STEP", help="of each parameter, or of all (0,4,0.1)"
    )
    how.add_argument("--init", type=numbers, metavar="w1,w2,..,b", help="parameters to start from")
    how.add_argument(
        "--resume", type=file_name, metavar="FILE", help="go on from a float model that --save-float has kept"
    )
    how.add_argument("--seed", type=whole(0, 2**32 - 1), metavar="N", help="of start, split and shuffle")
    how.add_argument(
        "--tries",
        type=whole(1, 1000),
        default=1,
        metavar="N",
        help="starts of mlp, the best of which is kept",
    )


def _add_node(parser: argparse.ArgumentParser) -> None:
    node = parser.add_argument_group("the node's model")
    add_range_option(node, "data")
    node.add_argument(
        "--led-threshold",
        type=number,
        metavar="Y",
        help="light the LED above this output (default: the middle of the targets, or of classes the one it says)",
    )
    node.add_argument(
        "--led",
        metavar="NAME",
        help="the class, or the target, that lights the LED (default: the last class, the first target)",
    )
    add_release_option(node)
    node.add_argument(
        "--save", type=file_name, metavar="FILE", help="write the model's image (without --model AND's)"
    )
    node.add_argument(
        "--save-float",
        type=file_name,
        metavar="FILE",
        help="write the float model (without --model AND's), all digits, as JSON; --resume goes on from it",
    )
    node.add_argument(
        "--deploy", metavar="PORT", help=f"send it (without --model AND) to a node: {PORT_HELP}"
    )
    node.add_argument(
        "--on-board",
        action="store_true",
        help="let the node of --deploy train itself too, and compare every epoch, bit for bit",
    )
    add_allow_changed_option(node)
    node.add_argument(
        "--no-prove",
        action="store_true",
        help="with --deploy: leave inputs and lamp alone after the commit, without proof and table",
    )


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pictures")
    group.add_argument(
        "--plot",
        type=file_name,
        metavar="FILE",
        help="draw the training, the model and its error (without --model AND's): FILE.png or .svg",
    )
    group.add_argument("--show", action="store_true", help="the same in a window")


MODEL_OPTIONS = (
    "data",
    "init",
    "resume",
    "range",
    "led",
    "led_threshold",
    "release",
    *DECISION_OPTIONS,
    "loss",
    "grid",
    "standardise",
    "layers",
    "no_bias",
    "activation",
    "tries",
)
COLUMN_OPTIONS = ("target", "drop", "columns", "categorical", "missing", "task")
"""What says how to read a file."""
DESCENT_OPTIONS = (
    "lr",
    "epochs",
    "tolerance",
    "patience",
    "init",
    "resume",
    "dtype",
    "batch_size",
    "shuffle",
    "l2",
    "class_weight",
    "full_history",
)
"""What a grid search takes no notice of."""
BEGIN_OPTIONS = ("init", "tries", "standardise")
"""What a file to go on from decides."""
LINE_OPTIONS = (
    "address",
    "baud",
    "parity",
    "stop_bits",
    "timeout",
    "trace",
    "on_board",
    "allow_changed",
    "no_prove",
)
"""What means nothing without a node."""


def models_of(args: argparse.Namespace) -> list[str]:
    """What is to be trained; the last goes to the node, and into files."""
    return [args.model] if args.model else ["wx", "and"]


def _given(args: argparse.Namespace, parser: argparse.ArgumentParser, options: Sequence[str]) -> str | None:
    """The first of these options that is not as it is without being given."""
    for option in options:
        if getattr(args, option) != parser.get_default(option):
            return f"--{option.replace('_', '-')}"
    return None


def _conflict(args: argparse.Namespace, parser: argparse.ArgumentParser) -> str | None:
    """What is wrong with these options together, or None. An option that would do nothing is wrong too."""
    from host.training.options import conflict
    from host.training.plan import algorithm_of

    if args.model is None and (given := _given(args, parser, MODEL_OPTIONS)):
        return f"{given} needs --model wx or --model and, or another model"
    if args.data is None and (given := _given(args, parser, (*COLUMN_OPTIONS, "window"))):
        return f"{given} needs a file: give --data FILE.csv"
    if problem := recordings_conflict(args, lambda options: _given(args, parser, options)):
        return problem
    if args.columns and (both := set(args.columns) & {*(args.target or ()), *(args.drop or ())}):
        return f"--columns {min(both)} is in --target or --drop too"
    if args.drop and (both := set(args.drop) & {*(args.target or ()), *(args.categorical or ())}):
        return f"--drop {min(both)} is in --target or --categorical too"
    if args.deploy is None and (given := _given(args, parser, LINE_OPTIONS)):
        return f"{given} needs a node: give --deploy PORT"
    if args.full_history and not args.json:
        return "--full-history goes with --json"
    if args.resume and (given := _given(args, parser, BEGIN_OPTIONS)):
        return f"{given} does nothing with --resume, which says it all"
    for model in models_of(args):
        options = options_of(args, model)
        algorithm = algorithm_of(options)
        if problem := _conflict_of(args, parser, algorithm) or conflict(options, algorithm):
            return problem
    return None


def _conflict_of(args: argparse.Namespace, parser: argparse.ArgumentParser, algorithm: str) -> str | None:
    """What else does not go with a search, or None."""
    if algorithm != "grid" or args.model == "mlp":
        return None
    if given := _given(args, parser, DESCENT_OPTIONS):
        return f"{given} does not go with --algorithm grid, which only looks at the loss"
    if args.on_board:
        return "--on-board goes without --algorithm grid: that is the PC's"
    return None
