"""TIM2..TIM7 as up-counters (RM0090 18.4, 20.4) and the independent watchdog (RM0090 21)."""

from __future__ import annotations

from typing import ClassVar

from .peripheral import Peripheral, Register
from .timeline import SECOND, Event

CEN, UDIS, URS, OPM, ARPE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 7
TIMER_IRQS = {2: 28, 3: 29, 4: 30, 5: 50, 6: 54, 7: 55}


class Timer(Peripheral):
    registers: ClassVar[dict[int, Register]] = {
        0x00: Register("CR1", rw=CEN | UDIS | URS | OPM | ARPE),
        0x04: Register("CR2", rw=0),
        0x08: Register("SMCR", rw=0),
        0x0C: Register("DIER", rw=1),
        0x10: Register("SR"),
        0x14: Register("EGR", rw=1),
        0x20: Register("CCER", rw=0),  # HAL reads it when it stops a timer; no compare channels here
        0x24: Register("CNT"),
        0x28: Register("PSC", rw=0xFFFF),
        0x2C: Register("ARR"),
    }

    def reset(self) -> None:
        if self.reg and self._overflow is not None:
            self._overflow.cancel()
        super().reset()
        number = int(self.name[-1])
        self._irq = TIMER_IRQS[number]
        self._top = 0xFFFF_FFFF if number in (2, 5) else 0xFFFF
        self.reg["ARR"] = self._limit = self._top  # _limit and _divider are the active, shadowed values
        self._divider = 1
        self._count = 0  # value of the counter at the time _since
        self._since = 0
        self._overflow: Event | None = None

    @property
    def _tick(self) -> int:
        return self._divider * SECOND // self.chip.rcc.timer1_hz

    def _now_count(self) -> int:
        if not self.reg["CR1"] & CEN or self._overflow is None:
            return self._count
        return self._count + (self.chip.time.now - self._since) // self._tick & self._top

    def _restart(self, since: int | None = None) -> None:
        """Plan the next overflow from the present count, which it has had since then, or now."""
        if self._overflow is not None:
            self._overflow.cancel()
            self._overflow = None
        self._since = self.chip.time.now if since is None else since
        if self.reg["CR1"] & CEN and self._limit:  # ARR = 0 blocks the counter
            end = self._limit if self._count <= self._limit else self._top
            due = self._since + (end + 1 - self._count) * self._tick
            self._overflow = self.chip.time.at(due, lambda: self._wrap(due, end == self._limit))

    def _wrap(self, due: int, at_limit: bool) -> None:
        self._count = 0
        if at_limit:
            if self.reg["CR1"] & OPM:
                self.reg["CR1"] &= ~CEN
            self._update(by_software=False)
        self._restart(due)

    def _update(self, *, by_software: bool) -> None:
        """The update event: takes over PSC and ARR; URS keeps UG from raising UIF."""
        if self.reg["CR1"] & UDIS:
            return
        self._divider = self.reg["PSC"] + 1
        self._limit = self.reg["ARR"]
        if not (by_software and self.reg["CR1"] & URS):
            self.reg["SR"] |= 1
        self._update_line()

    def load(self, name: str) -> int:
        return self._now_count() if name == "CNT" else self.reg[name]

    def store(self, name: str, value: int) -> None:
        if name == "SR":
            self.reg["SR"] &= value
        elif name == "EGR":
            if value & 1:
                self._count = 0
                self._update(by_software=True)
                self._restart()
        elif name == "CNT":
            self._count = value & self._top
            self._restart()
        elif name in ("CR1", "ARR") and value != self.reg[name]:
            self._count = self._now_count()
            self.reg[name] = value
            if name == "ARR" and not self.reg["CR1"] & ARPE:
                self._limit = value & self._top
            self._restart()
        else:
            self.reg[name] = value
        self._update_line()

    def _update_line(self) -> None:
        self.chip.nvic.line(self._irq, bool(self.reg["DIER"] & self.reg["SR"] & 1))


class Iwdg(Peripheral):
    """Only a reset stops it. PR and RLR reach it after 5 LSI cycles, and only while the LSI runs."""

    registers: ClassVar[dict[int, Register]] = {
        0x00: Register("KR", rw=0xFFFF),
        0x04: Register("PR", rw=7),
        0x08: Register("RLR", 0xFFF, rw=0xFFF),
        0x0C: Register("SR", rw=0),
    }

    def reset(self) -> None:
        super().reset()
        self.started = False
        self._open = False
        self._divider, self._reload = 4, 0xFFF
        self._bite: Event | None = None
        self._due = 0
        if not hasattr(self, "lsi_hz"):
            self.lsi_hz = 32_000  # 17..47 kHz on silicon: a test may choose

    def store(self, name: str, value: int) -> None:
        if name == "KR":
            self._open = value == 0x5555
            if value == 0xCCCC:
                self.started = True
                self._settle()
            if value in (0xAAAA, 0xCCCC):
                self._feed()
            elif value != 0x5555:
                self.chip.fail(f"IWDG.KR = {value:#x} is no key")
            return
        flag = 1 if name == "PR" else 2
        if not self._open:
            self.chip.fail(f"IWDG.{name} is written without the key 0x5555")
        if self.reg["SR"] & flag:
            self.chip.fail(f"IWDG.{name} is written while its last value is still on its way")
        self.reg[name] = value
        self.reg["SR"] |= flag
        self._settle()

    def lsi_changed(self) -> None:
        self._settle()

    def _settle(self) -> None:
        if self.reg["SR"] and self.chip.rcc.lsi_running:
            self.chip.time.after(5 * SECOND // self.lsi_hz, self._take_over)

    def _take_over(self) -> None:
        self.reg["SR"] = 0
        self._divider = 4 << min(self.reg["PR"], 6)
        self._reload = self.reg["RLR"]

    def _feed(self) -> None:
        if self._bite is not None:
            self._bite.cancel()
        if self.started:
            delay = (self._reload + 1) * self._divider * SECOND // self.lsi_hz
            self._plan(self.chip.time.now + delay)

    def _plan(self, due: int) -> None:
        self._due = due
        self._bite = self.chip.time.at(due, lambda: self.chip.request_reset("watchdog"))

    def stand_still(self, span: int) -> None:
        """A debugger halts the core for so long, and DBGMCU freezes the watchdog meanwhile."""
        if self._bite is not None:
            self._bite.cancel()
            self._plan(self._due + span)
