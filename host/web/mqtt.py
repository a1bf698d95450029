"""The way to an MQTT broker: what the hub says goes out, and what is commanded comes in.

A thread does all of it but the network, which paho's own thread has: what happens there is told to this one. paho
holds a message until the broker has acknowledged it, also over a connection that ends; it gets no more than a window
of them, and the rest waits in an outbox.
"""

from __future__ import annotations

import math
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from host.errors import counted
from host.web.commanded import Commanded
from host.web.discovery import ALL_NODES, uid_of
from host.web.gateway import Gateway
from host.web.hub import Mailbox
from host.web.outbox import MESSAGES_WAITING, Message, Outbox
from host.web.published import Published
from host.web.shapes import Json, in_a_line, own_event, packed
from host.web.topics import OFFLINE, ONLINE, Topics

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

QOS = 1
WINDOW = 100
"""Messages that paho has at most."""
IDLE_SECONDS = 1.0
"""How many messages wait is said as often at most."""
RETRY_SECONDS = 1, 30
"""Until a broker that is gone is tried again: at first, and at most."""
KEEPALIVE_SECONDS = 20
FAREWELL_SECONDS = 2.0
"""For what waits when the gateway ends."""
SHORT_SECONDS, SHORT_TIMES = 5.0, 3
"""Connections in a row that end so soon are ended by somebody."""


@dataclass(frozen=True)
class Settings:
    """tls: with the system's certificates; commands: whether nodes can be told to do something."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None = field(repr=False)
    topics: Topics
    commands: bool

    @property
    def url(self) -> str:
        """Without who comes."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' * self.tls}://{host}:{self.port}"


