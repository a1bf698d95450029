"""DMA1 and DMA2 (RM0090 10.3 and 10.5): the streams that serve USART3 and ADC1, item by item in direct mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .peripheral import Peripheral, Register

if TYPE_CHECKING:
    from .chip import Chip

EN, TEIE, HTIE, TCIE, CIRC, MINC = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 8, 1 << 10
HALF, COMPLETE = 1 << 4, 1 << 5  # within a stream's 6 flag bits
FLAG_SHIFT = (0, 6, 16, 22)
TO_MEMORY, FROM_MEMORY = 0, 1


class Stream(NamedTuple):
    """What a stream is for: the only set-up of it that has a model. size: bytes of an item, on both sides."""

    irq: int
    channel: int
    direction: int
    register: int  # the peripheral's
    size: int
    serve: Callable[[], None]  # asks the peripheral whether a request waits


class Dma(Peripheral):
    registers: ClassVar[dict[int, Register]] = {
        0x00: Register("LISR", rw=0),
        0x04: Register("HISR", rw=0),
        0x08: Register("LIFCR"),
        0x0C: Register("HIFCR", rw=0),
    }
    for _stream in range(4):
        _at = 0x10 + 0x18 * _stream
        registers[_at] = Register(f"S{_stream}CR", rw=0x0F03_7FDF)
        registers[_at + 4] = Register(f"S{_stream}NDTR", rw=0xFFFF)
        registers[_at + 8] = Register(f"S{_stream}PAR")
        registers[_at + 12] = Register(f"S{_stream}M0AR")
        registers[_at + 20] = Register(f"S{_stream}FCR", 0x21, rw=0x83, ro=0x38)

    def __init__(self, chip: Chip, name: str, gate: tuple[str, int], streams: dict[int, Stream]) -> None:
        self._streams = streams
        super().__init__(chip, name, gate)

    def reset(self) -> None:
        super().reset()
        self._total = dict.fromkeys(self._streams, 0)

    def store(self, name: str, value: int) -> None:
        if name == "LIFCR":
            self.reg["LISR"] &= ~value
        elif name.endswith("CR") and name.startswith("S") and "FCR" not in name:
            self._store_control(int(name[1]), value)
        else:
            if name.startswith("S") and self.reg[f"S{name[1]}CR"] & EN and value != self.reg[name]:
                self.chip.fail(f"{self.name}.{name} is written while the stream is enabled")
            self.reg[name] = value
        self._update_lines()

    def _store_control(self, number: int, value: int) -> None:
        name = f"S{number}CR"
        old, self.reg[name] = self.reg[name], value
        if old & EN and not value & EN:  # what it was at is left, and that is told as an end (RM0090 10.3.17)
            self.reg["LISR"] |= COMPLETE << FLAG_SHIFT[number]
        if not value & EN or old & EN:
            return
        who = f"{self.name} stream {number}"
        stream = self._streams.get(number)
        if stream is None:
            self.chip.fail(f"{who} has no model")
        wanted = (stream.channel, stream.direction, stream.register)
        if (value >> 25 & 7, value >> 6 & 3, self.reg[f"S{number}PAR"]) != wanted:
            self.chip.fail(f"{who} is not set up for {stream.register:#010x}: CR {value:#x}")
        width = stream.size.bit_length() - 1
        if value >> 11 & 0xF != width << 2 | width or self.reg[f"S{number}FCR"] & 4:
            self.chip.fail(f"{who}: only items of {stream.size} bytes in direct mode have a model")
        if self.reg["LISR"] >> FLAG_SHIFT[number] & 0x3D:
            self.chip.fail(f"{who} is enabled with old flags in LISR")
        self._total[number] = self.reg[f"S{number}NDTR"]
        stream.serve()

    def wants(self, stream: int) -> bool:
        return bool(self.reg[f"S{stream}CR"] & EN and self.reg[f"S{stream}NDTR"])

    def put(self, stream: int, value: int) -> None:
        size = self._streams[stream].size
        self.chip.engine.store(self._next(stream), value.to_bytes(size, "little"))

    def take(self, stream: int) -> int:
        return int.from_bytes(self.chip.engine.read(self._next(stream), self._streams[stream].size), "little")

    def _next(self, stream: int) -> int:
        """Memory address of the next item; counts it and sets the flags."""
        control, left = self.reg[f"S{stream}CR"], self.reg[f"S{stream}NDTR"]
        size = self._streams[stream].size
        address = self.reg[f"S{stream}M0AR"] + (size * (self._total[stream] - left) if control & MINC else 0)
        if not self.chip.on_bus_matrix(address):
            self.chip.fail(f"{self.name} stream {stream} at {address:#010x}, which no DMA reaches")
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
        for number, stream in self._streams.items():
            control, flags = self.reg[f"S{number}CR"], self.reg["LISR"] >> FLAG_SHIFT[number]
            half, complete = control & HTIE and flags & HALF, control & TCIE and flags & COMPLETE
            self.chip.nvic.line(stream.irq, bool(half or complete))
