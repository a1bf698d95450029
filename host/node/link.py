"""Opening the Modbus client on a port: a serial device or a serial server. With host/node/node.py the only module that
knows the client library."""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import sys
from contextlib import suppress
from typing import Any

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.framer import FramerType

from host.core.modbus import FRAME_MIN, frame_text, frame_valid
from host.core.wire import Format
from host.errors import NeuronError

# The library logs what we report ourselves, in one line.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)


SERVED = "socket://"
"""How a port begins that a serial server has."""
EXAMPLES = "such as /dev/ttyUSB0 or COM3"


class PortError(NeuronError):
    """A port cannot be opened."""


class Ear:
    """Hears the bytes of the line as the library sends and receives them; shows them on stderr where that is wanted."""

    def __init__(self, trace: bool) -> None:
        self._trace = trace
        self._heard = b""

    def __call__(self, sending: bool, data: bytes) -> bytes:
        if data and not sending:
            self._heard = data
        if self._trace:
            print(f"{'->' if sending else '<-'} {frame_text(data)}", file=sys.stderr)
        return data

    def forget(self) -> None:
        """Another request begins."""
        self._heard = b""

    @property
    def heard(self) -> bool:
        """Whether anything has come since then, in any of its attempts."""
        return self._heard != b""

    @property
    def heard_frame(self) -> bool:
        """Whether it begins with a whole frame, whoever's."""
        return any(frame_valid(self._heard[:size]) for size in range(FRAME_MIN, len(self._heard) + 1))


def _no_device(port: str) -> str | None:
    """What a port is that can be no serial device, and what to write instead; None for what may be one."""
    if "://" in port:
        return f"{port} cannot be opened: write {SERVED}{port.partition('://')[2]} for a serial server"
    if os.path.isdir(port):
        return f"{port} is a folder: give a serial device, {EXAMPLES}"
    if os.path.isfile(port):
        return f"{port} is a file: give a serial device, {EXAMPLES}"
    if os.path.exists(port) and os.path.samefile(port, os.devnull):
        return f"{port} is the null device: give a serial device, {EXAMPLES}"
    host, _, number = port.rpartition(":")
    if host and number.isdecimal() and not os.path.exists(port):
        return f"{port} does not exist: write {SERVED}{port} for a serial server"
    return None


def _why_closed(port: str) -> str:
    """Why a serial port could not be opened, and what to do."""
    import serial

    told = _no_device(port)
    if told:
        return told
    try:
        serial.Serial(port, exclusive=True).close()
    except serial.SerialException as error:
        number = error.errno
        if number is None:  # Windows: only the text says it, and access denied means in use
            words = {"FileNotFoundError(": errno.ENOENT, "PermissionError(": errno.EBUSY}
            number = next((code for word, code in words.items() if word in str(error)), None)
        if number == errno.ENOENT:
            return f"{port} does not exist: is the adapter plugged in? (python -m serial.tools.list_ports lists them)"
        if number == errno.EACCES:
            return f"no permission for {port}: join its group (Debian: sudo usermod -aG dialout $USER), log in again"
        if number in (errno.EAGAIN, errno.EBUSY):
            return f"{port} is in use by another program: close that first"
        return f"{port} cannot be opened: {error}"
    except (OSError, ValueError) as error:
        return f"{port} cannot be opened: {error}"
    return f"{port} cannot be opened with these line settings: try another --baud or --parity"


def _open_tcp(port: str, timeout: float, ear: Ear) -> Any:
    host, colon, number = port.removeprefix(SERVED).rpartition(":")
    if not colon or not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise PortError(f"{port} is no socket://host:port")
    try:
        socket.getaddrinfo(host, int(number), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise PortError(
            f"no computer named {host} is known here: is the name of the serial server right?"
        ) from None
    client: Any = ModbusTcpClient(
        host, port=int(number), framer=FramerType.RTU, timeout=timeout, retries=0, trace_packet=ear
    )
    if not client.connect():
        raise PortError(f"nothing answers at {host}:{number}: is the serial server running and reachable?")
    return client


def _is_pty(port: str) -> bool:
    """Whether a port is a pseudo-terminal: it carries no parity, and the C library refuses to set any on it."""
    return os.path.realpath(port).startswith(("/dev/pts/", "/dev/ttys"))


def _open_serial(port: str, baud: int, line_format: Format, timeout: float, ear: Ear) -> Any:
    name = line_format.name[1:]
    client: Any = ModbusSerialClient(
        port,
        baudrate=baud,
        bytesize=8,
        parity="N" if _is_pty(port) else name[1],
        stopbits=int(name[2]),
        timeout=timeout,
        retries=0,
        trace_packet=ear,
    )
    if not client.connect():
        raise PortError(_why_closed(port))
    return client


def open_client(port: str, *, baud: int, line_format: Format, timeout: float, ear: Ear) -> Any:
    """The library's client, connected. port: a serial device or socket://host:port; PortError says why not."""
    if port.startswith(SERVED):
        return _open_tcp(port, timeout, ear)
    return _open_serial(port, baud, line_format, timeout, ear)


def drop_input(client: Any) -> None:
    """Drop what came after its time. On a serial port the library does so itself before it sends."""
    channel = client.socket
    if isinstance(channel, socket.socket):
        with suppress(OSError):
            while select.select([channel], [], [], 0)[0] and channel.recv(4096):
                pass
