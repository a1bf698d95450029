"""What the hub says, as messages for a broker."""

from __future__ import annotations

from host.web.discovery import gateway_config, gateway_id, gateway_topic, node_config, node_topic, parts_of
from host.web.outbox import Message, Outbox
from host.web.shapes import Json, packed
from host.web.topics import OFFLINE, ONLINE, Topics, state_of, urgent_of

VALUES_SECONDS = 1.0
"""Outputs, inputs and channels of a node are said as often at most."""
DEVICE_SECONDS = 5.0
"""Home Assistant is told of a device as often: while it is still busy with what it was told, it may pass over more."""
LINE_SECONDS = 10.0
"""What is counted of a line is said as often."""
COUNTS = ("rounds", "cycle_seconds", "requests", "timeouts", "damaged")


class Published:
    """Puts it into an outbox. commands: whether Home Assistant shall have buttons. Times as the outbox has them."""

    def __init__(self, outbox: Outbox, topics: Topics, commands: bool) -> None:
        self._outbox, self._topics, self._commands = outbox, topics, commands
        self._nodes: dict[str, Json] = {}
        self._lines: dict[str, Json] = {}
        self._described: dict[str, object] = {}
        self._parts: dict[str, dict[str, str]] = {}

    def state(self, said: Json, now: float) -> None:
        """All that is known."""
        for line in said["lines"]:
            self.line(line, now)
        for node in said["nodes"]:
            self.node(node, now)

    def line(self, line: Json, now: float) -> None:
        number = line["id"]
        news = number not in self._lines
        self._lines[number] = line
        if news:
            config = gateway_config(list(self._lines), self._topics)
            self._outbox.state(gateway_topic(self._topics), packed(config), now)
        urgent = {key: value for key, value in line.items() if key not in COUNTS}
        self._outbox.state(self._topics.line(number), packed(line), now, urgent, LINE_SECONDS)

    def node(self, node: Json, now: float) -> None:
        uid = node["uid"]
        self._nodes[uid] = node
        if node["led"] is not None:  # it has been looked at
            self._describe(node, now)
            state = state_of(node)
            topic = self._topics.node(uid, "state")
            self._outbox.state(topic, packed(state), now, urgent_of(state), VALUES_SECONDS)
        self._available(uid, node["state"] == "ok", now)

    def event(self, event: Json) -> None:
        topic = self._topics.node(event["uid"], "event") if event["uid"] else self._topics.event
        self._outbox.message(Message(topic, packed(event)))

    def was(self, uid: str, config: str, now: float) -> None:
        """What Home Assistant has been told of a node before: what is there no more is removed, and a node that was
        behind this gateway, and is not known to it now, is not there."""
        gateway, parts = parts_of(config)
        node = self._nodes.get(uid)
        if node is None:
            if gateway == gateway_id(self._topics):
                self._available(uid, False, now)
            return
        self._parts[uid] = parts | self._parts.get(uid, {})
        self._described.pop(uid, None)
        self.node(node, now)

    def _available(self, uid: str, available: bool, now: float) -> None:
        self._outbox.state(self._topics.node(uid, "availability"), ONLINE if available else OFFLINE, now)

    def _describe(self, node: Json, now: float) -> None:
        """To Home Assistant, where that is news: this is the longest of all messages."""
        uid, model = node["uid"], node["model"]
        channels = [one["name"] for one in node["channels"]]
        about = (node["name"], model and model["hash"], node["firmware"], channels)
        if self._described.get(uid) == about:
            return
        self._described[uid] = about
        before = self._parts.get(uid, {})
        config = node_config(node, self._topics, self._commands, before)
        self._parts[uid] = before | {key: part["platform"] for key, part in config["components"].items()}
        self._outbox.state(node_topic(uid), packed(config), now, every=DEVICE_SECONDS)
