"""An open link to one node. With client.py the only module that knows the Modbus client library.

The library frames requests and replies; what must not go wrong here, we do ourselves: every reply is checked against
its request, a lost or damaged one is asked for again, and the silence between frames is kept.
"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from host.core.fixed import Int16
from host.core.modbus import (
    DEVICE_BUSY,
    DEVICE_FAILURE,
    EXCEPTION_TEXT,
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
from host.errors import NeuronError
from host.node.client import Ear, drop_input, open_client
from host.node.identity import IDENTITY, Identity, checked_fraction, identity_of, in_words
from host.progress import Progress

ATTEMPTS = 4
BUSY_SECONDS = 10.0
DEFAULT_TIMEOUT = 1.0
SETTLE_SECONDS = 0.05
FC23_FLOATS_MAX = 60


class NodeError(NeuronError):
    """The node, or the way to it, failed us."""


class NoAnswer(NodeError):
    """Nothing, or nothing whole, came back."""


class Refused(NodeError):
    """The node refused a command; `reason` is its register's."""

    def __init__(self, doing: str, reason: Reason, detail: int) -> None:
        super().__init__(
            f"the node refused to {doing}: {in_words(reason, detail)} (reason {reason.name}, detail {detail})"
        )
        self.reason = reason
        self.detail = detail


class Answered(NodeError):
    """The node answered with a Modbus exception."""

    def __init__(self, code: int) -> None:
        super().__init__(
            f"the node answered exception {code} ({EXCEPTION_TEXT.get(code, 'unknown')}): is it a neuron485 node?"
        )
        self.code = code


@dataclass(frozen=True)
class Result:
    """Outputs of the node for rows of inputs. outputs: int16 (rows, outputs); led: bool (rows)."""

    outputs: Int16
    led: np.typing.NDArray[np.bool_]


