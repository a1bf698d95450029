"""RCC and PWR: clock tree, clock gates, reset flags, supply (RM0090 5.4, 6.2 and 7.3)."""

from __future__ import annotations

from typing import ClassVar

from . import nvic
from .peripheral import Peripheral, Register
from .timeline import MICROSECOND, SECOND, Event

HSI_HZ = 16_000_000
HSE_HZ = 8_000_000
HSE_START = 2000 * MICROSECOND  # typical, STM32F407 datasheet table 'HSE oscillator characteristics'
PLL_LOCK = 200 * MICROSECOND
LSI_START = 40 * MICROSECOND

HSION, HSIRDY, HSEON, HSERDY, PLLON, PLLRDY = (1 << bit for bit in (0, 1, 16, 17, 24, 25))
CSSON, CSSF = 1 << 19, 1 << 7
LSION, LSIRDY, RMVF = 1 << 0, 1 << 1, 1 << 24
BORRSTF, PINRSTF, PORRSTF, SFTRSTF, IWDGRSTF = (1 << bit for bit in (25, 26, 27, 28, 29))

# NRST is pulled low by every internal reset, so PINRSTF always comes along (RM0090 7.1.1).
RESET_FLAGS = {
    "power": PORRSTF | BORRSTF | PINRSTF,
    "brown-out": BORRSTF | PINRSTF,
    "pin": PINRSTF,
    "software": SFTRSTF | PINRSTF,
    "watchdog": IWDGRSTF | PINRSTF,
}


