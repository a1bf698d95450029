"""The terminal: what it can draw, what is said, and bars for what takes long."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from host.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console


def can_draw() -> bool:
    """Whether standard output can show the characters that curves and lamps are drawn with."""
    try:
        "●○─│⣿·".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def console() -> Console:
    """Standard output for people: colours on a terminal unless NO_COLOR is set; encoding never fails."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError from None  # rich would end the process; @command knows what to do

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    return Output(
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )


BARS_A_SECOND = 4
"""Enough to see it move: while one is drawn, the line waits."""
BAR_AFTER = 0.3
"""Seconds that a step may take before it gets a bar."""


@contextmanager
def progress(out: Console | None, keep: bool = False) -> Iterator[Progress]:
    """A progress function: on a terminal a bar for a step that takes long; with `keep` a line when done.

    Without a console nothing is shown.
    """
    step, since, bar = "", 0.0, None
    if out is not None and out.is_terminal:
        importlib.import_module("rich.progress")  # not amid the work that is watched

    def stop_bar() -> None:
        nonlocal bar
        if bar is not None:
            bar.stop()
            bar = None

    def update(name: str, done: int, total: int) -> None:
        nonlocal step, since, bar
        if out is None:
            return
        if name != step:
            stop_bar()
            step, since = name, time.monotonic()
        if done >= total:
            stop_bar()
            if keep:
                out.print(f"  {name:<28} {done} of {total}" if total > 1 else f"  {name}")
        elif bar is None and out.is_terminal and time.monotonic() - since > BAR_AFTER:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bars

            bar = Bars(
                TextColumn("  {task.description:<28}"),
                BarColumn(),
                MofNCompleteColumn(),
                console=out,
                transient=True,
                refresh_per_second=BARS_A_SECOND,
            )
            bar.add_task(name, total=total)
            bar.start()
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done)

    try:
        yield update
    finally:
        stop_bar()


@contextmanager
def standing(out: Console | None) -> Iterator[Callable[[str], None]]:
    """A function that shows a line in place of the last one, on a terminal: for what has no end that is known."""
    if out is None or not out.is_terminal:
        yield lambda line: None
        return
    from rich.live import Live
    from rich.text import Text

    with Live(console=out, transient=True, refresh_per_second=BARS_A_SECOND) as live:
        yield lambda line: live.update(Text(f"  {line}", no_wrap=True, overflow="ellipsis"))


def warn(lines: Iterable[str]) -> None:
    """Warnings, on standard error."""
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


def note(lines: Iterable[str]) -> None:
    """What is good to know and nothing wrong, on standard error: standard output may be somebody's data."""
    for line in lines:
        print(f"note: {line}", file=sys.stderr)


def say(out: Console | None, line: str = "", style: str | None = None) -> None:
    if out is not None:
        out.print(line, style=style)
