"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""progress(step, done, total), called as often as one likes."""


def silent(step: str, done: int, total: int) -> None:
    """For work that nobody watches."""
