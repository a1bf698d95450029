"""Where an MQTT broker has what the gateway knows, and what stands there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from host.web.shapes import Json

ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True)
class Topics:
    """prefix: of all of them; name: of the gateway, its own among those of a broker."""

    prefix: str
    name: str

    @property
    def status(self) -> str:
        """online, or offline, which the broker says itself when the gateway is gone."""
        return f"{self.prefix}/gateway/{self.name}/status"

    @property
    def event(self) -> str:
        """The newest of the gateway's own."""
        return f"{self.prefix}/gateway/{self.name}/event"

    def line(self, number: str) -> str:
        return f"{self.prefix}/lines/{self.name}/{number}"

    def node(self, uid: str, what: str) -> str:
        """availability, state, event, result."""
        return f"{self.prefix}/nodes/{uid}/{what}"

    def command(self, uid: str, kind: str) -> str:
        return self.node(uid, f"{kind}/set")

    @property
    def commands(self) -> str:
        """All of them, for all nodes."""
        return self.command("+", "+")

    def commanded(self, topic: str) -> tuple[str, str]:
        """UID and kind of a command's topic."""
        uid, kind, _ = topic.removeprefix(f"{self.prefix}/nodes/").split("/")
        return uid, kind


def by_name(names: list[str], values: list[Any]) -> dict[str, Any]:
    """Each value by its name; where a model gives a name twice, with its number."""
    twice = {name for name in names if names.count(name) > 1}
    return {
        f"{name} {number}" if name in twice else name: value
        for number, (name, value) in enumerate(zip(names, values, strict=True), 1)
    }


def names_of(node: Json, what: str) -> list[str]:
    """inputs or outputs of a node's model."""
    return [one["name"] for one in node["model"][what]] if node["model"] else []


def named(node: Json, what: str) -> dict[str, float]:
    """inputs or outputs of a node by their names; none while there are none."""
    return by_name(names_of(node, what), node[what]) if node[what] else {}


def state_of(node: Json) -> Json:
    """How a node stands, its values by their names; those that are not known yet are left out."""
    model = node["model"] or {}
    return {
        "lamp": node["led"],
        "decision": node["decision"],
        "class": node["class"],
        "states": node["states"],
        **{what: named(node, what) for what in ("inputs", "outputs")},
        "channels": {one["name"]: one["value"] for one in node["channels"]},
        "model": model.get("name"),
        "crc": model.get("crc32"),
        "hash": model.get("hash"),
        "sequence": model.get("sequence"),
        **{
            key: node[key]
            for key in ("trial_left", "keyed", "locked", "rate", "firmware", "warnings", "lost")
        },
        **{key: node[key] for key in ("name", "address", "trouble")},
    }


MAY_WAIT = ("inputs", "outputs", "channels", "trial_left", "lost")
"""What changes all the time: all else of a state is said as soon as it is known."""


def urgent_of(state: Json) -> object:
    return {key: value for key, value in state.items() if key not in MAY_WAIT}
