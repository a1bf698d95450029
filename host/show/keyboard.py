"""Keys as they are pressed, without Enter."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from host.errors import NeuronError

Pressed = Callable[[float], str]
"""Waits for so many seconds, or until there are keys: their characters."""


def require_keyboard() -> None:
    """NeuronError where there is none."""
    if not sys.stdin.isatty():
        raise NeuronError("keys are read from a terminal, and standard input is none")


@contextmanager
def keyboard() -> Iterator[Pressed]:
    """The keyboard, while the context lasts; then the terminal is as it was. What ends the process must raise."""
    if sys.platform == "win32":
        yield _from_console
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        yield lambda seconds: _from_terminal(terminal, seconds)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _from_terminal(terminal: int, seconds: float) -> str:
    import select

    if not select.select([terminal], [], [], seconds)[0]:
        return ""
    data = os.read(terminal, 64)
    if not data:
        raise NeuronError("the terminal has gone, and with it the keys")
    return data.decode("utf-8", "ignore")


def _from_console(seconds: float) -> str:
    import msvcrt

    deadline = time.monotonic() + seconds
    while not msvcrt.kbhit():  # type: ignore[attr-defined, unused-ignore]
        if time.monotonic() >= deadline:
            return ""
        time.sleep(0.01)
    return str(msvcrt.getwch())  # type: ignore[attr-defined, unused-ignore]


@contextmanager
def no_keyboard() -> Iterator[Pressed]:
    """The same for who reads no keys."""

    def wait(seconds: float) -> str:
        time.sleep(seconds)
        return ""

    yield wait
