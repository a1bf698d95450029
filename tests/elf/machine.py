"""A board that runs firmware.elf in virtual time: what tests use.

    machine = Machine("firmware.elf")
    machine.run(milliseconds=50)
    reply = machine.request(bytes.fromhex("01 03 00 00 00 01 84 0A"))
    machine.cut_power(seed=7)
    machine.boot()

A Violation is raised where the firmware does what the board forbids or what has no model, and ends it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from . import flash
from .calls import Caller, Counter, Value
from .chip import Chip
from .debug import UID
from .engine import Stop
from .flash import Operation
from .program import load
from .rs485 import Rs485, Source
from .timeline import MICROSECOND, SECOND

SLICE = 1000 * MICROSECOND  # how often run_until() looks, if nothing happens in between
EVER = 3600 * 1_000_000 * MICROSECOND


class Timeout(AssertionError):
    """What was waited for did not happen in the virtual time allowed."""


class Machine:
    """`flash` is a whole image kept from another machine; otherwise the ELF is loaded into erased flash.

    `seed` decides what RAM holds at power-on and how a reset tears the flash. `crystal=False` is a dead HSE.
    """

    def __init__(
        self,
        elf: str | Path,
        *,
        flash: bytes | None = None,
        seed: int = 0,
        crystal: bool = True,
        uid: bytes = UID,
    ) -> None:
        self.program = load(elf)
        self.chip = Chip(locate=self.program.locate, seed=seed, crystal=crystal, uid=uid)
        self.flash_image = self.program.flash if flash is None else flash
        self.powered = False
        self.resets: list[str] = []
        self.instructions = 0
        self._stop_wanted = False
        self.boot()

    # State

    @property
    def bus(self) -> Rs485:
        return self.chip.board.line

    @property
    def led(self) -> bool:
        return self.chip.board.led

    @property
    def analog(self) -> dict[int, Source]:
        """What stands at A0..A7, by number: 0..4095, or a function of the time in us. Stays over resets."""
        return self.chip.board.analog

    @property
    def pins(self) -> dict[str, Source]:
        """Levels that the outside puts on input pins, such as {"PC6": 1}, likewise."""
        return self.chip.board.pins

    @property
    def us(self) -> float:
        """Virtual microseconds since the first power-on."""
        return self.chip.time.us

    @property
    def flash_image(self) -> bytes:
        return self.chip.engine.read(flash.BASE, flash.SIZE)

    @flash_image.setter
    def flash_image(self, image: bytes) -> None:
        if len(image) != flash.SIZE:
            raise ValueError(f"a flash image has {flash.SIZE} bytes, not {len(image)}")
        self.chip.engine.write(flash.BASE, image)

    @property
    def supply(self) -> float:
        """Volts at VDD; 3.3 unless a test sets it, and over resets as well."""
        return self.chip.pwr.volts

    @supply.setter
    def supply(self, volts: float) -> None:
        self.chip.pwr.volts = volts

    def address(self, place: str | int) -> int:
        """The address of a symbol, without the Thumb bit."""
        if isinstance(place, int):
            return place & ~1
        if place not in self.program.symbols:
            raise KeyError(f"the ELF has no symbol {place!r}")
        return self.program.symbols[place] & ~1

    def read(self, place: str | int, size: int = 4) -> bytes:
        return self.chip.engine.read(self.address(place) if isinstance(place, str) else place, size)

    def word(self, place: str | int) -> int:
        return int.from_bytes(self.read(place), "little")

    def write(self, place: str | int, data: bytes) -> None:
        """Change memory or flash from outside, as no program could."""
        self.chip.engine.write(self.address(place) if isinstance(place, str) else place, data)

    # Power

    def boot(self) -> None:
        """Power on: RAM holds noise, flash what it held, and the core is at its reset vector."""
        self.powered = True
        self._reset("power")

    def cut_power(self, *, seed: int = 0, landed: int | None = None) -> Operation | None:
        """Power goes between two instructions or in the middle of a flash operation, which is left torn.

        `landed` is the mask of the bits a word under programming has taken; by default `seed` decides, as it
        does for an erase. Returns the torn operation, if one was under way.
        """
        torn = self.chip.flash.cut(random.Random(seed), landed)
        self.chip.flash.operations.clear()
        self.powered = False
        return torn

    def reset(self) -> None:
        """Press the reset button."""
        self._reset("pin")

    def brown_out(self) -> None:
        """The supply dips below the brown-out level, not so far that all flags of resets are lost."""
        self._reset("brown-out")

    def lose_crystal(self) -> None:
        """The crystal stops, for good."""
        self.chip.crystal = False
        self.chip.rcc.lose_crystal()

    def halt(self, *, seconds: float) -> None:
        """A debugger halts the core for so long, while the clocks go on."""
        span = int(seconds * SECOND)
        if self.chip.dbgmcu.freezes_watchdog:
            self.chip.iwdg.stand_still(span)
        self.chip.stall(self.chip.time.now + span)
        self.run(seconds=seconds)

    def _reset(self, cause: str) -> None:
        self.chip.reset(cause)
        self.resets.append(cause)

    # Running

    def run(
        self,
        *,
        seconds: float = 0,
        milliseconds: float = 0,
        microseconds: float = 0,
        instructions: int | None = None,
    ) -> None:
        """Run for a virtual time, or for a number of instructions (an IT block is never split)."""
        if instructions is not None:
            target = self.instructions + instructions
            self._advance(self.chip.time.now + EVER, lambda: self.instructions >= target, target)
            return
        span = seconds * 1e6 + milliseconds * 1e3 + microseconds
        self._advance(self.chip.time.now + int(span * MICROSECOND), None, None)

    def run_until(self, done: Callable[[], object], limit_us: float, what: str = "the condition") -> None:
        """Run until `done()` is true; it is asked after events, edges and sent characters, and each ms."""
        if not self._advance(self.chip.time.now + int(limit_us * MICROSECOND), lambda: bool(done()), None):
            raise Timeout(f"{what} did not happen within {limit_us:.0f} us of virtual time ({self.where})")

    def run_to(self, place: str | int, limit_us: float = 1_000_000) -> None:
        """Run until the core arrives, or arrives again, at the instruction at a symbol or address."""
        address = self.address(place)
        if self.chip.engine.pc == address:
            self.run(instructions=1)
        self.chip.engine.break_at(address)
        self._stop_wanted = False
        try:
            self.run_until(lambda: self._stop_wanted, limit_us, f"arrival at {place}")
        finally:
            self.chip.engine.unbreak(address)

    def jump(self, place: str | int) -> None:
        """Let the core go on at a symbol, as if it had just been called."""
        self.chip.cpu.asleep = False
        self.chip.engine.pc = self.address(place)

    @property
    def where(self) -> str:
        return self.program.locate(self.chip.engine.pc)

    def _advance(self, deadline: int, done: Callable[[], bool] | None, target: int | None) -> bool:
        if not self.powered:
            raise RuntimeError("the machine has no power: boot() it")
        if self.chip.violation is not None:
            raise self.chip.violation
        while True:
            if done is not None and done():
                return True
            if self.chip.time.now >= deadline:
                return False
            self._slice(deadline, target)

    def _slice(self, deadline: int, target: int | None) -> None:
        """Run to the next event at most; or let time pass, if the core stalls or sleeps."""
        chip, time, cpu = self.chip, self.chip.time, self.chip.cpu
        chip.run_deferred()
        time.run_due()
        if chip.reset_request is not None:
            return self._reset(chip.reset_request)
        upcoming = time.next()
        horizon = deadline if upcoming is None else min(deadline, upcoming)
        if chip.stall_until > time.now:
            return time.skip_to(min(horizon, chip.stall_until), awake=True)
        if cpu.asleep:
            if not cpu.wakes():
                return time.skip_to(horizon, awake=False)
            cpu.asleep = False
        if cpu.take_pending():
            return
        count = max(1, time.cycles_until(min(horizon, time.now + SLICE)))
        if cpu.masked:
            # Nothing tells when PRIMASK or BASEPRI lets the pending exception through.
            count = min(count, chip.engine.plain() + 1)
        if target is not None:
            count = min(count, max(1, target - self.instructions))
        stop = chip.engine.run(count)
        time.commit()
        self.instructions += chip.engine.executed
        if not chip.scs.fpu_enabled:
            chip.check_fpu(was_enabled=False)
        if stop is Stop.BREAK:
            self._stop_wanted = True
        elif stop is not Stop.LIMIT:
            cpu.handle(stop)

    # The line

    def request(self, frame: bytes, *, timeout_us: float = 200_000, quiet_us: float | None = None) -> bytes:
        """Send a frame after a silence and return what the node answers, or b"" if it stays silent.

        The reply has ended when the driver is off and the line silent for `quiet_us`, or 3.5 characters.
        """
        bus, time = self.bus, self.chip.time
        silence = int(3.5 * bus.character()) if quiet_us is None else int(quiet_us * MICROSECOND)
        wait = max(0, bus.idle_since + int(3.5 * bus.character()) - time.now)
        first = len(bus.received)
        end = bus.send(frame, delay_us=wait / MICROSECOND)

        def finished() -> bool:
            driving = self.chip.board.level["PB9"]
            return len(bus.received) > first and not driving and time.now - bus.idle_since >= silence

        deadline = int((end + timeout_us) * MICROSECOND)
        while not self._advance(min(deadline, max(bus.idle_since, time.now) + silence), finished, None):
            if time.now >= deadline:
                break
        return bus.data[first:]

    # Single functions

    def call(self, function: str | int, *arguments: Value, returns: str = "u32") -> tuple[int | float, int]:
        """Call a function of the ELF and return its result and the instructions it took (see Caller.call)."""
        return Caller(self).call(function, *arguments, returns=returns)

    def count_between(self, first: str | int, last: str | int, limit_us: float = 1_000_000) -> int:
        """Instructions from `first` (now or at its next arrival) to `last`, interrupts included."""
        if self.chip.engine.pc != self.address(first):
            self.run_to(first, limit_us)
        # Hooks run in the order of their making: with the breakpoint first, `last` is not counted.
        self.chip.engine.break_at(self.address(last))
        with Counter(self.chip.engine) as counter:
            self.run_to(last, limit_us)
        return counter.instructions
