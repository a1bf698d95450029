"""A broker that is gone, that comes back, that refuses, and that is another: nothing is lost in silence."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from host.web import mqtt
from host.web.gateway import Gateway
from host.web.hub import Hub
from host.web.mqtt import Bridge
from tests.bridged import TOPICS, UID, Here, back, bridged, numbers, settings, state
from tests.broker import HOST, Broker, broker, listening
from tests.web_samples import event, node


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


class Client:
    """Of a broker that takes everything."""

    def __init__(self) -> None:
        self.published: list[str] = []

    def subscribe(self, topics: object) -> None:
        pass

    def reconnect_delay_set(self, first: int, most: int) -> None:
        pass

    def publish(self, topic: str, *_: object) -> Any:
        self.published.append(topic)
        return SimpleNamespace(mid=len(self.published))


def test_what_is_sent_once_more_comes_before_what_is_new() -> None:
    """The broker may take them in any order otherwise, and an old state would stay."""
    gateway = Gateway(Hub(), [])
    bridge, client = Bridge(gateway, settings(1)), Client()
    with gateway.hub.listening(lambda: None) as box:

        def step() -> list[str]:
            before = len(client.published)
            bridge._step(client, box, 0)
            return client.published[before:]

        bridge._connected(client)
        gateway.hub.say_event(event(1))
        (on_its_way,) = step()
        assert on_its_way == TOPICS.node(UID, "event")
        bridge._disconnected(client)
        bridge._connected(client)
        gateway.hub.say_event(event(2))
        assert step() == []
        bridge._acknowledged(1)
        assert TOPICS.node(UID, "event") in step()


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
