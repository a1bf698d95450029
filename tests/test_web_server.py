"""The gateway's HTTP on a real server: how it ends, and what strangers send."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from host.web import serving
from host.web.gateway import Gateway
from host.web.guard import Rules
from host.web.hub import Hub
from host.web.shapes import own_event
from tests.page.served import serving as gateway_process
from tests.patience import PATIENCE
from tests.web_client import TOKEN


@contextmanager
def served(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, serving._Server]]:
    """The real server, on a port of its own."""
    servers: list[serving._Server] = []
    begun = threading.Event()

    class Seen(serving._Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            servers.append(self)
            begun.set()

    monkeypatch.setattr(serving, "_Server", Seen)
    with serving.listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serving.serve, args=(gateway, Rules(TOKEN, port), listener))
        thread.start()
        assert begun.wait(PATIENCE)
        try:
            yield port, servers[0]
        finally:
            servers[0].handle_exit(signal.SIGINT, None)
            thread.join(PATIENCE)
            assert not thread.is_alive()


def spoken(port: int, text: str) -> bytes:
    """What a server answers to these characters, until it hangs up."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as line:
        line.sendall(text.replace("\n", "\r\n").replace("PORT", str(port)).encode("latin-1"))
        return b"".join(iter(lambda: line.recv(1 << 16), b""))


def test_a_gateway_that_ends_ends_its_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(Hub(), [])
    with served(gateway, monkeypatch) as (port, server):
        streams = [http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE) for _ in range(3)]
        answers = []
        for stream in streams:
            stream.request("GET", "/api/live")
            answers.append(stream.getresponse())
            assert answers[-1].readline() == b"event: state\n"
        server.handle_exit(signal.SIGINT, None)
        for answer in answers:
            assert answer.read().endswith(b"event: end\ndata: {}\n\n")
        for stream in streams:
            stream.close()
    assert gateway.hub._mailboxes == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_asks_a_gateway_to_end_ends_it_as_ctrl_c_does(number: signal.Signals) -> None:
    with gateway_process("sim") as gateway:
        gateway.ask("api/state")  # it listens to signals by then
        gateway.process.send_signal(number)
        assert gateway.process.wait() == 0


def test_who_never_reads_does_not_keep_a_gateway_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "GRACE_SECONDS", 0.1)
    gateway = Gateway(Hub(), [])
    with served(gateway, monkeypatch) as (port, _), socket.create_connection(("127.0.0.1", port)) as deaf:
        deaf.sendall(f"GET /api/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert deaf.recv(1)
        for _ in range(100):
            gateway.hub.say_event(own_event("LOST", "x" * 100_000, None))
    assert gateway.hub._mailboxes == []


def test_what_is_said_on_the_wire_by_strangers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    token = f"Authorization: Bearer {TOKEN}\nConnection: close\n"
    with served(Gateway(Hub(), []), monkeypatch) as (port, _):
        host = "Host: 127.0.0.1:PORT\n"
        for request, status in {
            f"GET /api/state HTTP/1.1\n{host}Connection: close\n\n": 200,
            f"GET /api/state HTTP/1.1\n{host}Host: evil.example\n{token}\n": 400,
            f"GET /api/state HTTP/1.1\n{token}\n": 400,
            f"GET /api/state HTTP/1.0\n{token}\n": 421,
            f"GET http://evil.example/api/state HTTP/1.1\nHost: evil.example\n{token}\n": 421,
            f"POST /api/token HTTP/1.1\n{host}{token}Content-Length: 2\n\n{{}}": 200,
            f"POST /api/token HTTP/1.1\n{host}{token}Transfer-Encoding: chunked\n\n2\n{{}}\n0\n\n": 200,
            f"POST /api/token HTTP/1.1\n{host}{token}Content-Length: 2\nContent-Length: 3\n\n{{}}": 400,
            f"POST /api/token HTTP/1.1\n{host}Connection: close\nContent-Length: 2\n\n{{}}": 401,
            f"GET /api/state?token={TOKEN} HTTP/1.1\n{host}{token}\n": 200,
            f"{TOKEN}\n\n": 400,
        }.items():
            answer = spoken(port, request)
            assert answer.startswith(f"HTTP/1.1 {status} ".encode()), (request, answer)
            assert TOKEN.encode() not in answer
    said = caplog.text + "".join(capfd.readouterr())
    assert TOKEN not in said
