"""The options of host.serve for a broker: one line for what is wrong, and a password that is nowhere to be seen."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from host import serve
from host.cli.broker import VARIABLE, broker_of, own_name
from host.cli.serving import parse
from host.errors import NeuronError
from host.web.mqtt import Settings


def chosen(*options: str) -> Settings:
    settings = broker_of(parse(["PORT", *options]))
    assert settings is not None
    return settings


@pytest.mark.parametrize(
    ("url", "tls", "user", "host", "port", "shown"),
    [
        ("mqtt://broker", False, None, "broker", 1883, "mqtt://broker:1883"),
        ("mqtt://broker:1884/", False, None, "broker", 1884, "mqtt://broker:1884"),
        ("mqtts://me@10.0.0.7", True, "me", "10.0.0.7", 8883, "mqtts://10.0.0.7:8883"),
        ("mqtt://a%40b@[::1]:9", False, "a@b", "::1", 9, "mqtt://[::1]:9"),
    ],
)
def test_a_broker_is_named_by_its_address(
    url: str, tls: bool, user: str | None, host: str, port: int, shown: str
) -> None:
    settings = chosen("--mqtt", url)
    assert (settings.tls, settings.user, settings.host, settings.port) == (tls, user, host, port)
    assert settings.url == shown


@pytest.mark.parametrize(
    "url",
    " | broker | http://broker | mqtt:// | mqtt://:1883 | mqtt://h:0 | mqtt://h:65536 | mqtt://h/topic | mqtt://h:x | "
    "mqtt://@h | mqtt://[::1 | mqtt://a b".split(" | "),
)
def test_what_is_no_address_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main(["PORT", "--mqtt", url]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: argument --mqtt: it is mqtt://[USER@]HOST[:PORT]")
    assert said.count("\n") == 1


@pytest.mark.parametrize("url", ["mqtt://me:s3cret@broker", "mqtt:me:s3cret@broker", "x://me:s3cret@b"])
def test_a_password_does_not_belong_on_the_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main(["PORT", "--mqtt", url]) == 2
    said = capsys.readouterr().err
    assert f"give --mqtt-password-file FILE, or set {VARIABLE}" in said
    assert "s3cret" not in said


def test_a_password_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "from there")
    assert chosen("--mqtt", "mqtt://me@h").password == "from there"
    assert chosen("--mqtt", "mqtt://h").password is None, "there is nobody whose it were"
    file = tmp_path / "password"
    file.write_text("s3cret\nmore\n")
    file.chmod(0o600)
    settings = chosen("--mqtt", "mqtt://me@h", "--mqtt-password-file", str(file))
    assert settings.password == "s3cret"
    assert "s3cret" not in repr(settings)
    with pytest.raises(NeuronError, match="a password is a user's"):
        chosen("--mqtt", "mqtt://h", "--mqtt-password-file", str(file))


@pytest.mark.parametrize(
    "option", ["--mqtt-commands", "--mqtt-name=a", "--mqtt-prefix=a", "--mqtt-password-file=a"]
)
def test_options_of_a_broker_go_with_one(option: str) -> None:
    with pytest.raises(NeuronError, match=f"{option.split('=')[0]} goes with --mqtt URL"):
        broker_of(parse(["PORT", option]))


def test_topics_begin_as_they_are_told_to() -> None:
    topics = chosen("--mqtt", "mqtt://h").topics
    assert (topics.prefix, topics.name) == ("neuron485", own_name())
    topics = chosen("--mqtt", "mqtt://h", "--mqtt-prefix", "plant/a", "--mqtt-name", "pc-1").topics
    assert topics.status == "plant/a/gateway/pc-1/status"
    assert topics.commanded(topics.command("ab", "inputs")) == ("ab", "inputs")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--mqtt-prefix", prefix) for prefix in ("", "/a", "a/", "a//b", "a/#", "+", "$SYS", "a" * 1001)]
    + [("--mqtt-name", name) for name in ("", "a b", "a/b", "é", "a" * 65)],
)
def test_names_that_are_no_topics_are_one_line(option: str, value: str) -> None:
    with pytest.raises(NeuronError, match=f"argument {option}"):
        parse(["PORT", "--mqtt", "mqtt://h", f"{option}={value}"])


@pytest.mark.parametrize(("host", "name"), [("pc1.plant.example", "pc1"), ("é.x", "_"), ("", "gateway")])
def test_a_computers_name_becomes_the_gateways(host: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert own_name() == name


def test_without_the_library_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec

    def without(name: str, *more: Any) -> Any:
        return None if name == "paho" else real(name, *more)

    monkeypatch.setattr("importlib.util.find_spec", without)
    assert serve.main(["PORT", "--mqtt", "mqtt://h"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: the page, /metrics and MQTT need paho: ")
    assert "pip install" in said
