/* The first instructions, in sector 0: vectors, RAM, then main. ST's start-up file is not linked, as this one
 * defines Reset_Handler.
 *
 * The vectors are copied into RAM: an interrupt that came while the flash is at work would stall on fetching its own
 * from there, for as long as an erase takes. */
#include <stdint.h>

#include "board.h"
#include "internal.h"

typedef void (*handler)(void);

extern uint32_t _estack[], _sidata[], _sdata[], _edata[], _sbss[], _ebss[];
int main(int argc, char **argv);

#define IRQ(number) (16 + (number))

union vector {
    uint32_t *stack;
    handler handler;
};

/* Only these are ever enabled; any other would fetch 0 here and end in a fault. */
__attribute__((section(".isr_vector"), used)) static const union vector vectors[IRQ(FPU_IRQn) + 1] = {
    [0] = {.stack = _estack},
    [1] = {.handler = Reset_Handler},
    [IRQ(NonMaskableInt_IRQn)] = {.handler = HardFault_Handler},
    [IRQ(NonMaskableInt_IRQn) + 1] = {.handler = HardFault_Handler},
    [IRQ(MemoryManagement_IRQn)] = {.handler = MemManage_Handler},
    [IRQ(BusFault_IRQn)] = {.handler = BusFault_Handler},
    [IRQ(UsageFault_IRQn)] = {.handler = UsageFault_Handler},
    [IRQ(PendSV_IRQn)] = {.handler = PendSV_Handler},
    [IRQ(SysTick_IRQn)] = {.handler = SysTick_Handler},
    [IRQ(FLASH_IRQn)] = {.handler = FLASH_IRQHandler},
    [IRQ(BOARD_USART_IRQ)] = {.handler = BOARD_USART_HANDLER},
    [IRQ(BOARD_SILENCE_IRQ)] = {.handler = BOARD_SILENCE_HANDLER},
    [IRQ(BOARD_SCAN_IRQ)] = {.handler = BOARD_SCAN_HANDLER},
    [IRQ(BOARD_ADC_DMA_IRQ)] = {.handler = BOARD_ADC_DMA_HANDLER},
};

static __attribute__((section(".vectors"), aligned(512))) union vector vectors_in_ram[IRQ(FPU_IRQn) + 1];

__attribute__((section(".startup"), noreturn)) void Reset_Handler(void)
{
    SCB->VTOR = (uint32_t)&vectors; /* a boot loader may have set its own */
    SCB->CPACR |= 0xFu << 20;       /* the FPU on, before any code may use it */
    __DSB();
    __ISB();
    for (uint32_t *to = _sdata, *from = _sidata; to < _edata;)
        *to++ = *from++;
    for (uint32_t *to = _sbss; to < _ebss;)
        *to++ = 0;
    for (unsigned i = 0; i < IRQ(FPU_IRQn) + 1; i++)
        vectors_in_ram[i] = vectors[i];
    SystemInit(); /* may set VTOR to the flash */
    SCB->VTOR = (uint32_t)&vectors_in_ram;
    main(0, 0);
    for (;;)
        ;
}
