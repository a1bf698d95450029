"""The line to the nodes: frames out, answers back, over a serial device or a serial server. Alone in knowing pyserial.

Nothing here sleeps where it could wait: an answer is taken when its last byte is there.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from host.core.modbus import (
    BROADCAST,
    FRAME_MAX,
    FRAME_MIN,
    echo_answers,
    find_reply,
    frame_seal,
    frame_text,
    frame_valid,
    reply_size,
)
from host.core.wire import Format, Gap
from host.errors import NeuronError

if TYPE_CHECKING:
    import serial

SERVED = "socket://"
"""How a port begins that a serial server has."""
EXAMPLES = "such as /dev/ttyUSB0 or COM3"
READ_SIZE = 4096
SPIN_SECONDS = 0.0002
"""The end of a silence is waited for awake: a sleep may take so much longer than asked for (Linux: 50 us of timer
slack, and the way back to the processor)."""


class PortError(NeuronError):
    """A port cannot be opened."""


class Gone(NeuronError):
    """The device or the connection is there no longer."""


def is_gone(error: BaseException) -> bool:
    """Whether it is the line that has gone, which is the trouble of all its nodes."""
    return isinstance(error, Gone) or isinstance(error.__cause__, Gone)


# ------------------------------------------------------------------------------------------------------- time


def character_seconds(baud: int, line_format: Format) -> float:
    """Start, data, parity and stop bits of one character."""
    return (10 if line_format is Format.F8N1 else 11) / baud


def silence_seconds(baud: int, line_format: Format, gap: Gap) -> float:
    """Seconds that must pass between two frames. Twin of link_silence_us in firmware/app/link.c."""
    if gap is Gap.STANDARD and baud > 19200:
        return 0.00175
    return 3.5 * character_seconds(baud, line_format)


def wait_until(moment: float) -> None:
    """Return at this moment of the monotonic clock, not before it and hardly after it."""
    while (left := moment - time.monotonic()) > 0:
        if left > SPIN_SECONDS:
            time.sleep(left - SPIN_SECONDS)


# --------------------------------------------------------------------------------------------------- channels


class Channel(Protocol):
    """Bytes both ways. OSError, or b"" from something that is ready, where the other end has gone."""

    def send(self, data: bytes) -> None:
        """TimeoutError where the other end takes nothing more."""

    def hear(self, seconds: float) -> bytes:
        """What comes within so many seconds, as soon as something does; b"" where nothing does."""

    def close(self) -> None: ...


def _ready(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], max(0.0, seconds))[0])


class SerialChannel:
    """A serial device."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port

    def send(self, data: bytes) -> None:
        import serial

        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise TimeoutError(str(error)) from error

    def hear(self, seconds: float) -> bytes:
        if sys.platform == "win32":  # select knows no serial devices there
            self._port.timeout = max(0.0, seconds)
            return self._port.read(1) + self._port.read(self._port.in_waiting)
        if not _ready(self._port.fileno(), seconds):
            return b""
        data = os.read(self._port.fileno(), READ_SIZE)
        if not data:
            raise OSError(errno.EIO, "the device has gone")
        return data

    def close(self) -> None:
        self._port.close()


