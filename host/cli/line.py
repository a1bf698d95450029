"""The serial line, for every command that talks to a node."""

from __future__ import annotations

import argparse
import os.path
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from host.boards.opening import SIMULATED, open_node, require_simulated
from host.cli.bus import format_of, uid
from host.cli.key import Key, key_of
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
        "--uid", type=uid, metavar="UID", help="speak to the node with this UID only, 24 hex digits"
    )
    group.add_argument(
        "--timeout", type=seconds, default=None, metavar="S", help="seconds to wait for each answer"
    )
    group.add_argument("--trace", action="store_true", help="print every frame, sent and received, on stderr")


class Deed(Enum):
    """What a command is about to do with a node."""

    READ = 0
    RUN = 1
    """Write inputs or coils."""
    CHANGE = 2
    """Its model, its settings or its key."""


LINE_OPTIONS = ("address", "baud", "parity", "stop_bits", "uid", "timeout", "trace")


@dataclass(frozen=True)
class Line:
    """How to speak to a node. timeout: seconds for one answer, None: as usual; trace: show every frame on stderr; uid:
    of the only node that is meant; key: that signs orders for it."""

    address: int
    baud: int
    line_format: Format
    timeout: float | None
    trace: bool
    uid: str | None = None
    key: Key | None = None

    def describe(self, port: str) -> str:
        """'/dev/ttyUSB0, 19200 8E1, address 1'."""
        if port in SIMULATED:
            return f"{SIMULATED[port]}, address {self.address}"
        return f"{port}, {self.baud} {self.line_format.name[1:]}, address {self.address}"

    def require(self, port: str, deed: Deed) -> None:
        """For those who have long work before they do that with the node behind `port`: NeuronError where it is known
        already that they could not, as there is no way to it, the key's passphrase is wrong, or it says that it would
        refuse."""
        if self.key is not None:
            self.key.open()
        if port in SIMULATED:
            if self.key is not None:
                raise NeuronError(f"{SIMULATED[port]} of its own has no key: leave --key out")
            require_simulated(port, baud=self.baud, line_format=self.line_format)
            return
        with self.open(port, deed):
            pass

    @contextmanager
    def open(self, port: str, deed: Deed = Deed.READ, *, asked: bool = False) -> Iterator[Node]:
        """The node behind `port`, for those who are about to do that with it: given signed orders where they have the
        key. NeuronError before anything is sent to a node that would refuse, or that is not the one that is meant.
        asked: `require` has; what has changed since the node says itself."""
        signer = self.key.open() if self.key and deed is not Deed.READ else None
        with open_node(
            port,
            address=self.address,
            baud=self.baud,
            line_format=self.line_format,
            timeout=self.timeout,
            trace=self.trace,
        ) as node:
            from host.node.keyed import obeyed, require_uid

            if self.uid is not None:
                require_uid(node, self.uid)
            if signer is not None or (deed is not Deed.READ and not asked):
                node = obeyed(node, signer, changes=deed is Deed.CHANGE)
            yield node


def line_of(args: argparse.Namespace) -> Line:
    """The line that the options describe; NeuronError where --parity and --stop-bits do not go together."""
    line_format = format_of(args.parity, args.stop_bits)
    return Line(args.address, args.baud, line_format, args.timeout, args.trace, args.uid, key_of(args))


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
    for option in (*LINE_OPTIONS, "key", "passphrase_file"):
        if getattr(args, option, None) != parser.get_default(option):
            parser.error(f"--{option.replace('_', '-')} needs a node: {args.port} is an image file")
