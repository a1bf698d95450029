"""A serial line as a whole, for commands that talk to all nodes of it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.boards.opening import SIMULATED
from host.cli.parser import seconds, spoken, whole
from host.core.wire import BAUD_MAX, BAUD_MIN, DEFAULT_BAUD, DEFAULT_FORMAT, UID_BYTES, Format
from host.errors import NeuronError

if TYPE_CHECKING:
    from host.node.link import Link


def uid(text: str) -> str:
    """Option type: a node's UID."""
    if not re.fullmatch(f"[0-9A-Fa-f]{{{2 * UID_BYTES}}}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no UID of {2 * UID_BYTES} hex digits")
    return text.lower()


def format_of(parity: str, stop_bits: int) -> Format:
    """The character format of --parity and --stop-bits; NeuronError where they do not go together."""
    name = f"F8{parity}{stop_bits}"
    if name not in Format.__members__:
        raise NeuronError(f"{name[1:]} is no Modbus format: --stop-bits 2 goes with --parity N")
    return Format[name]


def add_bus_options(parser: argparse.ArgumentParser, file: bool = True) -> None:
    """Without defaults: a fleet's file may say how fast its line is. file: there is one."""
    says = "as the file says, else " if file else ""
    group = parser.add_argument_group("line")
    group.add_argument(
        "--baud",
        type=whole(BAUD_MIN, BAUD_MAX),
        metavar="N",
        help=f"bits a second, {BAUD_MIN}..{BAUD_MAX} (default: {says}{DEFAULT_BAUD})",
    )
    group.add_argument("--parity", choices=("E", "O", "N"), help=f"even, odd or none (default: {says}E)")
    group.add_argument("--stop-bits", type=int, choices=(1, 2), help="2 goes with parity N only (default 1)")
    group.add_argument("--timeout", type=seconds, metavar="S", help="seconds to wait for each answer")
    group.add_argument("--trace", action="store_true", help="print every frame, sent and received, on stderr")


@dataclass(frozen=True)
class Bus:
    """How to speak on it. timeout: seconds for one answer, None: as usual; trace: show every frame on stderr."""

    baud: int
    line_format: Format
    timeout: float | None
    trace: bool

    def describe(self, port: str) -> str:
        """'/dev/ttyUSB0, 115200 8E1'."""
        return f"{port}, {self.baud} {self.line_format.name[1:]}"

    def link(self, port: str) -> Link:
        """The line behind `port`, a serial device or socket://host:port, which its caller closes."""
        from host.node import node
        from host.node.link import open_link

        timeout = node.DEFAULT_TIMEOUT if self.timeout is None else self.timeout
        return open_link(
            port, baud=self.baud, line_format=self.line_format, timeout=timeout, trace=self.trace
        )

    @contextmanager
    def open(self, port: str) -> Iterator[Link]:
        """The same, for as long as it is needed."""
        if port in SIMULATED:
            start = spoken("python -m host.sim --nodes 1,2,3 --link /tmp/bus")
            raise NeuronError(
                f"{port} is one node of its own, and no line: start {start}, then give /tmp/bus"
            )
        link = self.link(port)
        try:
            yield link
        finally:
            link.close()


def bus_of(args: argparse.Namespace, baud: int | None = None, line_format: Format | None = None) -> Bus:
    """The line that the options describe, else these, else the standard's. NeuronError where --parity and --stop-bits
    do not go together."""
    if args.parity is not None or args.stop_bits is not None:
        line_format = format_of(args.parity or "E", args.stop_bits or 1)
    return Bus(
        args.baud or baud or DEFAULT_BAUD,
        DEFAULT_FORMAT if line_format is None else line_format,
        args.timeout,
        args.trace,
    )
