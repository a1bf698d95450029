"""A real MQTT broker for tests, Debian's Mosquitto, and somebody who listens to it."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.patience import PATIENCE, growing

HOST = "127.0.0.1"
MOSQUITTO = Path("/usr/sbin/mosquitto")
MOSQUITTO_PASSWD = Path("/usr/bin/mosquitto_passwd")


class Broker:
    """A broker that can be stopped and started again. In between its port answers that nobody listens there."""

    def __init__(
        self, folder: Path, remembers: bool, users: dict[str, str], certificate: tuple[Path, Path] | None
    ) -> None:
        # Bound and never listened to: it keeps the port from others, and lets the broker have it.
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept.bind((HOST, 0))
        self.port: int = self._kept.getsockname()[1]
        self._said = folder / "mosquitto.log"
        self._settings = folder / "mosquitto.conf"
        settings = [
            f"listener {self.port} {HOST}",
            f"allow_anonymous {str(not users).lower()}",
            f"persistence {str(remembers).lower()}",
        ]
        # Root must be told by name: Mosquitto becomes another user then, who may not write here.
        settings += [f"persistence_location {folder}/", f"user {getpass.getuser()}"]
        if users:
            passwords = folder / "passwords"
            passwords.touch(mode=0o600)
            for user, password in users.items():
                subprocess.run([MOSQUITTO_PASSWD, "-b", passwords, user, password], check=True)
            settings += [f"password_file {passwords}"]
        if certificate is not None:
            settings += [f"certfile {certificate[0]}", f"keyfile {certificate[1]}"]
        self._settings.write_text("\n".join(settings))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Ends when it takes connections."""
        with self._said.open("ab") as log:
            command = [str(MOSQUITTO), "-c", str(self._settings)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for seconds in growing(0.01):
            with socket.socket() as trial:
                if trial.connect_ex((HOST, self.port)) == 0:
                    return
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
            break
        raise AssertionError(f"Mosquitto takes no connections: {self._said.read_text()}")

    def stop(self) -> None:
        """Ends when it is gone; every client has lost its connection."""
        assert self._process is not None
        for seconds in growing(0.2):  # one that has just begun takes connections before it heeds signals
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                return
        raise AssertionError("Mosquitto does not end")

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._kept.close()


@contextmanager
def broker(
    folder: Path,
    *,
    remembers: bool = False,
    users: dict[str, str] | None = None,
    certificate: tuple[Path, Path] | None = None,
) -> Iterator[Broker]:
    """A broker of the test's own, with what it writes in `folder`. remembers: what is retained, and the listeners with
    a name, over a stop; else all is forgotten. users: who may come, and by which password; certificate: it and its key,
    of a line that is secured."""
    if not os.access(MOSQUITTO, os.X_OK):
        pytest.skip("mosquitto is missing: apt-get install mosquitto")
    made = Broker(folder, remembers, users or {}, certificate)
    try:
        made.start()
        yield made
    finally:
        made.close()


class Listener:
    """messages: all that has come, in its order; client: to publish with. It comes back to a broker that was gone."""

    def __init__(self, client: mqtt.Client, topic: str) -> None:
        self.client = client
        self.messages: list[mqtt.MQTTMessage] = []
        self._changed = threading.Condition()
        self._subscribed = False
        self._topic = topic
        client.on_connect = self._subscribe
        client.on_subscribe = self._note_subscribed
        client.on_disconnect = self._note_gone
        client.on_message = self._hear

    def _subscribe(self, *_: object) -> None:
        self.client.subscribe(self._topic, qos=1)

    def _note_subscribed(self, *_: object) -> None:
        with self._changed:
            self._subscribed = True
            self._changed.notify_all()

    def _note_gone(self, *_: object) -> None:
        with self._changed:
            self._subscribed = False
            self._changed.notify_all()

    def _hear(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def latest(self, topic: str) -> str | None:
        """What was last heard of the topic."""
        heard = [message.payload.decode() for message in self.messages if message.topic == topic]
        return heard[-1] if heard else None

    def wait(self, condition: Callable[[], object], what: str = "it") -> None:
        """Until the condition, asked after each message, is true."""
        with self._changed:
            came = self._changed.wait_for(condition, PATIENCE)
            assert came, f"{what} did not come, but {[(one.topic, one.payload) for one in self.messages]}"

    def wait_listening(self, listening: bool = True) -> None:
        """Until it hears what is published, or knows that it does not."""
        self.wait(lambda: self._subscribed is listening, "the subscription")


@contextmanager
def listening(
    port: int, topic: str = "#", *, name: str = "", user: tuple[str, str] | None = None
) -> Iterator[Listener]:
    """Somebody who hears all of the topic, what is retained first. For who has a name the broker keeps, as far as it
    remembers, what is published while he is away. user: and his password."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, name, clean_session=not name)
    if user is not None:
        client.username_pw_set(*user)
    client.reconnect_delay_set(0.05, 0.05)  # type: ignore[arg-type] # parts of a second do as well
    listener = Listener(client, topic)
    client.connect(HOST, port)
    client.loop_start()
    try:
        listener.wait_listening()
        yield listener
    finally:
        client.disconnect()
        client.loop_stop()
