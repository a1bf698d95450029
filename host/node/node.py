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
    ILLEGAL_ADDRESS,
    READ_REGISTERS_MAX,
    WRITE_REGISTERS_MAX,
)
from host.core.registers import Block, bytes_registers, pack, placed, register_bytes
from host.core.wire import (
    BY_NAME,
    DEFAULT_ADDRESS,
    DEFAULT_BAUD,
    DEFAULT_FORMAT,
    UNITS_MAX,
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
from host.node.identity import (
    IDENTITY,
    RUNNING,
    STATUS,
    STATUS_SERVED,
    Identity,
    Running,
    Status,
    bit_of,
    identity_of,
    in_words,
    running_of,
    speed_of,
    status_of,
)
from host.node.link import Link, open_link
from host.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from host.core.fixed import Int16

DEFAULT_TIMEOUT = 1.0
WRITE_READ_WORDS = FC23_WRITE_REGISTERS_MAX // 2 * 2
RESULTS = Block.between("RESULT_BITS", "RESULTS")
CLASS_RESULTS = Block.between("RESULT_CLASS", "RESULTS")
WHOSE_RESULTS = Block.between("RESULT_CRC", "RESULTS")
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
    """Outputs of the node for rows of inputs. outputs: int16 (rows, outputs); led: bool (rows); out_of_range: bool
    (rows), an input was beyond the range that the model was made for; classes: int (rows), where they were asked for,
    else 0; busy: an erase or a commit was under way; held: a coil held the lamp or the outputs; model_crc: of the model
    that gave the last, where that was asked for."""

    outputs: Int16
    led: NDArray[np.bool_]
    out_of_range: NDArray[np.bool_]
    classes: NDArray[np.int64]
    busy: bool = False
    held: bool = False
    model_crc: int = 0


class Node(Client):
    """One node on an open line, with what its registers mean. keyed: what changes it is signed."""

    keyed = False

    def __init__(self, link: Link, address: int) -> None:
        super().__init__(link, address)
        self.lamp: Callable[[], bool] | None = None
        """Looks at the lamp itself, where it can be seen from here."""
        self.uid: bytes | None = None
        """Whom it must be, where that is known from elsewhere: orders name this one, whatever the node says."""
        self.words_at_once = WRITE_READ_WORDS
        """Registers of inputs that one request writes: whole floats, or integers."""
        self._greeting: Status | None = None
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
        """Is there a node, and does it speak our version? From then on its silences are kept."""
        try:
            values = self.read_block(STATUS_SERVED if self.link.served else STATUS)
        except Answered as error:
            if error.code != ILLEGAL_ADDRESS:
                raise
            values = self.read_block(Block.of(["WIRE_VERSION"]))  # which stands there in every version
            if values["WIRE_VERSION"] == WIRE_VERSION:
                raise
        found = values["WIRE_VERSION"]
        if found != WIRE_VERSION:
            raise NodeError(
                f"the node speaks wire version {found}, this program {WIRE_VERSION}: "
                f"update the {'firmware' if found < WIRE_VERSION else 'program'}"
            )
        if self.link.served:
            self.link.baud, self.link.line_format = speed_of(values)
        self._greeting = status_of(values)
        self.link.gap = self._greeting.gap

    def status(self) -> Status:
        """What the node says in short. The handshake's answer serves while nothing has been asked since."""
        return self._greeting or status_of(self.read_block(STATUS))

    def _ask(self, request: bytes) -> bytes:
        self._greeting = None
        return super()._ask(request)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is asked meanwhile leaves the handshake's answer as good as it is."""
        greeting = self._greeting
        yield
        self._greeting = greeting

    def identity(self) -> Identity:
        """What the node says of itself, in one request."""
        return identity_of(self.read(Table.INPUT, IDENTITY.address, IDENTITY.count))

    def running(self) -> Running:
        """Which model gave the results that stand there."""
        return running_of(self.read(Table.HOLDING, RUNNING.address, RUNNING.count))

    def wait_idle(self) -> Identity:
        """The node's identity once it neither erases nor commits."""
        deadline = time.monotonic() + client.BUSY_SECONDS
        identity = self.identity()
        while identity.state is not State.IDLE:
            time.sleep(POLL_SECONDS)
            overdue = time.monotonic() > deadline
            if overdue or self.read_value("STATE") == State.IDLE:
                identity = self.identity()
            if overdue and identity.state is not State.IDLE:
                raise NodeError(_still_busy(identity))
        return identity

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
        for done, frames in self.writing_bytes(name, data):
            progress(step, done, frames)

    def writing_bytes(self, name: str, data: bytes) -> Iterator[tuple[int, int]]:
        """The same, a frame a step: how many are written now, of how many."""
        first, words = BY_NAME[name].address, bytes_registers(data)
        frames = range(0, len(words), WRITE_REGISTERS_MAX)
        for done, at in enumerate(frames, 1):
            self.write(first + at, words[at : at + WRITE_REGISTERS_MAX])
            yield done, len(frames)

    def read_image(self, length: int) -> bytes:
        """The running image, `length` bytes of it."""
        return self.read_bytes("IMAGE", length)

    def command(
        self,
        code: Command,
        doing: str,
        length: int = 0,
        crc: int = 0,
        *,
        image_hash: bytes = b"",
        seconds: int = 0,
        inputs: int = 0,
    ) -> list[int]:
        """Have the node carry out a command; Refused when it will not. image_hash: of the image that is meant, which
        only a signed order names; seconds: of a trial; inputs: so many are read along with its answer, as read_inputs
        does."""
        address, words = placed(
            COMMAND=code, LENGTH=length, CRC=crc, **({"SECONDS": seconds} if seconds else {})
        )
        with self.refusals(doing):
            if inputs:
                return self.write_read(address, words, BY_NAME["INPUTS_FLOAT"].address, 2 * inputs)
            self.write(address, words)
        return []

    def keep_settings(self, **values: Any) -> None:
        """Have the node keep its settings, by the names of their registers: all of them, whatever others have written
        and not saved."""
        self.write_values(**values)
        self.command(Command.SAVE_SETTINGS, "save the settings")

    def start_again(self) -> None:
        """Have the node start again, when the line is quiet next."""
        self.command(Command.RESTART, "start again")

    @contextmanager
    def refusals(self, doing: str) -> Iterator[None]:
        """What the node will not do meanwhile is Refused, with the reason that it gives."""
        try:
            yield
        except Answered as error:
            if error.code != DEVICE_FAILURE:
                raise
            identity = self.identity()
            raise Refused(doing, identity.reason, identity.detail) from error

    # -------------------------------------------------------------------------------------------------- infer

    def _evaluate(
        self, row: Register, rows: Sequence[Sequence[int]], outputs: int, classes: bool, whose: bool
    ) -> Result:
        """Write each row of registers, read the outputs and the lamp that follow from it."""
        import numpy as np

        block = WHOSE_RESULTS if whose else CLASS_RESULTS if classes else RESULTS
        start, count = block.address, block.count - UNITS_MAX + outputs
        y, leds, beyond, numbers, all_bits, crc = [], [], [], [], 0, 0
        for values in rows:
            self._given = row, values
            if len(values) <= self.words_at_once:
                words = self.give_inputs(row.address, values, start, count)
            else:
                self._write_wide(row, values)
                words = self.read(Table.HOLDING, start, count)
            found = block.unpack(words)
            if bit_of(
                found["RESULT_BITS"], "BUS_LOST"
            ):  # ended by this write: its answer has the lamp of before
                found = block.unpack(self.read(Table.HOLDING, start, count))
            bits, crc = found["RESULT_BITS"], found.get("RESULT_CRC", 0)
            y.append(found["RESULTS"])
            leds.append(bit_of(bits, "LED"))
            beyond.append(bit_of(bits, "OUT_OF_RANGE"))
            numbers.append(found.get("RESULT_CLASS", 0))
            all_bits |= bits
        return Result(
            np.array(y, np.int16).reshape(len(y), outputs),
            np.array(leds, np.bool_),
            np.array(beyond, np.bool_),
            np.array(numbers, np.int64),
            bit_of(all_bits, "BUSY"),
            bit_of(all_bits, "HELD"),
            crc,
        )

    def _write_wide(self, row: Register, values: Sequence[int]) -> None:
        """More inputs than one frame holds: HOLD keeps the neuron still until all of them stand."""
        hold, most = BY_NAME["HOLD"].address, self.words_at_once
        try:
            self.write_coil(hold, True)
            try:
                for at in range(0, len(values), most):
                    self.give_some_inputs(row.address + at, values[at : at + most])
            finally:
                self.write_coil(hold, False)
        except NodeError as error:
            raise NodeError(f"{error}; coil HOLD, number {hold}, may still be set: clear it") from error

    def give_inputs(self, address: int, words: Sequence[int], read_address: int, count: int) -> list[int]:
        """Write registers of inputs, then read holding registers that follow from them."""
        return self.write_read(address, words, read_address, count)

    def give_some_inputs(self, address: int, words: Sequence[int]) -> None:
        """Write registers of inputs."""
        self.write(address, words)

    def evaluate(self, x: Int16, outputs: int, *, classes: bool = False, whose: bool = False) -> Result:
        """Rows of int16 inputs (rows, inputs), at the model's scales. classes: ask for each row's; whose: ask for them
        and for the model that gave the results."""
        row = BY_NAME["INPUTS"]
        return self._evaluate(row, [pack(row, values) for values in x.tolist()], outputs, classes, whose)

    def evaluate_float(
        self, x: ArrayLike, outputs: int, *, classes: bool = False, whose: bool = False
    ) -> Result:
        """Rows of float32 inputs (rows, inputs), in their own units: the node quantises them. classes, whose: as in
        evaluate."""
        import numpy as np

        row = BY_NAME["INPUTS_FLOAT"]
        with np.errstate(over="ignore"):  # the node clips what is infinite too
            rows = np.atleast_2d(np.asarray(x, dtype=np.float32))
        return self._evaluate(row, [pack(row, values) for values in rows.tolist()], outputs, classes, whose)

    def read_inputs(self, count: int) -> list[int]:
        """The registers of the first `count` inputs, in their own units."""
        return self.read_words(BY_NAME["INPUTS_FLOAT"], 2 * count)

    def put_back(self, words: Sequence[int]) -> Running:
        """The first inputs become what `read_inputs` has found, unless another master has written them since: its own
        are newer. Then, which model runs."""
        row = BY_NAME["INPUTS_FLOAT"]
        if not self.inputs_are_ours():
            return self.running()
        if len(words) > self.words_at_once:
            self._write_wide(row, words)
            return self.running()
        return running_of(self.give_inputs(row.address, words, RUNNING.address, RUNNING.count))

    def inputs_are_ours(self) -> bool:
        """Whether the inputs that were last evaluated here still stand: no other master has written."""
        return self._given is None or self.read_words(self._given[0], len(self._given[1])) == list(
            self._given[1]
        )


def _still_busy(identity: Identity) -> str:
    reason = identity.reason
    why = "" if reason is Reason.NONE else f", as {in_words(reason, identity.detail)} ({reason.name})"
    return f"the node is still {identity.state.name.lower()}{why}: wait, then try again"


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
