"""A stand-in for a node with channels: its ring of samples and of events, in step with nothing but what a test says.

What each channel gives is a function of the scan's number, so that whoever reads it can say what must be there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from host.core.channels import is_analog, names_of
from host.core.modbus import (
    DEVICE_FAILURE,
    EXCEPTION,
    ILLEGAL_ADDRESS,
    READ_HOLDING,
    READ_INPUT,
    WRITE_READ,
    WRITE_REGISTERS,
)
from host.core.registers import pack, unpack
from host.core.wire import (
    ANALOG,
    BY_NAME,
    EVENT_GONE,
    EVENT_WORDS,
    EVENTS,
    REGISTERS,
    SAMPLE_MISSING,
    SAMPLE_WORDS,
    SAMPLES_MAX,
    WIRE_VERSION,
    EventKind,
    Reason,
    Table,
)

TURN = 1 << 32
BOARD = 0xF3F
"""a0..a5, d0..d3."""
UID = bytes(range(12))


def analog(number: int, channel: int) -> int:
    """What channel `channel` of scan `number` reads."""
    return (number * 7 + channel * 1001) % 4096


def level(number: int, digital: int) -> int:
    return number >> (3 + digital) & 1


def value(number: int, name: str) -> int:
    """The same of a channel by its name."""
    return (analog if is_analog(name) else level)(number, int(name[1:]))


@cache
def _words(number: int, channels: int) -> tuple[int, ...]:
    """Of a scan."""
    names = names_of(channels)
    words = [value(number, name) for name in names if is_analog(name)]
    levels = sum(value(number, name) << int(name[1:]) for name in names if not is_analog(name))
    return (*words, *[levels] * bool(channels >> ANALOG))


class RingNode:
    """An Answer of tests.e2e.stand_in: the reply's PDU to a request's. number: of the next scan; pace: scans that pass
    at each request for the ring; before: what happens first, with the request."""

    def __init__(self, *, board: int = BOARD, number: int = 0, pace: int = 0) -> None:
        self.board, self.number, self.pace = board, number, pace
        self.values: dict[str, Any] = {"SAMPLE_RATE": 1000, "SAMPLE_CHANNELS": 0, "SAMPLE_FROM": 0}
        self.values |= {"EVENT_FROM": 0, "WIRE_VERSION": WIRE_VERSION, "UID": UID, "FIRMWARE_VERSION": 1}
        self.model: tuple[int, int] | None = None
        """The channels and the rate of a model that senses."""
        self.before: Callable[[bytes], object] = lambda pdu: None
        self.origin, self.missing = number, set[int]()
        self.events: list[dict[str, Any]] = []
        self.first_event = 0

    # ------------------------------------------------------------------------------------------------- a test says

    def advance(self, scans: int) -> None:
        """So many scans are taken, if any is."""
        if self.channels:
            self.number += scans

    def lose(self, numbers: Iterable[int]) -> None:
        """These scans are lost."""
        self.missing |= set(numbers)

    def happen(self, kind: EventKind, detail: int = 0, value: int = 0, inputs: tuple[int, ...] = ()) -> None:
        event = {"EVENT_UPTIME": self.uptime, "EVENT_SAMPLE": self.number % TURN, "EVENT_KIND": kind}
        event |= {"EVENT_DETAIL": detail, "EVENT_VALUE": value, "EVENT_COUNT": len(inputs)}
        self.events.append({**event, "EVENT_INPUTS": list(inputs)})

    def restart(self) -> None:
        """Numbers begin anew, and nothing is sampled until it is asked for."""
        self.values |= {"SAMPLE_RATE": 1000, "SAMPLE_CHANNELS": 0, "SAMPLE_FROM": 0, "EVENT_FROM": 0}
        self.number = self.origin = 0
        self.missing, self.events = set(), []
        self.happen(EventKind.START)

    # --------------------------------------------------------------------------------------------- what it is then

    @property
    def channels(self) -> int:
        return int(self.values["SAMPLE_CHANNELS"]) | (self.model[0] if self.model else 0)

    @property
    def rate(self) -> int:
        return (self.model[1] if self.model else int(self.values["SAMPLE_RATE"])) if self.channels else 0

    @property
    def uptime(self) -> int:
        return self.number * 1000 // (self.rate or 1000) % TURN

    @property
    def width(self) -> int:
        analog = bin(self.channels & ((1 << ANALOG) - 1)).count("1")
        return analog + bool(self.channels >> ANALOG)

    def frame(self, number: int) -> list[int]:
        if number in self.missing:
            return [SAMPLE_MISSING] * self.width
        return list(_words(number, self.channels))

    def ring(self) -> dict[str, Any]:
        first = self.values["SAMPLE_FROM"] + self.number // TURN * TURN
        if first > self.number:
            first -= TURN
        words: list[int] = []
        if self.channels:
            first = max(first, self.number - SAMPLE_WORDS // self.width, self.origin)
            last = min(self.number, first + SAMPLES_MAX // self.width)
            words = [word for number in range(first, last) for word in self.frame(number)]
        else:
            first = self.number
        return {
            "SAMPLES_HEAD": self.number % TURN,
            "SAMPLES_FIRST": first % TURN,
            "SAMPLES_CHANNELS": self.channels,
            "SAMPLES": words + [SAMPLE_MISSING] * (SAMPLES_MAX - len(words)),
        }

    def event(self) -> dict[str, Any]:
        head = len(self.events)
        number = min(max(self.values["EVENT_FROM"], head - EVENTS), head)
        found = self.events[number] if number < head else {}
        if sum(event["EVENT_COUNT"] for event in self.events[number:]) > EVENT_WORDS and found["EVENT_COUNT"]:
            found = {**found, "EVENT_COUNT": EVENT_GONE + found["EVENT_COUNT"], "EVENT_INPUTS": []}
        return {"EVENTS_HEAD": head, "EVENT_NUMBER": number, **found}

    # -------------------------------------------------------------------------------------------------- the bus

    def known(self) -> dict[str, Any]:
        return {
            **self.values,
            **self.ring(),
            **self.event(),
            "UPTIME": self.uptime,
            "CHANNELS": self.board,
            "SAMPLING_RATE": self.rate,
            "SAMPLING_CHANNELS": self.channels,
        }

    def words(self, table: Table, address: int, count: int) -> list[int]:
        known, words = self.known(), [0] * count
        for row in REGISTERS:
            if (
                row.table is table
                and row.address < address + count
                and row.end > address
                and row.name in known
            ):
                packed = pack(row, known[row.name])
                packed += [0] * (row.size - len(packed))
                for place, word in enumerate(packed, row.address - address):
                    if 0 <= place < count:
                        words[place] = word
        return words

    def write(self, address: int, words: list[int]) -> int:
        """The exception code, 0 for none."""
        wished = dict(self.values)
        while words:
            row = next(
                (row for row in REGISTERS if row.table is Table.HOLDING and row.address == address), None
            )
            if row is None or row.name not in ("SAMPLE_RATE", "SAMPLE_CHANNELS", "SAMPLE_FROM", "EVENT_FROM"):
                return ILLEGAL_ADDRESS
            wished[row.name] = unpack(row, words[: row.size])
            address, words = row.end, words[row.size :]
        rate = wished["SAMPLE_RATE"]
        fixed = self.model and rate not in (self.model[1], self.values["SAMPLE_RATE"])
        if fixed or not 1 <= rate <= 10_000 or wished["SAMPLE_CHANNELS"] & ~self.board:
            self.values["REASON"] = Reason.SAMPLING
            return DEVICE_FAILURE
        before = self.channels, self.rate
        self.values = wished
        if before != (self.channels, self.rate):
            self.origin = self.number
        return 0

    def __call__(self, pdu: bytes) -> bytes:
        self.before(pdu)
        if pdu[0] == 8:
            return pdu
        code, words = 0, []
        if pdu[0] in (READ_HOLDING, READ_INPUT):
            address, count = struct.unpack(">HH", pdu[1:])
            words = self.words(Table.HOLDING if pdu[0] == READ_HOLDING else Table.INPUT, address, count)
        elif pdu[0] == WRITE_REGISTERS:
            address, count = struct.unpack(">HH", pdu[1:5])
            code = self.write(address, list(struct.unpack(f">{count}H", pdu[6:])))
        else:
            assert pdu[0] == WRITE_READ
            read, count, address, size = struct.unpack(">HHHH", pdu[1:9])
            code = self.write(address, list(struct.unpack(f">{size}H", pdu[10:])))
            if read == BY_NAME["SAMPLES_HEAD"].address:
                self.advance(self.pace)
            words = self.words(Table.HOLDING, read, count)
        if code:
            return bytes([pdu[0] | EXCEPTION, code])
        if pdu[0] == WRITE_REGISTERS:
            return pdu[:5]
        return struct.pack(f">BB{len(words)}H", pdu[0], 2 * len(words), *words)
