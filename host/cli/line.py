"""The serial line, for every command that talks to a node."""

from __future__ import annotations

import argparse
import os.path
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.boards.opening import SIMULATED, open_node, require_port
from host.cli.parser import seconds, whole
from host.core.wire import (
    ADDRESS_MAX,
    ADDRESS_MIN,
    BAUD_MAX,
    BAUD_MIN,
    DEFAULT_ADDRESS,
    DEFAULT_BAUD,
    IMAGE_MAGIC,
    Format,
)
from host.errors import NeuronError

if TYPE_CHECKING:
    from host.node.node import Node


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
        "--timeout", type=seconds, default=None, metavar="S", help="seconds to wait for each answer"
    )
    group.add_argument("--trace", action="store_true", help="print every frame, sent and received, on stderr")


@dataclass(frozen=True)
class Line:
    """How to speak to a node. timeout: seconds for one answer, None: as usual; trace: show every frame on stderr."""

    address: int
    baud: int
    line_format: Format
    timeout: float | None
    trace: bool

    def describe(self, port: str) -> str:
        """'/dev/ttyUSB0, 19200 8E1, address 1'."""
        if port in SIMULATED:
            return f"{SIMULATED[port]}, address {self.address}"
        return f"{port}, {self.baud} {self.line_format.name[1:]}, address {self.address}"

    def require(self, port: str) -> None:
        """NeuronError where the way to `port` is known to be closed."""
        require_port(port, baud=self.baud, line_format=self.line_format, timeout=self.timeout)

    def open(self, port: str) -> AbstractContextManager[Node]:
        """The node behind `port`."""
        return open_node(
            port,
            address=self.address,
            baud=self.baud,
            line_format=self.line_format,
            timeout=self.timeout,
            trace=self.trace,
        )


def line_of(args: argparse.Namespace) -> Line:
    """The line that the options describe; NeuronError where --parity and --stop-bits do not go together."""
    name = f"F8{args.parity}{args.stop_bits}"
    if name not in Format.__members__:
        raise NeuronError(
            f"8{args.parity}{args.stop_bits} is no Modbus format: --stop-bits 2 goes with --parity N"
        )
    return Line(args.address, args.baud, Format[name], args.timeout, args.trace)


def names_image(port: str) -> bool:
    """Whether what stands in place of a port is an image file; also one that is not there."""
    if port.endswith(".img") or not os.path.isfile(port):  # a device is not opened to be looked at
        return port.endswith(".img")
    try:
        with open(port, "rb") as file:
            return file.read(4) == IMAGE_MAGIC.to_bytes(4, "little")
    except OSError:
        return False


def require_no_line(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """NeuronError where an option of the line is given that would do nothing with an image file."""
    for option in ("address", "baud", "parity", "stop_bits", "timeout", "trace"):
        if getattr(args, option) != parser.get_default(option):
            parser.error(f"--{option.replace('_', '-')} needs a node: {args.port} is an image file")
