"""The broker of the tests, tests/broker.py: it is a real one, can be gone for a while, and is gone afterwards."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.broker import HOST, Listener, broker, listening
from tests.e2e.conftest import Processes, _nothing_left, gone, processes  # noqa: F401 # nothing may stay


def publish(listener: Listener, topic: str, text: str, *, retain: bool = False) -> None:
    listener.client.publish(topic, text, qos=1, retain=retain)
    listener.wait(lambda: listener.latest(topic) == text)


def test_what_is_published_is_heard_and_what_is_retained_is_heard_later(tmp_path: Path) -> None:
    with broker(tmp_path) as one, listening(one.port) as all_of_it:
        publish(all_of_it, "lamp/1", "lit", retain=True)
        publish(all_of_it, "event/1", "DECISION")
        publish(all_of_it, "lamp/1", "dark", retain=True)
        assert [message.payload for message in all_of_it.messages] == [b"lit", b"DECISION", b"dark"]
        with listening(one.port, "lamp/#") as lamps:
            lamps.wait(lambda: lamps.messages)
            publish(lamps, "lamp/2", "lit")
            heard = [(message.topic, message.retain) for message in lamps.messages]
            assert heard == [("lamp/1", True), ("lamp/2", False)]
            assert lamps.latest("event/1") is None


@pytest.mark.parametrize("remembers", [False, True])
def test_it_is_gone_and_comes_back(tmp_path: Path, remembers: bool) -> None:
    with broker(tmp_path, remembers=remembers) as one, listening(one.port) as before:
        publish(before, "lamp/1", "lit", retain=True)
        one.stop()
        before.wait_listening(False)
        with socket.socket() as nobody:
            assert nobody.connect_ex((HOST, one.port)) != 0
        one.start()
        before.wait_listening()
        publish(before, "event/1", "BACK")
        with listening(one.port) as after:
            publish(after, "event/1", "END")
            assert (after.latest("lamp/1") == "lit") is remembers


def test_who_has_a_name_misses_nothing(tmp_path: Path) -> None:
    """Published while the broker is back already, and the listener not yet."""
    with broker(tmp_path, remembers=True) as one:
        with listening(one.port, "event/#", name="reader"):
            pass
        one.stop()
        one.start()
        with listening(one.port) as other:
            publish(other, "event/1", "LOST")
        with listening(one.port, "event/#", name="reader") as reader:
            reader.wait(lambda: reader.latest("event/1") == "LOST")


def test_a_broker_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "root\nnonsense 1")
    with pytest.raises(AssertionError, match="nonsense"), broker(tmp_path):
        pass


def end(processes: Processes) -> None:  # noqa: F811
    assert processes()
    raise KeyError("on purpose")


def test_a_test_that_fails_leaves_no_broker(tmp_path: Path, processes: Processes) -> None:  # noqa: F811
    with pytest.raises(KeyError), broker(tmp_path):
        end(processes)
    gone(processes)


def test_without_mosquitto_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.broker.MOSQUITTO", tmp_path / "mosquitto")
    said = "mosquitto is missing: apt-get install mosquitto"
    with pytest.raises(pytest.skip.Exception, match=said), broker(tmp_path):
        pass
