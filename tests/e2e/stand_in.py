"""A stand-in for a node: a pty, and a function that answers each request, for what a real node never does."""

from __future__ import annotations

import os
import pty
import select
import struct
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from host.core.modbus import frame_seal, frame_valid, read_pdu
from host.core.wire import WIRE_VERSION
from host.node.identity import STATUS

Answer = Callable[[bytes], bytes | None]
"""The reply's PDU to a request's, or None: silence."""


def version(number: int) -> Answer:
    """Functions 3 and 4 answer the same number in every register, function 8 is an echo."""

    def answer(pdu: bytes) -> bytes:
        if pdu[0] == 8:
            return pdu
        return struct.pack(f">BB{pdu[4]}H", pdu[0], 2 * pdu[4], *[number] * pdu[4])

    return answer


def exception(code: int, after_handshake: bool = False) -> Answer:
    """Every request is answered with this exception; if wanted, a good handshake comes first."""
    words = STATUS.pack({row.name: 0 for row in STATUS.rows} | {"WIRE_VERSION": WIRE_VERSION})

    def answer(pdu: bytes) -> bytes:
        if after_handshake and pdu == read_pdu(4, STATUS.address, STATUS.count):
            return struct.pack(f">BB{len(words)}H", 4, 2 * len(words), *words)
        return bytes([pdu[0] | 0x80, code])

    return answer


def silence(pdu: bytes) -> None:
    return None


@contextmanager
def stand_in(answer: Answer) -> Iterator[str]:
    """The port where it answers while the context lasts."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    stop, stopper = os.pipe()

    def run() -> None:
        heard = b""
        while stop not in (ready := select.select([ours, stop], [], [])[0]):
            if ours in ready:
                heard += os.read(ours, 1024)
            if frame_valid(heard):
                pdu = answer(heard[1:-2])
                if pdu is not None:
                    os.write(ours, frame_seal(heard[:1] + pdu))
                heard = b""

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        os.write(stopper, b".")
        thread.join()
        for fd in (ours, theirs, stop, stopper):
            os.close(fd)
