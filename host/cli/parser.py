"""What the commands' parsers share: one-line errors, and the types of options."""

from __future__ import annotations

import argparse
import os.path
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from host.errors import NeuronError

PROGRAM = "neuron485" if os.path.basename(sys.argv[0]) in ("neuron485", "neuron485.exe") else "python -m host"
"""How this was called, for what it says of itself."""


def program(name: str) -> str:
    """What people type for a command: python -m host.train, or neuron485 train."""
    return f"{PROGRAM} {name}" if PROGRAM == "neuron485" else f"{PROGRAM}.{name}"


def spoken(text: str) -> str:
    """A text that names commands, with the names that work here."""
    return re.sub(r"python -m host\.(\w+)", lambda match: program(match[1]), text)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are expected failures, one line each, and that takes -0.5,1 for a value."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        self._negative_number_matcher = re.compile(r"^-\.?\d[\d.,eE+-]*$")

    def error(self, message: str) -> NoReturn:
        raise NeuronError(f"{message} (try {self.prog} --help)")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Option type: a whole number of low..high."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {low}..{high}")
        return int(text)

    return parse


def file_name(text: str) -> str:
    """Option type: the name of a file; a variable of a shell that is not set gives an empty one."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name")
    return text


def number(text: str) -> float:
    """Option type: a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return value


def positive(text: str) -> float:
    """Option type: a finite number above 0."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return value


def share(text: str) -> float:
    """Option type: a part of a whole, 0.01 or 1%."""
    percent = text.endswith("%")
    value = number(text.removesuffix("%")) / (100 if percent else 1)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share like 0.01 or 1%")
    return value


SECONDS_MAX = 3600.0


def seconds(text: str) -> float:
    """Option type: a time that somebody may wait for, above 0."""
    value = positive(text)
    if value > SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {SECONDS_MAX:.0f}")
    return value


def numbers(text: str) -> list[float]:
    """Option type: finite numbers, separated by commas."""
    return [number(part) for part in text.split(",")]


def names(text: str) -> list[str]:
    """Option type: names, separated by commas; one with a comma in it stands in quotes, as in a CSV file."""
    import csv  # --help does without

    found = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not found or not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name")
    if twice := [name for name in found if found.count(name) > 1]:
        raise argparse.ArgumentTypeError(f"{text!r} names {twice[0]} twice")
    return found


def add_json_option(parser: argparse.ArgumentParser, each: str = "") -> None:
    """each: what there is an object for, "" for one in all."""
    parser.add_argument(
        "--json",
        action="store_true",
        help=f"print one JSON object{each and f' a {each}'} on standard output and nothing else there",
    )


def add_range_option(group: argparse._ActionsContainer, data: str) -> None:
    """data: what the default comes from."""
    group.add_argument(
        "--range",
        type=numbers,
        metavar="LOW,HIGH",
        help=f"values that the node must take, for all inputs or LOW,HIGH of each (default: more than the {data}'s)",
    )


def add_release_option(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--release",
        type=whole(1, 2**32 - 1),
        default=0,
        metavar="N",
        help="of the model, counted up with each that is let out: a node can refuse those below one",
    )


def add_allow_changed_option(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--allow-changed",
        type=share,
        metavar="SHARE",
        help="deploy although fixed point decides this share of the rows otherwise than float (default 0.5%%)",
    )
