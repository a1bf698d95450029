// Vectors, start-up and the clock of all samples.
#include "regs.h"

extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;
int main(void);

void Reset_Handler(void)
{
    uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;)
        *to++ = *from++;
    for (uint32_t *to = &bss_start; to < &bss_end;)
        *to++ = 0;
    SCB_CPACR |= 0xFu << 20;
    __asm volatile("dsb\n isb");
    main();
    for (;;)
        wfi();
}

void Default_Handler(void)
{
    for (;;)
        ;
}

#define WEAK __attribute__((weak, alias("Default_Handler")))
WEAK void HardFault_Handler(void);
WEAK void MemManage_Handler(void);
WEAK void BusFault_Handler(void);
WEAK void UsageFault_Handler(void);
WEAK void SVC_Handler(void);
WEAK void PendSV_Handler(void);
WEAK void SysTick_Handler(void);
WEAK void DMA1_S1_Handler(void);
WEAK void DMA1_S3_Handler(void);
WEAK void TIM2_Handler(void);
WEAK void TIM3_Handler(void);
WEAK void TIM4_Handler(void);
WEAK void USART3_Handler(void);
WEAK void TIM7_Handler(void);

__attribute__((section(".vectors"), used)) static void *const vectors[16 + 82] = {
    [0] = &stack_top,
    [1] = (void *)Reset_Handler,
    [2] = (void *)Default_Handler,
    [3] = (void *)HardFault_Handler,
    [4] = (void *)MemManage_Handler,
    [5] = (void *)BusFault_Handler,
    [6] = (void *)UsageFault_Handler,
    [11] = (void *)SVC_Handler,
    [14] = (void *)PendSV_Handler,
    [15] = (void *)SysTick_Handler,
    [16 + IRQ_DMA1_S1] = (void *)DMA1_S1_Handler,
    [16 + IRQ_DMA1_S3] = (void *)DMA1_S3_Handler,
    [16 + IRQ_TIM2] = (void *)TIM2_Handler,
    [16 + IRQ_TIM3] = (void *)TIM3_Handler,
    [16 + IRQ_TIM4] = (void *)TIM4_Handler,
    [16 + IRQ_USART3] = (void *)USART3_Handler,
    [16 + IRQ_TIM7] = (void *)TIM7_Handler,
};

// 168 MHz from the 8 MHz crystal: M 8, N 336, P 2; APB1 by 4, APB2 by 2; 5 wait states.
void clock_168(void)
{
    RCC_APB1ENR |= 1u << 28;
    PWR_CR |= 1u << 14;
    RCC_CR |= 1u << 16;
    while (!(RCC_CR & 1u << 17))
        ;
    RCC_PLLCFGR = 8u | 336u << 6 | 0u << 16 | 1u << 22 | 7u << 24;
    RCC_CR |= 1u << 24;
    while (!(RCC_CR & 1u << 25))
        ;
    FLASH_ACR = 5u | 1u << 8;
    RCC_CFGR = 5u << 10 | 4u << 13;
    RCC_CFGR |= 2u;
    while ((RCC_CFGR & 0xCu) != 0x8u)
        ;
}
