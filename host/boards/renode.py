"""A node in Renode: the board's own firmware, instruction by instruction, on a pty in place of the serial port.

`--deploy renode` starts one for as long as the command lasts; its flash starts blank. Needs Renode, in the folder
RENODE_DIR, else as `python3 -m tools.renode install` has it, else on PATH, and the built firmware.

The board's time passes only while a frame is heard and answered. Renode's own pty would let it pass as ours does, and
hand over byte by byte: on a busy computer a pause of 2 ms between two of them ends the frame, as the standard wants.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from host.compiler import ROOT
from host.core.modbus import frame_valid
from host.errors import NeuronError
from host.start import CLONED

BOARD = ROOT / "tests" / "renode"
ELF = ROOT / ".pio" / "build" / "disco_f407vg" / "firmware.elf"

VERSION = "1.16.1"
INSTALLED = ROOT / "build" / "renode"
"""Where python3 -m tools.renode install puts it."""
PYTHON = ROOT / "build" / "renode-python"
"""The virtual environment of its renode-test."""
HOW_TO_GET = (
    f"python3 -m tools.renode install, or get the portable package of Renode {VERSION} or newer from "
    "https://github.com/renode/renode/releases, unpack it, and put its folder on PATH or into RENODE_DIR"
)
START_TIMEOUT = 120.0
ANSWER_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0
BOOT_SECONDS = 0.5
"""Of the board's time: reset and lamp test are over."""
STEP_SECONDS = 0.01
"""Of the board's time: from one look for its answer to the next."""
STEPS_MAX = 100
BROADCAST = b"\0"
FRAME_SECONDS = 0.05
"""Of our time: how long more bytes of a frame that is not yet whole are waited for."""
BUS_TIMEOUT = 10.0
"""Seconds to wait for an answer of the node at least: the board's time passes more slowly than ours."""


def find(program: str = "renode") -> str | None:
    """Where `renode` or `renode-test` is: in the folder RENODE_DIR, or else installed here, or on PATH; or None."""
    folder = os.environ.get("RENODE_DIR")
    if folder:
        return shutil.which(program, path=folder)
    return shutil.which(program, path=str(INSTALLED)) or shutil.which(program)


