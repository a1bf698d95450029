"""The way to an MQTT broker, a real one: what is retained, who is there, and what happens while it is gone."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from host.web import mqtt, published
from host.web.gateway import Gateway
from host.web.hub import Hub
from host.web.mqtt import Bridge, Settings
from host.web.shapes import Json
from host.web.topics import Topics
from tests.broker import HOST, Broker, Listener, broker, listening
from tests.patience import PATIENCE
from tests.web_client import assert_holds
from tests.web_samples import event, line, model, node, uid_of

TOPICS = Topics("neuron485", "pc1")
UID = uid_of(1)


@dataclass
class Here:
    hub: Hub

    @property
    def told(self) -> list[str]:
        """What people have been told of the broker."""
        return [one["text"] for one in self.hub.events() if one["number"] is None]

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


# --------------------------------------------------------------------------------------------- a broker that is gone


def stop(here: Here, one: Broker) -> None:
    """The broker is gone, and known to be."""
    one.stop()
    here.until_is("gone")


def test_events_wait_in_bounds_and_what_did_not_fit_is_said(tmp_path: Path) -> None:
    with broker(tmp_path, remembers=True) as one, bridged(one.port, most=10) as here:
        with listening(one.port, name="reader"):
            here.until_sent(2)  # its status, and that the broker is there
        stop(here, one)
        for number in range(25):
            here.hub.say_event(event(number))
        here.until(lambda broker: broker["queued"] == 10)
        assert here.broker["dropped"] == 16, "and that the broker is gone was an event too"
        one.start()
        with listening(one.port, name="reader") as listener:
            listener.wait(lambda: back(listener))
            assert numbers(listener) == list(range(15, 25))
            said = back(listener)
    url = f"mqtt://{HOST}:{one.port}"
    assert here.told == [
        f"the MQTT broker {url} is there",
        f"the MQTT broker {url} is not there: the connection has ended; it is tried again",
        f"the MQTT broker {url} is back: 10 messages waited, 16 messages did not fit and are lost",
    ]
    assert said == here.told[-1:]


def test_a_broker_that_has_forgotten_all_is_told_all(tmp_path: Path) -> None:
    with broker(tmp_path) as one, bridged(one.port) as here:
        with listening(one.port) as listener:
            here.hub.say_node(node(led=True))
            listener.wait(lambda: state(listener))
        stop(here, one)
        here.hub.say_node(node(led=True, outputs=[7.0, 8.0]))
        one.start()
        with listening(one.port) as listener:
            listener.wait(lambda: state(listener).get("outputs") == {"y1": 7.0, "y2": 8.0})
            listener.wait(lambda: listener.latest(TOPICS.status) == "online")
            listener.wait(lambda: listener.latest(f"homeassistant/device/neuron485/{UID}/config"))


def test_what_was_on_its_way_when_the_broker_died_comes_all_the_same(tmp_path: Path) -> None:
    with broker(tmp_path, remembers=True) as one, bridged(one.port) as here:
        with listening(one.port, name="reader"):
            here.until_sent(2)
        for number in range(200):
            if number == 100:
                one.stop()
            here.hub.say_event(event(number))
            here.hub.say_node(node(led=number % 2 == 0, outputs=[float(number), 0.0]))
        here.until_is("gone")
        one.start()
        with listening(one.port, name="reader") as listener:
            listener.wait(lambda: back(listener))
            listener.wait(lambda: 199 in numbers(listener))
            assert list(dict.fromkeys(numbers(listener))) == list(range(200)), "all, in their order"
            listener.wait(lambda: state(listener)["outputs"] == {"y1": 199.0, "y2": 0.0})
        with listening(one.port) as later:
            later.wait(lambda: state(later))
            assert state(later)["outputs"]["y1"] == 199.0, "no older one came behind it"


def test_a_broker_that_is_not_there_at_the_start_is_tried_again(tmp_path: Path) -> None:
    with broker(tmp_path) as one:
        one.stop()
        with bridged(one.port) as here:
            trouble = here.until(lambda broker: "refused" in broker["trouble"])
            url = f"mqtt://{HOST}:{one.port}"
            assert (trouble["state"], trouble["url"]) == ("gone", url)
            here.hub.say_node(node())
            one.start()
            here.until_is("up")
            with listening(one.port) as listener:
                listener.wait(lambda: state(listener))
    assert here.told == [
        f"the MQTT broker {url} is not there: Connection refused; it is tried again",
        f"the MQTT broker {url} is back: 1 message waited",
    ]


def test_what_does_not_reach_it_by_the_end_is_said(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        with bridged(nobody.getsockname()[1]) as here:
            here.until(lambda broker: "refused" in broker["trouble"])
            here.hub.say_event(event(1))
            here.until(lambda broker: broker["queued"] == 2)  # and that it is gone
    assert here.told[-1] == "the MQTT broker has not got 2 messages before the end"


def test_two_gateways_of_one_name_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "SHORT_SECONDS", float("inf"))
    with broker(tmp_path) as one, bridged(one.port) as here, bridged(one.port):
        said = here.until(lambda broker: "again and again" in broker["trouble"])
    assert "is another gateway called pc1 too? then give --mqtt-name" in said["trouble"]


# --------------------------------------------------------------------------------------------------- who may come


def test_a_wrong_password_is_told_and_never_shown(tmp_path: Path) -> None:
    users = {"gateway": "s3cret", "reader": "r"}
    with broker(tmp_path, users=users) as one:
        with bridged(one.port, user="gateway", password="wr0ng") as here:
            said = here.until_is("refused")
            here.until(lambda broker: broker["queued"])
        assert "refuses: Not authorized: are the user in --mqtt and the password right?" in here.told[0]
        assert not any(
            "wr0ng" in text for text in [*here.told, json.dumps(said), repr(settings(1, password="wr0ng"))]
        )
        with bridged(one.port, user="gateway", password="s3cret") as here:
            here.until_is("up")
            here.hub.say_node(node())
            with listening(one.port, user=("reader", "r")) as listener:
                listener.wait(lambda: state(listener))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of this computer, signed by itself; and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "made.pem", folder / "key.pem"
    what = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        key,
        "-out",
        made,
    ]
    who = ["-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{HOST}"]
    subprocess.run(["openssl", "req", "-x509", *what, *who], check=True, capture_output=True)
    return made, key


def test_a_line_is_secured_by_a_certificate_that_is_trusted(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with broker(tmp_path, certificate=certificate) as one:
        with bridged(one.port, tls=True) as here:
            trouble = here.until(lambda broker: "certificate" in broker["trouble"])
            assert trouble["url"].startswith("mqtts://")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        with bridged(one.port, tls=True) as here:
            here.until_is("up")
