"""Commands over MQTT: off unless asked for; the same checks and words as the commands; an answer to each."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from host.core.image import encode
from host.web import commanded
from host.web.gateway import Gateway
from host.web.hub import Hub
from host.web.shapes import Json
from tests.bridged import TOPICS, bridged
from tests.broker import Listener, broker, listening
from tests.e2e.scenario import AND
from tests.test_web_owner import rig
from tests.web_samples import node, uid_of

IMAGE = base64.b64encode(encode(AND)).decode()


@dataclass
class There:
    """Somebody at the broker who commands nodes 1 and 2."""

    listener: Listener

    def command(self, kind: str, payload: str, number: int = 1, *, retain: bool = False) -> None:
        """Ends when the broker has it."""
        topic = TOPICS.command(uid_of(number), kind)
        self.listener.client.publish(topic, payload, qos=1, retain=retain)
        self.listener.wait(lambda: self.listener.latest(topic) == payload)

    def results(self, number: int = 1) -> list[Json]:
        topic = TOPICS.node(uid_of(number), "result")
        return [json.loads(one.payload) for one in self.listener.messages if one.topic == topic]

    def ask(self, kind: str, said: Json | str, number: int = 1) -> Json:
        """A command, and its result."""
        before = len(self.results(number))
        self.command(kind, said if isinstance(said, str) else json.dumps(said), number)
        self.listener.wait(lambda: len(self.results(number)) > before)
        result = self.results(number)[-1]
        assert result["kind"] == kind
        return result


@contextmanager
def there(tmp_path: Path, gateway: Gateway, commands: bool = True) -> Iterator[There]:
    with (
        broker(tmp_path) as one,
        bridged(one.port, gateway, commands=commands),
        listening(one.port) as listener,
    ):
        listener.wait(
            lambda: listener.latest(TOPICS.status) == "online"
        )  # and hears commands since before that
        yield There(listener)


class Recorded(Gateway):
    """A gateway that does nothing. done: what it was told to do."""

    def __init__(self) -> None:
        super().__init__(Hub(), [])
        self.done: list[str] = []

    def do(self, uid: str, kind: str, deed: object) -> Json:
        self.done.append(kind)
        return self._job(uid, kind)


@pytest.mark.parametrize("commands", [False, True])
def test_commands_are_off_unless_they_are_asked_for(tmp_path: Path, commands: bool) -> None:
    gateway = Recorded()
    gateway.hub.say_node(node())
    with there(tmp_path, gateway, commands) as here:
        here.command("rollback", "")
        # What was published before the bridge ends has come to it by then: the broker answers it in its order.
    assert gateway.done == ["rollback"] * commands


def test_a_retained_command_is_not_done(tmp_path: Path) -> None:
    gateway = Recorded()
    gateway.hub.say_node(node())
    with broker(tmp_path) as one, listening(one.port) as listener:
        here = There(listener)
        here.command("rollback", "{}", retain=True)
        with bridged(one.port, gateway, commands=True):
            listener.wait(here.results)
    (result,) = here.results()
    assert result["state"] == "failed"
    assert result["error"].endswith("publish it without retain")
    assert gateway.done == []


def test_more_than_so_many_under_way_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commanded, "UNDER_WAY", 2)
    gateway = Recorded()
    gateway.hub.say_node(node())
    with there(tmp_path, gateway) as here:
        here.command("rollback", "")
        here.command("confirm", "{}")
        assert here.ask("revert", "{}")["error"] == "2 commands are under way: wait for their results"


def test_another_gateways_node_is_left_to_it(tmp_path: Path) -> None:
    gateway = Recorded()
    gateway.hub.say_node(node())
    with there(tmp_path, gateway) as here:
        here.command("rollback", "", number=2)
        assert here.ask("explode", "", number=1)["state"] == "failed"
        assert not here.results(2)
    assert gateway.done == []


def test_a_model_is_deployed_and_its_lamp_follows(tmp_path: Path) -> None:
    with rig() as line, there(tmp_path, line.gateway) as here:
        assert here.ask("inputs", {"values": [1, 1]})["error"] == "the node runs no model: deploy one first"
        deployed = here.ask("deploy", {"image": IMAGE})
        assert deployed["state"] == "done"
        assert deployed["lines"][0].startswith("running: CRC-32 ")
        fed = here.ask("inputs", {"values": [1, 1]})
        assert (fed["state"], fed["result"]["led"]) == ("done", True)
        assert "frames" not in fed["result"]
        assert "takes 2 inputs, 3 were given" in here.ask("inputs", {"values": [1, 1, 1]})["error"]
        topic = TOPICS.node(uid_of(1), "state")
        here.listener.wait(lambda: json.loads(here.listener.latest(topic) or "{}").get("lamp"))


def test_nodes_are_told_what_they_are_told_elsewhere(tmp_path: Path) -> None:
    with rig() as line, there(tmp_path, line.gateway) as here:
        assert here.ask("acknowledge", "")["lines"] == ["nothing was latched"]
        assert here.ask("identify", {"on": True}, number=2)["state"] == "done"
        topic = TOPICS.node(uid_of(2), "state")
        here.listener.wait(
            lambda: "IDENTIFY" in json.loads(here.listener.latest(topic) or "{}").get("states", [])
        )
        for kind in ("rollback", "confirm", "revert"):
            refused = here.ask(kind, "{}")
            assert refused["state"] == "failed"
            assert refused["error"].isprintable()


@pytest.mark.parametrize(
    ("kind", "payload", "said"),
    [
        ("inputs", "[1, 1]", "no JSON object"),
        ("inputs", '{"values": [1e999]}', "not a finite number"),
        ("identify", "ON", "no JSON"),
        ("identify", "{}", "on is to be true or false"),
        ("deploy", '{"image": "AAAA"}', ""),
        ("explode", "", "cannot be told to explode"),
        ("inputs", " " * 70_000, "a command of 70000 bytes: 65536 at most"),
    ],
)
def test_what_makes_no_sense_is_answered_by_a_line(
    tmp_path: Path, kind: str, payload: str, said: str
) -> None:
    gateway = Recorded()
    gateway.hub.say_node(node())
    with there(tmp_path, gateway) as here:
        result = here.ask(kind, payload)
    assert result["state"] == "failed"
    assert said in result["error"]
    assert result["error"].isprintable()
    assert gateway.done == []


def test_a_job_that_is_no_longer_known_is_answered_too() -> None:
    told: list[tuple[str, Json]] = []
    with rig(1) as here:
        commands = commanded.Commanded(
            here.gateway, lambda uid, said: told.append((uid, said)), lambda do: None
        )
        commands.take(here.uids[0], "identify", b'{"on": false}', retained=False)
        commands.jobs([])
        commands.jobs([])
    ((uid, said),) = told
    assert (uid, said["kind"], said["state"]) == (here.uids[0], "identify", "failed")
    assert "what came of it was lost" in said["error"]
