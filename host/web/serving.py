"""The server under the application: uvicorn, on a socket of our own."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import uvicorn

from host.errors import NeuronError
from host.web.app import make_app
from host.web.gateway import Gateway
from host.web.guard import Rules
from host.web.trainings import Trainings

GRACE_SECONDS = 5
"""For requests under way when the gateway ends."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that waits for connections; port 0: any that is free. NeuronError where the address cannot be had."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise NeuronError(f"--http {host}: no such address here: {error.strerror or error}") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(128)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise NeuronError(
                    f"{host}:{port} is in use, perhaps by another gateway: give --http {host}:{port + 1}"
                ) from None
            raise NeuronError(f"--http {host}:{port} cannot be listened at: {error.strerror}") from None
        yield listener


class _Server(uvicorn.Server):
    """Streams of events end with it: they would hold it up."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway, ending: threading.Event) -> None:
        super().__init__(config)
        self._gateway, self._ending = gateway, ending

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()  # before there are handlers of signals
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._end)
        super().handle_exit(sig, frame)

    def _end(self) -> None:
        self._ending.set()
        self._gateway.hub.say("end", {})


def serve(gateway: Gateway, rules: Rules, listener: socket.socket) -> None:
    """Answer until Ctrl-C, or until the process is asked to end."""
    ending, trainings = threading.Event(), Trainings(gateway)
    config = uvicorn.Config(
        make_app(gateway, rules, ending, trainings.routes()),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    try:
        with suppress(KeyboardInterrupt):
            _Server(config, gateway, ending).run(sockets=[listener])
    finally:
        trainings.close()
