"""A line that nodes share with another Modbus device, which is a few lines here: it stands between the host and the
simulated bus, hears what both say, and answers what is for it. What is sent to anybody is kept."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from host.core.modbus import frame_seal, frame_valid


class SharedLine:
    """requests: whole frames that the host has sent, to whomever."""

    def __init__(self, nodes: str, device: int, register: int) -> None:
        self._nodes = os.open(nodes, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._nodes)
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        self.port = os.ttyname(self._theirs)
        self.requests: list[bytes] = []
        self._device, self._register = device, register
        self._stop, self._stopper = os.pipe()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _answer(self, frame: bytes) -> None:
        if frame[0] == self._device:
            known = frame[1] == 3 and frame[2:6] == bytes([0, 0, 0, 1])
            pdu = bytes([3, 2, *self._register.to_bytes(2, "big")]) if known else bytes([frame[1] | 0x80, 1])
            os.write(self._ours, frame_seal(bytes([self._device]) + pdu))

    def _run(self) -> None:
        heard = b""
        while self._stop not in (ready := select.select([self._ours, self._nodes, self._stop], [], [])[0]):
            if self._nodes in ready:
                os.write(self._ours, os.read(self._nodes, 4096))
            if self._ours in ready:
                data = os.read(self._ours, 4096)
                os.write(self._nodes, data)
                heard += data
                if frame_valid(heard):
                    self.requests.append(heard)
                    self._answer(heard)
                    heard = b""

    def close(self) -> None:
        os.write(self._stopper, b".")
        self._thread.join()
        for fd in (self._nodes, self._ours, self._theirs, self._stop, self._stopper):
            os.close(fd)


@contextmanager
def shared_line(nodes: str, device: int, register: int) -> Iterator[SharedLine]:
    """nodes: the port of the simulated bus; device: the other's address; register: what its first one holds."""
    line = SharedLine(nodes, device, register)
    try:
        yield line
    finally:
        line.close()
