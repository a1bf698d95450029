"""What Home Assistant is told by MQTT discovery: a device for each node, and one for the gateway.

Device-based discovery, as Home Assistant takes it since 2024.11: one retained message has all entities of a device.
An entity that is gone stays in it as its platform alone, which removes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from host import __version__
from host.core.wire import EventKind
from host.web.deeds import SETTINGS, SIMPLE
from host.web.shapes import Json
from host.web.topics import OFFLINE, ONLINE, Topics, by_name, names_of

NODES = "homeassistant/device/neuron485"
"""Every node's has its UID below it."""
ALL_NODES = f"{NODES}/+/config"
MAKER = "neuron485"
NODE_EVENTS = (*(kind.name for kind in EventKind if kind is not EventKind.NONE), "LOST", "TROUBLE", "BACK")
GATEWAY_EVENTS = ("LINE_GONE", "LINE_BACK", "BROKER_GONE", "BROKER_BACK", "EVENTS_LOST")


def node_topic(uid: str) -> str:
    return f"{NODES}/{uid}/config"


def uid_of(topic: str) -> str:
    """Of a node's topic."""
    return topic.split("/")[-2]


def gateway_topic(topics: Topics) -> str:
    return f"homeassistant/device/{gateway_id(topics)}/config"


def gateway_id(topics: Topics) -> str:
    return f"{MAKER}_gateway_{topics.name}"


def _quoted(name: str) -> str:
    """As a template reads it."""
    return json.dumps(name, ensure_ascii=False)


def _platform(platform: str, name: str, template: str, **more: object) -> Json:
    return {"platform": platform, "name": name, "value_template": f"{{{{ {template} }}}}", **more}


def _lamp(name: str, condition: str, **more: object) -> Json:
    return _platform("binary_sensor", name, f"'ON' if {condition} else 'OFF'", **more)


DIAGNOSTIC = {"entity_category": "diagnostic"}


def _parts(node: Json, topics: Topics, commands: bool) -> Iterator[tuple[str, Json]]:
    """The entities of a node, each by a name that stays."""
    yield "lamp", _lamp("Lamp", "value_json.lamp", device_class="light")
    yield "decision", _lamp("Decision", "value_json.decision")
    if classes := (node["model"] or {}).get("classes"):
        distinct = list(dict.fromkeys(classes))
        yield "class", _platform("sensor", "Class", "value_json.class", device_class="enum", options=distinct)
    for what, title in (("outputs", "Output"), ("inputs", "Input")):
        names = names_of(node, what)
        for number, name in enumerate(by_name(names, names), 1):
            template = f"value_json.{what}.get({_quoted(name)})"
            yield (
                f"{title.lower()}_{number}",
                _platform("sensor", f"{title} {name}", template, state_class="measurement"),
            )
    for channel in node["channels"]:
        name = channel["name"]
        yield (
            f"channel_{name}",
            _platform(
                "sensor",
                f"Channel {name}",
                f"value_json.channels.get({_quoted(name)})",
                state_class="measurement",
                enabled_by_default=False,
                **DIAGNOSTIC,
            ),
        )
    yield "states", _platform("sensor", "States", "value_json.states | join(', ') or 'none'", **DIAGNOSTIC)
    yield "model", _platform("sensor", "Model CRC-32", "value_json.crc or 'none'", **DIAGNOSTIC)
    left = {"device_class": "duration", "unit_of_measurement": "s", **DIAGNOSTIC}
    yield "trial_left", _platform("sensor", "Trial left", "value_json.trial_left", **left)
    yield "event", _event(topics.node(node["uid"], "event"), NODE_EVENTS)
    if commands:
        for kind in SIMPLE:
            yield kind, _button(kind, topics.command(node["uid"], kind))
        for kind in SETTINGS:
            yield kind, _switch(kind, topics.command(node["uid"], kind))


def _event(topic: str, kinds: Sequence[str]) -> Json:
    template = (
        '{"event_type": "{{ value_json.kind }}", "text": {{ value_json.text | to_json }}, '
        '"number": {{ value_json.number | to_json }}}'
    )
    return {
        "platform": "event",
        "name": "Event",
        "state_topic": topic,
        "event_types": list(kinds),
        "value_template": template,
    }


