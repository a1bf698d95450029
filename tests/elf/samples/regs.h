// The registers the samples touch, after RM0090 and PM0214, so that the samples need no vendor header.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define BYTE(address) (*(volatile uint8_t *)(address))
// Bit-band alias of a peripheral bit: RM0090 2.3.3.
#define BIT(address, bit) REG(0x42000000u + 32u * ((address) - 0x40000000u) + 4u * (bit))

#define RCC_CR REG(0x40023800)
#define RCC_PLLCFGR REG(0x40023804)
#define RCC_CFGR REG(0x40023808)
#define RCC_APB1RSTR REG(0x40023820)
#define RCC_AHB1ENR REG(0x40023830)
#define RCC_APB1ENR REG(0x40023840)
#define RCC_APB2ENR REG(0x40023844)
#define RCC_CSR REG(0x40023874)
#define PWR_CR REG(0x40007000)
#define FLASH_ACR REG(0x40023C00)
#define FLASH_KEYR REG(0x40023C04)
#define FLASH_SR REG(0x40023C0C)
#define FLASH_CR REG(0x40023C10)
#define GPIOA 0x40020000u
#define GPIOB 0x40020400u
#define GPIOC 0x40020800u
#define GPIOD 0x40020C00u
#define MODER(port) REG((port) + 0x00)
#define IDR(port) REG((port) + 0x10)
#define ODR(port) REG((port) + 0x14)
#define BSRR(port) REG((port) + 0x18)
#define AFRH(port) REG((port) + 0x24)
#define USART_SR REG(0x40004800)
#define USART_DR REG(0x40004804)
#define USART_BRR REG(0x40004808)
#define USART_CR1 REG(0x4000480C)
#define USART_CR2 REG(0x40004810)
#define USART_CR3 REG(0x40004814)
#define TIM2 0x40000000u
#define TIM7 0x40001400u
#define TIM_CR1(tim) REG((tim) + 0x00)
#define TIM_DIER(tim) REG((tim) + 0x0C)
#define TIM_SR(tim) REG((tim) + 0x10)
#define TIM_EGR(tim) REG((tim) + 0x14)
#define TIM_CNT(tim) REG((tim) + 0x24)
#define TIM_PSC(tim) REG((tim) + 0x28)
#define TIM_ARR(tim) REG((tim) + 0x2C)
#define IWDG_KR REG(0x40003000)
#define IWDG_PR REG(0x40003004)
#define IWDG_RLR REG(0x40003008)
#define IWDG_SR REG(0x4000300C)
#define DMA1_LISR REG(0x40026000)
#define DMA1_LIFCR REG(0x40026008)
#define DMA1_S(n, offset) REG(0x40026010 + 0x18 * (n) + (offset))
#define DMA2_LISR REG(0x40026400)
#define DMA2_LIFCR REG(0x40026408)
#define DMA2_S0(offset) REG(0x40026410 + (offset))
#define ADC(offset) REG(0x40012000 + (offset))
#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define SYST_CVR REG(0xE000E018)
#define NVIC_ISER(irq) REG(0xE000E100 + 4 * ((irq) / 32))
#define NVIC_ISPR(irq) REG(0xE000E200 + 4 * ((irq) / 32))
#define NVIC_IPR(irq) BYTE(0xE000E400 + (irq))
#define SCB_ICSR REG(0xE000ED04)
#define SCB_VTOR REG(0xE000ED08)
#define SCB_AIRCR REG(0xE000ED0C)
#define SCB_SHPR(n) BYTE(0xE000ED18 + (n) - 4) // n: exception number
#define SCB_SHCSR REG(0xE000ED24)
#define SCB_CFSR REG(0xE000ED28)
#define SCB_HFSR REG(0xE000ED2C)
#define SCB_MMFAR REG(0xE000ED34)
#define SCB_BFAR REG(0xE000ED38)
#define SCB_CPACR REG(0xE000ED88)
#define MPU_CTRL REG(0xE000ED94)
#define MPU_RBAR REG(0xE000ED9C)
#define MPU_RASR REG(0xE000EDA0)
#define DEMCR REG(0xE000EDFC)
#define DWT_CTRL REG(0xE0001000)
#define DWT_CYCCNT REG(0xE0001004)

enum {
    IRQ_DMA1_S1 = 12,
    IRQ_DMA1_S3 = 14,
    IRQ_TIM2 = 28,
    IRQ_TIM3 = 29,
    IRQ_TIM4 = 30,
    IRQ_USART3 = 39,
    IRQ_TIM7 = 55
};

static inline void wfi(void)
{
    __asm volatile("wfi" ::: "memory");
}
static inline void irq_off(void)
{
    __asm volatile("cpsid i" ::: "memory");
}
static inline void irq_on(void)
{
    __asm volatile("cpsie i" ::: "memory");
}
static inline uint32_t ipsr(void)
{
    uint32_t v;
    __asm volatile("mrs %0, ipsr" : "=r"(v));
    return v;
}
static inline void set_basepri(uint32_t v)
{
    __asm volatile("msr basepri, %0" ::"r"(v) : "memory");
}
static inline void irq_enable(unsigned irq, uint8_t priority)
{
    NVIC_IPR(irq) = priority;
    NVIC_ISER(irq) = 1u << irq % 32;
}

void clock_168(void);
