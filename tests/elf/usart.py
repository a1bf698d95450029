"""USART3 (RM0090 30.3 and 30.6): a shift register and one character behind it in each direction."""

from __future__ import annotations

from typing import ClassVar

from .peripheral import Peripheral, Register
from .rs485 import encode
from .timeline import SECOND, Event

PE, FE, NF, ORE, IDLE, RXNE, TC, TXE = (1 << bit for bit in range(8))
CR1_RE, CR1_TE, CR1_PS, CR1_PCE, CR1_M, CR1_UE, CR1_OVER8 = (1 << bit for bit in (2, 3, 9, 10, 12, 13, 15))
EIE, DMAR, DMAT = 1 << 0, 1 << 6, 1 << 7
FORMAT = CR1_PS | CR1_PCE | CR1_M | CR1_OVER8
IRQ = 39


class Usart(Peripheral):
    registers: ClassVar[dict[int, Register]] = {
        0x00: Register("SR", TC | TXE),
        0x04: Register("DR"),
        0x08: Register("BRR", rw=0xFFFF),
        0x0C: Register("CR1", rw=0xB7FC & ~(1 << 11)),  # no RWU, SBK or WAKE
        0x10: Register("CR2", rw=3 << 12),
        0x14: Register("CR3", rw=EIE | DMAR | DMAT | 1 << 11),
        0x18: Register("GTPR", rw=0),
    }

    def reset(self) -> None:
        for event in (self._shift_end, self._idle) if self.reg else ():
            if event is not None:
                event.cancel()
        super().reset()
        self._waiting: int | None = None  # the byte in the transmit data register
        self._shift_end: Event | None = None
        self._idle: Event | None = None
        self._preamble_until = 0
        self._received = 0
        self._seen = 0  # flags that a read of SR has shown: the next access to DR clears them
        self.lost = 0  # characters dropped by an overrun

    @property
    def bit(self) -> int:
        """BRR counts PCLK1 cycles for a bit; with OVER8 its fraction has 3 bits (RM0090 30.3.4)."""
        brr = self.reg["BRR"]
        cycles = (brr >> 4) * 8 + (brr & 7) if self.reg["CR1"] & CR1_OVER8 else brr
        return cycles * SECOND // self.chip.rcc.pclk1

    @property
    def format(self) -> str:
        cr1, stop = self.reg["CR1"], self.reg["CR2"] >> 12 & 3
        if stop & 1:
            self.chip.fail("USART3 with 0.5 or 1.5 stop bits has no model")
        parity = "N" if not cr1 & CR1_PCE else "O" if cr1 & CR1_PS else "E"
        return f"{8 + bool(cr1 & CR1_M) - bool(cr1 & CR1_PCE)}{parity}{2 if stop else 1}"

    def load(self, name: str) -> int:
        if name == "SR":
            self._seen |= self.reg["SR"] & (PE | FE | NF | ORE | IDLE | TC)
        elif name == "DR":
            self.reg["SR"] &= ~(RXNE | self._seen & (PE | FE | NF | ORE | IDLE))
            self._seen &= TC
            self._update_line()
            return self._received
        return self.reg[name]

    def store(self, name: str, value: int) -> None:
        if name == "SR":  # only RXNE and TC can be cleared by writing 0
            self.reg["SR"] &= value | ~(RXNE | TC)
        elif name == "DR":
            self._write_data(value)
        else:
            old = self.reg[name]
            frozen = {"BRR": 0xFFFF, "CR1": FORMAT | CR1_UE | CR1_TE, "CR2": 3 << 12}.get(name, 0)
            if (value ^ old) & frozen and (self._shift_end is not None or self._waiting is not None):
                change = f"{name} changes from {old:#x} to {value:#x}"
                self.chip.fail(f"USART3.{change} while a character is being sent")
            self.reg[name] = value
            if name == "CR1" and value & ~old & (CR1_TE | CR1_UE) and value & CR1_TE and value & CR1_UE:
                # The transmitter begins with one idle character (RM0090 30.3.2).
                self._preamble_until = self.chip.time.now + self._duration()
                self.chip.time.at(self._preamble_until, self._feed)
        self._update_line()

    def _duration(self) -> int:
        return len(encode(0, self.format)) * self.bit

    def _write_data(self, value: int) -> None:
        if not self.reg["CR1"] & CR1_UE or not self.reg["CR1"] & CR1_TE:
            self.chip.fail("USART3.DR is written while the transmitter is off")
        if not self.reg["SR"] & TXE:
            self.chip.fail(f"USART3.DR = {value:#x} while TXE is 0: the byte before it is lost")
        self.reg["SR"] &= ~(TXE | self._seen & TC)
        self._seen &= ~TC
        self._waiting = value
        self._feed()

    def _feed(self) -> None:
        """Move the waiting byte to the shift register if that is free."""
        if self._waiting is None or self._shift_end is not None or self.chip.time.now < self._preamble_until:
            return
        form, bit = self.format, self.bit
        if bit == 0:
            self.chip.fail("USART3 sends with BRR = 0")
        bits = encode(self._waiting, form)
        self.chip.board.line.node_sends(self._waiting & (1 << int(form[0])) - 1, bits, bit, form)

        def end() -> None:
            self._shift_end = None
            if self._waiting is None:
                self.reg["SR"] |= TC
            self._feed()
            self._update_line()

        self._waiting = None
        self._shift_end = self.chip.time.after(len(bits) * bit, end)
        self.reg["SR"] |= TXE
        self._update_line()

    def start_bit(self) -> None:
        """The RX pin goes low: the line is no longer idle."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def receive(self, bits: list[int], bit: int) -> None:
        """A character has arrived; it is sampled at our own bit times, so a wrong speed or format shows."""
        cr1 = self.reg["CR1"]
        if not cr1 & CR1_UE or not cr1 & CR1_RE or not self.bit:
            return
        if self.chip.gpio["D"].alternate(9) != 7:
            self.chip.fail("a character arrives while USART3 listens but PD9 is not in alternate function 7")
        length = 9 if cr1 & CR1_M else 8

        def sample(index: int) -> int:
            position = (2 * index + 1) * self.bit // (2 * bit)
            return bits[position] if position < len(bits) else 1

        data = [sample(1 + index) for index in range(length)]
        flags = 0 if sample(1 + length) else FE
        if cr1 & CR1_PCE and sum(data) & 1 != bool(cr1 & CR1_PS):
            flags |= PE
        if self.reg["SR"] & RXNE:
            self.reg["SR"] |= ORE  # RDR keeps the older character (RM0090 30.3.3)
            self.lost += 1
        else:
            # DR shows the parity bit too: with 8E1 the read value has 9 bits.
            self._received = sum(level << index for index, level in enumerate(data))
            self.reg["SR"] |= RXNE
        self.reg["SR"] |= flags
        self.start_bit()
        self._idle = self.chip.time.after(self._duration(), self._set_idle)
        self._update_line()

    def _set_idle(self) -> None:
        self._idle = None
        self.reg["SR"] |= IDLE
        self._update_line()

    def serve(self) -> None:
        """A DMA stream has been enabled: it may find a request waiting."""
        self._update_line()

    def _update_line(self) -> None:
        if self.reg["CR3"] & (DMAR | DMAT):
            self._serve_dma()
        sr, cr1, cr3 = self.reg["SR"], self.reg["CR1"], self.reg["CR3"]
        enabled = (cr1 & 0x1F0) & (sr & (IDLE | RXNE | TC | TXE) | (PE << 8 if sr & PE else 0))
        overrun = cr1 & RXNE and sr & ORE
        errors = cr3 & EIE and cr3 & DMAR and sr & (FE | NF | ORE)
        self.chip.nvic.line(IRQ, bool(enabled or overrun or errors))

    def _serve_dma(self) -> None:
        cr3 = self.reg["CR3"]
        if cr3 & DMAR and self.reg["SR"] & RXNE and self.chip.dma1.wants(1):
            self.reg["SR"] &= ~RXNE
            self.chip.dma1.put(1, self._received & 0xFF)
        # Feeding the shift register raises TXE again, which asks for the next byte from here.
        if cr3 & DMAT and self.reg["SR"] & TXE and self.chip.dma1.wants(3):
            self._write_data(self.chip.dma1.take(3))
