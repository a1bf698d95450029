"""DMA1 streams 1 and 3 on channel 4, USART3's requests (RM0090 10.3 and 10.5): bytes in direct mode."""

from __future__ import annotations

from typing import ClassVar

from .peripheral import Peripheral, Register

EN, TEIE, HTIE, TCIE, CIRC, MINC = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 8, 1 << 10
HALF, COMPLETE = 1 << 4, 1 << 5  # within a stream's 6 flag bits
FLAG_SHIFT = (0, 6, 16, 22)
USART3_DR = 0x4000_4804
IRQS = {1: 12, 3: 14}
DIRECTIONS = {1: 0, 3: 1}  # peripheral to memory, memory to peripheral


class Dma(Peripheral):
    registers: ClassVar[dict[int, Register]] = {
        0x00: Register("LISR", rw=0),
        0x04: Register("HISR", rw=0),
        0x08: Register("LIFCR"),
        0x0C: Register("HIFCR", rw=0),
    }
    for _stream in IRQS:
        _at = 0x10 + 0x18 * _stream
        registers[_at] = Register(f"S{_stream}CR", rw=0x0F03_7FDF)
        registers[_at + 4] = Register(f"S{_stream}NDTR", rw=0xFFFF)
        registers[_at + 8] = Register(f"S{_stream}PAR")
        registers[_at + 12] = Register(f"S{_stream}M0AR")
        registers[_at + 20] = Register(f"S{_stream}FCR", 0x21, rw=0x83, ro=0x38)

    def reset(self) -> None:
        super().reset()
        self._total = dict.fromkeys(IRQS, 0)

    def store(self, name: str, value: int) -> None:
        if name == "LIFCR":
            self.reg["LISR"] &= ~value
        elif name.endswith("CR") and name.startswith("S") and "FCR" not in name:
            self._store_control(int(name[1]), value)
        else:
            if name.startswith("S") and self.reg[f"S{name[1]}CR"] & EN and value != self.reg[name]:
                self.chip.fail(f"DMA1.{name} is written while the stream is enabled")
            self.reg[name] = value
        self._update_lines()

    def _store_control(self, stream: int, value: int) -> None:
        name = f"S{stream}CR"
        old, self.reg[name] = self.reg[name], value
        if not value & EN or old & EN:
            return
        wanted = (4, DIRECTIONS[stream], USART3_DR)
        if (value >> 25 & 7, value >> 6 & 3, self.reg[f"S{stream}PAR"]) != wanted:
            self.chip.fail(f"DMA1 stream {stream} is not set up for USART3: CR {value:#x}")
        if value >> 11 & 0xF or self.reg[f"S{stream}FCR"] & 4:
            self.chip.fail(f"DMA1 stream {stream}: only bytes in direct mode have a model")
        if self.reg["LISR"] >> FLAG_SHIFT[stream] & 0x3D:
            self.chip.fail(f"DMA1 stream {stream} is enabled with old flags in LISR")
        self._total[stream] = self.reg[f"S{stream}NDTR"]
        self.chip.usart3.serve()

    def wants(self, stream: int) -> bool:
        return bool(self.reg[f"S{stream}CR"] & EN and self.reg[f"S{stream}NDTR"])

    def put(self, stream: int, value: int) -> None:
        self.chip.engine.store(self._next(stream), bytes([value]))

    def take(self, stream: int) -> int:
        return self.chip.engine.read(self._next(stream), 1)[0]

    def _next(self, stream: int) -> int:
        """Memory address of the next item; counts it and sets the flags."""
        control, left = self.reg[f"S{stream}CR"], self.reg[f"S{stream}NDTR"]
        address = self.reg[f"S{stream}M0AR"] + (self._total[stream] - left if control & MINC else 0)
        left -= 1
        if left == self._total[stream] // 2:
            self.reg["LISR"] |= HALF << FLAG_SHIFT[stream]
        if left == 0:
            self.reg["LISR"] |= COMPLETE << FLAG_SHIFT[stream]
            if control & CIRC:
                left = self._total[stream]
            else:
                self.reg[f"S{stream}CR"] &= ~EN
        self.reg[f"S{stream}NDTR"] = left
        self._update_lines()
        return address

    def _update_lines(self) -> None:
        for stream, irq in IRQS.items():
            control, flags = self.reg[f"S{stream}CR"], self.reg["LISR"] >> FLAG_SHIFT[stream]
            half, complete = control & HTIE and flags & HALF, control & TCIE and flags & COMPLETE
            self.chip.nvic.line(irq, bool(half or complete))
