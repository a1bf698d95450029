// One sequence of ADC1 at a time, by polling or by DMA: a test sets `given` and jumps to what it wants after `ready`.
#include "regs.h"

enum {
    SR = 0x00,
    CR1 = 0x04,
    CR2 = 0x08,
    SMPR1 = 0x0C,
    SQR1 = 0x2C,
    SQR2 = 0x30,
    SQR3 = 0x34,
    DR = 0x4C,
    CCR = 0x304
};
enum {
    EOC = 1 << 1,
    OVR = 1 << 5,
    SCAN = 1 << 8,
    ADON = 1,
    DMA = 1 << 8,
    DDS = 1 << 9,
    EOCS = 1 << 10,
    SWSTART = 1 << 30
};

volatile uint32_t results[8], took, status;
volatile struct {
    uint32_t moder, ccr, smpr1;
    uint32_t sequence, length; // three inputs at most, five bits each, the first lowest
    uint32_t target, items;    // of the DMA
} given;
volatile uint32_t settle_us = 20; // between switching on and starting

__attribute__((noinline)) void ready(void)
{
    __asm volatile("" ::: "memory");
}

int main(void)
{
    clock_168();
    RCC_AHB1ENR |= 1u << 2 | 1u << 22;
    RCC_APB2ENR |= 1u << 8;
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1;
    ready();
    for (;;)
        wfi();
}

static void on(uint32_t cr2)
{
    MODER(GPIOC) = given.moder;
    ADC(CCR) = given.ccr;
    ADC(CR1) = SCAN;
    ADC(SMPR1) = given.smpr1;
    ADC(SQR1) = (given.length - 1) << 20;
    ADC(SQR3) = given.sequence;
    ADC(CR2) = cr2;
    uint32_t begun = DWT_CYCCNT;
    while (DWT_CYCCNT - begun < 168 * settle_us)
        ;
}

static void end(void)
{
    ready();
    for (;;)
        wfi();
}

// took: core cycles from the start to the last value.
void by_polling(void)
{
    on(ADON);
    ADC(CR2) = ADON | SWSTART;
    uint32_t begun = DWT_CYCCNT;
    while (!(ADC(SR) & EOC))
        ;
    took = DWT_CYCCNT - begun;
    results[0] = ADC(DR);
    end();
}

void by_dma(void)
{
    on(ADON | DMA | DDS);
    DMA2_LIFCR = 0x3D;
    DMA2_S0(0x04) = given.items;
    DMA2_S0(0x08) = 0x4001204C;
    DMA2_S0(0x0C) = given.target;
    DMA2_S0(0x00) = 2u << 13 | 2u << 11 | 1u << 10 | 1;
    ADC(CR2) = ADON | DMA | DDS | SWSTART;
    uint32_t begun = DWT_CYCCNT;
    while (DWT_CYCCNT - begun < 168 * 100)
        ;
    status = ADC(SR);
    end();
}

void twice(void)
{
    on(ADON);
    ADC(CR2) = ADON | SWSTART;
    ADC(CR2) = ADON | SWSTART;
}
