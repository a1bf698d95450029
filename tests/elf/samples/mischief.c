// One function for each sin the harness must not forgive. `ready` is reached in good order; a test jumps from
// there.
#include "regs.h"

__attribute__((noinline)) void ready(void)
{
    __asm volatile("" ::: "memory");
    for (;;)
        wfi();
}

enum { RE = 1u << 8, SE = 1u << 9 };

int main(void)
{
    clock_168();
    RCC_AHB1ENR |= 1u << 1 | 1u << 3;
    RCC_APB1ENR |= 1u << 18;
    MODER(GPIOD) |= 2u << 16 | 2u << 18;
    AFRH(GPIOD) |= 0x77;
    MODER(GPIOB) |= 1u << 16 | 1u << 18;
    USART_BRR = 2188;
    USART_CR1 = 1u << 12 | 1u << 10 | 1u << 13 | 1u << 3 | 1u << 2;
    for (volatile unsigned i = 0; i < 40000; i++) // the idle character of the transmitter
        ;
    ready();
}

static void wait_tc(void)
{
    while (!(USART_SR & 64))
        ;
}
static void unlock(void)
{
    FLASH_KEYR = 0x45670123;
    FLASH_KEYR = 0xCDEF89AB;
}
static void talk(void)
{
    BSRR(GPIOB) = RE;
    BSRR(GPIOB) = SE;
}

void good_byte(void)
{
    talk();
    (void)USART_SR;
    USART_DR = 'A';
    wait_tc();
    BSRR(GPIOB) = SE << 16;
    BSRR(GPIOB) = RE << 16;
    ready();
}

void read_unmodelled(void)
{
    (void)REG(0x40013000);
}
void write_unmodelled(void)
{
    REG(0x50060800) = 1;
}
void unknown_bit(void)
{
    USART_CR2 = 1u << 14;
}
void halfword_register(void)
{
    *(volatile uint16_t *)0x40004808 = 100;
}
void gpio_unclocked(void)
{
    MODER(GPIOA) |= 1;
}
void timer_unclocked(void)
{
    TIM_ARR(TIM2) = 5;
}
void timer_unclocked_read(void)
{
    (void)TIM_CNT(TIM2);
}
void flash_locked(void)
{
    REG(0x08004000) = 0;
}
void flash_without_pg(void)
{
    unlock();
    REG(0x08004000) = 0;
}
void flash_wrong_width(void)
{
    unlock();
    FLASH_CR = 1;
    REG(0x08004000) = 0;
}
void flash_control_locked(void)
{
    FLASH_CR = 2u << 8;
}
void flash_wrong_key(void)
{
    FLASH_KEYR = 0x45670123;
    FLASH_KEYR = 1;
}
void flash_raise_bit(void)
{
    unlock();
    FLASH_CR = 0x201;
    REG(0x08004000) = 0xF0;
    REG(0x08004000) = 0xF1;
}
void flash_erase_self(void)
{
    unlock();
    FLASH_CR = 0x202;
    FLASH_CR |= 1u << 16;
}
void flash_pg_and_ser(void)
{
    unlock();
    FLASH_CR = 0x203;
}
void flash_stale_cache(void)
{
    FLASH_ACR |= 1u << 10;
    unlock();
    FLASH_CR = 0x20A;
    FLASH_CR |= 1u << 16;
    FLASH_CR = 1u << 31;
}
void latency(void)
{
    FLASH_ACR = 1;
}
void pll_while_on(void)
{
    RCC_PLLCFGR = 0x24003010;
}
void hse_off(void)
{
    RCC_CR &= ~(1u << 24);
}
void bus_too_fast(void)
{
    RCC_CFGR = 2;
}
void both_bits(void)
{
    BSRR(GPIOB) = RE | RE << 16;
}
void se_before_re(void)
{
    BSRR(GPIOB) = SE;
}
void re_before_se(void)
{
    talk();
    BSRR(GPIOB) = RE << 16;
}
void re_with_se(void)
{
    BSRR(GPIOB) = RE | SE;
}
void send_without_se(void)
{
    BSRR(GPIOB) = RE;
    USART_DR = 'A';
    for (;;)
        ;
}
void se_off_early(void)
{
    talk();
    USART_DR = 'A';
    for (volatile int i = 0; i < 10; i++)
        ;
    BSRR(GPIOB) = SE << 16;
}
void release_on_txe(void)
{
    talk();
    USART_DR = 'A';
    while (!(USART_SR & 128))
        ;
    BSRR(GPIOB) = SE << 16;
}
void overwrite_data(void)
{
    talk();
    USART_DR = 'A';
    USART_DR = 'B';
    USART_DR = 'C';
}
void transmitter_off(void)
{
    talk();
    USART_CR1 &= ~8u;
    USART_DR = 'A';
}
void wrong_parity(void)
{
    USART_CR1 |= 1u << 9;
    talk();
    USART_DR = 'A';
    for (;;)
        ;
}
void seven_bits(void)
{
    USART_CR1 &= ~(1u << 12);
    talk();
    USART_DR = 'A';
    for (;;)
        ;
}
void wrong_baud(void)
{
    USART_BRR = 4375;
    talk();
    USART_DR = 'A';
    for (;;)
        ;
}
void change_while_sending(void)
{
    talk();
    USART_DR = 'A';
    USART_BRR = 365;
}
void wrong_pin(void)
{
    AFRH(GPIOD) = 0;
    talk();
    USART_DR = 'A';
    for (;;)
        ;
}
void drive_now(void)
{
    talk();
    for (;;)
        ;
}
void watchdog_no_key(void)
{
    IWDG_PR = 3;
}
void watchdog_bad_key(void)
{
    IWDG_KR = 1;
}
void watchdog_busy(void)
{
    IWDG_KR = 0xCCCC;
    IWDG_KR = 0x5555;
    IWDG_PR = 3;
    IWDG_PR = 4;
}
void counter_without_trace(void)
{
    DWT_CTRL = 1;
}
void reset_without_key(void)
{
    SCB_AIRCR = 4;
}
void table_misaligned(void)
{
    SCB_VTOR = 0x08000100;
}
void wait_for_event(void)
{
    __asm volatile("wfe");
}
void deep_sleep(void)
{
    REG(0xE000ED10) = 4;
}
void fpu_off(void)
{
    SCB_CPACR = 0;
    __asm volatile("movs r0, #0\n msr control, r0\n isb\n vmov.f32 s0, #1.0" ::: "r0", "s0");
    for (;;)
        ;
}
void interrupt_83(void)
{
    REG(0xE000E108) = 1u << 20;
}
__attribute__((section(".data.ram"), noinline, long_call)) void in_ram(void)
{
    REG(0x08004000) = 0;
}
void flash_from_ram(void)
{
    unlock();
    FLASH_CR = 0x201;
    in_ram();
}
void divide_trap(void)
{
    REG(0xE000ED14) |= 1u << 4;
}
void driver_left_on(void)
{
    talk();
    (void)USART_SR;
    USART_DR = 'A';
    wait_tc();
    ready();
}
void restart_transmitter(void)
{
    USART_CR1 &= ~8u;
    USART_CR1 |= 8u;
    talk();
    USART_DR = 'A';
    ready();
}
void deaf(void)
{
    BSRR(GPIOB) = RE;
    ready();
}
// No read of SR before the write of DR: TC is still set from before.
void stale_tc(void)
{
    talk();
    USART_DR = 'A';
    wait_tc();
    BSRR(GPIOB) = SE << 16;
}
