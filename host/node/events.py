"""A node's events, in their order: none is read twice, and what was lost in between is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from host.core.modbus import ILLEGAL_ADDRESS
from host.core.registers import Block, pack
from host.core.wire import BY_NAME, EVENT_GONE, EVENTS, UNITS_MAX, Command, EventKind, Reason, Start
from host.errors import counted
from host.node.client import Answered, NodeError
from host.node.identity import Strange, checked, in_words, known
from host.node.node import Node
from host.node.samples import TURN, extended

EVENT = Block.between("EVENTS_HEAD", "EVENT_INPUTS")
SHORT = Block.between("EVENTS_HEAD", "EVENT_COUNT")
"""What is read of an event first: most have no inputs."""
FROM_ON = Block.between("EVENT_FROM", "EVENT_COUNT")


@dataclass(frozen=True)
class Event:
    """number: of the event; uptime: ms since the node's start, 32 bits; sample: number of the next scan then, 32 bits;
    detail, value: as EventKind says; inputs: the neuron's then, q, () where they do not matter, None where it had some
    that the node keeps no longer."""

    number: int
    uptime: int
    sample: int
    kind: EventKind
    detail: int
    value: int
    inputs: tuple[int, ...] | None

    def as_dict(self) -> dict[str, Any]:
        inputs = self.inputs if self.inputs is None else list(self.inputs)
        return {**vars(self), "kind": self.kind.name, "inputs": inputs, "text": self.in_words()}

    def in_words(self) -> str:
        """What happened, and whether all is known of it."""
        return self._happened() + "; its inputs are kept no longer" * (self.inputs is None)

    def _happened(self) -> str:
        begun = bool(self.detail)
        match self.kind:
            case EventKind.START:
                return f"the node started: {known(Start, 'EVENT_DETAIL', self.detail).name}"
            case EventKind.DECISION:
                return f"the decision is {'on' if begun else 'off'}"
            case EventKind.CLIPPED:
                return "an input is clipped" if begun else "no input is clipped any more"
            case EventKind.BUS_LOST:
                return "the bus is lost" if begun else "the bus is back"
            case EventKind.MODEL:
                return f"model 0x{self.value:08x} runs" if self.value else "no model runs"
            case EventKind.FAULT:
                return in_words(known(Reason, "EVENT_DETAIL", self.detail), self.detail)
            case EventKind.GAP:
                return f"{counted(self.value, 'sample')} lost"
            case EventKind.LATE:
                return f"{counted(self.value, 'window')} not decided"
            case EventKind.OVERRIDE:
                return "the bus may write what channels give" if begun else "inputs come from channels again"
            case EventKind.TRIAL:
                return _of_trial(self.detail, self.value)
            case EventKind.ORDER:
                name = known(Command, "EVENT_DETAIL", self.detail).name
                return f"an order was carried out: {name}, counter {self.value}"
        raise Strange("EVENT_KIND", self.kind)


def _of_trial(detail: int, crc: int) -> str:
    """What became of a model on trial."""
    said = {
        0: f"the trial of model 0x{crc:08x} is over, the model of before is back",
        1: f"model 0x{crc:08x} is on trial",
        2: f"model 0x{crc:08x} was on trial and is kept",
    }
    if detail not in said:
        raise Strange("EVENT_DETAIL", detail)
    return said[detail]


class Events:
    """The events of a node from now on. next: number of the next to be read; lost: those that the node no longer kept
    when they were asked for.

    EVENT_FROM is left at the next one. A node that starts sets it to 0, which shows though its events come out as many
    and the same as before; not where another master has moved it meanwhile: then only if they are fewer.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._found: list[Event] = []
        self.lost = 0
        try:
            self.next = int(node.read_value("EVENTS_HEAD"))
        except Answered as error:
            if error.code != ILLEGAL_ADDRESS:
                raise
            raise NodeError(
                "the node's firmware keeps no events: it is of an earlier build, update it"
            ) from error
        self._ask(SHORT)

    def read(self) -> list[Event]:
        """Those that have come since, as many as a node keeps; more, if there are, at the next read. Where one fails,
        what it had found comes with the next."""
        values = self._look()
        while values["EVENT_NUMBER"] != values["EVENTS_HEAD"] and len(self._found) < EVENTS:
            event = self._event(values)
            self._found.append(event)
            self.next = event.number + 1
            values = self._ask(SHORT)
        found, self._found = self._found, []
        return found

    def put_back(self, events: list[Event]) -> None:
        """They come once more with the next read."""
        self._found = events + self._found

    def _event(self, values: dict[str, Any]) -> Event:
        if 0 < values["EVENT_COUNT"] < EVENT_GONE:
            values = self._ask(EVENT)
        gone = values["EVENT_COUNT"] >= EVENT_GONE
        count = checked("EVENT_COUNT", values["EVENT_COUNT"] - gone * EVENT_GONE, int(gone), UNITS_MAX)
        number = extended(values["EVENT_NUMBER"], self.next)
        self.lost += number - self.next
        event = Event(
            number,
            values["EVENT_UPTIME"],
            values["EVENT_SAMPLE"],
            known(EventKind, "EVENT_KIND", values["EVENT_KIND"]),
            values["EVENT_DETAIL"],
            values["EVENT_VALUE"],
            None if gone else tuple(values.get("EVENT_INPUTS", ())[:count]),
        )
        event.in_words()  # what cannot be said is no event
        return event

    def _look(self) -> dict[str, Any]:
        """The next event, or that there is none, without a write."""
        values = self._node.read_block(FROM_ON)
        if values["EVENT_FROM"] == self.next % TURN and self._follows(values):
            return values
        if values["EVENT_FROM"] == 0:  # else another master reads events too
            self.next = 0
        return self._ask(SHORT)

    def _ask(self, block: Block) -> dict[str, Any]:
        row = BY_NAME["EVENT_FROM"]
        for once_more in (True, False):
            asked = pack(row, self.next % TURN)
            values = block.unpack(self._node.write_read(row.address, asked, block.address, block.count))
            if self._follows(values):
                return values
            if extended(values["EVENTS_HEAD"], self.next) < self.next:
                self.next = 0  # the node has started again, and numbers its events anew
            elif once_more:
                self._node.doubt()  # a reply that came twice looks like this
        raise Strange("EVENT_NUMBER", values["EVENT_NUMBER"])

    def _follows(self, values: dict[str, Any]) -> bool:
        """Whether it is the next event, or a later one."""
        number, head = (extended(values[name], self.next) for name in ("EVENT_NUMBER", "EVENTS_HEAD"))
        return self.next <= number <= head
