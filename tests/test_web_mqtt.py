"""The way to an MQTT broker, a real one: what is retained, who is there, and what Home Assistant is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host.web import published
from host.web.shapes import Json
from tests.bridged import TOPICS, UID, bridged, numbers, state
from tests.broker import broker, listening
from tests.web_client import assert_holds
from tests.web_samples import event, line, model, node

# -------------------------------------------------------------------------------------------------- what is said


def test_what_is_made_up_here_is_such_as_a_gateway_says() -> None:
    made = {"Node": node(), "Line": line(), "Event": event(1), "Model": model()}
    for name, said in made.items():
        assert_holds({"$ref": f"#/$defs/{name}"}, said)


def test_who_comes_later_hears_how_all_stands(tmp_path: Path) -> None:
    with broker(tmp_path) as one, bridged(one.port) as here, listening(one.port) as first:
        here.hub.say_node(node(state="waiting", led=None))
        here.hub.say_line(line())
        here.hub.say_node(node(led=True, decision=True, **{"class": None}))
        here.hub.say_event(event(1))
        here.hub.say_event(event(2))
        first.wait(lambda: numbers(first) == [1, 2] and state(first).get("lamp"))
        with listening(one.port) as later:
            config = f"homeassistant/device/neuron485/{UID}/config"
            topics = [
                TOPICS.status,
                TOPICS.line("1"),
                config,
                "homeassistant/device/neuron485_gateway_pc1/config",
            ]
            topics += [TOPICS.node(UID, what) for what in ("availability", "state", "event")]
            later.wait(lambda: all(map(later.latest, topics)))
            assert all(message.retain for message in later.messages)
            assert numbers(later) == [2], "the newest event"
            assert later.latest(TOPICS.status) == later.latest(TOPICS.node(UID, "availability")) == "online"
            assert json.loads(later.latest(TOPICS.line("1")) or "")["baud"] == 115200
            assert json.loads(later.latest(config) or "")["state_topic"] == TOPICS.node(UID, "state")
            stands = state(later)
    assert stands["lamp"] is stands["decision"] is True
    assert stands["outputs"] == {"y1": 0.25, "y2": 0.5}
    assert stands["inputs"] == {"a0.rms": 1.5}
    assert (stands["model"], stands["crc"]) == ("pump", "48554e35")


def test_a_node_that_was_never_looked_at_has_no_state(tmp_path: Path) -> None:
    with broker(tmp_path) as one, bridged(one.port) as here, listening(one.port) as listener:
        here.hub.say_node(node(state="lost", led=None, model=None))
        listener.wait(lambda: listener.latest(TOPICS.node(UID, "availability")) == "offline")
        assert not state(listener)


def test_a_node_that_is_lost_is_not_available(tmp_path: Path) -> None:
    with broker(tmp_path) as one, bridged(one.port) as here, listening(one.port) as listener:
        availability = TOPICS.node(UID, "availability")
        here.hub.say_node(node())
        listener.wait(lambda: listener.latest(availability) == "online")
        here.hub.say_node(node(state="lost", trouble="no answer"))
        listener.wait(lambda: listener.latest(availability) == "offline")
        assert state(listener)["trouble"] == "no answer"


def test_the_end_is_said(tmp_path: Path) -> None:
    with broker(tmp_path) as one, listening(one.port) as listener:
        with bridged(one.port) as here:
            listener.wait(lambda: listener.latest(TOPICS.status) == "online")
            here.hub.say_event(event(7))
        assert listener.latest(TOPICS.status) == "offline"
        assert numbers(listener) == [7], "what was said before the end"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_of_ours_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("on purpose")

    with broker(tmp_path) as one, listening(one.port) as listener, bridged(one.port) as here:
        listener.wait(lambda: listener.latest(TOPICS.status) == "online")
        monkeypatch.setattr(published.Published, "node", fail)
        here.hub.say_node(node())
        here.until(lambda broker: "KeyError: 'on purpose'" in broker["trouble"])
        listener.wait(lambda: listener.latest(TOPICS.status) == "offline")
        assert "the gateway itself failed: KeyError" in here.told[-1]


def test_a_hundred_nodes_say_each_lamp(tmp_path: Path) -> None:
    with broker(tmp_path) as one, bridged(one.port) as here, listening(one.port) as listener:
        for lit in (False, True, False):
            for number in range(1, 101):
                here.hub.say_node(node(number, led=lit))
            listener.wait(lambda lit=lit: all(state(listener, n).get("lamp") is lit for n in range(1, 101)))
        assert here.until_sent(500)["dropped"] == 0


# ------------------------------------------------------------------------------------------------- home assistant


def test_entities_of_another_start_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "DEVICE_SECONDS", 0.0)
    topic = f"homeassistant/device/neuron485/{UID}/config"
    with broker(tmp_path) as one, listening(one.port) as listener:

        def part() -> Json:
            return dict(
                json.loads(listener.latest(topic) or '{"components": {}}')["components"].get("rollback", {})
            )

        with bridged(one.port, commands=True) as here:
            here.hub.say_node(node())
            listener.wait(part)
            assert part()["command_topic"] == TOPICS.command(UID, "rollback")
        with bridged(one.port) as here:
            here.hub.say_node(node())
            listener.wait(lambda: part() == {"platform": "button"})


def test_a_node_that_another_start_knew_is_not_available(tmp_path: Path) -> None:
    with broker(tmp_path) as one, listening(one.port) as listener:
        availability = TOPICS.node(UID, "availability")
        with bridged(one.port) as here:
            here.hub.say_node(node())
            listener.wait(lambda: listener.latest(availability) == "online")
        with bridged(one.port):
            listener.wait(lambda: listener.latest(availability) == "offline")
