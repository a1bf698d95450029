"""GPIO ports (RM0090 8.4), and what the board puts on their pins."""

from __future__ import annotations

from typing import ClassVar

from .peripheral import Peripheral, Register

PORTS = "ABCDEFGHI"
RESETS = {"A": (0xA800_0000, 0x0C00_0000, 0x6400_0000), "B": (0x280, 0xC0, 0x100)}  # MODER, OSPEEDR, PUPDR
INPUT, OUTPUT, ALTERNATE, ANALOG = 0, 1, 2, 3
PULL_UP = 1


class Gpio(Peripheral):
    """Output levels count only while a pin is an output; otherwise the board's pull-down decides: low."""

    registers: ClassVar[dict[int, Register]] = {
        0x00: Register("MODER"),
        0x04: Register("OTYPER", rw=0xFFFF),
        0x08: Register("OSPEEDR"),
        0x0C: Register("PUPDR"),
        0x10: Register("IDR", rw=0, ro=0xFFFF),
        0x14: Register("ODR", rw=0xFFFF),
        0x18: Register("BSRR", subword=True),
        0x20: Register("AFRL"),
        0x24: Register("AFRH"),
    }

    def reset(self) -> None:
        before = self.levels() if self.reg else 0
        super().reset()
        port = self.name[-1]
        self.reg["MODER"], self.reg["OSPEEDR"], self.reg["PUPDR"] = RESETS.get(port, (0, 0, 0))
        self._note_modes()
        self._note_pulls()
        self._announce(before, in_reset=True)

    def mode(self, pin: int) -> int:
        return self.reg["MODER"] >> 2 * pin & 3

    def alternate(self, pin: int) -> int | None:
        """The alternate function number of a pin, or None if it has another mode."""
        half = self.reg["AFRH" if pin >= 8 else "AFRL"]
        return half >> 4 * (pin % 8) & 0xF if self.mode(pin) == ALTERNATE else None

    def _note_modes(self) -> None:
        self._driven = sum(1 << pin for pin in range(16) if self.mode(pin) == OUTPUT)
        self._analog = sum(1 << pin for pin in range(16) if self.mode(pin) == ANALOG)

    def _note_pulls(self) -> None:
        self._pulled_up = sum(1 << pin for pin in range(16) if self.reg["PUPDR"] >> 2 * pin & 3 == PULL_UP)

    def levels(self) -> int:
        return self.reg["ODR"] & self._driven

    def load(self, name: str) -> int:
        if name == "IDR":
            driven, high = self.chip.board.levels_at(self.name[-1])
            return self.levels() | (high | self._pulled_up & ~driven) & ~self._driven & ~self._analog
        return 0 if name == "BSRR" else self.reg[name]

    def store(self, name: str, value: int) -> None:
        before = self.levels()
        if name == "BSRR":
            rise, fall = value & 0xFFFF, value >> 16
            if rise & fall:
                self.chip.fail(f"{self.name}.BSRR = {value:#010x} sets and resets the same pin")
            self.reg["ODR"] = self.reg["ODR"] & ~fall | rise
        else:
            self.reg[name] = value
        if name == "MODER":
            self._note_modes()
        elif name == "PUPDR":
            self._note_pulls()
        self._announce(before)

    def _announce(self, before: int, *, in_reset: bool = False) -> None:
        changed = before ^ self.levels()
        if changed:
            port = self.name[-1]
            pins = {f"P{port}{pin}": self.levels() >> pin & 1 for pin in range(16) if changed >> pin & 1}
            self.chip.board.pins_changed(pins, in_reset=in_reset)
