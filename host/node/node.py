"""An open node: its registers by name, its identity, its inference, and the way to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from host.core.modbus import (
    DEVICE_FAILURE,
    FC23_WRITE_REGISTERS_MAX,
    READ_REGISTERS_MAX,
    WRITE_REGISTERS_MAX,
)
from host.core.registers import Block, bytes_registers, pack, placed, register_bytes, unpack
from host.core.wire import (
    BY_NAME,
    DEFAULT_ADDRESS,
    DEFAULT_BAUD,
    DEFAULT_FORMAT,
    WIRE_VERSION,
    Command,
    Format,
    Reason,
    Register,
    State,
    Table,
)
from host.node import client
from host.node.client import Answered, Client, NodeError
from host.node.identity import IDENTITY, Identity, checked_fraction, identity_of, in_words
from host.node.link import Link, open_link
from host.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from host.core.fixed import Int16

DEFAULT_TIMEOUT = 1.0
WRITE_READ_FLOATS = FC23_WRITE_REGISTERS_MAX // 2 * 2
"""Registers of floats that one function 23 writes."""
POLL_SECONDS = 0.002
"""Between two looks at a node that is at work."""


class Refused(NodeError):
    """The node refused a command; `reason` is its register's."""

    def __init__(self, doing: str, reason: Reason, detail: int) -> None:
        super().__init__(
            f"the node refused to {doing}: {in_words(reason, detail)} (reason {reason.name}, detail {detail})"
        )
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Result:
    """Outputs of the node for rows of inputs. outputs: int16 (rows, outputs); led: bool (rows)."""

    outputs: Int16
    led: NDArray[np.bool_]


