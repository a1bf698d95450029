"""Expected failures: one line that says what to do next, exit status 2. A traceback is only for our own bugs."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from host import start
from host.start import EXIT_FAILURE

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class NeuronError(Exception):
    """An expected failure. Its text is one line that says what is wrong and what to do."""


def counted(number: int, what: str) -> str:
    """'1 layer', '2 layers': how many of what, for people."""
    return f"{number} {what}{'s' * (number != 1)}"


def listed(names: Sequence[str], most: int) -> str:
    """'a, b and 3 more': so many of the names, for people."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


class Command(Protocol):
    """A command's main; without arguments it takes those of the process."""

    def __call__(self, argv: Sequence[str] | None = None) -> int: ...


def command(main: Command) -> Command:
    """Make `main(argv)` a command: what is expected to fail becomes one line on stderr, and an exit status.

    A reader of our output that has gone (head, less) is no failure that we could tell anybody of.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        start.open_closed_streams()
        try:
            try:
                with start.interrupts_raise():
                    return main(argv)
            except NeuronError as error:
                return _say(f"error: {error}", EXIT_FAILURE)
            except KeyboardInterrupt as interrupt:
                return _say(f"stopped: {interrupt}" if str(interrupt) else "stopped", EXIT_INTERRUPTED)
            except ImportError:
                if not start.interrupted:  # numpy makes the one out of the other, while it is imported
                    raise
                return _say("stopped", EXIT_INTERRUPTED)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            return _without_output(EXIT_BROKEN_PIPE)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            _say(f"error: the output could not be written: {error.strerror}", EXIT_FAILURE)
            return _without_output(EXIT_FAILURE)

    return run


def _say(line: str, status: int) -> int:
    with suppress(OSError):
        print(line, file=sys.stderr)
    return status


def _without_output(status: int) -> int:
    """Python flushes standard output once more when it ends."""
    with suppress(OSError), open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return status