class TcpChannel:
    """A connection to a serial server."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def hear(self, seconds: float) -> bytes:
        if not _ready(self._connection.fileno(), seconds):
            return b""
        data = self._connection.recv(READ_SIZE)
        if not data:
            raise OSError(errno.ECONNRESET, "the server has hung up")
        return data

    def close(self) -> None:
        self._connection.close()


# ------------------------------------------------------------------------------------------------------- link


@dataclass
class Counts:
    """Requests to nodes so far, repeated ones too; those without an answer; and those where, then or when they were
    sent first, something else or something damaged came in its place."""

    requests: int = 0
    unanswered: int = 0
    damaged: int = 0


FrameSeen = Callable[[str, bytes], None]
"""seen("->" or "<-", bytes): what has just gone out, or come in."""


def print_frame(way: str, data: bytes) -> None:
    """For people who trace a line."""
    print(f"{way} {frame_text(data)}", file=sys.stderr)


class Link:
    """The way to a node. baud, line_format: how fast is spoken; gap: the silence that is kept between frames; timeout:
    seconds for an answer, beside what the characters take; trace: show every frame on stderr. counts: of requests to
    nodes; seen: told of every frame.

    Another node of the same line may want a longer silence before it listens: it takes a link of its own, which begins
    with the standard's.
    """

    def __init__(
        self, channel: Channel, where: str, baud: int, line_format: Format, *, timeout: float, trace: bool
    ) -> None:
        self.where = where
        self.baud, self.line_format = baud, line_format
        self.gap = Gap.STANDARD  # which every node hears
        self.timeout = timeout
        self.counts = Counts()
        self.seen: FrameSeen | None = print_frame if trace else None
        self._channel = channel
        self._quiet_since = time.monotonic()  # somebody may just have spoken before us
        self._heard = b""
        self.echoed = False
        """Whether our own request came back to us before the answer: an adapter that hears itself."""

    def exchange(self, address: int, request: bytes) -> bytes | None:
        """Send a request's PDU when the line has been silent for long enough; the PDU that answers it, or None where
        none came in time. What came before the request is dropped, and so is what answers something else."""
        frame = frame_seal(bytes([address]) + request)
        self.echoed = False
        try:
            if not self._silent():
                return None
            self._show("->", frame)
            self._channel.send(frame)
            characters = len(frame) + reply_size(request)
            reply = self._answer(
                address, request, characters * character_seconds(self.baud, self.line_format)
            )
        except TimeoutError:
            return None
        except OSError as error:
            raise self._gone() from error
        self.echoed = self._heard.startswith(frame) and not echo_answers(request)
        return reply

    def broadcast(self, request: bytes) -> bool:
        """Send a request's PDU to every node, which none answers; False where the line never falls silent. The next
        frame waits until this one has left and the silence after it has passed."""
        frame = frame_seal(bytes([BROADCAST]) + request)
        try:
            if not self._silent():
                return False
            self._show("->", frame)
            self._channel.send(frame)
        except TimeoutError:
            return False
        except OSError as error:
            raise self._gone() from error
        self._quiet_since = time.monotonic() + len(frame) * character_seconds(self.baud, self.line_format)
        return True

    def _gone(self) -> Gone:
        return Gone(f"{self.where} has gone: check the cable or the adapter")

    def _silent(self) -> bool:
        """Wait for the silence before a frame, and drop what comes meanwhile; False if it never ends."""
        silence = silence_seconds(self.baud, self.line_format, self.gap)
        deadline = max(time.monotonic(), self._quiet_since) + self.timeout
        while True:
            wait_until(self._quiet_since + silence)
            dropped = self._channel.hear(0)
            if not dropped:
                return True
            self._quiet_since = time.monotonic()
            if self._quiet_since > deadline:
                self._heard = dropped
                return False

    def _answer(self, address: int, request: bytes, on_the_wire: float) -> bytes | None:
        heard, reply = b"", None
        deadline = time.monotonic() + on_the_wire + self.timeout
        while reply is None and (left := deadline - time.monotonic()) > 0:
            more = self._channel.hear(left)
            self._quiet_since = time.monotonic()
            if more:
                heard += more
                reply = find_reply(address, request, heard)
        if heard:
            self._heard = heard
            self._show("<-", heard)
        return reply

    def _show(self, way: str, data: bytes) -> None:
        if self.seen is not None:
            self.seen(way, data)

    @property
    def served(self) -> bool:
        """Whether a serial server speaks for us, at a speed of its own."""
        return self.where.startswith(SERVED)

    @property
    def timed(self) -> bool:
        """Whether characters are known to take the time that the baud rate says."""
        return not self.served and not is_pty(self.where)

    def forget(self) -> None:
        """Another request begins."""
        self._heard = b""

    @property
    def heard(self) -> bool:
        """Whether anything has come since then, in any of its attempts."""
        return self._heard != b""

    @property
    def heard_frame(self) -> bool:
        """Whether a frame begins what was last heard, whoever's."""
        sizes = range(FRAME_MIN, min(FRAME_MAX, len(self._heard)) + 1)
        return any(frame_valid(self._heard[:size]) for size in sizes)

    def close(self) -> None:
        self._channel.close()


# ---------------------------------------------------------------------------------------------------- opening


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


def _open_tcp(port: str, timeout: float) -> TcpChannel:
    host, colon, number = port.removeprefix(SERVED).rpartition(":")
    host = host.removeprefix("[").removesuffix("]")  # of an IPv6 address
    decimal = number.isascii() and number.isdecimal()
    if not colon or not host or not decimal or not 0 < int(number) < 65536:
        raise PortError(f"{port} is no socket://host:port")
    try:
        connection = socket.create_connection((host, int(number)), timeout)
    except (socket.gaierror, UnicodeError):
        raise PortError(
            f"no computer named {host} is known here: is the name of the serial server right?"
        ) from None
    except OSError:
        raise PortError(
            f"nothing answers at {host}:{number}: is the serial server running and reachable?"
        ) from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return TcpChannel(connection)


def is_pty(port: str) -> bool:
    """Whether a port is a pseudo-terminal: it carries no parity, and the C library refuses to set any on it."""
    return os.path.realpath(port).startswith(("/dev/pts/", "/dev/ttys"))


def _refusals() -> tuple[type[Exception], ...]:
    """What pyserial raises where a port cannot be opened."""
    if sys.platform == "win32":
        return (OSError, ValueError)
    import termios

    return (OSError, ValueError, termios.error)


def _open_serial(port: str, baud: int, line_format: Format, timeout: float) -> SerialChannel:
    import serial

    name = line_format.name[1:]
    try:
        device = serial.Serial(
            port,
            baudrate=baud,
            bytesize=8,
            parity="N" if is_pty(port) else name[1],
            stopbits=int(name[2]),
            timeout=0,
            write_timeout=timeout,
            exclusive=True,
        )
    except _refusals():
        raise PortError(_why_closed(port)) from None
    # USB adapters keep what they hear for 16 ms otherwise; not every driver can be told.
    with suppress(AttributeError, NotImplementedError, ValueError, OSError):
        device.set_low_latency_mode(True)
    return SerialChannel(device)


def open_link(port: str, *, baud: int, line_format: Format, timeout: float, trace: bool = False) -> Link:
    """The line behind a port, opened: a serial device or socket://host:port. PortError says why not."""
    served = port.startswith(SERVED)
    channel = _open_tcp(port, timeout) if served else _open_serial(port, baud, line_format, timeout)
    return Link(channel, port, baud, line_format, timeout=timeout, trace=trace)