def _button(kind: str, topic: str) -> Json:
    return {
        "platform": "button",
        "name": kind.capitalize(),
        "command_topic": topic,
        "payload_press": "{}",
        "entity_category": "config",
    }


def _switch(kind: str, topic: str) -> Json:
    return {
        **_lamp(kind.capitalize(), f"'{kind.upper()}' in value_json.states", entity_category="config"),
        "platform": "switch",
        "command_topic": topic,
        "payload_on": '{"on":true}',
        "payload_off": '{"on":false}',
        "state_on": "ON",
        "state_off": "OFF",
    }


def _device(identifier: str, parts: dict[str, Json], gone: dict[str, str], **device: object) -> Json:
    """gone: platforms of entities that shall be removed, by their names."""
    known = {key: {**part, "unique_id": f"{identifier}_{key}"} for key, part in parts.items()}
    removed = {key: {"platform": platform} for key, platform in gone.items() if key not in parts}
    return {
        "device": {"identifiers": [identifier], "manufacturer": MAKER, **device},
        "origin": {"name": MAKER, "sw_version": __version__},
        "components": {**known, **removed},
        "qos": 1,
    }


def node_config(node: Json, topics: Topics, commands: bool, gone: dict[str, str]) -> Json:
    """A node that has been looked at. Its entities are there while the gateway and the node are."""
    model = node["model"]
    about = {"model": model["name"]} if model and model["name"] else {}
    said = _device(
        f"{MAKER}_{node['uid']}",
        dict(_parts(node, topics, commands)),
        gone,
        name=node["name"],
        serial_number=node["uid"],
        via_device=gateway_id(topics),
        **about,
        **({"sw_version": node["firmware"]} if node["firmware"] else {}),
    )
    both = [{"topic": topics.status}, {"topic": topics.node(node["uid"], "availability")}]
    return {
        **said,
        "state_topic": topics.node(node["uid"], "state"),
        "availability": both,
        "availability_mode": "all",
    }


def gateway_config(lines: list[str], topics: Topics) -> Json:
    """lines: their numbers."""
    here = [{"topic": topics.status}]
    parts: dict[str, Json] = {
        "status": {
            "platform": "binary_sensor",
            "name": "Status",
            "device_class": "connectivity",
            "state_topic": topics.status,
            "payload_on": ONLINE,
            "payload_off": OFFLINE,
            **DIAGNOSTIC,
        },
        "event": {**_event(topics.event, GATEWAY_EVENTS), "availability": here},
    }
    for line in lines:
        of_line = {"state_topic": topics.line(line), "availability": here, **DIAGNOSTIC}
        count = {**of_line, "state_class": "total_increasing"}
        parts |= {
            f"line_{line}": _lamp(
                f"Line {line}", "value_json.state == 'up'", device_class="connectivity", **of_line
            ),
            f"line_{line}_cycle": _platform(
                "sensor",
                f"Line {line} round",
                "value_json.cycle_seconds",
                device_class="duration",
                unit_of_measurement="s",
                state_class="measurement",
                **of_line,
            ),
            f"line_{line}_timeouts": _platform(
                "sensor", f"Line {line} timeouts", "value_json.timeouts", **count
            ),
            f"line_{line}_damaged": _platform(
                "sensor", f"Line {line} damaged", "value_json.damaged", **count
            ),
        }
    return _device(
        gateway_id(topics), parts, {}, name=f"{MAKER} gateway {topics.name}", sw_version=__version__
    )


def parts_of(config: str) -> tuple[str | None, dict[str, str]]:
    """What was said of a node before, by whomever: the gateway it is behind, and the platforms of its entities by their
    names; None, {} where it cannot be read."""
    try:
        said = json.loads(config)
        parts = {key: part["platform"] for key, part in said["components"].items() if len(part) > 1}
        return said["device"]["via_device"], parts
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, {}