class Rcc(Peripheral):
    registers: ClassVar[dict[int, Register]] = {
        0x00: Register("CR", 0x0000_0083, rw=0x010D_00F9, ro=0xFF00 | HSIRDY | HSERDY | PLLRDY),
        0x04: Register("PLLCFGR", 0x2400_3010, rw=0x0F43_7FFF, ro=0xF000_0000),
        0x08: Register("CFGR", 0, rw=0x0000_FCF3, ro=0xC),
        0x0C: Register("CIR", 0, rw=0, ro=CSSF),
        0x10: Register("AHB1RSTR", 0, subword=True),
        0x14: Register("AHB2RSTR", 0),
        0x18: Register("AHB3RSTR", 0),
        0x20: Register("APB1RSTR", 0),
        0x24: Register("APB2RSTR", 0),
        0x30: Register("AHB1ENR", 0x0010_0000),
        0x34: Register("AHB2ENR", 0),
        0x38: Register("AHB3ENR", 0),
        0x40: Register("APB1ENR", 0),
        0x44: Register("APB2ENR", 0),
        0x50: Register("AHB1LPENR", 0x7E67_91FF, rw=0),
        0x54: Register("AHB2LPENR", 0x0000_00F1, rw=0),
        0x58: Register("AHB3LPENR", 0x0000_0001, rw=0),
        0x60: Register("APB1LPENR", 0x36FE_C9FF, rw=0),
        0x64: Register("APB2LPENR", 0x0007_5F33, rw=0),
        0x70: Register("BDCR", 0, rw=0),
        0x74: Register("CSR", 0, rw=LSION | RMVF, ro=0xFE00_0000 | LSIRDY),
        0x80: Register("SSCGR", 0, rw=0),
        0x84: Register("PLLI2SCFGR", 0x2000_3000, rw=0),
    }

    def reset(self) -> None:
        flags = self.reg.get("CSR", 0) & 0xFE00_0000  # only RMVF and a loss of power clear them
        super().reset()
        self.reg["CSR"] = flags
        self._starting: dict[int, Event] = {}
        self.hclk = self.pclk1 = self.pclk2 = HSI_HZ
        self.core_source = "HSI"

    def note_reset(self, cause: str) -> None:
        self.reg["CSR"] = RESET_FLAGS[cause] | (0 if cause == "power" else self.reg["CSR"])

    @property
    def timer1_hz(self) -> int:
        """Clock of TIM2..TIM7: twice PCLK1 when APB1 is divided (RM0090 figure 'clock tree')."""
        return self.pclk1 if self.pclk1 == self.hclk else 2 * self.pclk1

    @property
    def source_of_pll(self) -> str:
        return "HSE" if self.reg["PLLCFGR"] >> 22 & 1 else "HSI"

    @property
    def lsi_running(self) -> bool:
        return bool(self.reg["CSR"] & LSION) or self.chip.iwdg.started

    def store(self, name: str, value: int) -> None:
        old = self.reg[name]
        if name == "CR":
            self._store_cr(old, value)
        elif name == "PLLCFGR":
            if value != old and self.reg["CR"] & PLLON:
                self.chip.fail("RCC.PLLCFGR is written while the PLL is on")
            self.reg[name] = value
        elif name == "CFGR":
            self._store_cfgr(value)
        elif name == "CSR":
            if value & RMVF:
                value &= 0x01FF_FFFF & ~RMVF
            self.reg[name] = value
            self._start("CSR", LSIRDY, bool(value & LSION), LSI_START)
            self.chip.iwdg.lsi_changed()
        else:
            self.reg[name] = value
            if name.endswith("RSTR"):
                self.chip.reset_peripherals(name[:-4], value)

    def _store_cr(self, old: int, value: int) -> None:
        if value & PLLON and not old & PLLON:
            self._pll_hz()
        for on, source in ((HSION, "HSI"), (HSEON, "HSE"), (PLLON, "PLL")):
            if old & on and not value & on and self.core_source == source:
                self.chip.fail(f"{source} is switched off while the core runs on it")
        self.reg["CR"] = value
        self._start("CR", HSIRDY, bool(value & HSION), 0)
        self._start("CR", HSERDY, bool(value & HSEON), HSE_START if self.chip.crystal else None)
        self._start("CR", PLLRDY, bool(value & PLLON), PLL_LOCK)

    def lose_crystal(self) -> None:
        """The HSE stops. The clock security system goes back to the HSI and raises the NMI (RM0090 7.2.7)."""
        on_crystal = self.core_source == "HSE" or (self.core_source, self.source_of_pll) == ("PLL", "HSE")
        self.reg["CR"] &= ~HSERDY
        if not self.reg["CR"] & CSSON:
            if on_crystal:
                self.chip.stall(self.chip.time.now + 3600 * SECOND)  # no clock, for as long as no reset comes
            return
        if on_crystal:
            self._store_cfgr(self.reg["CFGR"] & ~3)
            self.reg["CR"] &= ~(PLLON | PLLRDY)
        self.reg["CR"] &= ~(HSEON | CSSON)
        self.reg["CIR"] |= CSSF
        self.chip.nvic.pend(nvic.NMI)

    def _start(self, name: str, ready: int, on: bool, delay: int | None) -> None:
        """Drive a ready flag after its oscillator's start-up; None as the delay is a dead oscillator."""
        if not on:
            self.reg[name] &= ~ready
            if ready in self._starting:
                self._starting.pop(ready).cancel()
        elif not self.reg[name] & ready and ready not in self._starting and delay is not None:

            def settle() -> None:
                self._starting.pop(ready)
                self.reg[name] |= ready

            self._starting[ready] = self.chip.time.after(delay, settle)

    def _pll_hz(self) -> int:
        """Limits of RM0090 7.3.2: 1..2 MHz into the VCO, 100..432 MHz out of it."""
        cfg, on_crystal = self.reg["PLLCFGR"], self.source_of_pll == "HSE"
        source = HSE_HZ if on_crystal else HSI_HZ
        if not self.reg["CR"] & (HSERDY if on_crystal else HSIRDY):
            self.chip.fail("the PLL is switched on before its source is ready")
        m, n, p = cfg & 0x3F, cfg >> 6 & 0x1FF, 2 * (cfg >> 16 & 3) + 2
        if not 2 <= m <= 63 or not 1_000_000 <= source // m <= 2_000_000:
            self.chip.fail(f"PLL input {source} / {m} is outside 1..2 MHz")
        if not 100_000_000 <= source // m * n <= 432_000_000:
            self.chip.fail(f"PLL VCO at {source // m * n} Hz is outside 100..432 MHz")
        return source // m * n // p

    def _store_cfgr(self, value: int) -> None:
        switch = value & 3
        if switch == 3:
            self.chip.fail("RCC.CFGR selects no clock (SW = 3)")
        name, ready = (("HSI", HSIRDY), ("HSE", HSERDY), ("PLL", PLLRDY))[switch]
        if not self.reg["CR"] & ready:
            self.chip.fail(f"the core is switched to {name} before it is ready")
        core = (HSI_HZ, HSE_HZ, 0)[switch] or self._pll_hz()
        hpre, ppre1, ppre2 = value >> 4 & 0xF, value >> 10 & 7, value >> 13 & 7
        hclk = core >> ((0, 1, 2, 3, 4, 6, 7, 8, 9)[hpre - 7] if hpre >= 8 else 0)
        pclk1, pclk2 = (hclk >> (ppre - 3 if ppre >= 4 else 0) for ppre in (ppre1, ppre2))
        # Between the writes of one switch-over a bus may be slow but never too fast.
        if hclk > 168_000_000 or pclk1 > 42_000_000 or pclk2 > 84_000_000:
            self.chip.fail(f"clocks too fast: HCLK {hclk}, PCLK1 {pclk1}, PCLK2 {pclk2}")
        if hclk > 144_000_000 and not self.chip.pwr.reg["CR"] & 1 << 14:
            self.chip.fail(f"HCLK {hclk} needs voltage scale 1 (PWR_CR.VOS)")
        self.reg["CFGR"] = value & ~0xC | switch << 2
        self.hclk, self.pclk1, self.pclk2, self.core_source = hclk, pclk1, pclk2, name
        self.chip.flash.check_latency()
        self.chip.time.set_core_clock(hclk)


