// Code in RAM beside a busy flash: it counts turns while sector 1 is erased, and in the bad cases reads the
// flash.
#include "regs.h"

#define IN_RAM __attribute__((section(".data.ram"), noinline, long_call))
#define BUSY (1u << 16)

volatile uint32_t turns, in_time, ticks_seen;

__attribute__((noinline)) void ready(void)
{
    __asm volatile("" ::: "memory");
    for (;;)
        wfi();
}

int main(void)
{
    clock_168();
    FLASH_KEYR = 0x45670123;
    FLASH_KEYR = 0xCDEF89AB;
    irq_off();
    ready();
}

static IN_RAM void start(void)
{
    FLASH_CR = 2u << 8 | 1u << 3 | 1u << 1 | 1u << 24; // sector 1, with an interrupt at the end
    FLASH_CR |= 1u << 16;
}

static IN_RAM void end(void)
{
    FLASH_SR = 1;
    FLASH_CR = 2u << 8;
}

static IN_RAM void spin(void)
{
    start();
    while (FLASH_SR & BUSY)
        turns++;
    end();
}

static IN_RAM void doze(void)
{
    start();
    while (FLASH_SR & BUSY) {
        SCB_ICSR = 1u << 25; // the tick, handled here
        ticks_seen++;
        wfi();
    }
    end();
}

static IN_RAM void word(void)
{
    FLASH_CR = 2u << 8 | 1;
    REG(0x08004000) = 0xCAFE;
    in_time = FLASH_SR & BUSY; // a core that had stalled would find it done
    while (FLASH_SR & BUSY)
        turns++;
    end();
}

static IN_RAM void read(void)
{
    start();
    turns = REG(0x08000000);
    end();
}

static IN_RAM void leave(void)
{
    start();
}

void erase_spinning(void)
{
    spin();
    ready();
}

void erase_dozing(void)
{
    SYST_RVR = 168000 - 1;
    SYST_CVR = 0;
    SYST_CSR = 7;
    NVIC_ISER(4) = 1u << 4; // the flash's own
    doze();
    ready();
}

void program(void)
{
    word();
    turns = REG(0x08004000);
    ready();
}

void read_beside(void)
{
    read();
}

void leave_early(void)
{
    leave();
    ready();
}

void take_interrupt(void)
{
    SYST_RVR = 168000 - 1;
    SYST_CVR = 0;
    SYST_CSR = 7;
    irq_on();
    spin();
}
