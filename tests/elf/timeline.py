"""Virtual time: femtoseconds since power-on, moved by executed instructions and by jumps to the next event.

One instruction takes one cycle of the core clock. A femtosecond keeps the cycle of 168 MHz (5.952380 ns)
exact to 0.1 ppm, so all clocks of the chip stay in step with the instructions.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from .engine import Engine

SECOND = 10**15
MICROSECOND = 10**9


class Event:
    __slots__ = ("action", "outlives_reset")

    def __init__(self, action: Callable[[], None], outlives_reset: bool) -> None:
        self.action: Callable[[], None] | None = action
        self.outlives_reset = outlives_reset

    def cancel(self) -> None:
        self.action = None


class Timeline:
    def __init__(self, engine: Engine, hz: int) -> None:
        self._engine = engine
        self._base = 0  # time and cycles at the anchor
        self._cycles = 0
        self._anchor = 0  # instructions of the present run that are already in the base
        self._order = 0
        self._events: list[tuple[int, int, Event]] = []
        self.cycle = SECOND // hz

    @property
    def now(self) -> int:
        engine = self._engine
        return self._base + (engine.executed - self._anchor) * self.cycle if engine.running else self._base

    @property
    def us(self) -> float:
        return self.now / MICROSECOND

    @property
    def cycles(self) -> int:
        """Core cycles spent awake: what DWT_CYCCNT counts."""
        return self._cycles + self._ahead

    @property
    def _ahead(self) -> int:
        return self._engine.executed - self._anchor if self._engine.running else 0

    def set_core_clock(self, hz: int) -> None:
        self._base, self._cycles = self.now, self.cycles
        if self._engine.running:
            self._anchor = self._engine.executed
            self._engine.shorten()
        self.cycle = SECOND // hz

    def commit(self) -> None:
        """Take over the instructions of a run that has ended."""
        done = self._engine.executed - self._anchor
        self._base += done * self.cycle
        self._cycles += done
        self._anchor = 0

    def spend(self, cycles: int) -> None:
        self._base += cycles * self.cycle
        self._cycles += cycles

    def skip_to(self, when: int, awake: bool) -> None:
        if when > self._base:
            self._cycles += (when - self._base) // self.cycle if awake else 0
            self._base = when

    def cycles_until(self, when: int) -> int:
        return max(0, -(-(when - self.now) // self.cycle))

    def at(self, when: int, action: Callable[[], None], *, outlives_reset: bool = False) -> Event:
        event = Event(action, outlives_reset)
        self._order += 1
        heapq.heappush(self._events, (when, self._order, event))
        if self._engine.running:
            self._engine.shorten(self._engine.executed + self.cycles_until(when))
        return event

    def after(self, delay: int, action: Callable[[], None]) -> Event:
        return self.at(self.now + delay, action)

    def next(self) -> int | None:
        while self._events and self._events[0][2].action is None:
            heapq.heappop(self._events)
        return self._events[0][0] if self._events else None

    def run_due(self) -> None:
        while (when := self.next()) is not None and when <= self._base:
            action = heapq.heappop(self._events)[2].action
            if action is not None:
                action()

    def forget(self, *, all_events: bool = False) -> None:
        """At a reset of the chip its own events go; those of the world around it stay, or go as well."""
        self._events = [e for e in self._events if e[2].outlives_reset and not all_events]
        heapq.heapify(self._events)
