"""The flash controller and its NOR cells (RM0090 3.5, 3.6, 3.9; times of the datasheet at 2.7..3.6 V)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from .peripheral import Peripheral, Register
from .timeline import MICROSECOND

BASE, SIZE = 0x0800_0000, 1 << 20
SECTORS = (  # offset and size
    *((n << 14, 1 << 14) for n in range(4)),
    (1 << 16, 1 << 16),
    *((n << 17, 1 << 17) for n in range(1, 8)),
)
PROGRAM_TIME = 16 * MICROSECOND
ERASE_MS = {  # typical, at PSIZE x8, x16, x32
    1 << 14: (400, 300, 250),
    1 << 16: (1200, 700, 550),
    1 << 17: (2000, 1300, 1000),
}

PG, SER, STRT, LOCK = 1 << 0, 1 << 1, 1 << 16, 1 << 31
EOPIE, ERRIE, EOP, OPERR, WRPERR = 1 << 24, 1 << 25, 1 << 0, 1 << 1, 1 << 4
SUPPLY_MIN = (
    2.9  # V; the datasheet's is 2.7 for PSIZE x32, and the rest is the reserve that the project wants
)
DCEN, DCRST = 1 << 10, 1 << 12
KEYS = (0x4567_0123, 0xCDEF_89AB)
IRQ = 4


@dataclass
class Operation:
    """A program or erase under way: `old` becomes `new` at `address` between the times `start` and `end`."""

    kind: str
    address: int
    old: bytes
    new: bytes
    start: int
    end: int


def torn(operation: Operation, rng: random.Random, landed: int | None = None) -> bytes:
    """What a power cut leaves: any subset of a word's bits; of a sector, any state on the way to all ones.

    An erase first programs its cells towards zero, then raises them: bits may be lost in both directions.
    """
    bits = 8 * len(operation.old)
    old = int.from_bytes(operation.old, "little")
    mask = rng.getrandbits(bits)
    if operation.kind == "program":
        new = int.from_bytes(operation.new, "little")
        result = old & (new | ~(mask if landed is None else landed))
    else:
        thin, full = mask & rng.getrandbits(bits), (1 << bits) - 1
        part = (1 << rng.randrange(0, bits, 32)) - 1  # some words are done, the rest has not begun
        result = rng.choice((old, old & ~thin, old & ~mask, old | thin, old | mask, old | part, full))
    return (result & (1 << bits) - 1).to_bytes(len(operation.old), "little")


class Flash(Peripheral):
    registers: ClassVar[dict[int, Register]] = {
        0x00: Register("ACR", 0, rw=0x1F07, subword=True),
        0x04: Register("KEYR", 0),
        0x0C: Register("SR", 0),
        0x10: Register("CR", LOCK),
        0x14: Register("OPTCR", 0x0FFF_AAED, rw=0),
    }

    def reset(self) -> None:
        super().reset()
        self._key = 0  # the next key expected; beyond the last: dead until a reset
        self._stale = False
        self.operations: list[Operation] = []
        self.chip.defer(self._open)
        if not hasattr(self, "erases"):
            self._allow: Callable[[], None] | None = None
            self.erases = [0] * len(SECTORS)  # wear and work done: statistics for tests, kept over resets
            self.programs = 0
            self.refuse_next = False  # inject a fault: the next operation sets WRPERR and changes nothing
            self.slowness = 1.0  # the datasheet's maxima are 2 for an erase and about 6 for a word

    @property
    def busy(self) -> bool:
        return bool(self.operations)

    def check_latency(self) -> None:
        """One wait state for each 30 MHz begun (RM0090 table 10, 2.7..3.6 V)."""
        need = (self.chip.rcc.hclk - 1) // 30_000_000
        have = self.reg["ACR"] & 7
        if have < need:
            self.chip.fail(f"flash latency {have} at {self.chip.rcc.hclk} Hz: {need} wait states are needed")

    def load(self, name: str) -> int:
        if name == "KEYR":
            self.chip.fail("read of FLASH.KEYR, which is write-only")
        return self.reg[name] | (1 << 16 if name == "SR" and self.operations else 0)

    def store(self, name: str, value: int) -> None:
        if name == "ACR":
            self._store_acr(value)
        elif name == "KEYR":
            if self._key >= len(KEYS) or value != KEYS[self._key] or not self.reg["CR"] & LOCK:
                self._key = len(KEYS)
                self.chip.fail(f"FLASH.KEYR = {value:#x} is not the next key: locked until a reset")
            self._key += 1
            if self._key == len(KEYS):
                self.reg["CR"] &= ~LOCK
                self._key = 0
        elif name == "SR":
            self.reg["SR"] &= ~value
            self._update_line()
        elif name == "CR":
            self._store_cr(value)

    def _store_acr(self, value: int) -> None:
        old, self.reg["ACR"] = self.reg["ACR"], value
        if value & DCRST:
            if value & DCEN:
                self.chip.fail("the flash data cache is reset while it is on (RM0090 3.9.1)")
            self._stale = False
        if value & 7 < old & 7:
            self.check_latency()

    def _store_cr(self, value: int) -> None:
        old = self.reg["CR"]
        if value == old:
            return
        if old & LOCK:
            self.chip.fail(f"FLASH.CR = {value:#x} while it is locked")
        if self.operations:
            self.chip.fail(f"FLASH.CR = {value:#x} while the flash is busy")
        if value & ~(PG | SER | 0x78 | 0x300 | STRT | EOPIE | ERRIE | LOCK):
            self.chip.fail(f"FLASH.CR = {value:#x}: mass erase and reserved bits have no model")
        if value & PG and value & SER:
            self.chip.fail("FLASH.CR sets PG and SER together")
        if value & 0x300 == 0x300:
            self.chip.fail("FLASH.CR.PSIZE x64 needs an external Vpp")
        if value & LOCK:
            if self._stale:
                self.chip.fail(
                    "an erase with the data cache on and no reset of it before LOCK (RM0090 3.4.2)"
                )
            value = LOCK
        self.reg["CR"] = value
        if value & STRT:
            if not value & SER:
                self.chip.fail("FLASH.CR.STRT without SER")
            self._erase(value >> 3 & 0xF, value >> 8 & 3)

    def _erase(self, sector: int, psize: int) -> None:
        if sector >= len(SECTORS):
            self.chip.fail(f"erase of flash sector {sector}, which does not exist")
        offset, size = SECTORS[sector]
        pc = self.chip.engine.reg_pc()
        if offset <= pc - BASE < offset + size:
            self.chip.fail(f"erase of flash sector {sector}, which holds the running code")
        self.erases[sector] += 1
        self._stale = self._stale or bool(self.reg["ACR"] & DCEN)
        took = int(ERASE_MS[size][psize] * 1000 * MICROSECOND * self.slowness)
        self._begin("erase", BASE + offset, b"\xff" * size, took)

    def program(self, address: int, size: int, value: int) -> bool:
        """A store to the flash's address range by the core; False if it is none of the flash's."""
        if not BASE <= address < BASE + SIZE:
            return False
        cr = self.reg["CR"]
        what = f"store of {value:#x} to flash {address:#010x}"
        if cr & LOCK:
            self.chip.fail(f"{what} while the flash is locked")
        if not cr & PG:
            self.chip.fail(f"{what} without FLASH_CR.PG")
        if size != 1 << (cr >> 8 & 3):
            self.chip.fail(f"{what}: {8 * size} bits with PSIZE x{8 << (cr >> 8 & 3)}")
        if address % size:
            self.chip.fail(f"unaligned {what}")
        old = int.from_bytes(self.chip.engine.read(address, size), "little")
        if value & ~old:
            self.chip.fail(f"{what}, which holds {old:#x}: a bit rises from 0 to 1 only by an erase")
        self.programs += 1
        landed = (old & value).to_bytes(size, "little")
        self._begin("program", address, landed, int(PROGRAM_TIME * self.slowness))
        return True

    def _begin(self, kind: str, address: int, new: bytes, took: int) -> None:
        """The bus stalls the core while the flash works, so a second store starts when the first is done.

        Code in RAM runs on beside it, as long as it lets the flash alone: an access would stall it unawares.
        """
        if self.chip.pwr.volts < SUPPLY_MIN:
            self.chip.fail(f"{kind} of flash {address:#010x} at a supply of {self.chip.pwr.volts} V")
        beside = not BASE <= self.chip.engine.reg_pc() < BASE + SIZE
        start = max(self.chip.time.now, self.operations[-1].end if self.operations else 0)
        old = self.chip.engine.read(address, len(new))
        if self.refuse_next:
            self.refuse_next = False
            self.reg["SR"] |= WRPERR | (OPERR if self.reg["CR"] & ERRIE else 0)
            self.reg["CR"] &= ~STRT
            self._update_line()
            return
        self.operations.append(Operation(kind, address, old, new, start, start + took))
        if beside:
            self.chip.defer(self._close)
        else:
            self.chip.stall(start + took)
        self.chip.time.at(start + took, self._finish)

    def _close(self) -> None:
        """Until the flash is done, whoever reads it or runs from it is told off."""

        def touched(address: int) -> None:
            self.chip.fail(f"access to flash {address:#010x} while it is busy: the core would stall")

        if self.operations and self._allow is None:
            self._allow = self.chip.engine.forbid(BASE, SIZE, touched)

    def _open(self) -> None:
        if self._allow is not None and not self.operations:
            self._allow()
            self._allow = None

    def _finish(self) -> None:
        done = self.operations.pop(0)
        self.chip.engine.write(done.address, done.new)
        self._open()
        self.reg["CR"] &= ~STRT
        if self.reg["CR"] & EOPIE:
            self.reg["SR"] |= EOP
        self._update_line()

    def _update_line(self) -> None:
        cr, sr = self.reg["CR"], self.reg["SR"]
        self.chip.nvic.line(IRQ, bool((cr & EOPIE and sr & EOP) or (cr & ERRIE and sr & OPERR)))

    def cut(self, rng: random.Random, landed: int | None) -> Operation | None:
        """Power goes now: what is under way is left torn. Returns it, with `new` as what has landed."""
        if not self.operations or self.operations[0].start > self.chip.time.now:
            return None
        operation = self.operations[0]
        operation.new = torn(operation, rng, landed)
        self.chip.engine.write(operation.address, operation.new)
        return operation
