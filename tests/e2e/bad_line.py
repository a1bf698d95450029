"""A bad line: sits between the host and a node, knows frames by their shape, and hurts one of them.

It never waits: what comes late comes with the host's next request, which the host sends only once it has given up
waiting; so the outcome does not hang on how fast a machine is.
"""

from __future__ import annotations

import os
import pty
import select
import socket
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from tests.frames import reply_size, request_size


class Fault(Enum):
    """What happens to request number k, or to its reply."""

    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost"
    REQUEST_REPEATED = "request repeated"
    REPLY_REPEATED = "reply repeated"
    REPLY_REPEATED_LATE = "reply repeated, the second time after the next request"
    REQUEST_CORRUPTED = "request corrupted"
    REPLY_CORRUPTED = "reply corrupted"
    REPLY_LATE = "reply late"
    REPLY_TRUNCATED = "reply truncated"
    NOISE = "noise before the reply"
    BEHIND = "every reply from here on comes after the next request"
    ALL_LOST = "everything lost from here on"


def _flipped(frame: bytes, k: int) -> bytes:
    """One bit is wrong, another one for each k."""
    bit = (37 * k + 11) % (8 * len(frame))
    return frame[: bit // 8] + bytes([frame[bit // 8] ^ 1 << bit % 8]) + frame[bit // 8 + 1 :]


class BadLine:
    """The line. `port` is what the host opens; `arm` chooses what goes wrong next."""

    def __init__(self, node_port: str, tcp: bool) -> None:
        self._node = os.open(node_port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._node)
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._host = self._slave = -1
        if tcp:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        else:
            self._host, self._slave = pty.openpty()
            tty.setraw(self._slave)
            self.port = os.ttyname(self._slave)
        self._stop, self._stopper = os.pipe()
        self.arm(None, 0)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def arm(self, fault: Fault | None, k: int) -> None:
        """From now on requests are counted from 0, and number k meets the fault."""
        self._fault, self._k = fault, k
        self.requests: list[bytes] = []
        self.delivered: list[bytes] = []  # to the node
        self._late = b""
        self._again = b""
        self._first = b""
        self._from_host = self._from_node = b""

    def _hits(self, fault: Fault) -> bool:
        return self._fault is fault and len(self.requests) - 1 == self._k

    def _lost(self) -> bool:
        return self._fault is Fault.ALL_LOST and len(self.requests) > self._k

    def _behind(self) -> bool:
        return self._fault is Fault.BEHIND and len(self.requests) > self._k

    def _to_host(self, data: bytes) -> None:
        if self._client is not None:
            self._client.sendall(data)
        elif self._host >= 0:
            os.write(self._host, data)

    def _to_node(self, frame: bytes) -> None:
        self.delivered.append(frame)
        os.write(self._node, frame)

    def _request(self, frame: bytes) -> None:
        self.requests.append(frame)
        if self._late:
            self._late, late = b"", self._late
            self._to_host(late)
        if self._lost() or self._hits(Fault.REQUEST_LOST):
            return
        if self._hits(Fault.REQUEST_REPEATED):
            self._again = frame
        self._to_node(_flipped(frame, self._k) if self._hits(Fault.REQUEST_CORRUPTED) else frame)

    def _reply(self, frame: bytes) -> None:
        if self._again:
            # The node has answered: it takes the same frame once more, as a request of its own. The host hears of
            # it when both answers are there: its next request would come amid the second, and might be lost.
            self._again, again = b"", self._again
            self._first = frame
            self._to_node(again)
            return
        if self._first:
            self._first, frame = b"", self._first + frame
        if self._lost() or self._hits(Fault.REPLY_LOST):
            return
        if self._hits(Fault.REPLY_CORRUPTED):
            frame = _flipped(frame, self._k)
        elif self._hits(Fault.REPLY_TRUNCATED):
            frame = frame[: len(frame) // 2]
        elif self._hits(Fault.NOISE):
            frame = bytes([1, 0, 0xFF, 4][: 1 + self._k % 4]) + frame
        elif self._hits(Fault.REPLY_REPEATED):
            frame = frame + frame
        elif self._hits(Fault.REPLY_REPEATED_LATE):
            self._late = frame
        elif self._hits(Fault.REPLY_LATE) or self._behind():
            self._late = frame
            return
        self._to_host(frame)

    def _hear(self, fd: int) -> bytes:
        try:
            return os.read(fd, 4096)
        except OSError:
            return b""

    def _run(self) -> None:
        while True:
            sources = [self._stop, self._node]
            if self._host >= 0:
                sources.append(self._host)
            if self._listener is not None:
                sources.append(self._listener.fileno())
            if self._client is not None:
                sources.append(self._client.fileno())
            ready = select.select(sources, [], [])[0]
            if self._stop in ready:
                return
            if self._listener is not None and self._listener.fileno() in ready:
                self._client = self._listener.accept()[0]
                continue
            if self._node in ready:
                self._from_node += self._hear(self._node)
                while len(self._from_node) >= (size := reply_size(self._from_node)):
                    frame, self._from_node = self._from_node[:size], self._from_node[size:]
                    self._reply(frame)
                continue
            if self._client is not None:
                data = self._hear(self._client.fileno())
                if not data:
                    self._client.close()
                    self._client = None
            else:
                data = self._hear(self._host)
            self._from_host += data
            while len(self._from_host) >= (size := request_size(self._from_host)):
                frame, self._from_host = self._from_host[:size], self._from_host[size:]
                self._request(frame)

    def close(self) -> None:
        os.write(self._stopper, b".")
        self._thread.join()
        for end in (self._client, self._listener):
            if end is not None:
                end.close()
        for fd in (self._node, self._host, self._slave, self._stop, self._stopper):
            if fd >= 0:
                os.close(fd)


@contextmanager
def bad_line(node_port: str, tcp: bool = False) -> Iterator[BadLine]:
    line = BadLine(node_port, tcp)
    try:
        yield line
    finally:
        line.close()
