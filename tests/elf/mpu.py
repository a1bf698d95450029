"""The MPU (PM0214 4.2) for data: regions without access, or read-only. XN is not enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .chip import Chip

REGIONS = 8
NO_ACCESS, READ_ONLY = (0,), (5, 6, 7)  # RASR.AP for privileged code
ENABLE, HFNMIENA, PRIVDEFENA = 1, 2, 4


class Mpu:
    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._base = [0] * REGIONS
        self._attributes = [0] * REGIONS
        self._control = 0
        self._restricted: list[tuple[int, int]] = []
        chip.defer(self._apply)

    @property
    def _number(self) -> int:
        return self._chip.scs.reg["MPU_RNR"]

    def load(self, name: str) -> int:
        return self._base[self._number] | self._number if name == "RBAR" else self._attributes[self._number]

    def store(self, name: str, value: int) -> None:
        if name == "RBAR":
            if value & 0x10:  # VALID: the region number comes along
                self._chip.scs.reg["MPU_RNR"] = value & 7
            self._base[self._number] = value & ~0x1F
        else:
            if value & 1 and value >> 1 & 0x1F < 4:
                self._chip.fail(f"MPU region {self._number}: RASR {value:#x} asks for less than 32 bytes")
            self._attributes[self._number] = value
        self._chip.defer(self._apply)

    def control(self, value: int) -> None:
        if value & ENABLE and not value & PRIVDEFENA:
            self._chip.fail("the MPU without PRIVDEFENA has no model")
        self._control = value
        self._chip.defer(self._apply)

    def _span(self, region: int) -> tuple[int, int]:
        size = 2 << (self._attributes[region] >> 1 & 0x1F)
        first = self._base[region] & ~(size - 1)
        return first, first + size - 1

    def _covers(self, region: int, address: int) -> bool:
        first, last = self._span(region)
        if not self._attributes[region] & 1 or not first <= address <= last:
            return False
        size = last - first + 1
        eighth = (address - first) * 8 // size
        return size < 256 or not self._attributes[region] >> 8 + eighth & 1  # SRD switches eighths off

    def forbidden(self, address: int, write: bool) -> bool:
        """The region with the highest number decides; outside of all regions the default map allows all."""
        for region in reversed(range(REGIONS)):
            if self._covers(region, address):
                access = self._attributes[region] >> 24 & 7
                return access in NO_ACCESS or (write and access in READ_ONLY)
        return False

    def _in_force(self, priority: int) -> bool:
        return bool(self._control & ENABLE and (priority >= 0 or self._control & HFNMIENA))

    def blocks(self, address: int, size: int, priority: int) -> bool:
        """Whether a frame pushed there would fault."""
        if not self._in_force(priority):
            return False
        if not any(first < address + size and address <= last for first, last in self._restricted):
            return False
        return any(self.forbidden(address + i, True) for i in range(0, size, 4))

    def _refuses(self, address: int, write: bool) -> bool:
        return self._in_force(self._chip.nvic.execution_priority()) and self.forbidden(address, write)

    def _apply(self) -> None:
        self._restricted = []
        guarded = []
        for region in range(REGIONS) if self._control & ENABLE else ():
            access = self._attributes[region] >> 24 & 7
            if self._attributes[region] & 1 and access in NO_ACCESS + READ_ONLY:
                first, last = self._span(region)
                if not self._chip.is_ram(first, last + 1 - first):
                    self._chip.fail(f"MPU region {region}: a restriction at {first:#010x} has no model")
                self._restricted.append((first, last))
                guarded.append((first, last, access in READ_ONLY))
        self._chip.engine.guard(guarded, self._refuses)
