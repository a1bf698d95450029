"""Which exceptions are pending, active and enabled, and which comes first (PM0214 2.3 and 4.3)."""

from __future__ import annotations

from collections.abc import Callable

NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SVCALL, PENDSV, SYSTICK = 2, 3, 4, 5, 6, 11, 14, 15
IRQS = 82  # of the STM32F407 (RM0090 table 62)
FIRST_IRQ = 16
THREAD = 256  # the priority of thread mode: below every exception


class Nvic:
    """Four priority bits, in the upper half of each priority byte."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify  # an exception may have become due: look again before the next instruction
        self.reset()

    def reset(self) -> None:
        self.pending: set[int] = set()
        self.active: list[int] = []  # innermost last
        self.enabled: set[int] = {NMI, HARD_FAULT, SVCALL, PENDSV, SYSTICK}
        self.priorities = bytearray(FIRST_IRQ + IRQS)
        self.group_bits = 0  # AIRCR.PRIGROUP
        self._lines = [False] * IRQS

    def line(self, irq: int, level: bool) -> None:
        """The level of an interrupt signal: a rise pends, and at the return a level that has stayed."""
        rose = level and not self._lines[irq]
        self._lines[irq] = level
        if rose:
            self.pend(FIRST_IRQ + irq)

    def pend(self, number: int) -> None:
        self.pending.add(number)
        self._notify()

    def unpend(self, number: int) -> None:
        self.pending.discard(number)
        self._again(number)

    def _again(self, number: int) -> None:
        if number >= FIRST_IRQ and self._lines[number - FIRST_IRQ] and number not in self.active:
            self.pending.add(number)

    def enter(self, number: int) -> None:
        self.pending.discard(number)
        self.active.append(number)

    def leave(self, number: int) -> None:
        self.active.remove(number)
        self._again(number)

    def enable(self, number: int, on: bool) -> None:
        (self.enabled.add if on else self.enabled.discard)(number)
        self._notify()

    def set_priority(self, number: int, priority: int) -> None:
        if number < len(self.priorities):
            self.priorities[number] = priority & 0xF0
            self._notify()

    def full_priority(self, number: int) -> int:
        return {NMI: -2, HARD_FAULT: -1}.get(number, self.priorities[number])

    def group_priority(self, number: int) -> int:
        """The part of the priority that decides about preemption."""
        return self.grouped(self.full_priority(number))

    def grouped(self, priority: int) -> int:
        return priority if priority < 0 else priority >> self.group_bits + 1 << self.group_bits + 1

    def execution_priority(self) -> int:
        """Of the active exceptions alone; the core adds PRIMASK, BASEPRI and FAULTMASK."""
        return min((self.group_priority(number) for number in self.active), default=THREAD)

    def first(self) -> int | None:
        """The pending, enabled exception that would come next."""
        if not self.pending:
            return None
        ready = self.pending & self.enabled
        return min(ready, key=lambda number: (self.full_priority(number), number)) if ready else None
