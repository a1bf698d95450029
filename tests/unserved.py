"""Rows of the wire that no part of the node serves yet: they answer as any unknown address does. Whoever serves one
takes it out of this list."""

from __future__ import annotations

from host.core import wire
from host.core.wire import Register

UNSERVED = set(
    """
    WINDOWS WINDOW_SAMPLE WINDOW_BITS WINDOWS_MISSED WINDOW_VALUES
    """.split()
)
SERVED: list[Register] = [row for row in wire.REGISTERS if row.name not in UNSERVED]
