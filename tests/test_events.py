"""Events: what happens gets a number, is kept for a while, and is read without loss; a loss is seen."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import pytest

from host.core.image import Layer, Model, encode
from host.core.modbus import write_read_pdu
from host.core.wire import (
    BY_NAME,
    EVENT_GONE,
    EVENT_WORDS,
    EVENTS,
    STEP_OUT_FRACTION,
    UNITS_MAX,
    Activation,
    Command,
    EventKind,
    Reason,
    Start,
    Table,
)
from tests.e2e.scenario import AND, with_vectors
from tests.memory_node import MemoryNode, ModbusException, Scan
from tests.models import random_model

U32 = 1 << 32
ADDRESS = 2
FROM, HEAD = BY_NAME["EVENT_FROM"].address, BY_NAME["EVENTS_HEAD"].address
SIZE = BY_NAME["EVENT_INPUTS"].end - HEAD
ASKED = BY_NAME["SAMPLE_RATE"].address


class Event(NamedTuple):
    head: int
    number: int
    uptime: int
    sample: int
    kind: int
    detail: int
    value: int
    inputs: tuple[int, ...] | None
    """None: it had some, which are kept no longer."""


def read(node: MemoryNode, number: int) -> Event:
    """One function 23."""
    data = node.ask(write_read_pdu(FROM, [number >> 16, number & 0xFFFF], HEAD, SIZE))
    words = [data[i] << 8 | data[i + 1] for i in range(2, len(data), 2)]
    wide = [words[i] << 16 | words[i + 1] for i in (0, 2, 4, 6, 10)]
    signed = tuple(word - 0x10000 if word & 0x8000 else word for word in words[13:])
    count = words[12] % EVENT_GONE
    gone = count != words[12]
    assert not any(signed[0 if gone else count :])
    inputs = None if gone else signed[:count]
    return Event(wide[0], wide[1], wide[2], wide[3], words[8], words[9], wide[4], inputs)


def follow(node: MemoryNode, number: int = 0) -> tuple[list[Event], int]:
    """All events from a number on, as a recorder follows them, and how many it has lost."""
    found, lost = [], 0
    while True:
        event = read(node, number)
        lost += event.number - number
        if event.kind == EventKind.NONE:
            assert event == Event(event.head, event.head, 0, 0, 0, 0, 0, ())
            return found, lost
        found.append(event)
        number = event.number + 1


def gap(node: MemoryNode, lost: int) -> None:
    """An event that a test can have whenever it wants."""
    node.scans([Scan(missed=lost)])
    node.advance(1000)
    node.idle(1)


@pytest.fixture
def node(memory_node: MemoryNode) -> MemoryNode:
    """As it leaves the factory: no round has come yet."""
    memory_node.factory()
    return memory_node


def test_a_start_is_the_first_event(node: MemoryNode) -> None:
    assert follow(node) == ([Event(1, 0, 0, 0, EventKind.START, Start.POWER, 0, ())], 0)
    node.write(ASKED, [1000, 1])
    gap(node, 5)
    for restart, cause in [(node.watchdog, Start.WATCHDOG), (node.power_cycle, Start.POWER)]:
        node.write(FROM, [0, 1])
        restart()
        assert node.get("EVENT_FROM") == 0, "who left it elsewhere sees the start"
        assert [event[4:6] for event in follow(node)[0]] == [(EventKind.START, cause)]
    node.work()
    node.command(Command.RESTART)
    node.work()
    assert [event[4:6] for event in follow(node)[0]] == [(EventKind.START, Start.SOFTWARE)]


def test_a_model_that_begins_to_run_is_an_event(node: MemoryNode) -> None:
    rng = np.random.default_rng(1)
    images = [encode(random_model(rng, largest=4)) for _ in range(2)]
    crcs = [int.from_bytes(image[-4:], "little") for image in images]
    node.advance(1234)
    for image in images:
        node.deploy(image)
    node.write(BY_NAME["COMMAND"].address, [Command.ROLLBACK, 0, 0, crcs[0] >> 16, crcs[0] & 0xFFFF])
    node.work()
    node.deploy(images[0])
    events = [event for event in follow(node)[0] if event.kind == EventKind.MODEL]
    assert [event.value for event in events] == [*crcs, crcs[0]], "deployed once more, it runs already"
    assert {(event.uptime, event.detail) for event in events} == {(1234, 1)}
    node.power_cycle()
    assert [event[4:7] for event in follow(node)[0]][:2] == [
        (EventKind.START, Start.POWER, 0),
        (EventKind.MODEL, 1, crcs[0]),
    ]


def test_a_decision_that_changes_is_an_event_with_its_inputs(node: MemoryNode) -> None:
    node.deploy(encode(AND))
    expected = []
    for a, b in [(0, 0), (1, 1), (1, 1), (0, 1), (1, 0), (1, 1), (0, 0)]:
        node.advance(7)
        before = node.get("DECISION")
        node.write(BY_NAME["INPUTS_FLOAT"].address, [0x3F80 * a, 0, 0x3F80 * b, 0])
        node.work()
        if (a and b) != before:
            inputs = tuple(node.read(Table.HOLDING, BY_NAME["INPUTS"].address, 2))
            assert any(inputs) == bool(a or b)
            expected.append(
                (node.get("UPTIME"), 0, EventKind.DECISION, a and b, node.get("INFERENCES"), inputs)
            )
    assert len(expected) == 4
    assert [event[2:] for event in follow(node)[0] if event.kind == EventKind.DECISION] == expected


def test_what_is_wrong_is_an_event(node: MemoryNode) -> None:
    node.health(dead_crystal=True)
    node.power_cycle()
    assert [event[4:7] for event in follow(node)[0]] == [
        (EventKind.START, Start.POWER, 0),
        (EventKind.FAULT, Reason.CRYSTAL, 0),
    ]


def test_a_model_that_rots_away_is_an_event(node: MemoryNode) -> None:
    image = encode(random_model(np.random.default_rng(2), largest=4))
    node.deploy(image)
    node.rot(node.flash().index(image) + len(image) - 5, b"\x01")
    node.idle(200)
    events = [event[4:7] for event in follow(node)[0] if event.kind != EventKind.DECISION]
    assert events[-2:] == [(EventKind.FAULT, Reason.ROTTEN_RUNNING, 0), (EventKind.MODEL, 0, 0)]


def test_lost_scans_are_an_event_with_number_and_time(node: MemoryNode) -> None:
    node.write(ASKED, [1000, 1])
    node.scans([Scan([1], times=9)])
    node.advance(70)
    node.scans([Scan([1], missed=4)])
    node.idle(1)
    events, lost = follow(node)
    assert events[1:] == [Event(2, 1, 70, 14, EventKind.GAP, 0, 4, ())]
    assert lost == 0


def test_the_newest_are_kept_and_an_overrun_is_seen(node: MemoryNode) -> None:
    node.write(ASKED, [10_000, 1])
    for count in range(1, 2 * EVENTS + 3):
        gap(node, count)
        head = count + 1
        assert read(node, 0).head == head
        oldest = max(0, head - EVENTS)
        assert read(node, 0).number == oldest
        assert read(node, oldest).number == oldest
    events, lost = follow(node)
    assert lost == oldest == EVENTS + 3
    assert [event.number for event in events] == list(range(oldest, head))
    assert [event.value for event in events] == list(range(oldest, head)), "event n is the gap of n scans"
    assert read(node, head - 1).value == head - 1
    for beyond in (head, head + 1, head + 1000, head + U32 // 2 - 1):
        assert read(node, beyond) == Event(head, head, 0, 0, 0, 0, 0, ()), "not there yet"
    assert read(node, U32 - 1).number == oldest, "a master that has been away for long"


def deploy_wide(node: MemoryNode, count: int) -> None:
    """A model of so many inputs, whose decision is its first input."""
    weights = np.eye(1, count, dtype=np.int16)
    layer = Layer(weights, np.zeros(1, np.int32), Activation.STEP, 0, STEP_OUT_FRACTION)
    rows = np.zeros((1, count), np.int16)
    node.deploy(encode(with_vectors(Model("wide", (0,) * count, (layer,), 0, 0, rows, rows), rows)))


def flip(node: MemoryNode, count: int, rng: random.Random, times: int) -> list[tuple[int, ...]]:
    """The decision of such a model changes so often; its inputs each time."""
    told = []
    for turn in range(times):
        inputs = (1 - turn % 2, *(rng.randrange(-32768, 32768) for _ in range(count - 1)))
        node.write(BY_NAME["INPUTS"].address, [word & 0xFFFF for word in inputs])
        told.append(inputs)
    node.idle(1)
    return told


@pytest.mark.parametrize("count", [1, 2, 31, 32])
def test_events_of_up_to_32_inputs_keep_them_as_long_as_they_are_kept(node: MemoryNode, count: int) -> None:
    deploy_wide(node, count)
    told = flip(node, count, random.Random(count), EVENTS + 6)
    events, _ = follow(node)
    assert [event.inputs for event in events] == told[-EVENTS:]


@pytest.mark.parametrize("count", [33, 50, UNITS_MAX])
def test_inputs_of_wider_models_are_kept_for_the_newest_events_and_gone_is_said(
    node: MemoryNode, count: int
) -> None:
    """Also where the numbers of inputs have wrapped."""
    deploy_wide(node, count)
    rng = random.Random(count)
    for times in (40, 65536 // count // 2 * 2, 100):
        told = flip(node, count, rng, times)
        events, _ = follow(node)
        decisions = [event for event in events if event.kind == EventKind.DECISION]
        kept = EVENT_WORDS // count
        assert [event.inputs for event in decisions[-kept:]] == told[-kept:]
        assert {event.inputs for event in decisions[:-kept]} <= {None}
        assert times <= kept or None in [event.inputs for event in decisions]
    node.write(ASKED, [1000, 1])
    for lost in range(1, 20):
        gap(node, lost)
    assert [event.inputs for event in follow(node)[0][-20:]] == [told[-1], *[()] * 19], "they take no room"


def test_a_master_that_keeps_up_loses_nothing(node: MemoryNode) -> None:
    rng = random.Random(4)
    node.write(ASKED, [10_000, 1])
    number, values = 1, []
    told = 0
    for _ in range(60):
        for _ in range(rng.choice([0, 1, 2, 3, 30, EVENTS])):
            told += 1
            gap(node, told)
        events, lost = follow(node, number)
        assert lost == 0
        number += len(events)
        values += [event.value for event in events]
    assert values == list(range(1, told + 1))
    assert told > EVENTS


@pytest.mark.parametrize("part", [[1], [0, 1, 2]])
def test_only_a_whole_from_can_be_written(node: MemoryNode, part: list[int]) -> None:
    node.write(FROM, [0, 1])
    for address in (FROM, FROM + 1, HEAD):
        with pytest.raises(ModbusException) as error:
            node.write(address, part)
        assert error.value.code == ADDRESS
    assert node.get("EVENT_FROM") == 1


def test_any_part_can_be_read(node: MemoryNode) -> None:
    rng = random.Random(6)
    whole = node.read(Table.HOLDING, FROM, SIZE + 2)
    for _ in range(30):
        first = rng.randrange(SIZE + 2)
        count = rng.randrange(1, SIZE + 3 - first)
        assert node.read(Table.HOLDING, FROM + first, count) == whole[first : first + count]
