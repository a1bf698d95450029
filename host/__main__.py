"""`neuron485 COMMAND ...`, or `python -m host COMMAND ...`: the commands under one name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from host import __version__
from host.cli.parser import PROGRAM, Parser
from host.core.wire import WIRE_VERSION
from host.errors import command

COMMANDS = {
    "record": "write down what a node's channels measure, with labels, to train on it",
    "train": "train a model, turn it into fixed point, send it to a node",
    "convert": "turn a model of scikit-learn, PyTorch or ONNX into an image, send it to a node",
    "deploy": "send a saved model to a node, go back, fetch, or say what runs there or what is inside",
    "scan": "find every node of a line by its UID, give each an address of its own",
    "fleet": "bring all nodes of a line to what a file says: plan, apply, status",
    "predict": "ask a model, on a node or in an image file: a row, a table, a pipe",
    "settings": "a node's address, baud rate, format, watchdog and debounce",
    "monitor": "watch a node: channels, features, outputs, decision, lamp and events, live",
    "serve": "own a line, and offer it to all: a page to look at, HTTP, MQTT, Prometheus",
    "keys": "who may change nodes: keys, and which a node obeys",
    "sim": "run a simulated node and show its lamp",
    "lesson": "seven short lessons, in English and Chinese",
}


@command
def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    parser = Parser(
        prog=PROGRAM,
        usage="%(prog)s COMMAND ...",
        description="Train a small model, send it over RS485 to a node, watch its lamp follow the neuron.",
        epilog="commands:\n"
        + "".join(f"  {name:<10} {text}\n" for name, text in COMMANDS.items())
        + f"\n{PROGRAM} COMMAND --help tells the rest.",
    )
    parser.add_argument(
        "--version", action="version", version=f"neuron485 {__version__}, wire version {WIRE_VERSION}"
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    if argv and argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version"):
        parser.error(f"unrecognized arguments: {argv[0]}")
    args = parser.parse_args(argv[:1])
    run = importlib.import_module(f"host.{args.command}")
    return int(run.main(argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