def environment() -> dict[str, str]:
    """What to start it with: .NET would want ICU, which we have no use for; renode-test takes PATH's python3."""
    path = os.pathsep.join([str(PYTHON / "bin"), os.environ.get("PATH", os.defpath)])
    return {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", **os.environ, "PATH": path}


def missing() -> str | None:
    """Why Renode cannot be had, with what to do; None when it can."""
    if sys.platform == "win32":
        return "the board in Renode needs Linux or macOS; on Windows run it under WSL"
    if not CLONED:
        return "the board in Renode needs the repository, with the whole firmware: clone it, and run it from there"
    if find():
        return None
    folder = os.environ.get("RENODE_DIR")
    return f"Renode is not {f'in RENODE_DIR, {folder}' if folder else 'installed'}: {HOW_TO_GET}"


def firmware_elf() -> Path:
    """The board's firmware; built first when it is not there or older than its sources, where that can be done."""
    sources = [ROOT / "platformio.ini", *(ROOT / "firmware").rglob("*.*")]
    if ELF.exists() and ELF.stat().st_mtime >= max(path.stat().st_mtime for path in sources):
        return ELF
    state = "is older than its sources" if ELF.exists() else "is not built"
    # A program of the repository, not a module of this package: what it prints goes to standard error.
    command = [sys.executable, "-m", "tools.firmware", "build"]
    built = subprocess.run(command, cwd=ROOT, stdout=2, stderr=subprocess.PIPE, text=True)
    if built.returncode != 0:
        why = (built.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("error: ")
        raise NeuronError(
            f"the firmware {state}: build it by pio run, or by python3 -m tools.firmware build ({why})"
        )
    return ELF


class Monitor:
    """Renode without a window, spoken to through its monitor."""

    def __init__(self, renode: str, folder: str) -> None:
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._one_at_a_time = threading.Lock()
        self._ended = False
        self._asked = 0
        options = "--disable-xwt --console --plain --hide-log --config".split()
        # A process group of its own: Ctrl-C is for us, and we end it by closing its standard input.
        self._process = subprocess.Popen(
            [renode, *options, str(Path(folder) / "config")],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line.strip())
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def ask(self, *commands: str, timeout: float = ANSWER_TIMEOUT) -> str:
        """Have the monitor carry out commands; what it answers, without the echo of what was typed."""
        assert self._process.stdin is not None
        with self._one_at_a_time, self._changed:
            self._asked += 1
            end = f"end of answer {self._asked}"
            with suppress(OSError):  # it has ended, and its last lines say why
                self._process.stdin.write("\n".join([*commands, f'echo "{end}"', ""]))
                self._process.stdin.flush()
            self._changed.wait_for(lambda: end in self._lines or self._ended, timeout)
            answer = [line for line in self._lines if line and line != end and not line.startswith("(")]
            if end not in self._lines:
                why = "ended by itself" if self._ended else f"did not answer for {timeout:.0f} s"
                raise NeuronError(f"Renode {why}: {' / '.join(answer[-3:]) or 'it said nothing'}")
            self._lines.clear()
        return "\n".join(answer)

    def do(self, *commands: str) -> None:
        """Have the monitor carry out commands that have nothing to say but an error."""
        for command in commands:
            answer = self.ask(command)
            if answer:
                raise NeuronError(
                    f"Renode {VERSION} or newer is needed; this one refused {command!r}: {answer}"
                )

    def stop(self) -> None:
        """End Renode and wait until it has."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # What was started may be a script: its group is Renode itself.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join()


class Board:
    """A running board. `port`: the pty behind which its bus is; `failure`: why it no longer answers, or None."""

    def __init__(self, monitor: Monitor, elf: Path) -> None:
        import pty
        import tty

        self.failure: NeuronError | None = None
        self._monitor = monitor
        monitor.ask(timeout=START_TIMEOUT)  # what it says when it starts is no answer to anything
        monitor.do(
            f'$global.elf="{elf}"',
            f'include "{BOARD / "neuron485.resc"}"',
            f'include "{BOARD / "bus.py"}"',
            'bus_join "node"',
            "emulation SetGlobalAdvanceImmediately true",
            f'emulation RunFor "{BOOT_SECONDS}"',
        )
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        self.port = os.ttyname(self._theirs)
        self._stop, self._stopping = os.pipe()
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def _serve(self) -> None:
        """Carry frames from the pty to the board, and its answers back."""
        frame = b""
        try:
            while True:
                patience = FRAME_SECONDS if frame else None
                ready = select.select([self._ours, self._stop], [], [], patience)[0]
                if self._stop in ready:
                    return
                if ready:
                    frame += os.read(self._ours, 4096)
                if not ready or frame_valid(frame):
                    os.write(self._ours, self._answer(frame))
                    frame = b""
        except NeuronError as error:
            self.failure = error

    def _answer(self, frame: bytes) -> bytes:
        """Let the board hear a frame, whole; what it says, if it says something."""
        self._monitor.do(f'bus_say "{frame.hex()}"')
        pause = f'emulation RunFor "{STEP_SECONDS}"'
        for _ in range(STEPS_MAX):
            heard = bytes.fromhex(self._monitor.ask(pause, "bus_heard"))
            if frame_valid(heard):
                self._monitor.do(pause)  # what it still has to do: show its lamp, keep a model
                return heard
            if frame[:1] == BROADCAST:
                break
        return b""

    def lit(self) -> bool:
        """The lamp itself, as Renode's model of the LED at PD3 has it."""
        return self._monitor.ask("sysbus.gpioPortD.ledr State") == "True"

    def close(self) -> None:
        os.write(self._stopping, b"x")
        self._server.join()
        for end in (self._ours, self._theirs, self._stop, self._stopping):
            os.close(end)


@contextmanager
def emulate(elf: Path | None = None) -> Iterator[Board]:
    """Run a board in Renode while the context lasts; elf: the firmware, by default that of this repository."""
    why, renode = missing(), find()
    if why is not None or renode is None:
        raise NeuronError(why or HOW_TO_GET)
    elf = elf or firmware_elf()
    with tempfile.TemporaryDirectory(prefix="neuron485-") as folder:
        monitor = Monitor(renode, folder)
        try:
            board = Board(monitor, elf)
            try:
                yield board
            except NeuronError as error:
                raise board.failure or error from None
            finally:
                board.close()
        finally:
            monitor.stop()
