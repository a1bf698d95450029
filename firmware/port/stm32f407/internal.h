/* What the files of this port share. */
#ifndef NEURON485_PORT_STM32F407_INTERNAL_H
#define NEURON485_PORT_STM32F407_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "board.h"

/* Code that runs while the flash is at work and cannot be read: it stands in RAM, as app/link.c does, and
 * touches nothing in the flash: no tables, no constants, no library. tests/test_firmware_build.py looks. */
#define RAM_CODE __attribute__((section(".ramfunc"), noinline))

/* port.c, from RAM: an interrupt has happened; the next port_idle does not sleep. */
void port_wake(void);

/* Likewise: a round of the main loop is due, also where it is busy with work aside. */
void port_round(void);

/* fault.c: guard the stack's end and start the watchdog. */
void fault_init(void);

/* End in a safe state: driver off, the LED blinks a code, the watchdog resets, and the cause is readable over
 * the bus afterwards. file: __FILE__ */
_Noreturn void _Error_Handler(const char *file, int line);

/* The interrupts, for the vectors of startup.c. All but the faults stand in RAM, with what they call: they are
 * taken while the flash is at work as well. */
void Reset_Handler(void);
void HardFault_Handler(void);
void MemManage_Handler(void);
void BusFault_Handler(void);
void UsageFault_Handler(void);
void PendSV_Handler(void);
void SysTick_Handler(void);
void FLASH_IRQHandler(void);
void BOARD_USART_HANDLER(void);
void BOARD_SILENCE_HANDLER(void);
void BOARD_SCAN_HANDLER(void);
void BOARD_ADC_DMA_HANDLER(void);

/* rs485.c, from RAM, in place of the main loop while an erase keeps it from serving: a request to this node gets
 * exception 06, and any other is dropped. */
void rs485_answer_busy(void);

#endif
