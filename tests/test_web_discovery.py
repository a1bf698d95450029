"""What Home Assistant is told: devices and entities as its documentation wants them, and gone when they are gone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from host.core.wire import EventKind
from host.web.discovery import gateway_config, gateway_topic, node_config, node_topic, parts_of, uid_of
from host.web.outbox import Outbox
from host.web.published import Published
from host.web.shapes import Json
from host.web.topics import Topics, by_name, state_of
from tests.web_samples import CLASSES, line, model, node

TOPICS = Topics("plant/neuron485", "pc1")
TOPIC = re.compile(r"homeassistant/device/([a-zA-Z0-9_-]+/)?[a-zA-Z0-9_-]+/config")
TEXT = {"type": "string", "minLength": 1}
HERE = {
    "type": "array",
    "items": {"type": "object", "required": ["topic"], "properties": {"topic": TEXT}},
    "minItems": 1,
}
ENTITY = {
    "platform": TEXT,
    "unique_id": TEXT,
    "name": TEXT,
    "entity_category": {"enum": ["config", "diagnostic"]},
    "enabled_by_default": {"type": "boolean"},
    "availability": HERE,
    "state_topic": TEXT,
    "value_template": TEXT,
}
PLATFORMS: dict[str, tuple[list[str], Json]] = {
    "binary_sensor": (
        [],
        {"device_class": {"enum": ["light", "connectivity"]}, "payload_on": TEXT, "payload_off": TEXT},
    ),
    "sensor": (
        [],
        {
            "device_class": {"enum": ["enum", "duration"]},
            "state_class": {"enum": ["measurement", "total_increasing"]},
            "unit_of_measurement": {"enum": ["s"]},
            "options": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 1},
        },
    ),
    "event": (
        ["state_topic", "event_types"],
        {"event_types": {"type": "array", "items": TEXT, "uniqueItems": True}},
    ),
    "button": (["command_topic"], {"command_topic": TEXT, "payload_press": TEXT}),
    "switch": (
        ["command_topic"],
        {
            "command_topic": TEXT,
            **dict.fromkeys(("payload_on", "payload_off", "state_on", "state_off"), TEXT),
        },
    ),
}
"""What is documented of a platform's entities as far as we use it: what they need, what they may have."""


def entity(platform: str) -> Json:
    needs, has = PLATFORMS[platform]
    return {
        "type": "object",
        "properties": ENTITY | {"platform": {"const": platform}} | has,
        "required": ["platform", "unique_id", "name", *needs],
        "additionalProperties": False,
    }


REMOVED = {
    "type": "object",
    "properties": {"platform": {"enum": list(PLATFORMS)}},
    "required": ["platform"],
    "additionalProperties": False,
}
DEVICE = {
    "type": "object",
    "properties": {
        "device": {
            "type": "object",
            "properties": {
                "identifiers": {"type": "array", "items": TEXT, "minItems": 1},
                **dict.fromkeys(
                    ("name", "manufacturer", "model", "sw_version", "serial_number", "via_device"), TEXT
                ),
            },
            "required": ["identifiers", "name"],
            "additionalProperties": False,
        },
        "origin": {
            "type": "object",
            "properties": {"name": TEXT, "sw_version": TEXT},
            "required": ["name"],
            "additionalProperties": False,
        },
        "components": {
            "type": "object",
            "additionalProperties": {"anyOf": [REMOVED, *map(entity, PLATFORMS)]},
        },
        "state_topic": TEXT,
        "availability": HERE,
        "availability_mode": {"enum": ["all", "any", "latest"]},
        "qos": {"enum": [0, 1, 2]},
    },
    "required": ["device", "origin", "components"],
    "additionalProperties": False,
}


def assert_documented(config: Json) -> None:
    Draft202012Validator(DEVICE).validate(config)
    for key, part in config["components"].items():
        if part == {"platform": part["platform"]}:
            continue
        if part["platform"] in ("sensor", "binary_sensor"):
            assert "state_topic" in part or "state_topic" in config, key
        if part.get("device_class") == "enum":
            assert not {"state_class", "unit_of_measurement"} & set(part), key
        if part.get("device_class") == "duration":
            assert "unit_of_measurement" in part, key
    ids = [part["unique_id"] for part in config["components"].values() if "unique_id" in part]
    assert len(set(ids)) == len(ids)


def described(commands: bool = False, gone: dict[str, str] | None = None, **more: Any) -> Json:
    config = node_config(node(**more), TOPICS, commands, gone or {})
    assert_documented(config)
    return config


def test_topics_are_such_as_home_assistant_looks_at() -> None:
    assert TOPIC.fullmatch(gateway_topic(TOPICS))
    assert TOPIC.fullmatch(node_topic("ab" * 12))
    assert uid_of(node_topic("ab" * 12)) == "ab" * 12


def test_a_node_is_a_device_behind_its_gateway() -> None:
    config = described()
    gateway = gateway_config(["1", "2"], TOPICS)
    assert_documented(gateway)
    uid = node()["uid"]
    assert config["device"]["identifiers"] == [f"neuron485_{uid}"]
    assert config["device"]["via_device"] in gateway["device"]["identifiers"]
    assert config["device"]["model"] == "pump"
    assert config["device"]["sw_version"] == "2.0"
    assert config["availability_mode"] == "all"
    assert {one["topic"] for one in config["availability"]} == {
        "plant/neuron485/gateway/pc1/status",
        f"plant/neuron485/nodes/{uid}/availability",
    }


