"""How long tests wait for what must happen. No test may depend on how fast the machine is.

Whoever waits, waits for an event, and for PATIENCE at most: only what is broken takes that long. Where an answer may
be lost and must be asked for again, the patience with each answer grows: on the slowest machine the last is enough.
"""

from __future__ import annotations

from collections.abc import Iterator

PATIENCE = 600.0
"""Seconds that nothing takes which is not broken, on the busiest machine."""
ANSWER = 60.0
"""Seconds for one answer of a simulated node. The host asks four times, so that one that was lost is no failure."""


def growing(first: float = 0.3, limit: float = PATIENCE) -> Iterator[float]:
    """Seconds to wait for an answer that may be lost, each time twice as many, `limit` in all."""
    spent = 0.0
    while spent < limit:
        yield first
        spent += first
        first *= 2
