"""The pty adapter: what an ordinary serial program sees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from host.core.modbus import frame_seal
from tests.patience import PATIENCE

from . import Machine
from .conftest import Builder
from .pty_line import PtyLine

ROOT = Path(__file__).parents[2]


def read_exactly(port: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += os.read(port, count - len(data))
    return data


def test_the_command_serves_and_ends_cleanly(sample: Builder, tmp_path: Path) -> None:
    link, flash = tmp_path / "node", tmp_path / "flash.bin"
    command = [
        sys.executable,
        "-m",
        "tests.elf",
        str(sample("echo")),
        "--link",
        str(link),
        "--flash",
        str(flash),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        assert node.stdout.readline() == f"the node is at {link}\n"
        port = os.open(link, os.O_RDWR | os.O_NOCTTY)
        for frame in (b"first", b"\x00\x03\x0a\x0d\x11\x13\x7f\xff", bytes(range(256))):
            os.write(port, frame)
            assert read_exactly(port, len(frame)) == frame
        os.close(port)
        port = os.open(link, os.O_RDWR | os.O_NOCTTY)
        os.write(port, b"again")
        assert read_exactly(port, 5) == b"again"
        node.send_signal(signal.SIGTERM)
        assert node.wait(PATIENCE) == 0
    assert not link.is_symlink()
    assert flash.stat().st_size == 1 << 20


def test_a_violation_ends_the_command(sample: Builder, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.elf", str(sample("echo")), "--format", "8N1", "--link", "node"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        node.stdout.readline()
        port = os.open(tmp_path / "node", os.O_RDWR | os.O_NOCTTY)
        os.write(port, b"x")
        error = node.communicate(timeout=PATIENCE)[1]
        assert node.returncode == 1
        assert error.startswith("violation: USART3 sends at 19196 8E1; the line runs at 19200 8N1")
        os.close(port)


def test_idle_time_passes(sample: Builder) -> None:
    machine = Machine(sample("core"))
    with PtyLine(machine) as line:
        for _ in range(10):
            line.step()
    assert machine.us == pytest.approx(50_000, rel=0.01)


def test_requests_that_have_waited_are_told_apart(sample: Builder) -> None:
    """A host that was not answered in time asks again: a model that has fallen behind hears two frames, not one."""
    machine = Machine(sample("echo"))
    asked = [
        frame_seal(bytes.fromhex(pdu)) for pdu in ("010300000001", "011000000002043f800000", "010500ff0000")
    ]
    machine.run_to("ready")
    with PtyLine(machine) as line:
        port = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
        for frame in asked:
            os.write(port, frame)
        for frame in asked:
            line.step()
            assert os.read(port, 256) == frame
        for part in (b"not a request", bytes(range(200))):
            os.write(port, part)
            line.step()
            assert os.read(port, 256) == part
        os.close(port)


def test_a_serial_library_talks_to_it(sample: Builder) -> None:
    serial = pytest.importorskip("serial")
    stop = threading.Event()
    machine = Machine(sample("echo"))
    with PtyLine(machine) as line:

        def live() -> None:
            while not stop.is_set():
                line.step()

        thread = threading.Thread(target=live)
        thread.start()
        try:
            with serial.Serial(line.path, 19200, parity="E", timeout=PATIENCE) as port:
                port.write(b"\x01\x03\x00\x00")
                assert port.read(4) == b"\x01\x03\x00\x00"
        finally:
            stop.set()
            thread.join()
