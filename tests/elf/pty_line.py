"""The machine's line on a pseudo-terminal, so that ordinary serial programs talk to the ELF.

A pty carries bytes without pace or silence. A request is known by its length and its CRC, so that two that have
waited are two, however busy the machine; anything else is one frame if it arrives together. A frame is put on the
line after the silence that Modbus wants; then virtual time runs as fast as it can until the node has answered.
Nothing depends on how long that takes by the wall clock, which merely keeps an idle node's time from standing still.
"""

from __future__ import annotations

import os
import select
import termios
import tty
from pathlib import Path
from types import TracebackType

from host.core.modbus import frame_valid
from tests.frames import request_size

from .machine import Machine

TOGETHER_S = 0.05  # bytes that follow each other within this are one frame, if they are no request
IDLE_S = 0.005
ANSWER_US = 250_000  # virtual time for an answer to begin, before we listen to the host again
READ_SIZE = 4096
SPEEDS = {
    getattr(termios, f"B{baud}"): baud
    for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1000000)
    if hasattr(termios, f"B{baud}")
}


class PtyLine:
    """Use as a context manager; call `step()` for as long as the node is to live.

    `follow`: the line runs at the speed that the host has set on the terminal. Its parity cannot be seen on a
    pty: that of the node is taken for it. Otherwise the line is as the machine's bus has been told.
    """

    def __init__(self, machine: Machine, link: Path | None = None, *, follow: bool = False) -> None:
        self.machine = machine
        self._follow = follow
        self._link = link
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # kept open, so that a host that closes and opens the port loses nothing
        self.path = os.ttyname(self._slave)
        self._forwarded = 0
        self._heard = b""
        if link is not None:
            fresh = link.with_name(f"{link.name}.{os.getpid()}")
            fresh.symlink_to(self.path)
            fresh.replace(link)

    def __enter__(self) -> PtyLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._link is not None and self._link.is_symlink() and os.readlink(self._link) == self.path:
            self._link.unlink()
        os.close(self._master)
        os.close(self._slave)

    def step(self) -> None:
        """Serve one frame of the host, or let a little idle time pass."""
        frame = self._gather()
        if frame:
            if self._follow:
                self._agree()
            self.machine.request(frame, timeout_us=ANSWER_US)
        else:
            self.machine.run(microseconds=IDLE_S * 1e6)
        self._forward()

    def _agree(self) -> None:
        bus, speed = self.machine.bus, termios.tcgetattr(self._master)[4]
        bus.baud = SPEEDS.get(speed, bus.baud)
        bus.format = self.machine.chip.usart3.format

    def _gather(self) -> bytes:
        size, patience = request_size(self._heard), TOGETHER_S if self._heard else IDLE_S
        while not (size <= len(self._heard) and frame_valid(self._heard[:size])):
            if not select.select([self._master], [], [], patience)[0]:
                size = len(self._heard)
                break
            self._heard += os.read(self._master, READ_SIZE)
            size, patience = request_size(self._heard), TOGETHER_S
        frame, self._heard = self._heard[:size], self._heard[size:]
        return frame

    def _forward(self) -> None:
        data = self.machine.bus.data[self._forwarded :]
        self._forwarded += len(data)
        while data:
            data = data[os.write(self._master, data) :]
