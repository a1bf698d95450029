"""A bridge from a hub, which the test tells what it likes, to a broker; and what is heard there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from host.web.gateway import Gateway
from host.web.hub import Hub
from host.web.mqtt import Bridge, Settings
from host.web.shapes import Json
from host.web.topics import Topics
from tests.broker import HOST, Listener
from tests.patience import PATIENCE
from tests.web_client import assert_holds
from tests.web_samples import uid_of

TOPICS = Topics("neuron485", "pc1")
UID = uid_of(1)


@dataclass
class Here:
    hub: Hub

    @property
    def told(self) -> list[str]:
        """What people have been told of the broker."""
        return [one["text"] for one in self.hub.state()["events"] if one["number"] is None]

    def until(self, condition: Callable[[Json], object]) -> Json:
        """The broker as it stands, when that holds."""
        news = threading.Event()
        with self.hub.listening(news.set) as box:
            while not (self.broker and condition(self.broker)):
                assert news.wait(PATIENCE), (self.broker, self.told)
                news.clear()
                box.take()
        assert_holds({"$ref": "#/$defs/Broker"}, self.broker)
        return self.broker

    @property
    def broker(self) -> Json:
        return dict(self.hub.state()["broker"] or {})

    def until_is(self, state: str) -> Json:
        return self.until(lambda broker: broker["state"] == state)

    def until_sent(self, count: int) -> Json:
        """So many messages at least are acknowledged."""
        return self.until(lambda broker: broker["sent"] >= count)


def settings(port: int, **more: Any) -> Settings:
    usual = Settings(HOST, port, False, None, None, TOPICS, False)
    return replace(usual, **more)


@contextmanager
def bridged(port: int, gateway: Gateway | None = None, most: int = 1000, **more: Any) -> Iterator[Here]:
    """A bridge of a hub that the test tells what it likes."""
    gateway = gateway or Gateway(Hub(), [])
    here = Here(gateway.hub)
    with Bridge(gateway, settings(port, **more), most=most, retry=(1, 1)).running():
        yield here


def state(listener: Listener, number: int = 1) -> Json:
    return dict(json.loads(listener.latest(TOPICS.node(uid_of(number), "state")) or "{}"))


def numbers(listener: Listener, number: int = 1) -> list[int | None]:
    """Of a node's events, as they came."""
    topic = TOPICS.node(uid_of(number), "event")
    return [json.loads(one.payload)["number"] for one in listener.messages if one.topic == topic]


def back(listener: Listener) -> list[str]:
    """What was said of a broker that has come back: behind all that has waited for it."""
    found = [json.loads(one.payload) for one in listener.messages if one.topic == TOPICS.event]
    return [one["text"] for one in found if one["kind"] == "BROKER_BACK" and " is back" in one["text"]]
