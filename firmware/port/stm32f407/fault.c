/* When something is wrong for good: the bus is left alone, the LED blinks a code, the watchdog starts the
 * board again, and the note left in RAM tells over the bus what it was. */
#include <string.h>

#include "board.h"
#include "internal.h"
#include "port/port.h"

#define NOTE_MAGIC 0x4E4F5445u /* "NOTE" */

/* How often the LED blinks. */
enum { CODE_ERROR = 2, CODE_FAULT = 3, CODE_STACK = 4 };

/* Outlives a reset, not a loss of power: the start-up code leaves it alone. */
static struct {
    uint32_t magic;
    struct port_start start;
} note __attribute__((section(".noinit")));

static uint32_t kept[PORT_KEPT_WORDS] __attribute__((section(".noinit")));

static struct port_start started;
extern uint32_t _stack_guard[]; /* 32 bytes below the stack, from the linker script */

/* The cause of this start, from the note or from the reset flags (RM0090, 7.3.21). */
static void find_cause(void)
{
    const uint32_t flags = RCC->CSR;
    const bool power = (flags & (RCC_CSR_PORRSTF | RCC_CSR_BORRSTF)) != 0; /* what RAM holds is noise */
    RCC->CSR |= RCC_CSR_RMVF;
    if (power)
        memset(kept, 0, sizeof kept);
    if (note.magic == NOTE_MAGIC && !power)
        started = note.start;
    else if (power)
        started.cause = WIRE_START_POWER;
    else if (flags & (RCC_CSR_IWDGRSTF | RCC_CSR_WWDGRSTF))
        started.cause = WIRE_START_WATCHDOG;
    else if (flags & RCC_CSR_SFTRSTF)
        started.cause = WIRE_START_SOFTWARE;
    else
        started.cause = WIRE_START_PIN;
    note.magic = 0;
}

const struct port_start *port_start(void)
{
    return &started;
}

uint32_t *port_kept(void)
{
    return kept;
}

/* Independent watchdog on the LSI, 32 kHz nominal, / 64. It stands still while a debugger halts the core. */
static void start_watchdog(void)
{
    __HAL_DBGMCU_FREEZE_IWDG();
    IWDG->KR = 0xCCCC;
    IWDG->KR = 0x5555;
    IWDG->PR = IWDG_PR_PR_2;
    IWDG->RLR = BOARD_WATCHDOG_MS / 2;
    IWDG->KR = 0xAAAA;
}

/* No access below the stack: an overflow ends in a memory fault, before it reaches a variable. */
static void guard_stack(void)
{
    MPU->RNR = 0;
    MPU->RBAR = (uint32_t)_stack_guard;
    MPU->RASR =
        MPU_RASR_ENABLE_Msk | 4u << MPU_RASR_SIZE_Pos | MPU_RASR_XN_Msk; /* 2^(4+1) bytes, AP 0: none */
    MPU->CTRL = MPU_CTRL_ENABLE_Msk | MPU_CTRL_PRIVDEFENA_Msk;
    SCB->SHCSR |= SCB_SHCSR_MEMFAULTENA_Msk;
    __DSB();
    __ISB();
}

void fault_init(void)
{
    find_cause();
    start_watchdog();
    guard_stack();
    CoreDebug->DEMCR |= CoreDebug_DEMCR_TRCENA_Msk;
    DWT->CTRL |= DWT_CTRL_CYCCNTENA_Msk;
}

static void write_note(const char *file, uint16_t line, uint32_t pc)
{
    const char *name = strrchr(file, '/');
    note.start = (struct port_start){.cause = WIRE_START_FAULT, .line = line, .pc = pc};
    if (name)
        file = name + 1;
    for (unsigned i = 0; i < sizeof note.start.file && file[i]; i++)
        note.start.file[i] = file[i];
    note.magic = NOTE_MAGIC;
}

static void pause_ms(uint32_t ms)
{
    /* At least four cycles a turn, at whatever clock was reached; no timer is trusted here. */
    for (volatile uint32_t turns = ms * (SystemCoreClock / 8000u); turns > 0; turns--)
        ;
}

/* Registers only: HAL may be what has failed. All this stands in the flash, so a fault during an erase stalls until that is
 * done, for 250 ms or up to 800: for as long the transceiver drives the bus if it was sending then. */
static _Noreturn void end(unsigned blinks)
{
    __disable_irq();
    SystemCoreClockUpdate(); /* without its crystal the core has gone back to the HSI */
    SysTick->CTRL = 0;       /* nothing is to be pending here */
    SCB->ICSR = SCB_ICSR_PENDSTCLR_Msk | SCB_ICSR_PENDSVCLR_Msk;
    BOARD_WRITE(SE, !BOARD_SE_DRIVE); /* the bus is free */
    start_watchdog();
    for (;;) {
        for (unsigned i = 0; i < blinks; i++) {
            BOARD_WRITE(LED, BOARD_LED_LIT);
            pause_ms(120);
            BOARD_WRITE(LED, !BOARD_LED_LIT);
            pause_ms(120);
        }
        pause_ms(600);
    }
}

_Noreturn void _Error_Handler(const char *file, int line)
{
    write_note(file, (uint16_t)line, 0);
    end(CODE_ERROR);
}

/* `frame`: what the processor stacked, r0-r3 r12 lr pc xpsr. */
static _Noreturn __attribute__((used)) void fault_taken(const uint32_t *frame, uint32_t exception)
{
    /* From exception 2 on. The only source of the NMI is the clock security system. */
    static const char *const names[] = {"crystal lost", "HardFault", "MemManage", "BusFault", "UsageFault"};
    const uint32_t cause = SCB->CFSR;
    /* An overflowing stack could not take the frame. */
    const bool stack = (cause & SCB_CFSR_MSTKERR_Msk) != 0 ||
                       ((cause & SCB_CFSR_MMARVALID_Msk) && SCB->MMFAR - (uint32_t)_stack_guard < 32);
    const uint32_t pc = stack && (cause & SCB_CFSR_MSTKERR_Msk) ? 0 : frame[6];
    write_note(stack ? "stack overflow" : exception - 2 < 5 ? names[exception - 2] : "interrupt", 0, pc);
    end(stack ? CODE_STACK : CODE_FAULT);
}

/* The stack pointer may be what is wrong: take it down, then start a new stack. */
#define FAULT_HANDLER(name)                                                                                  \
    __attribute__((naked)) void name(void)                                                                   \
    {                                                                                                        \
        __asm volatile("mrs r0, msp\n mrs r1, ipsr\n ldr r2, =_estack\n msr msp, r2\n b fault_taken");       \
    }

FAULT_HANDLER(HardFault_Handler)
FAULT_HANDLER(MemManage_Handler)
FAULT_HANDLER(BusFault_Handler)
FAULT_HANDLER(UsageFault_Handler)
