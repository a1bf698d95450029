"""A Modbus RTU master's requests to one node.

What must not go wrong here: every reply is checked against its request, a lost or damaged one is asked for again, and a
late one does not answer the next request.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from host.core.modbus import (
    DEVICE_BUSY,
    EXCEPTION,
    EXCEPTION_TEXT,
    READ_FUNCTION,
    bits_of,
    echo_pdu,
    read_pdu,
    registers_of,
    write_coil_pdu,
    write_read_pdu,
    write_registers_pdu,
)
from host.core.wire import Table
from host.errors import NeuronError
from host.node.link import Gone, Link

ATTEMPTS = 4
BUSY_SECONDS = 10.0
SETTLE_SECONDS = 0.05


class NodeError(NeuronError):
    """The node, or the way to it, failed us."""


class NoAnswer(NodeError):
    """Nothing, or nothing whole, came back."""


class Answered(NodeError):
    """The node answered with a Modbus exception."""

    def __init__(self, code: int) -> None:
        super().__init__(
            f"the node answered exception {code} ({EXCEPTION_TEXT.get(code, 'unknown')}): is it a neuron485 node?"
        )
        self.code = code


class Client:
    """One node on an open line. A value of more than one register travels within one frame. attempts: how often a
    request is sent before no answer is one."""

    def __init__(self, link: Link, address: int) -> None:
        self.address = address
        self.link = link
        self.attempts = ATTEMPTS
        self._in_step = True
        self._mark = 0

    def _once(self, request: bytes) -> bytes:
        try:
            reply = self.link.exchange(self.address, request)
        except Gone as error:
            raise NodeError(str(error)) from error
        if self.link.echoed:
            raise NodeError(
                f"{self.link.where} hears what it sends, which passes for answers: switch the adapter's echo off"
            )
        counts = self.link.counts
        counts.requests += 1
        if reply is None:
            counts.damaged += self.link.heard
            counts.unanswered += not self.link.heard
            raise NoAnswer("no reply")
        if reply[0] & EXCEPTION:
            raise Answered(reply[1])
        return reply

    def doubt(self) -> None:
        """A reply may have been late or doubled: get in step before the next request."""
        self._in_step = False

    def _get_in_step(self) -> None:
        """A late reply must not answer the next request: an echo of our own comes back behind all of them."""
        time.sleep(SETTLE_SECONDS * random.uniform(1, 3))  # two masters in step would collide each time
        self._mark = (self._mark + 1) & 0xFFFF
        self._once(echo_pdu(self._mark))
        self._in_step = True

    def _ask(self, request: bytes) -> bytes:
        """One transaction, repeated while answers are lost or the node is busy. All our requests may be
        repeated."""
        deadline = time.monotonic() + BUSY_SECONDS
        attempt = 0
        self.link.forget()
        while True:
            try:
                if not self._in_step:
                    self._get_in_step()
                return self._once(request)
            except Answered as error:
                if error.code != DEVICE_BUSY:
                    raise
                if time.monotonic() > deadline:
                    raise NodeError("the node stays busy: wait until it is idle, then try again") from error
                time.sleep(SETTLE_SECONDS * random.uniform(0.5, 1.5))  # nor may what makes it busy be in step
            except NoAnswer as error:
                attempt += 1
                self.doubt()
                if attempt >= self.attempts:
                    raise NoAnswer(
                        f"no answer from address {self.address} on {self.link.where}{self._look_at()}"
                    ) from error

    def _look_at(self) -> str:
        """What is to be looked at when no answer came, by what came in place of one."""
        if self.link.heard_frame:
            return (
                " in time, but frames that are not for us: is another master on the line (there may be only one), "
                "or --timeout too short?"
            )
        if self.link.heard:
            return (
                ", but something that is no frame: check baud rate and parity, wiring (A/B) and termination; "
                "is another master on the line?"
            )
        return ": check power, wiring (A/B), address, baud rate and parity"

    def read(self, table: Table, address: int, count: int) -> list[int]:
        """Registers of table INPUT or HOLDING, or bits of DISCRETE or COIL."""
        reply = self._ask(read_pdu(READ_FUNCTION[table], address, count))
        return bits_of(reply, count) if table in (Table.DISCRETE, Table.COIL) else registers_of(reply)

    def write(self, address: int, words: Sequence[int]) -> None:
        """Holding registers, by function 16."""
        self._ask(write_registers_pdu(address, words))

    def write_coil(self, address: int, value: bool) -> None:
        """One coil, by function 5."""
        self._ask(write_coil_pdu(address, value))

    def write_read(self, address: int, words: Sequence[int], read_address: int, read_count: int) -> list[int]:
        """Write holding registers, then read some, in one transaction (function 23)."""
        return registers_of(self._ask(write_read_pdu(address, words, read_address, read_count)))