class Node:
    """One node on an open line.

    A value of more than one register travels within one frame. `timeout` is in seconds, for one answer.
    """

    def __init__(
        self, client: Any, address: int, silence: float, timeout: float, where: str, ear: Ear
    ) -> None:
        self.address = address
        self.where = where
        self.timeout = timeout
        self.lamp: Callable[[], bool] | None = None
        """Looks at the lamp itself, where it can be seen from here."""
        self._client = client
        self._ear = ear
        self._silence = silence
        self._spoke = 0.0
        self._in_step = True
        self._mark = 0
        self._given: tuple[Register, Sequence[int]] | None = None

    # ----------------------------------------------------------------------------------------------- requests

    def _once(
        self, function: int, send: Callable[[], ModbusPDU], good: Callable[[ModbusPDU], bool]
    ) -> ModbusPDU:
        wait = self._spoke + self._silence - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        try:
            drop_input(self._client)
            reply = send()
        except (ModbusException, OSError, struct.error, IndexError, ValueError) as error:
            if not self._client.connected:
                raise NodeError(f"{self.where} has gone: check the cable or the adapter") from error
            raise NoAnswer(str(error)) from error
        finally:
            self._spoke = time.monotonic()
        if reply.function_code & 0x7F != function:
            raise NoAnswer("the reply was to another request")
        if reply.isError():
            raise Answered(reply.exception_code)
        if not good(reply):
            raise NoAnswer("the reply was to another request")
        return reply

    def doubt(self) -> None:
        """A reply may have been late or doubled: get in step before the next request."""
        self._in_step = False

    def _get_in_step(self) -> None:
        """A late reply must not answer the next request: an echo of our own comes back behind all of them."""
        time.sleep(SETTLE_SECONDS * random.uniform(1, 3))  # two masters in step would collide each time
        self._mark = (self._mark + 1) & 0xFFFF
        mark = self._mark.to_bytes(2, "big")
        self._once(
            8,
            lambda: self._client.diag_query_data(mark, device_id=self.address),
            lambda reply: getattr(reply, "message", None) == mark,
        )
        self._in_step = True

    def _call(
        self, function: int, send: Callable[[], ModbusPDU], good: Callable[[ModbusPDU], bool]
    ) -> ModbusPDU:
        """One transaction, repeated while answers are lost or the node is busy. All our requests may be
        repeated."""
        deadline = time.monotonic() + BUSY_SECONDS
        attempt = 0
        self._ear.forget()
        while True:
            try:
                if not self._in_step:
                    self._get_in_step()
                return self._once(function, send, good)
            except Answered as error:
                if error.code != DEVICE_BUSY:
                    raise
                if time.monotonic() > deadline:
                    raise NodeError("the node stays busy: wait until it is idle, then try again") from error
                time.sleep(SETTLE_SECONDS)
            except NoAnswer as error:
                attempt += 1
                self.doubt()
                if attempt == ATTEMPTS:
                    raise NoAnswer(
                        f"no answer from address {self.address} on {self.where}{self._look_at()}"
                    ) from error

    def _look_at(self) -> str:
        """What is to be looked at when no answer came, by what came in place of one."""
        if self._ear.heard_frame:
            return (
                " in time, but frames that are not for us: is another master on the line (there may be only one), "
                "or --timeout too short?"
            )
        if self._ear.heard:
            return (
                ", but something that is no frame: check baud rate and parity, wiring (A/B) and termination; "
                "is another master on the line?"
            )
        return ": check power, wiring (A/B), address, baud rate and parity"

    def read(self, table: Table, address: int, count: int) -> list[int]:
        """Registers of table INPUT or HOLDING, or bits of DISCRETE or COIL."""
        client = self._client
        functions = {
            Table.INPUT: (client.read_input_registers, 4),
            Table.HOLDING: (client.read_holding_registers, 3),
            Table.DISCRETE: (client.read_discrete_inputs, 2),
            Table.COIL: (client.read_coils, 1),
        }
        function, code = functions[table]
        bits = table in (Table.DISCRETE, Table.COIL)
        size = -(-count // 8) * 8 if bits else count

        def values(reply: ModbusPDU) -> list[Any]:
            return list(reply.bits if bits else reply.registers)

        reply = self._call(
            code,
            lambda: function(address, count=count, device_id=self.address),
            lambda reply: len(values(reply)) == size,
        )
        return [int(value) for value in values(reply)[:count]]

    def write(self, address: int, values: Sequence[int]) -> None:
        """Holding registers, by function 16."""
        self._call(
            16,
            lambda: self._client.write_registers(address, list(values), device_id=self.address),
            lambda reply: reply.address == address and reply.count == len(values),
        )

    def write_coil(self, address: int, value: bool) -> None:
        """One coil, by function 5."""
        self._call(
            5,
            lambda: self._client.write_coil(address, value, device_id=self.address),
            lambda reply: reply.address == address,
        )

    def write_read(
        self, address: int, values: Sequence[int], read_address: int, read_count: int
    ) -> list[int]:
        """Write holding registers, then read some, in one transaction (function 23)."""
        reply = self._call(
            23,
            lambda: self._client.readwrite_registers(
                read_address=read_address,
                read_count=read_count,
                write_address=address,
                values=list(values),
                device_id=self.address,
            ),
            lambda reply: len(reply.registers) == read_count,
        )
        return [int(value) for value in reply.registers]

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
        deadline = time.monotonic() + BUSY_SECONDS
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
            time.sleep(self._silence)

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
            if len(values) <= 2 * FC23_FLOATS_MAX:
                words = self.write_read(row.address, values, results, 1 + outputs)
            else:
                self._write_wide(row, values)
                words = self.read(Table.HOLDING, results, 1 + outputs)
            output, led = self._result(words)
            y.append(output)
            leds.append(led)
        return Result(np.array(y, np.int16).reshape(len(y), outputs), np.array(leds, np.bool_))

    def _write_wide(self, row: Register, values: Sequence[int]) -> None:
        """More inputs than one frame holds: HOLD keeps the neuron still until all of them stand."""
        hold, half = BY_NAME["HOLD"].address, 2 * FC23_FLOATS_MAX
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

    def evaluate_float(self, x: np.typing.ArrayLike, outputs: int) -> Result:
        """Rows of float32 inputs (rows, inputs), in their own units: the node quantises them."""
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
        if len(words) <= 2 * FC23_FLOATS_MAX:
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


def _silence(baud: int, line_format: Format) -> float:
    """Seconds that must pass between two frames: 3.5 characters, 1750 us above 19200 baud."""
    bits = 10 if line_format is Format.F8N1 else 11
    return 0.00175 if baud > 19200 else 3.5 * bits / baud


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
    ear = Ear(trace)
    client = open_client(port, baud=baud, line_format=line_format, timeout=timeout, ear=ear)
    try:
        node = Node(client, address, _silence(baud, line_format), timeout, port, ear)
        node.handshake()
        yield node
    finally:
        client.close()
