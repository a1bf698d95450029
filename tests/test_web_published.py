"""What the hub says becomes messages: at once where people act on it, seldom where it changes all the time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host.web.outbox import Outbox
from host.web.published import LINE_SECONDS, VALUES_SECONDS, Published
from host.web.shapes import Json, own_event
from host.web.topics import Topics
from tests.web_samples import event, line, model, node, uid_of

TOPICS = Topics("neuron485", "pc1")
STATE = TOPICS.node(uid_of(1), "state")


class Said:
    """A hub's messages, and what is taken of them."""

    def __init__(self) -> None:
        self._outbox = Outbox()
        self.published = Published(self._outbox, TOPICS, False)

    def taken(self, topic: str, now: float) -> list[Json]:
        return [json.loads(one.payload) for one in self._outbox.take(now, 1000) if one.topic == topic]


@pytest.mark.parametrize(
    "change",
    [
        {"led": True},
        {"decision": True},
        {"class": "worn"},
        {"states": ["LATCHED"]},
        {"trouble": "no answer"},
        {"locked": True},
        {"warnings": ["the flash is worn"]},
        {"model": model(sequence=4)},
        {"firmware": "2.1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_people_act_on_is_said_at_once_and_takes_the_values_along(change: dict[str, Any]) -> None:
    said = Said()
    said.published.node(node(), 0)
    assert len(said.taken(STATE, 0)) == 1
    said.published.node(node(outputs=[7.0, 8.0], **change), 0.001)
    (state,) = said.taken(STATE, 0.001)
    assert state["outputs"] == {"y1": 7.0, "y2": 8.0}


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": [2.5]},
        {"outputs": [7.0, 8.0]},
        {"channels": [{"name": "a0", "value": 1, "edges": 0, "hertz": 0.0}]},
        {"trial_left": 9},
        {"lost": ["3 windows missed"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_all_the_time_waits(change: dict[str, Any]) -> None:
    said = Said()
    said.published.node(node(), 0)
    said.taken(STATE, 0)
    said.published.node(node(**change), 0.001)
    assert said.taken(STATE, VALUES_SECONDS - 0.001) == []
    assert len(said.taken(STATE, VALUES_SECONDS)) == 1


@pytest.mark.parametrize("change", [{"seen": 1.0}, {"busy": "deploy"}])
def test_what_is_not_of_the_state_is_not_said(change: dict[str, Any]) -> None:
    said = Said()
    said.published.node(node(), 0)
    said.taken(STATE, 0)
    said.published.node(node(**change), 1)
    assert said.taken(STATE, 100) == []


def test_a_lines_counts_wait_and_its_troubles_do_not() -> None:
    said, topic = Said(), TOPICS.line("1")
    said.published.line(line(), 0)
    assert len(said.taken(topic, 0)) == 1
    said.published.line(line(rounds=99, damaged=1), 1)
    assert said.taken(topic, LINE_SECONDS - 0.001) == []
    said.published.line(line(rounds=99, state="gone", trouble="check the cable"), 2)
    assert [one["state"] for one in said.taken(topic, 2)] == ["gone"]
    said.published.line(line(rounds=100, state="gone", trouble="check the cable"), 3)
    assert [one["rounds"] for one in said.taken(topic, 2 + LINE_SECONDS)] == [100]


def test_events_go_where_they_belong() -> None:
    said = Said()
    said.published.event(event(7))
    said.published.event(own_event("LOST", "pump 1: no answer", uid_of(1)))
    said.published.event(own_event("LINE_GONE", "check the cable", None))
    taken = said._outbox.take(0, 10)
    assert [(one.topic, json.loads(one.payload)["kind"]) for one in taken] == [
        (TOPICS.node(uid_of(1), "event"), "DECISION"),
        (TOPICS.node(uid_of(1), "event"), "LOST"),
        (TOPICS.event, "LINE_GONE"),
    ]
    assert all(one.retain for one in taken)


def test_the_whole_state_is_said_as_its_parts_are() -> None:
    said = Said()
    said.published.state({"lines": [line(), line("2")], "nodes": [node(1), node(2)]}, 0)
    topics = {one.topic for one in said._outbox.take(0, 100)}
    assert {TOPICS.line("1"), TOPICS.line("2"), STATE, TOPICS.node(uid_of(2), "state")} <= topics
