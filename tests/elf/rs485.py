"""The RS485 line and the board's transceiver: who drives, who listens, in what format, and when.

The transceiver listens while RE (PB8) is low and drives the line while SE (PB9) is high. Their order is part
of the contract: RE high before SE high, SE low before RE low, one at a time. So a node never hears itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from .timeline import MICROSECOND, SECOND

if TYPE_CHECKING:
    from .chip import Chip

RE, SE, LED = "PB8", "PB9", "PD3"


class Edge(NamedTuple):
    signal: str  # "RE", "SE" or "LED"
    level: int
    us: float


class Sent(NamedTuple):
    """A character the node put on the line."""

    value: int
    start_us: float
    end_us: float
    baud: float
    format: str


def encode(value: int, form: str, *, bad_parity: bool = False, bad_stop: bool = False) -> list[int]:
    """The line levels of a character, bit by bit: start, data from bit 0, parity, stop."""
    match = re.fullmatch(r"([5-9])([NEO])([12])", form)
    if match is None:
        raise ValueError(f"{form!r} is no character format: use one such as 8E1")
    data = [value >> bit & 1 for bit in range(int(match[1]))]
    parity = [] if match[2] == "N" else [sum(data) + (match[2] == "O") + bad_parity & 1]
    return [0, *data, *parity, *[0 if bad_stop else 1] * int(match[3])]


class Rs485:
    """The line as the host sees it. `baud` and `format` are what the host has agreed with the node."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self.baud = 19200
        self.format = "8E1"
        self.any_format = False  # True records characters at another speed or format instead of failing
        self.received: list[Sent] = []
        self.edges: list[Edge] = []
        self._host_until = 0  # when the last byte queued by the host leaves the line
        self._host_byte = (0, 0)  # the host's byte on the line, from and to
        self._node_until = 0
        self._drive_since = 0
        self._heard = False

    @property
    def data(self) -> bytes:
        return bytes(sent.value & 0xFF for sent in self.received)

    @property
    def idle_since(self) -> int:
        return max(self._host_until, self._node_until)

    @property
    def host_end_us(self) -> float:
        """When the last byte of the host ends: a node's answer keeps its distance from here."""
        return self._host_until / MICROSECOND

    def character(self) -> int:
        """Duration of one character of the agreed format."""
        return len(encode(0, self.format)) * SECOND // self.baud

    def send(
        self,
        data: bytes,
        *,
        baud: int | None = None,
        format: str | None = None,
        gap_us: float = 0,
        delay_us: float = 0,
        bad_parity: Collection[int] = (),
        bad_stop: Collection[int] = (),
        collide: bool = False,
    ) -> float:
        """Queue bytes behind what the host already sends and return when the last one ends, in microseconds.

        `gap_us` of silence follows each byte; `bad_parity` and `bad_stop` name the indices of bytes to spoil.
        `collide` allows sending while the node drives the line, which otherwise is a mistake of the test.
        """
        bit = SECOND // (baud or self.baud)
        start = max(self._chip.time.now, self._host_until) + int(delay_us * MICROSECOND)
        for index, value in enumerate(data):
            bits = encode(
                value, format or self.format, bad_parity=index in bad_parity, bad_stop=index in bad_stop
            )
            self._queue(bits, bit, start, collide)
            self._host_until = start + len(bits) * bit
            start = self._host_until + int(gap_us * MICROSECOND)
        return self._host_until / MICROSECOND

    def _queue(self, bits: list[int], bit: int, start: int, collide: bool) -> None:
        end = start + len(bits) * bit

        def begin() -> None:
            board = self._chip.board
            if board.level[SE] and not collide:
                self._blame(start)
            self._host_byte = (start, end)
            self._heard = not board.level[RE] and not board.level[SE]
            if self._heard:
                self._chip.usart3.start_bit()

        def finish() -> None:
            if self._heard:
                self._chip.usart3.receive(bits, bit)

        self._chip.time.at(start, begin, outlives_reset=True)
        self._chip.time.at(end, finish, outlives_reset=True)

    def _blame(self, start: int) -> NoReturn:
        """Both drive: the node's fault if it has sent and not let go, else the test's."""
        if self._drive_since < self._node_until <= start:
            self._chip.fail("SE (PB9) is still high while another node is sending")
        raise RuntimeError(f"the test sends at {start / MICROSECOND:.3f} us while the node drives the line")

    def node_sends(self, value: int, bits: list[int], bit: int, form: str) -> None:
        """USART3 begins a character on its TX pin."""
        chip = self._chip
        if chip.gpio["D"].alternate(8) != 7:
            chip.fail("USART3 sends while PD8 is not in alternate function 7")
        if not chip.board.level[SE]:
            chip.fail(f"USART3 sends {value:#04x} while SE (PB9) is low")
        now, end = chip.time.now, chip.time.now + len(bits) * bit
        if self._host_byte[0] < now < self._host_byte[1]:
            chip.fail(f"USART3 sends {value:#04x} while another node is sending")
        baud = SECOND / bit
        if not self.any_format and (form != self.format or abs(baud / self.baud - 1) > 0.02):
            chip.fail(f"USART3 sends at {baud:.0f} {form}; the line runs at {self.baud} {self.format}")
        self._node_until = end
        self.received.append(Sent(value, now / MICROSECOND, end / MICROSECOND, baud, form))
        chip.engine.shorten()

    def mute(self) -> None:
        """RE rose: the receiver's output is off, and a byte under way is lost."""
        self._heard = False

    def drive(self) -> None:
        """SE rose: the line must be free."""
        self._drive_since = self._chip.time.now
        if self._host_byte[0] < self._chip.time.now < self._host_byte[1]:
            self._chip.fail("SE (PB9) rises while another node is sending")

    def release(self) -> None:
        if self._node_until > self._chip.time.now:
            self._chip.fail("SE (PB9) falls before the last character has left: wait for TC")

    def reset(self, *, power: bool) -> None:
        """The node falls silent in mid-character; what it has not finished never was a character."""
        now = self._chip.time.us
        while self.received and self.received[-1].end_us > now:
            self.received.pop()
        self._node_until = min(self._node_until, self._chip.time.now)
        self._heard = False
        if power:  # the machine's time stands still while the board is off: the host's queue is gone as well
            self._host_until, self._host_byte = 0, (0, 0)


