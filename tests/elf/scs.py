"""The system control space at 0xE000E000: SysTick, NVIC and SCB registers (PM0214 4.2 to 4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from . import nvic as exc
from .mpu import Mpu
from .peripheral import Peripheral, Register
from .timeline import Event

if TYPE_CHECKING:
    from .chip import Chip

ENABLE, TICKINT, CLKSOURCE, COUNTFLAG = 1 << 0, 1 << 1, 1 << 2, 1 << 16
VECTKEY, VECTKEYSTAT = 0x05FA, 0xFA05_0000
SYSRESETREQ = 1 << 2
FAULT_ENABLES = {16: exc.MEM_MANAGE, 17: exc.BUS_FAULT, 18: exc.USAGE_FAULT}
ACTIVE_BITS = {
    0: exc.MEM_MANAGE,
    1: exc.BUS_FAULT,
    3: exc.USAGE_FAULT,
    7: exc.SVCALL,
    10: exc.PENDSV,
    11: exc.SYSTICK,
}
CPACR_FULL = 0xF << 20  # CP10 and CP11: the FPU
WORDS = (exc.IRQS + 31) // 32


class SysTick:
    """A 24-bit down-counter of core cycles, or of one in eight."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self.control = self.reload = self._value = 0
        self._since = 0
        self._event: Event | None = None

    @property
    def _tick(self) -> int:
        return self._chip.time.cycle * (1 if self.control & CLKSOURCE else 8)

    def value(self) -> int:
        if self._event is None:
            return self._value
        passed = (self._chip.time.now - self._since) // self._tick
        return min(self.reload, max(0, self._value - passed))

    def read_control(self) -> int:
        value = self.control
        self.control &= ~COUNTFLAG
        return value

    def write_control(self, value: int) -> None:
        self._value = self.value()
        self.control = value & 7 | self.control & COUNTFLAG
        self._plan()

    def clear(self) -> None:
        self._value = 0
        self.control &= ~COUNTFLAG
        self._plan()

    def _plan(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None
        if self.control & ENABLE and (self._value or self.reload):
            # From 0 the counter first takes the reload value, which costs one tick.
            delay = self._value or self.reload + 1
            self._value = delay
            self._since = self._chip.time.now
            self._event = self._chip.time.after(delay * self._tick, self._reach_zero)

    def _reach_zero(self) -> None:
        self.control |= COUNTFLAG
        self._value = 0
        self._event = None
        self._plan()
        if self.control & TICKINT:
            self._chip.nvic.pend(exc.SYSTICK)


def _bank(name: str, at: int) -> dict[int, Register]:
    return {at + 4 * i: Register(f"{name}{i}") for i in range(WORDS)}


class Scs(Peripheral):
    registers: ClassVar[dict[int, Register]] = {
        0x004: Register("ICTR", 2, rw=0),
        0x008: Register("ACTLR", 0, rw=0),
        0x010: Register("SYST_CSR"),
        0x014: Register("SYST_RVR"),
        0x018: Register("SYST_CVR"),
        0x01C: Register("SYST_CALIB", 18750, rw=0),
        **_bank("ISER", 0x100),
        **_bank("ICER", 0x180),
        **_bank("ISPR", 0x200),
        **_bank("ICPR", 0x280),
        **_bank("IABR", 0x300),
        **{0x400 + 4 * i: Register(f"IPR{i}", subword=True) for i in range((exc.IRQS + 3) // 4)},
        0xD00: Register("CPUID", 0x410F_C241, rw=0),
        0xD04: Register("ICSR"),
        0xD08: Register("VTOR"),
        0xD0C: Register("AIRCR"),
        0xD10: Register("SCR", rw=2),  # SLEEPONEXIT; no deep sleep, no SEVONPEND
        0xD14: Register("CCR", 0x200, rw=0),  # DIV_0_TRP and UNALIGN_TRP cannot be honoured by the engine
        0xD18: Register("SHPR1", subword=True),
        0xD1C: Register("SHPR2", subword=True),
        0xD20: Register("SHPR3", subword=True),
        0xD24: Register("SHCSR", rw=7 << 16, ro=0xFFFF),
        0xD28: Register("CFSR", subword=True),
        0xD2C: Register("HFSR"),
        0xD30: Register("DFSR"),
        0xD34: Register("MMFAR"),
        0xD38: Register("BFAR"),
        0xD3C: Register("AFSR", rw=0),
        0xD88: Register("CPACR", rw=CPACR_FULL),
        0xD90: Register("MPU_TYPE", 0x800, rw=0),
        0xD94: Register("MPU_CTRL", rw=7),
        0xD98: Register("MPU_RNR", rw=7),
        **{0xD9C + 8 * i: Register(f"MPU_RBAR{i}") for i in range(4)},  # 1..3 are aliases of 0
        **{0xDA0 + 8 * i: Register(f"MPU_RASR{i}") for i in range(4)},
        0xDF0: Register("DHCSR", 0, rw=0),  # no debugger
        0xDFC: Register("DEMCR", 0, rw=1 << 24),
        0xF00: Register("STIR", rw=0x1FF),
        0xF34: Register("FPCCR", 0xC000_0000, rw=1 << 30),
        0xF38: Register("FPCAR", rw=0),
        0xF3C: Register("FPDSCR", rw=0),
        0xF40: Register("MVFR0", 0x1011_0021, rw=0),
        0xF44: Register("MVFR1", 0x1100_0011, rw=0),
    }

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip, "SCS")

    def reset(self) -> None:
        super().reset()
        self.systick = SysTick(self.chip)
        self.mpu = Mpu(self.chip)

    @property
    def fpu_enabled(self) -> bool:
        return self.reg["CPACR"] & CPACR_FULL == CPACR_FULL

    def load(self, name: str) -> int:
        nvic, systick = self.chip.nvic, self.systick
        bank, index = name[:4], int(name[4:]) if name[4:].isdigit() else 0
        if name == "SYST_CSR":
            return systick.read_control()
        if name == "SYST_CVR":
            return systick.value()
        if bank in ("ISER", "ICER", "ISPR", "ICPR", "IABR"):
            members = set(nvic.active) if bank == "IABR" else nvic.enabled if bank[2] == "E" else nvic.pending
            first = exc.FIRST_IRQ + 32 * index
            return sum(1 << bit for bit in range(32) if first + bit in members)
        if name == "ICSR":
            active, waiting = (nvic.active[-1] if nvic.active else 0), nvic.first() or 0
            system = (exc.PENDSV in nvic.pending) << 28 | (exc.SYSTICK in nvic.pending) << 26
            irq = any(number >= exc.FIRST_IRQ for number in nvic.pending)
            alone = len(nvic.active) <= 1
            return active | alone << 11 | waiting << 12 | irq << 22 | system
        if name == "AIRCR":
            return VECTKEYSTAT | nvic.group_bits << 8
        if name == "SHCSR":
            return self.reg[name] | sum(1 << bit for bit, n in ACTIVE_BITS.items() if n in nvic.active)
        if name.startswith("MPU_R") and name != "MPU_RNR":
            return self.mpu.load(name[4:8])
        return self.reg[name]

    def store(self, name: str, value: int) -> None:
        nvic, old = self.chip.nvic, self.reg[name]
        bank, index = name[:4], int(name[4:]) if name[4:].isdigit() else 0
        if name == "SYST_CSR":
            self.systick.write_control(value)
        elif name == "SYST_RVR":
            self.systick.reload = self.reg[name] = value & 0xFF_FFFF
        elif name == "SYST_CVR":
            self.systick.clear()
        elif bank in ("ISER", "ICER", "ISPR", "ICPR"):
            for number in (exc.FIRST_IRQ + 32 * index + bit for bit in range(32) if value >> bit & 1):
                if number >= exc.FIRST_IRQ + exc.IRQS:
                    self.chip.fail(f"NVIC.{name}: the chip has no interrupt {number - exc.FIRST_IRQ}")
                if bank[2] == "E":
                    nvic.enable(number, bank[1] == "S")
                else:
                    (nvic.pend if bank[1] == "S" else nvic.unpend)(number)
        elif name.startswith("IPR") or name.startswith("SHPR"):
            self.reg[name] = value & 0xF0F0_F0F0
            first = exc.FIRST_IRQ + 4 * int(name[3:]) if name.startswith("IPR") else 4 * int(name[4:])
            for lane in range(4):
                nvic.set_priority(first + lane, value >> 8 * lane & 0xFF)
        elif name == "STIR":
            nvic.pend(exc.FIRST_IRQ + value)
        elif name == "ICSR":
            for bit, number in ((28, exc.PENDSV), (26, exc.SYSTICK), (31, exc.NMI)):
                if value >> bit & 1:
                    nvic.pend(number)
            for bit, number in ((27, exc.PENDSV), (25, exc.SYSTICK)):
                if value >> bit & 1:
                    nvic.unpend(number)
        elif name == "VTOR":
            if value % 512:
                self.chip.fail(f"SCB.VTOR = {value:#x}: a table of 98 vectors is aligned to 512 bytes")
            self.reg[name] = value
        elif name == "AIRCR":
            self._store_aircr(value)
        elif name in ("CFSR", "HFSR", "DFSR"):
            self.reg[name] = old & ~value
        elif name.startswith("MPU_R") and name != "MPU_RNR":
            self.mpu.store(name[4:8], value)
        else:
            self.reg[name] = value
            if name == "SHCSR":
                for bit, number in FAULT_ENABLES.items():
                    nvic.enable(number, bool(value >> bit & 1))
            elif name == "MPU_CTRL":
                self.mpu.control(value)
            elif name == "CPACR":
                self.chip.check_fpu(was_enabled=old & CPACR_FULL == CPACR_FULL)

    def _store_aircr(self, value: int) -> None:
        if value >> 16 != VECTKEY:
            self.chip.fail(f"SCB.AIRCR = {value:#x} without the key 0x05FA")
        if value & 0xFB and value & 0xFF != SYSRESETREQ:
            self.chip.fail(f"SCB.AIRCR = {value:#x}: only SYSRESETREQ and PRIGROUP have a model")
        self.chip.nvic.group_bits = value >> 8 & 7
        if value & SYSRESETREQ:
            self.chip.request_reset("software")
