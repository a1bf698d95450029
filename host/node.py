"""An open link to one node. With host/port.py the only module that knows the Modbus client library.

The library frames requests and replies; what must not go wrong here, we do ourselves: every reply is checked against
its request, a lost or damaged one is asked for again, and the silence between frames is kept.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from host.errors import NeuronError
from host.fixed import Int16
from host.identity import IDENTITY_START, IDENTITY_WORDS, Identity, identity_of, register_bytes
from host.modbus import DEVICE_BUSY, DEVICE_FAILURE, EXCEPTION_TEXT, READ_REGISTERS_MAX
from host.port import drop_input, open_client
from host.wire import (
    BY_NAME,
    DEFAULT_ADDRESS,
    DEFAULT_BAUD,
    DEFAULT_FORMAT,
    REASON_TEXT,
    WIRE_VERSION,
    Command,
    Format,
    Reason,
    Register,
    State,
    Table,
)

ATTEMPTS = 4
BUSY_SECONDS = 10.0
DEFAULT_TIMEOUT = 1.0
SIM_TIMEOUT = 60.0
"""Seconds for one answer of a simulated node of our own: it is there, and only as late as this computer is busy."""
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
            f"the node refused to {doing}: {REASON_TEXT[reason]} (reason {reason.name}, detail {detail})"
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

    def __init__(self, client: Any, address: int, silence: float, timeout: float, where: str) -> None:
        self.address = address
        self.where = where
        self.timeout = timeout
        self.lamp: Callable[[], bool] | None = None
        """Looks at the lamp itself, where it can be seen from here."""
        self._client = client
        self._silence = silence
        self._spoke = 0.0
        self._in_step = True
        self._mark = 0

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
        time.sleep(SETTLE_SECONDS)
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
                        f"no answer from address {self.address} on {self.where}: "
                        "check power, wiring (A/B), address, baud rate and parity"
                    ) from error

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

    # ----------------------------------------------------------------------------------------------- identity

    def handshake(self) -> None:
        """Is there a node, and does it speak our version?"""
        version = BY_NAME["WIRE_VERSION"]
        found = self.read(Table.INPUT, version.address, 1)[0]
        if found != WIRE_VERSION:
            raise NodeError(
                f"the node speaks wire version {found}, this program {WIRE_VERSION}: "
                f"update the {'firmware' if found < WIRE_VERSION else 'program'}"
            )

    def identity(self) -> Identity:
        words = self.read(Table.INPUT, IDENTITY_START, IDENTITY_WORDS)
        return identity_of(words)

    def wait_idle(self) -> Identity:
        """The node's identity once it neither erases nor commits."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            identity = self.identity()
            if identity.state is State.IDLE:
                return identity
            if time.monotonic() > deadline:
                raise NodeError(f"the node is still {identity.state.name.lower()}: wait, then try again")
            time.sleep(self._silence)

    def read_image(self, length: int) -> bytes:
        """The running image, `length` bytes of it."""
        start = BY_NAME["IMAGE"].address
        data = b""
        for done in range(0, length // 2, READ_REGISTERS_MAX):
            count = min(READ_REGISTERS_MAX, length // 2 - done)
            data += register_bytes(self.read(Table.INPUT, start + done, count))
        return data

    def command(self, code: Command, doing: str, length: int = 0, crc: int = 0) -> None:
        """Have the node carry out a command; Refused when it will not."""
        try:
            self.write(
                BY_NAME["COMMAND"].address, [code, length >> 16, length & 0xFFFF, crc >> 16, crc & 0xFFFF]
            )
        except Answered as error:
            if error.code != DEVICE_FAILURE:
                raise
            identity = self.identity()
            raise Refused(doing, identity.reason, identity.detail) from error

    def take_address(self, address: int) -> None:
        """Give the node an address of its own; it answers this on the old one."""
        self.write(BY_NAME["ADDRESS"].address, [address])
        self.command(Command.SAVE_SETTINGS, "take its address")

    def take_line(self, baud: int, line_format: Format) -> None:
        """Have the node speak so from now on; it answers this as before."""
        self.write(BY_NAME["BAUD"].address, [baud >> 16, baud & 0xFFFF, line_format])
        self.command(Command.SAVE_SETTINGS, "take its line settings")

    # -------------------------------------------------------------------------------------------------- infer

    def _result(self, words: Sequence[int]) -> tuple[list[int], bool]:
        return list(words[1:]), bool(words[0] >> BY_NAME["LED"].address & 1)

    def _evaluate(self, row: Register, rows: Sequence[Sequence[int]], outputs: int) -> Result:
        """Write each row of registers, read the outputs and the lamp that follow from it."""
        results = BY_NAME["RESULT_BITS"].address
        y, leds = [], []
        for values in rows:
            if len(values) <= 2 * FC23_FLOATS_MAX:
                words = self.write_read(row.address, values, results, 1 + outputs)
            else:
                words = self._evaluate_wide(row, values, results, 1 + outputs)
            output, led = self._result(words)
            y.append(output)
            leds.append(led)
        unsigned = np.array(y, dtype=np.uint16).reshape(len(y), outputs)
        return Result(unsigned.astype(np.int16), np.array(leds, dtype=np.bool_))

    def _evaluate_wide(self, row: Register, values: Sequence[int], results: int, count: int) -> list[int]:
        """More inputs than one frame holds: HOLD keeps the neuron still until all of them stand."""
        hold, half = BY_NAME["HOLD"].address, 2 * FC23_FLOATS_MAX
        self.write_coil(hold, True)
        try:
            self.write(row.address, values[:half])
            self.write(row.address + half, values[half:])
        finally:
            self.write_coil(hold, False)
        return self.read(Table.HOLDING, results, count)

    def evaluate(self, x: Int16, outputs: int) -> Result:
        """Rows of int16 inputs (rows, inputs), at the model's scales."""
        return self._evaluate(BY_NAME["INPUTS"], x.astype(np.uint16).tolist(), outputs)

    def evaluate_float(self, x: np.typing.ArrayLike, outputs: int) -> Result:
        """Rows of float32 inputs (rows, inputs), in their own units: the node quantises them."""
        rows = np.atleast_2d(np.asarray(x, dtype=">f4"))
        words = rows.view(">u2").astype(np.uint16)
        return self._evaluate(BY_NAME["INPUTS_FLOAT"], words.tolist(), outputs)

    def output_fraction(self) -> int:
        """Fraction bits of the outputs."""
        value = self.read(Table.INPUT, BY_NAME["OUTPUT_FRACTION"].address, 1)[0]
        return value - 0x10000 if value & 0x8000 else value


# ---------------------------------------------------------------------------------------------------- opening


def _silence(baud: int, line_format: Format) -> float:
    """Seconds that must pass between two frames: 3.5 characters, 1750 us above 19200 baud."""
    bits = 10 if line_format is Format.F8N1 else 11
    return 0.00175 if baud > 19200 else 3.5 * bits / baud


@contextmanager
def open_node(
    port: str,
    *,
    address: int = DEFAULT_ADDRESS,
    baud: int = DEFAULT_BAUD,
    line_format: Format = DEFAULT_FORMAT,
    timeout: float | None = None,
    trace: bool = False,
) -> Iterator[Node]:
    """Open the way to a node and shake hands. port: a serial device, socket://host:port, or `sim` or `renode`, which
    start a simulated node for as long as the context lasts. timeout: seconds for one answer, DEFAULT_TIMEOUT unless
    given; a simulated node may take longer."""
    timeout = DEFAULT_TIMEOUT if timeout is None else timeout
    if port == "sim":
        from host.sim import simulate

        timeout = max(timeout, SIM_TIMEOUT)
        with simulate(nodes=[address]) as sim:
            if (baud, line_format) != (DEFAULT_BAUD, DEFAULT_FORMAT):
                with open_node(sim.port, address=address, timeout=timeout) as node:
                    node.take_line(baud, line_format)
                sim.wait(lambda now: f"node {address} {baud} {line_format.name[1:]}" in now.lines)
            with open_node(
                sim.port, address=address, baud=baud, line_format=line_format, timeout=timeout, trace=trace
            ) as node:
                yield node
        return
    if port == "renode":
        from host.renode import BUS_TIMEOUT, emulate

        with emulate() as board:
            timeout = max(timeout, BUS_TIMEOUT)
            if address != DEFAULT_ADDRESS:
                with open_node(board.port, timeout=timeout, trace=trace) as node:
                    node.take_address(address)
            with open_node(board.port, address=address, timeout=timeout, trace=trace) as node:
                node.lamp = board.lit
                yield node
        return
    client = open_client(port, baud=baud, line_format=line_format, timeout=timeout, trace=trace)
    try:
        node = Node(client, address, _silence(baud, line_format), timeout, port)
        node.handshake()
        yield node
    finally:
        client.close()
