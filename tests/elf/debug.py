"""Small blocks: the cycle counter, the debug MCU and the factory area (RM0090 38.6, 39; ARMv7-M ARM C1.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .peripheral import Peripheral, Register

if TYPE_CHECKING:
    from .chip import Chip

TRCENA = 1 << 24
DBG_IWDG_STOP = 1 << 12
UID = bytes.fromhex("25001f000f47343234343438")  # 96 bits; a test may give its own
FLASH_KIB = 1024
CALIBRATION = (1501, 944, 1205)  # of the reference, at 30 C, at 110 C: a chip's own, about the typical values


class Dwt(Peripheral):
    """CYCCNT counts core cycles, and stands still in WFI as on silicon without a debugger."""

    registers: ClassVar[dict[int, Register]] = {
        0x0: Register("CTRL", 0x4000_0000, rw=1, ro=0xFFFF_FFFE),
        0x4: Register("CYCCNT"),
        0xFB0: Register("LAR"),
    }

    def reset(self) -> None:
        super().reset()
        self._offset = 0

    def load(self, name: str) -> int:
        if name == "CYCCNT" and self.reg["CTRL"] & 1:
            return self.chip.time.cycles - self._offset & 0xFFFF_FFFF
        return self.reg[name]

    def store(self, name: str, value: int) -> None:
        if not self.chip.scs.reg["DEMCR"] & TRCENA:
            self.chip.fail(f"DWT.{name} is written while DEMCR.TRCENA is off")
        count = self.load("CYCCNT")
        self.reg[name] = value
        self.reg["CYCCNT"] = count = value if name == "CYCCNT" else count
        self._offset = self.chip.time.cycles - count


class DebugMcu(Peripheral):
    """Only a loss of power resets it (RM0090 38.16)."""

    registers: ClassVar[dict[int, Register]] = {
        0x0: Register("IDCODE", 0x1007_6413, rw=0),  # revision 1, STM32F405/407
        0x4: Register("CR", rw=7),
        0x8: Register("APB1FZ"),
        0xC: Register("APB2FZ"),
    }

    def reset(self) -> None:
        if not self.reg:
            super().reset()

    @property
    def freezes_watchdog(self) -> bool:
        return bool(self.reg["APB1FZ"] & DBG_IWDG_STOP)


class FactoryArea(Peripheral):
    """Unique id at 0x1FFF7A10, flash size at 0x1FFF7A22, calibration from 0x1FFF7A2A: read-only, any width."""

    def __init__(self, chip: Chip, uid: bytes) -> None:
        self._bytes = {0xA10 + i: byte for i, byte in enumerate(uid)}
        for i, value in enumerate(CALIBRATION):
            self._bytes |= {0xA2A + 2 * i: value & 0xFF, 0xA2B + 2 * i: value >> 8}
        self._bytes |= {0xA20: 0xFF, 0xA21: 0xFF, 0xA22: FLASH_KIB & 0xFF, 0xA23: FLASH_KIB >> 8}
        super().__init__(chip, "system memory")

    def read(self, offset: int, size: int) -> int:
        try:
            return sum(self._bytes[offset + i] << 8 * i for i in range(size))
        except KeyError:
            self.chip.fail(
                f"read of system memory +{offset:#x}: only unique id, flash size and calibration have a model"
            )

    def write(self, offset: int, size: int, value: int) -> None:
        self.chip.fail("write to system memory")
