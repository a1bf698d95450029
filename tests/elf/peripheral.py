"""What all register blocks share: strict decoding. An offset or a bit without a model ends the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from .chip import Chip

ALL = 0xFFFF_FFFF


class Violation(AssertionError):
    """The firmware did what the real board would not forgive, or what has no model here."""


class Register(NamedTuple):
    """A register: `rw` bits may be written, `ro` bits ignore writes, others must be written as they are."""

    name: str
    reset: int = 0
    rw: int = ALL
    ro: int = 0
    subword: bool = False  # may be written by byte and halfword


class Peripheral:
    registers: ClassVar[dict[int, Register]] = {}

    def __init__(self, chip: Chip, name: str, gate: tuple[str, int] | None = None) -> None:
        self.chip = chip
        self.name = name
        self.gate = gate  # the bus and bit that clock it: ("APB1", 18) is RCC_APB1ENR bit 18
        self.reg: dict[str, int] = {}
        self._enable, self._clock = (f"{gate[0]}ENR", 1 << gate[1]) if gate else ("", 0)
        self._words = {offset: register.name for offset, register in self.registers.items()}
        self.reset()

    def reset(self) -> None:
        self.reg = {register.name: register.reset for register in self.registers.values()}

    def load(self, name: str) -> int:
        return self.reg[name]

    def store(self, name: str, value: int) -> None:
        self.reg[name] = value

    def read(self, offset: int, size: int) -> int:
        if size == 4 and offset in self._words and self._clocked():
            return self.load(self._words[offset])
        name = self._find(offset, size, "read").name
        return self.load(name) >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def _clocked(self) -> bool:
        return not self._clock or bool(self.chip.rcc.reg[self._enable] & self._clock)

    def write(self, offset: int, size: int, value: int) -> None:
        register = self._find(offset, size, "write")
        if size < 4:
            if not register.subword:
                self.chip.fail(f"{self.name}.{register.name} is written by {8 * size} bits, not by 32")
            shift = 8 * (offset & 3)
            lanes = ((1 << 8 * size) - 1) << shift
            value = self.reg[register.name] & ~lanes | value << shift
        strange = (value ^ self.reg[register.name]) & ~(register.rw | register.ro) & ALL
        if strange:
            self.chip.fail(f"{self.name}.{register.name} = {value:#x}: bits {strange:#x} have no model")
        kept = self.reg[register.name] & register.ro
        self.store(register.name, value & ~register.ro | kept)

    def _find(self, offset: int, size: int, verb: str) -> Register:
        if not self._clocked():
            self.chip.fail(f"{verb} of {self.name}+{offset:#x} while its clock in RCC {self._enable} is off")
        register = self.registers.get(offset & ~3)
        if register is None:
            self.chip.fail(f"{verb} of {self.name}+{offset:#x}: this register has no model")
        if offset % size:
            self.chip.fail(f"unaligned {verb} of {self.name}+{offset:#x}")
        return register
