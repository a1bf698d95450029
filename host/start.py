"""A command before its main, after it, and around it: python -m host.COMMAND.

host/__init__.py calls `prepare` when Python was started so; nothing here happens to a program that only imports the
package. Nothing here that an older Python cannot read.
"""

from __future__ import annotations

import os.path
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

OLDEST = (3, 11)
PACKAGE = os.path.dirname(os.path.abspath(__file__))
CLONE = os.path.dirname(PACKAGE)
CLONED = not os.path.exists(os.path.join(PACKAGE, "sources"))
"""Whether this is the repository; an installed package brings the firmware's sources itself."""
EXIT_FAILURE = 2

_prepared = False
interrupted = False
"""Whether a Ctrl-C has come while it raises KeyboardInterrupt."""


def prepare() -> None:
    """Until main takes over: Ctrl-C ends the process where it stands, and a missing package is said in one line."""
    global _prepared
    if sys.version_info < OLDEST:
        _fail(f"Python {'.'.join(map(str, OLDEST))} or newer is needed; this is {sys.version.split()[0]}")
    sys.excepthook = _say_what_is_missing
    # A command that a shell has put in the background ignores interrupts, and goes on doing so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _prepared = True


@contextmanager
def interrupts_raise() -> Iterator[None]:
    """While the context lasts, Ctrl-C raises KeyboardInterrupt: there is something to clear away."""
    if not _prepared:
        yield
        return
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def ends_raise() -> Iterator[None]:
    """While the context lasts, what asks the process to end raises KeyboardInterrupt too: there is something to keep.
    What is ignored (nohup) stays so."""
    asking = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    taken = [number for number in asking if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global interrupted
    interrupted = True
    signal.default_int_handler(number, frame)


def open_closed_streams() -> None:
    """Who starts us with a closed stream (`>&-`) wants nothing of it: it becomes /dev/null, so that its number is
    not given to the next file."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - as long as the process lasts


def _fail(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(EXIT_FAILURE)


def _say_what_is_missing(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if name in ("", "host", "tests", "tools") or name in sys.stdlib_module_names:
        sys.__excepthook__(kind, error, trace)
    else:
        _fail(f"{name} is not installed for this Python, {sys.executable}: {_remedy()}")


def _remedy() -> str:
    if not CLONED:
        return "install neuron485 again, with what it needs"
    venv = os.path.join(CLONE, ".venv")
    activate = os.path.join(venv, "Scripts" if os.name == "nt" else "bin", "activate")
    if not os.path.exists(activate) or sys.prefix == venv:
        return "python3 tools/demo.py sets up .venv with it"
    return f"source {os.path.relpath(activate)}"
