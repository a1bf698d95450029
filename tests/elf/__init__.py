"""A strict board for firmware.elf: the ELF runs on Unicorn with models written from the reference manual.

Modelled: RCC and PWR (clock tree, gates, limits, reset flags), FLASH (keys, PG, sector erase, NOR, times,
stall, torn words), GPIO A..I, USART3, DMA1 streams 1 and 3 for it, TIM2..TIM7 as up-counters, IWDG, SysTick,
NVIC, SCB, MPU data regions, FPU frames, DWT_CYCCNT, DBGMCU, unique id and flash size, bit-band aliases.

Not modelled, and so a Violation when touched: every other peripheral, STOP and WFE, unprivileged mode, mass
erase and option bytes, traps for division by zero and alignment. Not enforced: MPU's XN, alignment of LDM
and LDRD, lazy saving of FPU registers (done at entry), wait states.
"""

from .machine import Machine, Timeout
from .peripheral import Violation
from .rs485 import Edge, Sent

__all__ = ["Edge", "Machine", "Sent", "Timeout", "Violation"]
