// A half-duplex echo: receives until the line is silent for 3.5 characters, then sends the frame back.
#include "regs.h"

#ifndef BRR
#define BRR 2188 // 42 MHz / 19200
#endif
#ifndef CR1_FORMAT
#define CR1_FORMAT (1u << 12 | 1u << 10) // M, PCE: 8 data bits and even parity
#endif
enum {
    RE = 1u << 8,
    SE = 1u << 9,
    UE = 1u << 13,
    TXEIE = 1u << 7,
    TCIE = 1u << 6,
    RXNEIE = 1u << 5,
    TE = 1u << 3,
    REN = 1u << 2
};
enum { PE = 1, FE = 2, NF = 4, ORE = 8, RXNE = 32, TC = 64, TXE = 128 };

#ifdef DMA
enum { IDLE_IF_DMA = 16 };
#else
enum { IDLE_IF_DMA = 0 };
#endif

static uint8_t frame[300];
static volatile uint32_t length, sent;
volatile uint32_t parity_errors, framing_errors, overruns;

__attribute__((noinline)) void ready(void)
{
    __asm volatile("" ::: "memory");
}

int main(void)
{
    clock_168();
    RCC_AHB1ENR |= 1u << 1 | 1u << 3 | 1u << 21;
    RCC_APB1ENR |= 1u << 18 | 1u << 5;
    BSRR(GPIOD) = 1u << 3;
    BSRR(GPIOB) = (RE | SE) << 16;
    MODER(GPIOD) |= 1u << 6 | 2u << 16 | 2u << 18;
    AFRH(GPIOD) |= 0x77;
    MODER(GPIOB) |= 1u << 16 | 1u << 18;
    TIM_PSC(TIM7) = 84 - 1;
    TIM_ARR(TIM7) = 2005 - 1; // 3.5 characters of 11 bits at 19200
    TIM_CR1(TIM7) = 1u << 3 | 1u << 2;
    TIM_EGR(TIM7) = 1;
    TIM_DIER(TIM7) = 1;
    USART_BRR = BRR;
    USART_CR1 = CR1_FORMAT | UE | TE | REN | RXNEIE;
    irq_enable(IRQ_USART3, 0x40);
    irq_enable(IRQ_TIM7, 0x80);
#ifdef DMA
    irq_enable(IRQ_DMA1_S1, 0x40);
    DMA1_S(1, 8) = (uint32_t)&USART_DR;
    DMA1_S(1, 12) = (uint32_t)frame;
    DMA1_S(1, 4) = sizeof frame;
    DMA1_S(1, 0) = 4u << 25 | 1u << 10 | 1;
    USART_CR3 = 1u << 6;
    USART_CR1 = CR1_FORMAT | UE | TE | REN | 1u << 4; // IDLEIE in place of RXNEIE
#endif
    ready();
    for (;;)
        wfi();
}

static void send(void)
{
    BSRR(GPIOB) = RE;
    BSRR(GPIOB) = SE;
    sent = 0;
#ifdef DMA
    DMA1_LIFCR = 0x3Fu << 22;
    DMA1_S(3, 8) = (uint32_t)&USART_DR;
    DMA1_S(3, 12) = (uint32_t)frame;
    DMA1_S(3, 4) = length;
    DMA1_S(3, 0) = 4u << 25 | 1u << 10 | 1u << 6 | 1u << 4 | 1;
    irq_enable(IRQ_DMA1_S3, 0x40);
    USART_SR = ~(uint32_t)TC;
    USART_CR3 |= 1u << 7;
#else
    USART_CR1 |= TXEIE;
#endif
}

#ifdef DMA
void DMA1_S3_Handler(void)
{
    DMA1_LIFCR = 0x3Fu << 22;
    USART_CR1 |= TCIE;
}
#endif

void TIM7_Handler(void)
{
    TIM_SR(TIM7) = 0;
#ifdef DMA
    DMA1_S(1, 0) &= ~1u;
    length = sizeof frame - DMA1_S(1, 4);
#endif
    if (length)
        send();
}

void USART3_Handler(void)
{
    uint32_t sr = USART_SR;
    if (sr & (RXNE | ORE | FE | PE | IDLE_IF_DMA) && !(USART_CR1 & (TXEIE | TCIE))) {
        uint8_t byte = (uint8_t)USART_DR;
        parity_errors += (sr & PE) != 0;
        framing_errors += (sr & FE) != 0;
        overruns += (sr & ORE) != 0;
        if (sr & RXNE && length < sizeof frame)
            frame[length++] = byte;
        TIM_CNT(TIM7) = 0;
        TIM_CR1(TIM7) |= 1;
    }
#ifndef DMA
    if (USART_CR1 & TXEIE && sr & TXE) {
        USART_DR = frame[sent++];
        if (sent == length)
            USART_CR1 = (USART_CR1 & ~(uint32_t)TXEIE) | TCIE;
        return;
    }
#endif
    if (USART_CR1 & TCIE && USART_SR & TC) {
        USART_CR1 &= ~(uint32_t)TCIE;
        BSRR(GPIOB) = SE << 16;
        BSRR(GPIOB) = RE << 16;
        (void)USART_SR;
        (void)USART_DR;
        length = 0;
#ifdef DMA
        USART_CR3 &= ~(1u << 7);
        DMA1_LIFCR = 0x3Fu << 6;
        DMA1_S(1, 4) = sizeof frame;
        DMA1_S(1, 0) |= 1;
#endif
    }
}
