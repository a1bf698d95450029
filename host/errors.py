"""Expected failures: one line that says what to do next, exit status 2. A traceback is only for our own bugs."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Sequence
from typing import Protocol

EXIT_FAILURE = 2
EXIT_INTERRUPTED = 130


class NeuronError(Exception):
    """An expected failure. Its text is one line that says what is wrong and what to do."""


class Command(Protocol):
    """A command's main; without arguments it takes those of the process."""

    def __call__(self, argv: Sequence[str] | None = None) -> int: ...


def command(main: Command) -> Command:
    """Make `main(argv)` a command: expected failures become one line on stderr and exit status 2."""

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        try:
            status = main(argv)
            if argv is None:
                # The process ends: a Ctrl-C has nothing left to stop, but Python would report it.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            return status
        except NeuronError as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_FAILURE
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            # The reader of our output (head, less) has gone: nothing is left to say to it.
            sys.stdout = None
            return EXIT_INTERRUPTED

    return run
