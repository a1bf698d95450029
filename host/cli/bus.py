"""A serial line as a whole, for commands that talk to all nodes of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.boards.opening import SIMULATED
from host.cli.parser import seconds, spoken, whole
from host.core.wire import BAUD_MAX, BAUD_MIN, DEFAULT_BAUD, DEFAULT_FORMAT, Format
from host.errors import NeuronError

if TYPE_CHECKING:
    from host.node.link import Link


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

    @contextmanager
    def open(self, port: str) -> Iterator[Link]:
        """The line behind `port`, a serial device or socket://host:port."""
        from host.node import node
        from host.node.link import open_link

        if port in SIMULATED:
            start = spoken("python -m host.sim --nodes 1,2,3 --link /tmp/bus")
            raise NeuronError(
                f"{port} is one node of its own, and no line: start {start}, then give /tmp/bus"
            )
        timeout = node.DEFAULT_TIMEOUT if self.timeout is None else self.timeout
        link = open_link(
            port, baud=self.baud, line_format=self.line_format, timeout=timeout, trace=self.trace
        )
        try:
            yield link
        finally:
            link.close()


def bus_of(args: argparse.Namespace, baud: int | None = None, line_format: Format | None = None) -> Bus:
    """The line that the options describe, else these, else the standard's. NeuronError where --parity and --stop-bits
    do not go together."""
    if args.parity is not None or args.stop_bits is not None:
        name = f"F8{args.parity or 'E'}{args.stop_bits or 1}"
        if name not in Format.__members__:
            raise NeuronError(f"{name[1:]} is no Modbus format: --stop-bits 2 goes with --parity N")
        line_format = Format[name]
    return Bus(
        args.baud or baud or DEFAULT_BAUD,
        DEFAULT_FORMAT if line_format is None else line_format,
        args.timeout,
        args.trace,
    )