def test_its_lamp_is_a_binary_sensor_and_its_outputs_are_sensors() -> None:
    parts = described()["components"]
    assert parts["lamp"]["platform"] == parts["decision"]["platform"] == "binary_sensor"
    assert [parts[f"output_{n}"]["name"] for n in (1, 2)] == ["Output y1", "Output y2"]
    assert parts["input_1"]["value_template"] == '{{ value_json.inputs.get("a0.rms") }}'
    assert parts["channel_a0"]["enabled_by_default"] is False
    assert "class" not in parts
    assert set(parts["event"]["event_types"]) >= {kind.name for kind in EventKind} - {"NONE"}


def test_a_class_is_one_of_its_names() -> None:
    part = described(model=model(classes=[*CLASSES, "off"]))["components"]["class"]
    assert part["device_class"] == "enum"
    assert part["options"] == CLASSES


def test_a_node_without_a_model_has_a_lamp() -> None:
    config = described(model=None, inputs=[], outputs=[], channels=[], firmware=None)
    assert "model" not in config["device"]
    assert "lamp" in config["components"]
    assert not any(key.startswith(("output", "input", "channel")) for key in config["components"])


def test_commands_are_offered_only_where_they_are_taken() -> None:
    platforms = {part["platform"] for part in described()["components"].values()}
    assert not platforms & {"button", "switch"}
    parts = described(commands=True)["components"]
    uid = node()["uid"]
    for kind in ("acknowledge", "rollback", "confirm", "revert"):
        assert parts[kind]["command_topic"] == f"plant/neuron485/nodes/{uid}/{kind}/set"
        assert json.loads(parts[kind]["payload_press"]) == {}
    assert json.loads(parts["identify"]["payload_on"]) == {"on": True}


def test_what_is_gone_is_its_platform_alone() -> None:
    gone = {"output_3": "sensor", "lamp": "binary_sensor"}
    parts = described(gone=gone)["components"]
    assert parts["output_3"] == {"platform": "sensor"}
    assert parts["lamp"]["name"] == "Lamp"


@pytest.mark.parametrize("name", ['a "b"', "}}", "{% x", "\\", "温度", "a'b"])
def test_a_name_is_a_text_in_a_template(name: str) -> None:
    described_name = described(model=model(name), outputs=[0.5])
    template = described_name["components"]["output_1"]["value_template"]
    assert json.loads(template.removeprefix("{{ value_json.outputs.get(").removesuffix(") }}")) == name


def test_names_that_are_given_twice_get_their_numbers() -> None:
    assert by_name(["x", "y", "x"], [1, 2, 3]) == {"x 1": 1, "y": 2, "x 3": 3}
    twice = node(model=model("x", "x"))
    assert list(state_of(twice)["outputs"]) == ["x 1", "x 2"]
    parts = described(model=twice["model"])["components"]
    assert '"x 2"' in parts["output_2"]["value_template"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"components": 1}', '{"components": {"a": 1}}', "[" * 99999]
)
def test_what_others_have_written_there_is_no_trouble(text: str) -> None:
    assert parts_of(text) == (None, {})


# ------------------------------------------------------------------------------------------------ over time


def configs(outbox: Outbox, now: float) -> list[Json]:
    taken = [one for one in outbox.take(now, 1000) if one.topic == node_topic(node()["uid"])]
    found = [json.loads(one.payload) for one in taken]
    for config in found:
        assert_documented(config)
    return found


def test_a_device_is_described_anew_only_when_it_is_another() -> None:
    outbox = Outbox()
    published = Published(outbox, TOPICS, False)
    published.node(node(), 0)
    published.line(line(), 0)
    assert len(configs(outbox, 0)) == 1
    published.node(node(led=True, outputs=[1.0, 1.0]), 10)
    assert configs(outbox, 10) == []
    published.node(node(model=model("y1", hash="cd" * 32), outputs=[1.0]), 20)
    (config,) = configs(outbox, 20)
    assert config["components"]["output_2"] == {"platform": "sensor"}
    published.node(node(), 30)
    (config,) = configs(outbox, 30)
    assert config["components"]["output_2"]["name"] == "Output y2"


def test_a_device_is_not_told_of_again_before_the_last_time_is_digested() -> None:
    outbox = Outbox()
    published = Published(outbox, TOPICS, False)
    published.node(node(), 10)
    outbox.take(10, 1000)
    published.node(node(name="fan"), 11)
    assert configs(outbox, 14.9) == []
    assert len(configs(outbox, 15)) == 1


def test_what_another_start_has_left_is_removed() -> None:
    outbox = Outbox()
    published = Published(outbox, TOPICS, False)
    left = described(commands=True, gone={"long_gone": "sensor"})
    published.node(node(), 0)
    published.was(node()["uid"], json.dumps(left), 1)
    (config,) = configs(outbox, 1)
    assert config["components"]["rollback"] == {"platform": "button"}
    assert "long_gone" not in config["components"]


def test_a_node_that_was_behind_this_gateway_and_is_not_there_is_not_available() -> None:
    outbox = Outbox()
    here, other = Published(outbox, TOPICS, False), Topics("plant/neuron485", "pc2")
    here.was(node(7)["uid"], json.dumps(node_config(node(7), TOPICS, False, {})), 0)
    here.was(node(8)["uid"], json.dumps(node_config(node(8), other, False, {})), 0)
    said = [(one.topic, one.payload) for one in outbox.take(0, 100)]
    assert said == [(f"plant/neuron485/nodes/{node(7)['uid']}/availability", "offline")]
