"""ADC1 and the registers that the three ADCs share (RM0090 13): sequences started by software, with the true times.

What it converts stands in `board.analog`, by input; see Machine.analog. No model: triggers, injected channels, the
watchdog, single shots without a scan's end, resolutions below 12 bits, VBAT, and more than one ADC.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from .gpio import ANALOG
from .peripheral import Peripheral, Register
from .timeline import MICROSECOND, SECOND, Event

EOC, STRT, OVR = 1 << 1, 1 << 4, 1 << 5  # SR
EOCIE, SCAN, OVRIE = 1 << 5, 1 << 8, 1 << 26  # CR1
ADON, DMA, DDS, EOCS, SWSTART = 1 << 0, 1 << 8, 1 << 9, 1 << 10, 1 << 30  # CR2
TSVREFE = 1 << 23  # CCR
IRQ, STREAM = 18, 0
SAMPLING = (3, 15, 28, 56, 84, 112, 144, 480)  # cycles of ADCCLK (RM0090 13.13.4)
CONVERTING = 12
CLOCK_MAX = 36_000_000  # Hz, at 2.4..3.6 V (datasheet, ADC characteristics)
STABLE = 3 * MICROSECOND  # after ADON (datasheet, t_STAB, the maximum)
SENSOR_START = 10 * MICROSECOND  # after TSVREFE (datasheet, t_START, the maximum)
SENSOR_SAMPLING = (
    10 * MICROSECOND
)  # of the chip's own channels (datasheet, t_S_temp and t_S_vrefint, the minimum)
DEAD = 3600 * SECOND
TEMPERATURE, REFERENCE = 16, 17
PINS = {
    **{n: ("A", n) for n in range(8)},
    **{8 + n: ("B", n) for n in range(2)},
    **{10 + n: ("C", n) for n in range(6)},
}
"""Input -> port and pin (datasheet, pin definitions)."""
COMMON = 0x300


class Conversion(NamedTuple):
    """`us`: when its sampling began."""

    input: int
    us: float


class Adc(Peripheral):
    registers: ClassVar[dict[int, Register]] = {
        0x00: Register("SR"),
        0x04: Register("CR1", rw=EOCIE | SCAN | OVRIE),
        0x08: Register("CR2", rw=ADON | DMA | DDS | EOCS | SWSTART),
        0x0C: Register("SMPR1", rw=0x07FF_FFFF),
        0x10: Register("SMPR2", rw=0x3FFF_FFFF),
        0x2C: Register("SQR1", rw=0x00FF_FFFF),
        0x30: Register("SQR2", rw=0x3FFF_FFFF),
        0x34: Register("SQR3", rw=0x3FFF_FFFF),
        0x4C: Register("DR", rw=0),
        COMMON + 4: Register("CCR", rw=3 << 16 | TSVREFE),
    }

    def reset(self) -> None:
        if self.reg:
            self._abort()
        super().reset()
        self.conversions: list[Conversion] = []  # for tests
        self.dead = False  # for tests: a conversion does not end
        self._event: Event | None = None
        self._on_since = self._sensor_since = 0
        self._requesting = False  # what is in DR waits for the DMA

    @property
    def cycle(self) -> int:
        """Of ADCCLK, which is APB2's divided by 2, 4, 6 or 8."""
        divider = 2 * (self.reg["CCR"] >> 16 & 3) + 2
        if self.chip.rcc.pclk2 > CLOCK_MAX * divider:
            self.chip.fail(f"ADCCLK of {self.chip.rcc.pclk2 // divider} Hz: {CLOCK_MAX} is its limit")
        return divider * SECOND // self.chip.rcc.pclk2

    @property
    def idle(self) -> bool:
        return self._event is None

    def load(self, name: str) -> int:
        if name == "DR":
            self.reg["SR"] &= ~EOC
            self._update_line()
        return self.reg[name]

    def store(self, name: str, value: int) -> None:
        if name == "SR":
            self.reg["SR"] &= value
        elif name == "CR2":
            self._store_control(self.reg["CR2"], value)
        else:
            if self._event is not None and value != self.reg[name]:
                self.chip.fail(f"ADC1.{name} is written while it converts")
            if name == "CCR" and value & ~self.reg[name] & TSVREFE:
                self._sensor_since = self.chip.time.now
            self.reg[name] = value
        self._update_line()

    def _store_control(self, old: int, value: int) -> None:
        self.reg["CR2"] = value & ~SWSTART
        if not value & ADON:
            self._abort()
        elif not old & ADON:
            self._on_since = self.chip.time.now
            if value & SWSTART:
                self.chip.fail("ADC1 is started in the write that switches it on")
        if value & DMA and not value & DDS:
            self.chip.fail("ADC1 with DMA for a single sequence (DDS off) has no model")
        if value & ~old & DMA:
            self._requesting = False
        if value & SWSTART:
            self._start()

    def _abort(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None

    def _start(self) -> None:
        now = self.chip.time.now
        if not self.reg["CR2"] & ADON or now < self._on_since + STABLE:
            self.chip.fail("ADC1 is started before it has been on for 3 us")
        if self._event is not None:
            self.chip.fail("ADC1 is started while it converts")
        if self.reg["SR"] & OVR:
            self.chip.fail("ADC1 is started with OVR set: it would not convert")
        self.reg["SR"] |= STRT
        edge = -(-now // self.cycle) * self.cycle
        self._event = self.chip.time.at(edge, lambda: self._convert(0, edge))

    def _field(self, name: str, index: int, width: int) -> int:
        return self.reg[name] >> width * index & (1 << width) - 1

    @property
    def _length(self) -> int:
        return self._field("SQR1", 5, 4) + 1 if self.reg["CR1"] & SCAN else 1

    def _convert(self, place: int, now: int) -> None:
        """Begin the conversion at this place of the sequence."""
        channel = self._field(f"SQR{3 - place // 6}", place % 6, 5)
        smpr = ("SMPR1", channel - 10) if channel >= 10 else ("SMPR2", channel)
        sampling = SAMPLING[self._field(*smpr, 3)] * self.cycle
        self._check(channel, sampling)
        self.conversions.append(Conversion(channel, now / MICROSECOND))
        value = self.chip.board.analog_at(channel, (now + sampling) / MICROSECOND)
        if self.dead:
            self._event = self.chip.time.at(now + DEAD, lambda: None)
            return
        end = now + sampling + CONVERTING * self.cycle
        self._event = self.chip.time.at(end, lambda: self._finish(place, value, end))

    def _check(self, channel: int, sampling: int) -> None:
        if channel in PINS:
            port, pin = PINS[channel]
            if self.chip.gpio[port].mode(pin) != ANALOG:
                self.chip.fail(f"ADC1 converts P{port}{pin}, which is not in analog mode")
        elif channel in (TEMPERATURE, REFERENCE):
            if not self.reg["CCR"] & TSVREFE or self.chip.time.now < self._sensor_since + SENSOR_START:
                self.chip.fail(f"ADC1 converts input {channel} before TSVREFE has been on for 10 us")
            if sampling < SENSOR_SAMPLING:
                self.chip.fail(
                    f"ADC1 samples input {channel} for {sampling / MICROSECOND:.3f} us: 10 are needed"
                )
        else:
            self.chip.fail(f"ADC1 converts input {channel}, which has no model")

    def _finish(self, place: int, value: int, now: int) -> None:
        self._event = None
        last = place + 1 >= self._length
        watched = self.reg["CR2"] & (DMA | EOCS)  # only then overruns are looked for (RM0090 13.3.11)
        if watched and (self._requesting or self.reg["SR"] & EOC):
            self.reg["SR"] |= OVR  # what is in DR stays, and the sequence ends here
            return self._update_line()
        self.reg["DR"] = value
        if last or self.reg["CR2"] & EOCS:
            self.reg["SR"] |= EOC
        self._requesting = bool(self.reg["CR2"] & DMA)
        if not last:
            self._convert(place + 1, now)
        self.serve()

    def serve(self) -> None:
        """A DMA stream may take what waits."""
        if self._requesting and not self.reg["SR"] & OVR and self.chip.dma2.wants(STREAM):
            self._requesting = False
            self.chip.dma2.put(STREAM, self.load("DR"))
        self._update_line()

    def _update_line(self) -> None:
        status, control = self.reg["SR"], self.reg["CR1"]
        self.chip.nvic.line(
            IRQ, bool((status & EOC and control & EOCIE) or (status & OVR and control & OVRIE))
        )