Source = int | Callable[[float], int]
"""What is put on a pin: always the same, or a function of the time in us."""
ANALOG_INPUTS = {channel: 10 + channel for channel in range(8)}
"""A0..A7 of the board as inputs of the ADC: PC0..PC5, temperature, reference."""
ANALOG_MAX = 4095


class Board:
    """What the pins are wired to. Levels are 0 until the firmware makes a pin an output.

    `analog`: by channel, 0 is A0, what its conversion gives, 0..4095; 6 is the temperature, about 25 C unless a test
    sets it, 7 the reference. `pins`: levels from outside, such as {"PC6": 1}; what is not there is low.
    """

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self.level = {RE: 0, SE: 0, LED: 0}
        self.line = Rs485(chip)
        self.led_edges: list[Edge] = []
        self.analog: dict[int, Source] = {6: 943, 7: 1502}
        self.pins: dict[str, Source] = {}

    def analog_at(self, number: int, us: float) -> int:
        """What the ADC makes of this input of its own."""
        channel = next(channel for channel, place in ANALOG_INPUTS.items() if place == number)
        source = self.analog.get(channel, 0)
        value = source if isinstance(source, int) else source(us)
        if not 0 <= value <= ANALOG_MAX:
            raise ValueError(f"A{channel} is {value} at {us:.3f} us: a conversion gives 0..{ANALOG_MAX}")
        return value

    def levels_at(self, port: str) -> tuple[int, int]:
        """Of a port's pins now: those that the outside drives, and which of these are high."""
        driven, high = 0, 0
        for pin, source in self.pins.items():
            if pin[1] == port:
                driven |= 1 << int(pin[2:])
                level = source if isinstance(source, int) else source(self._chip.time.us)
                high |= bool(level) << int(pin[2:])
        return driven, high

    @property
    def led(self) -> bool:
        return bool(self.level[LED])

    def pins_changed(self, pins: dict[str, int], *, in_reset: bool) -> None:
        us = self._chip.time.us
        if LED in pins:
            self.level[LED] = pins[LED]
            self.led_edges.append(Edge("LED", pins[LED], us))
        moved = [pin for pin in (RE, SE) if pin in pins]
        if len(moved) == 2 and not in_reset:
            self._chip.fail("RE (PB8) and SE (PB9) change in one write: one first, then the other")
        for pin in moved:
            self.level[pin] = pins[pin]
            self.line.edges.append(Edge("RE" if pin == RE else "SE", pins[pin], us))
        if moved and not in_reset:
            self._check_direction(moved[0])
        self._chip.engine.shorten()  # whoever waits for this edge sees it at once

    def _check_direction(self, pin: str) -> None:
        re_high, se_high = self.level[RE], self.level[SE]
        if pin == SE and se_high and not re_high:
            self._chip.fail("SE (PB9) rises while RE (PB8) is low: the receiver must be off first")
        if pin == RE and not re_high and se_high:
            self._chip.fail("RE (PB8) falls while SE (PB9) is high: the driver must be off first")
        if pin == RE and re_high:
            self.line.mute()
        if pin == SE:
            self.line.drive() if se_high else self.line.release()
