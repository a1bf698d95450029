"""What the commands share: options, written once; the terminal; progress."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from host.errors import NeuronError
from host.wire import (
    ADDRESS_MAX,
    ADDRESS_MIN,
    BAUD_MAX,
    BAUD_MIN,
    DEFAULT_ADDRESS,
    DEFAULT_BAUD,
    Format,
)

if TYPE_CHECKING:
    from rich.console import Console

    from host.node import Node

Progress = Callable[[str, int, int], None]
"""progress(step, done, total), called as often as one likes."""

PORT_HELP = "a serial device (/dev/ttyUSB0, COM3), socket://host:port for a serial server, sim, or renode"

# --------------------------------------------------------------------------------------------------- options


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
        if not re.fullmatch(r"[+-]?\d{1,18}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {low}..{high}")
        return int(text)

    return parse


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


def numbers(text: str) -> list[float]:
    """Option type: finite numbers, separated by commas."""
    return [number(part) for part in text.split(",")]


def add_line_options(parser: argparse.ArgumentParser) -> None:
    """The serial line, for every command that talks to a node. The defaults are the Modbus standard's."""
    group = parser.add_argument_group("line")
    group.add_argument(
        "--address",
        type=whole(ADDRESS_MIN, ADDRESS_MAX),
        default=DEFAULT_ADDRESS,
        metavar="N",
        help=f"Modbus address of the node, {ADDRESS_MIN}..{ADDRESS_MAX} (default {DEFAULT_ADDRESS})",
    )
    group.add_argument(
        "--baud",
        type=whole(BAUD_MIN, BAUD_MAX),
        default=DEFAULT_BAUD,
        metavar="N",
        help=f"bits a second, {BAUD_MIN}..{BAUD_MAX} (default {DEFAULT_BAUD})",
    )
    group.add_argument("--parity", choices=("E", "O", "N"), default="E", help="even, odd or none (default E)")
    group.add_argument(
        "--stop-bits", type=int, choices=(1, 2), default=1, help="2 goes with parity N only (default 1)"
    )
    group.add_argument(
        "--timeout", type=positive, default=None, metavar="S", help="seconds to wait for each answer"
    )
    group.add_argument("--trace", action="store_true", help="print every frame, sent and received, on stderr")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output and nothing else there"
    )


def line_format(args: argparse.Namespace) -> Format:
    """The character format that --parity and --stop-bits say."""
    name = f"F8{args.parity}{args.stop_bits}"
    if name not in Format.__members__:
        raise NeuronError(
            f"8{args.parity}{args.stop_bits} is no Modbus format: --stop-bits 2 goes with --parity N"
        )
    return Format[name]


def describe_line(args: argparse.Namespace, port: str) -> str:
    """'/dev/ttyUSB0, 19200 8E1, address 1'."""
    simulated = {"sim": "a simulated node", "renode": "the board in Renode"}
    if port in simulated:
        return f"{simulated[port]}, address {args.address}"
    return f"{port}, {args.baud} {line_format(args).name[1:]}, address {args.address}"


def open_from(args: argparse.Namespace, port: str) -> AbstractContextManager[Node]:
    """The node behind `port`, over the line that the options describe."""
    from host.node import open_node  # the Modbus client library: only for those who talk

    extra = {} if args.timeout is None else {"timeout": args.timeout}
    return open_node(
        port, address=args.address, baud=args.baud, line_format=line_format(args), trace=args.trace, **extra
    )


# -------------------------------------------------------------------------------------------------- terminal


def can_draw() -> bool:
    """Whether standard output can show the characters that curves and lamps are drawn with."""
    try:
        "●○─│⣿·".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def console() -> Console:
    """Standard output for people: colours on a terminal unless NO_COLOR is set; encoding never fails."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError from None  # rich would end the process; @command knows what to do

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    return Output(
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )


BAR_AFTER = 0.3
"""Seconds that a step may take before it gets a bar."""


@contextmanager
def progress(out: Console | None, keep: bool = False) -> Iterator[Progress]:
    """A progress function: on a terminal a bar for a step that takes long; with `keep` a line when done.

    Without a console nothing is shown.
    """
    step, since, bar = "", 0.0, None

    def stop_bar() -> None:
        nonlocal bar
        if bar is not None:
            bar.stop()
            bar = None

    def update(name: str, done: int, total: int) -> None:
        nonlocal step, since, bar
        if out is None:
            return
        if name != step:
            stop_bar()
            step, since = name, time.monotonic()
        if done >= total:
            stop_bar()
            if keep:
                out.print(f"  {name:<28} {done} of {total}" if total > 1 else f"  {name}")
        elif bar is None and out.is_terminal and time.monotonic() - since > BAR_AFTER:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bars

            bar = Bars(
                TextColumn("  {task.description:<28}"),
                BarColumn(),
                MofNCompleteColumn(),
                console=out,
                transient=True,
            )
            bar.add_task(name, total=total)
            bar.start()
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done)

    try:
        yield update
    finally:
        stop_bar()
