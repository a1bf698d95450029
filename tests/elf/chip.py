"""The STM32F407VG put together: memory map, peripherals, bit-band aliases, resets (RM0090 2.3)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NoReturn

from unicorn import arm_const as arm
from unicorn import unicorn_const as const

from . import cpu, dma, flash
from .adc import Adc
from .debug import DebugMcu, Dwt, FactoryArea
from .dma import Dma, Stream
from .engine import Engine
from .flash import Flash
from .gpio import PORTS, Gpio
from .nvic import Nvic
from .peripheral import Peripheral, Violation
from .rcc import HSI_HZ, Pwr, Rcc
from .rs485 import Board
from .scs import Scs
from .timeline import Timeline
from .timers import TIMER_IRQS, Iwdg, Timer
from .usart import Usart

SRAM, SRAM_SIZE = 0x2000_0000, 128 << 10
CCM, CCM_SIZE = 0x1000_0000, 64 << 10
RAMS = ((SRAM, SRAM_SIZE), (CCM, CCM_SIZE))
PERIPHERALS, PERIPHERALS_SIZE = 0x4000_0000, 0x8_0000
SRAM_ALIAS, PERIPHERAL_ALIAS, ALIAS_SIZE = 0x2200_0000, 0x4200_0000, 0x200_0000
PRIVATE, PRIVATE_SIZE = 0xE000_0000, 0x10_0000
SYSTEM_MEMORY = 0x1FFF_7000
USART3, ADC1 = 0x4000_4800, 0x4001_2000
TIMER_BASES = {number: 0x4000_0000 + 0x400 * (number - 2) for number in TIMER_IRQS}


class Chip:
    def __init__(self, *, locate: Callable[[int], str], seed: int, crystal: bool, uid: bytes) -> None:
        self._locate = locate
        self._random = random.Random(seed)
        self.crystal = crystal  # False: the HSE never gets ready
        self.deliver_faults = False
        self.engine = Engine()
        self.time = Timeline(self.engine, HSI_HZ)
        self.nvic = Nvic(self.engine.shorten)
        self.stall_until = 0
        self.reset_request: str | None = None
        self.violation: Violation | None = None
        self._deferred: list[Callable[[], None]] = []
        self._map_memory()
        self.board = Board(self)
        self.cpu = cpu.Cpu(self)
        self.scs = Scs(self)
        self.rcc = Rcc(self, "RCC")
        self.pwr = Pwr(self, "PWR", ("APB1", 28))
        self.flash = Flash(self, "FLASH")
        self.engine.on_protected_write = self.flash.program
        self.gpio = {port: Gpio(self, f"GPIO{port}", ("AHB1", bit)) for bit, port in enumerate(PORTS)}
        self.usart3 = Usart(self, "USART3", ("APB1", 18))
        self.dma1 = Dma(
            self,
            "DMA1",
            ("AHB1", 21),
            {
                1: Stream(12, 4, dma.TO_MEMORY, USART3 + 4, 1, self.usart3.serve),
                3: Stream(14, 4, dma.FROM_MEMORY, USART3 + 4, 1, self.usart3.serve),
            },
        )
        self.adc1 = Adc(self, "ADC1", ("APB2", 8))
        adc1 = Stream(56, 0, dma.TO_MEMORY, ADC1 + 0x4C, 4, self.adc1.serve)
        self.dma2 = Dma(self, "DMA2", ("AHB1", 22), {0: adc1})
        self.timers = {number: Timer(self, f"TIM{number}", ("APB1", number - 2)) for number in TIMER_IRQS}
        self.iwdg = Iwdg(self, "IWDG")
        self.dwt = Dwt(self, "DWT")
        self._blocks: dict[int, tuple[Peripheral, int]] = {}
        self._place(0x4000_3000, self.iwdg)
        self._place(USART3, self.usart3)
        self._place(0x4000_7000, self.pwr)
        self._place(ADC1, self.adc1)
        self._place(0x4002_3800, self.rcc)
        self._place(0x4002_3C00, self.flash)
        self._place(0x4002_6000, self.dma1)
        self._place(0x4002_6400, self.dma2)
        for index, port in enumerate(PORTS):
            self._place(0x4002_0000 + 0x400 * index, self.gpio[port])
        for number, base in TIMER_BASES.items():
            self._place(base, self.timers[number])
        self._place(0xE000_1000, self.dwt, pages=4)
        self._place(0xE000_E000, self.scs, pages=4)
        self.dbgmcu = DebugMcu(self, "DBGMCU")
        self._place(0xE004_2000, self.dbgmcu)
        self._place(SYSTEM_MEMORY, FactoryArea(self, uid), pages=4)
        self._peripherals = list(dict.fromkeys(block for block, _ in self._blocks.values()))

    def _map_memory(self) -> None:
        memory = self.engine.map_memory
        # Nothing at 0: the alias of flash there would hide a null pointer.
        memory(flash.BASE, flash.SIZE, const.UC_PROT_READ | const.UC_PROT_EXEC)
        memory(SRAM, SRAM_SIZE, const.UC_PROT_ALL)
        memory(CCM, CCM_SIZE, const.UC_PROT_READ | const.UC_PROT_WRITE)  # no bus for instructions
        for base, size in ((PERIPHERALS, PERIPHERALS_SIZE), (PRIVATE, PRIVATE_SIZE), (SYSTEM_MEMORY, 0x1000)):
            self.engine.map_registers(base, size, self.read, self.write)
        for base in (SRAM_ALIAS, PERIPHERAL_ALIAS):
            self.engine.map_registers(base, ALIAS_SIZE, self._read_bit, self._write_bit)

    def _place(self, base: int, block: Peripheral, pages: int = 1) -> None:
        for page in range(pages):
            self._blocks[(base >> 10) + page] = (block, base)

    def fail(self, text: str) -> NoReturn:
        pc = self.engine.reg_pc()
        self.violation = Violation(f"{text} [at {self._locate(pc)}, t = {self.time.us:.3f} us]")
        raise self.violation

    def defer(self, action: Callable[[], None]) -> None:
        """Do it before the next instruction, outside of Unicorn: for changes of its hooks."""
        self._deferred.append(action)
        self.engine.shorten()

    def run_deferred(self) -> None:
        while self._deferred:
            self._deferred.pop(0)()

    def stall(self, until: int) -> None:
        self.stall_until = max(self.stall_until, until)
        self.engine.shorten()

    def request_reset(self, cause: str) -> None:
        self.reset_request = cause
        self.engine.shorten()

    def check_fpu(self, *, was_enabled: bool) -> None:
        """The engine runs FPU instructions even when CPACR forbids them; CONTROL.FPCA tells of it."""
        if not was_enabled and self.engine.reg(arm.UC_ARM_REG_CONTROL) & cpu.FPCA:
            self.fail("an FPU instruction ran before CPACR gave access to it")

    # Memory

    def is_ram(self, address: int, size: int) -> bool:
        return any(base <= address and address + size <= base + room for base, room in RAMS)

    def on_bus_matrix(self, address: int) -> bool:
        """Whether a DMA reaches it: the core-coupled memory is the core's alone (RM0090 2.3)."""
        return SRAM <= address < SRAM + SRAM_SIZE or flash.BASE <= address < flash.BASE + flash.SIZE

    def vectors(self, offset: int, size: int) -> bytes:
        """The vector table; address 0 is an alias of flash for as long as VTOR has not been set."""
        table = self.scs.reg["VTOR"] or flash.BASE
        if self.flash.busy and flash.BASE <= table < flash.BASE + flash.SIZE:
            self.fail("a vector is fetched from the flash while it is busy: the core would stall")
        return self.engine.read(table + offset, size)

    def read(self, address: int, size: int) -> int:
        block = self._blocks.get(address >> 10)
        if block is None:
            self.fail(f"read of {address:#010x}, where nothing has a model")
        return block[0].read(address - block[1], size)

    def write(self, address: int, size: int, value: int) -> None:
        block = self._blocks.get(address >> 10)
        if block is None:
            self.fail(f"write of {value:#x} to {address:#010x}, where nothing has a model")
        block[0].write(address - block[1], size, value)

    def _bit_of(self, alias: int) -> tuple[int, int]:
        """RM0090 2.3.3: alias = 0x42000000 + 32 * byte + 4 * bit."""
        base = alias & 0xF000_0000
        offset = alias & 0x1FF_FFFF
        return base + (offset >> 5 & ~3), offset >> 2 & 31

    def _read_bit(self, alias: int, size: int) -> int:
        address, bit = self._bit_of(alias)
        return self._aliased(address) >> bit & 1

    def _write_bit(self, alias: int, size: int, value: int) -> None:
        """The bus reads the word, changes the bit and writes the word back."""
        address, bit = self._bit_of(alias)
        word = self._aliased(address) & ~(1 << bit) | (value & 1) << bit
        if address < PERIPHERALS:
            self.engine.store(address, word.to_bytes(4, "little"))
        else:
            self.write(address, 4, word)

    def _aliased(self, address: int) -> int:
        if address < PERIPHERALS:
            return int.from_bytes(self.engine.read(address, 4), "little")
        return self.read(address, 4)

    # Resets

    def reset_peripherals(self, bus: str, bits: int) -> None:
        for block in self._peripherals:
            if block.gate is not None and block.gate[0] == bus and bits >> block.gate[1] & 1:
                block.reset()

    def reset(self, cause: str) -> None:
        """A system reset; `power` also forgets RAM, the queue of events and all flags (RM0090 7.1).

        A brown-out promises nothing about RAM either.
        """
        power = cause == "power"
        if not power:
            self.flash.cut(self._random, None)  # a reset tears what the flash is doing, as a power cut does
        self.time.forget(all_events=power)
        self.stall_until, self.reset_request = 0, None
        self.nvic.reset()
        if power:
            self.dbgmcu.reg.clear()
        for block in self._peripherals:
            block.reset()
        self.board.line.reset(power=power)
        self.rcc.note_reset(cause)
        self.time.set_core_clock(HSI_HZ)
        if cause in ("power", "brown-out"):
            for base, size in RAMS:
                self.engine.write(base, self._random.randbytes(size))
        self.cpu.reset(*(int.from_bytes(self.vectors(offset, 4), "little") for offset in (0, 4)))
        self.run_deferred()