PLS, PVDE, PVDO = 7 << 5, 1 << 4, 1 << 2
PVD_START = 50 * MICROSECOND  # no document tells: a guess to the safe side
PVD_LEVELS = (  # V, falling and rising: typical values of the datasheet's table 19
    (2.04, 2.14),
    (2.19, 2.30),
    (2.35, 2.45),
    (2.51, 2.60),
    (2.66, 2.76),
    (2.84, 2.93),
    (2.93, 3.03),
    (3.03, 3.14),
)


class Pwr(Peripheral):
    """The supply, and the programmable voltage detector that watches it."""

    registers: ClassVar[dict[int, Register]] = {
        0x00: Register("CR", 0x0000_4000, rw=1 << 14 | 1 << 8 | PLS | PVDE),  # VOS, DBP
        0x04: Register("CSR", 0x0000_4000, rw=0),  # VOSRDY
    }

    def reset(self) -> None:
        super().reset()
        self._low = False
        self._valid_from = 0
        if not hasattr(self, "_volts"):
            self._volts = 3.3

    @property
    def volts(self) -> float:
        return self._volts

    @volts.setter
    def volts(self, volts: float) -> None:
        self._volts = volts
        falling, rising = PVD_LEVELS[self.reg["CR"] >> 5 & 7]
        self._low = volts < (rising if self._low else falling)

    def load(self, name: str) -> int:
        if name != "CSR" or not self.reg["CR"] & PVDE:
            return self.reg[name]
        if self.chip.time.now < self._valid_from:
            self.chip.fail("PWR.CSR is read before the voltage detector has settled")
        return self.reg[name] | (PVDO if self._low else 0)

    def store(self, name: str, value: int) -> None:
        changed = (self.reg[name] ^ value) & (PLS | PVDE)
        self.reg[name] = value
        if changed and value & PVDE:
            self._low = self._volts < PVD_LEVELS[value >> 5 & 7][1]
            self._valid_from = self.chip.time.now + PVD_START
