/* What the files of this port share. */
#ifndef NEURON485_PORT_STM32F407_INTERNAL_H
#define NEURON485_PORT_STM32F407_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

/* Code that runs from RAM: the flash cannot be read while a sector is being erased. */
#define RAM_CODE __attribute__((section(".ramfunc"), noinline, long_call))

/* port.c: an interrupt has happened; the next port_idle does not sleep. */
void port_wake(void);

/* fault.c: guard the stack's end and start the watchdog. */
void fault_init(void);

/* End in a safe state: driver off, the LED blinks a code, the watchdog resets, and the cause is readable over
 * the bus afterwards. file: __FILE__ */
_Noreturn void _Error_Handler(const char *file, int line);

/* The interrupts, for the vectors of startup.c. */
void Reset_Handler(void);
void HardFault_Handler(void);
void MemManage_Handler(void);
void BusFault_Handler(void);
void UsageFault_Handler(void);
void SysTick_Handler(void);
void USART3_IRQHandler(void);
void TIM7_IRQHandler(void);

/* rs485.c, from RAM, while the flash is at work and no interrupt can run: keep what is heard and, if
 * `answering`, answer requests to this node with exception 06. `begin` before it; `poll` after every
 * interrupt that is pending; `end` after it: what was heard and not answered then goes its usual way. */
void rs485_stall_begin(bool answering);
RAM_CODE void rs485_stall_poll(void);
void rs485_stall_end(void);

#endif