class Node(Client):
    """One node on an open line, with what its registers mean."""

    def __init__(self, link: Link, address: int) -> None:
        super().__init__(link, address)
        self.lamp: Callable[[], bool] | None = None
        """Looks at the lamp itself, where it can be seen from here."""
        self._given: tuple[Register, Sequence[int]] | None = None

    def read_block(self, block: Block) -> dict[str, Any]:
        """The values of rows that stand side by side, by name, in one request."""
        return block.unpack(self.read(block.rows[0].table, block.address, block.count))

    def read_value(self, name: str) -> Any:
        """The value of one row."""
        return self.read_block(Block.of([name]))[name]

    def write_values(self, **values: Any) -> None:
        """Holding registers that stand side by side, by their names on the wire, in one request."""
        self.write(*placed(**values))

    # ----------------------------------------------------------------------------------------------- identity

    def handshake(self) -> None:
        """Is there a node, and does it speak our version?"""
        found = self.read_value("WIRE_VERSION")
        if found != WIRE_VERSION:
            raise NodeError(
                f"the node speaks wire version {found}, this program {WIRE_VERSION}: "
                f"update the {'firmware' if found < WIRE_VERSION else 'program'}"
            )

    def identity(self) -> Identity:
        """What the node says of itself, in one request."""
        return identity_of(self.read(Table.INPUT, IDENTITY.address, IDENTITY.count))

    def wait_idle(self) -> Identity:
        """The node's identity once it neither erases nor commits."""
        deadline = time.monotonic() + client.BUSY_SECONDS
        while True:
            identity = self.identity()
            if identity.state is State.IDLE:
                return identity
            if time.monotonic() > deadline:
                reason = identity.reason
                why = (
                    ""
                    if reason is Reason.NONE
                    else f", as {in_words(reason, identity.detail)} ({reason.name})"
                )
                raise NodeError(f"the node is still {identity.state.name.lower()}{why}: wait, then try again")
            time.sleep(POLL_SECONDS)

    def read_words(self, row: Register, count: int, offset: int = 0) -> list[int]:
        """`count` registers of a row, from an offset on, in as few requests as it takes."""
        words: list[int] = []
        while len(words) < count:
            part = min(READ_REGISTERS_MAX, count - len(words))
            words += self.read(row.table, row.address + offset + len(words), part)
        return words

    def read_bytes(self, name: str, length: int, offset: int = 0) -> bytes:
        """`length` bytes of a row of bytes, from an offset on, both even."""
        return register_bytes(self.read_words(BY_NAME[name], length // 2, offset // 2))

    def write_bytes(self, name: str, data: bytes, progress: Progress, step: str) -> None:
        """Fill the beginning of a row of bytes, as many registers a frame as Modbus allows."""
        first, words = BY_NAME[name].address, bytes_registers(data)
        frames = range(0, len(words), WRITE_REGISTERS_MAX)
        for done, at in enumerate(frames):
            self.write(first + at, words[at : at + WRITE_REGISTERS_MAX])
            progress(step, done + 1, len(frames))

    def read_image(self, length: int) -> bytes:
        """The running image, `length` bytes of it."""
        return self.read_bytes("IMAGE", length)

    def command(self, code: Command, doing: str, length: int = 0, crc: int = 0) -> None:
        """Have the node carry out a command; Refused when it will not."""
        try:
            self.write_values(COMMAND=code, LENGTH=length, CRC=crc)
        except Answered as error:
            if error.code != DEVICE_FAILURE:
                raise
            identity = self.identity()
            raise Refused(doing, identity.reason, identity.detail) from error

    # -------------------------------------------------------------------------------------------------- infer

    def _result(self, words: Sequence[int]) -> tuple[list[int], bool]:
        outputs = unpack(BY_NAME["RESULTS"], words[1:])
        return outputs, bool(words[0] >> BY_NAME["LED"].address & 1)

    def _evaluate(self, row: Register, rows: Sequence[Sequence[int]], outputs: int) -> Result:
        """Write each row of registers, read the outputs and the lamp that follow from it."""
        results = BY_NAME["RESULT_BITS"].address
        y, leds = [], []
        for values in rows:
            self._given = row, values
            if len(values) <= WRITE_READ_FLOATS:
                words = self.write_read(row.address, values, results, 1 + outputs)
            else:
                self._write_wide(row, values)
                words = self.read(Table.HOLDING, results, 1 + outputs)
            output, led = self._result(words)
            y.append(output)
            leds.append(led)
        import numpy as np

        return Result(np.array(y, np.int16).reshape(len(y), outputs), np.array(leds, np.bool_))

    def _write_wide(self, row: Register, values: Sequence[int]) -> None:
        """More inputs than one frame holds: HOLD keeps the neuron still until all of them stand."""
        hold, half = BY_NAME["HOLD"].address, WRITE_READ_FLOATS
        self.write_coil(hold, True)
        try:
            self.write(row.address, values[:half])
            self.write(row.address + half, values[half:])
        finally:
            self.write_coil(hold, False)

    def evaluate(self, x: Int16, outputs: int) -> Result:
        """Rows of int16 inputs (rows, inputs), at the model's scales."""
        row = BY_NAME["INPUTS"]
        return self._evaluate(row, [pack(row, values) for values in x.tolist()], outputs)

    def evaluate_float(self, x: ArrayLike, outputs: int) -> Result:
        """Rows of float32 inputs (rows, inputs), in their own units: the node quantises them."""
        import numpy as np

        row = BY_NAME["INPUTS_FLOAT"]
        with np.errstate(over="ignore"):  # the node clips what is infinite too
            rows = np.atleast_2d(np.asarray(x, dtype=np.float32))
        return self._evaluate(row, [pack(row, values) for values in rows.tolist()], outputs)

    def read_inputs(self, count: int) -> list[int]:
        """The registers of the first `count` inputs, in their own units."""
        return self.read_words(BY_NAME["INPUTS_FLOAT"], 2 * count)

    def write_inputs(self, words: Sequence[int]) -> None:
        """The registers of the first inputs, as `read_inputs` gives them."""
        row = BY_NAME["INPUTS_FLOAT"]
        if len(words) <= WRITE_READ_FLOATS:
            self.write(row.address, words)
        else:
            self._write_wide(row, words)

    def inputs_are_ours(self) -> bool:
        """Whether the inputs that were last evaluated here still stand: no other master has written."""
        return self._given is None or self.read_words(self._given[0], len(self._given[1])) == list(
            self._given[1]
        )

    def input_fractions(self, count: int) -> list[int]:
        """Fraction bits of the first `count` inputs."""
        row = BY_NAME["INPUT_FRACTION"]
        return [checked_fraction(row.name, fraction) for fraction in unpack(row, self.read_words(row, count))]

    def output_fraction(self) -> int:
        """Fraction bits of the outputs."""
        return checked_fraction("OUTPUT_FRACTION", self.read_value("OUTPUT_FRACTION"))


# ---------------------------------------------------------------------------------------------------- opening


@contextmanager
def open_line(
    port: str,
    *,
    address: int = DEFAULT_ADDRESS,
    baud: int = DEFAULT_BAUD,
    line_format: Format = DEFAULT_FORMAT,
    timeout: float = DEFAULT_TIMEOUT,
    trace: bool = False,
) -> Iterator[Node]:
    """Open the way to a node and shake hands. port: a serial device or socket://host:port; timeout: seconds for one
    answer; trace: every frame on stderr."""
    link = open_link(port, baud=baud, line_format=line_format, timeout=timeout, trace=trace)
    try:
        node = Node(link, address)
        node.handshake()
        yield node
    finally:
        link.close()