class Bridge:
    """most: messages that wait; retry: as RETRY_SECONDS."""

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        *,
        most: int = MESSAGES_WAITING,
        retry: tuple[int, int] = RETRY_SECONDS,
    ) -> None:
        self._hub, self._settings, self._retry = gateway.hub, settings, retry
        self._topics = settings.topics
        self._outbox = Outbox(most)
        self._published = Published(self._outbox, self._topics, settings.commands)
        self._commanded = Commanded(gateway, self._answer, self._later)
        self._news, self._ending = threading.Event(), False
        self._happened: deque[Callable[[], None]] = deque()
        self._thread = threading.Thread(target=self._run, name="MQTT", daemon=True)
        self._state, self._trouble = "gone", "it has not answered yet"
        self._there = "is there"
        self._greets, self._mourned = True, ""
        self._since = self._reported = -math.inf
        self._short = self._waited = self._lost_said = self._missed = self._sent = 0
        self._unacknowledged: set[int] = set()
        self._resent: set[int] = set()
        self._said: Json = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Speak to the broker meanwhile, if it is there or not."""
        self._thread.start()
        try:
            yield
        finally:
            self._ending = True
            self._news.set()
            self._thread.join()

    # ------------------------------------------------------------------------------------------ of the broker's client

    def _client(self) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        settings, topics = self._settings, self._topics
        # Always the same name: the broker then ends, and mourns, a connection of before ahead of the new one's birth.
        client = Client(CallbackAPIVersion.VERSION2, f"{topics.prefix}-{topics.name}".replace("/", "-"))
        client.max_inflight_messages_set(0)  # the window is ours
        client.reconnect_delay_set(*self._retry)
        client.will_set(topics.status, OFFLINE, QOS, retain=True)
        if settings.user is not None:
            client.username_pw_set(settings.user, settings.password)
        if settings.tls:
            client.tls_set_context(ssl.create_default_context())
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.connect_async(settings.host, settings.port, KEEPALIVE_SECONDS)
        return client

    def _later(self, work: Callable[[], None]) -> None:
        """Have this done by the bridge's thread."""
        self._happened.append(work)
        self._news.set()

    def _on_connect(self, client: Client, _: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._later(
            partial(self._change, "refused", str(reason))
            if reason.is_failure
            else partial(self._connected, client)
        )

    def _on_connect_fail(self, client: Client, _: Any) -> None:
        error = sys.exc_info()[1]  # paho says no more than that there is one
        words = getattr(error, "strerror", None) or str(error)
        self._later(partial(self._change, "gone", words))

    def _on_disconnect(self, client: Client, _: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._later(partial(self._disconnected, client))

    def _on_publish(self, client: Client, _: Any, mid: int, reason: Any, properties: Any) -> None:
        self._later(partial(self._acknowledged, mid))

    def _on_message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        self._later(partial(self._heard, message.topic, bytes(message.payload), message.retain))

    # ------------------------------------------------------------------------------------------------ its own thread

    def _run(self) -> None:
        client = None
        try:
            client = self._client()
            with self._hub.listening(self._news.set) as box:
                self._outbox.state(self._topics.status, ONLINE, time.monotonic())
                self._published.state(self._hub.state(), time.monotonic())
                client.loop_start()
                while not self._ending:
                    self._news.wait(self._idle())
                    self._step(client, box, time.monotonic())
                self._farewell(client, box)
        except Exception as error:
            if client is not None:
                client.publish(self._topics.status, OFFLINE, QOS, retain=True)
                self._leave(client)
            self._change("gone", in_a_line(error))
            self._report(math.inf)
            raise

    def _idle(self) -> float:
        """Seconds until there is something to do, if nothing happens."""
        due = self._outbox.due() - time.monotonic() if self._room() else math.inf
        return min(IDLE_SECONDS, max(0.0, due))

    def _room(self) -> int:
        """For so many messages. What paho sends once more, since the connection had ended, comes first: else an old
        state would follow a new one."""
        return 0 if self._state != "up" or self._resent else WINDOW - len(self._unacknowledged)

    def _step(self, client: Client, box: Mailbox, now: float) -> None:
        self._news.clear()
        while self._happened:
            self._happened.popleft()()
        for kind, said in box.take():
            self._hear(kind, said, now)
        self._outbox.lost += box.missed - self._missed
        self._missed = box.missed
        for message in self._outbox.take(now, self._room()):
            sent = client.publish(message.topic, message.payload, QOS, message.retain)
            self._unacknowledged.add(sent.mid)
        self._say_back()
        self._report(now)

    def _hear(self, kind: str, said: Json, now: float) -> None:
        match kind:
            case "state":
                self._published.state(said, now)
                self._commanded.jobs(said["jobs"])
            case "node":
                self._published.node(said, now)
            case "line":
                self._published.line(said, now)
            case "event":
                self._published.event(said)
            case "job":
                self._commanded.job(said)

    def _farewell(self, client: Client, box: Mailbox) -> None:
        self._outbox.state(self._topics.status, OFFLINE, time.monotonic())
        deadline = time.monotonic() + FAREWELL_SECONDS
        self._step(client, box, math.inf)
        while self._state == "up" and (len(self._outbox) or self._unacknowledged):
            if not self._news.wait(deadline - time.monotonic()):
                break
            self._step(client, box, math.inf)
        self._leave(client)
        if left := self._outbox.waiting:
            self._event("EVENTS_LOST", f"has not got {counted(left, 'message')} before the end")

    def _leave(self, client: Client) -> None:
        client.disconnect()
        client.loop_stop()

    # ---------------------------------------------------------------------------------------------- what has happened

    def _connected(self, client: Client) -> None:
        topics = [ALL_NODES, *([self._topics.commands] if self._settings.commands else [])]
        client.subscribe([(topic, QOS) for topic in topics])
        self._resent = set(self._unacknowledged)
        self._outbox.again()
        self._since, self._waited = time.monotonic(), self._outbox.waiting
        self._change("up", "")

    def _disconnected(self, client: Client) -> None:
        if self._state != "up":
            return  # what kept it from being up has been said
        self._short = self._short + 1 if time.monotonic() - self._since < SHORT_SECONDS else 0
        trouble, (first, most) = "the connection has ended", self._retry
        if self._short >= SHORT_TIMES:
            name = self._topics.name
            trouble += f", again and again: is another gateway called {name} too? then give --mqtt-name"
            first = most  # or the two would take turns every second
        client.reconnect_delay_set(first, most)
        self._change("gone", trouble)

    def _acknowledged(self, mid: int) -> None:
        self._unacknowledged.discard(mid)
        self._resent.discard(mid)
        self._sent += 1

    def _heard(self, topic: str, payload: bytes, retained: bool) -> None:
        if topic.endswith("/set"):
            self._commanded.take(*self._topics.commanded(topic), payload, retained)
        elif retained:  # else it is our own
            self._published.was(uid_of(topic), payload.decode(errors="replace"), time.monotonic())

    def _answer(self, uid: str, said: Json) -> None:
        self._outbox.message(Message(self._topics.node(uid, "result"), packed(said), retain=False))

    # -------------------------------------------------------------------------------------------------- what is said

    def _event(self, kind: str, text: str) -> None:
        self._hub.say_event(own_event(kind, f"the MQTT broker {text}", None))

    def _change(self, state: str, trouble: str) -> None:
        self._state, self._trouble = state, trouble
        if state == "up":
            self._greets, self._mourned = True, ""
            return
        if state != self._mourned:
            why = {
                "gone": f"is not there: {trouble}",
                "refused": f"refuses: {trouble}: are the user in --mqtt and the password right?",
            }[state]
            self._event("BROKER_GONE", f"{self._settings.url} {why}; it is tried again")
        self._mourned, self._there = state, "is back"

    def _say_back(self) -> None:
        """As soon as it fits, also after what has not fitted."""
        lost = self._outbox.lost - self._lost_said
        if self._state != "up" or self._outbox.full or not (self._greets or lost):
            return
        words = [f"{counted(lost, 'message')} did not fit and {'is' if lost == 1 else 'are'} lost"] * bool(
            lost
        )
        if self._greets:
            waited = [f"{counted(self._waited, 'message')} waited"] * bool(self._waited)
            said = ", ".join([*waited, *words])
            self._event("BROKER_BACK", f"{self._settings.url} {self._there}{said and f': {said}'}")
        else:
            self._event("EVENTS_LOST", f"is slow: {words[0]}")
        self._greets, self._lost_said = False, self._outbox.lost

    def _report(self, now: float) -> None:
        said = {
            "state": self._state,
            "url": self._settings.url,
            "trouble": self._trouble,
            "queued": self._outbox.waiting + len(self._unacknowledged),
            "dropped": self._outbox.lost,
            "sent": self._sent,
        }
        changed = any(said[key] != self._said.get(key) for key in ("state", "trouble"))
        if changed or (said != self._said and now - self._reported >= IDLE_SECONDS):
            self._said, self._reported = said, now
            self._hub.say_broker(said)
