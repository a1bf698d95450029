// Clocks, SysTick, exceptions, faults, MPU, watchdog: a test jumps to the function it wants after `ready`.
#include "regs.h"

volatile uint32_t ticks, cause, uid_word, flash_kib, cycles_of_1000;
volatile uint32_t order[16], order_count;
volatile uint32_t bad_floats, preempted, fault_cfsr, fault_hfsr, fault_mmfar, fault_bfar, fault_pc, seen_ipsr;
volatile uint32_t masked_entries, entries_before_unmask, entries_after_unmask;
volatile uint32_t timer_fired, timer_at;
__attribute__((section(".noinit"))) volatile uint32_t survivor;
__attribute__((aligned(256))) volatile uint32_t guarded[64];

static void note(uint32_t what)
{
    order[order_count++ & 15] = what;
}

__attribute__((noinline)) void ready(void)
{
    __asm volatile("" ::: "memory");
}

int main(void)
{
    cause = RCC_CSR >> 24;
    RCC_CSR |= 1u << 24;
    clock_168();
    uid_word = REG(0x1FFF7A10);
    flash_kib = *(volatile uint16_t *)0x1FFF7A22;
    RCC_AHB1ENR |= 1u << 3;
    BSRR(GPIOD) = 1u << 3;
    MODER(GPIOD) |= 1u << 6;
    SYST_RVR = 168000 - 1;
    SYST_CVR = 0;
    SYST_CSR = 7;
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1;
    uint32_t start = DWT_CYCCNT;
    for (unsigned i = 0; i < 250; i++)
        __asm volatile("nop");
    cycles_of_1000 = DWT_CYCCNT - start;
    ready();
    for (;;)
        wfi();
}

void SysTick_Handler(void)
{
    ticks++;
    BIT(GPIOD + 0x14, 3) = ticks / 10 & 1; // by bit-band alias, as ST's HAL does in places
}

// Nesting: TIM2 (low) is preempted by TIM3 (middle), that one by TIM4 (high), each in the midst of its
// floats.
__attribute__((noinline)) static bool live_floats(float seed, volatile uint32_t *trigger, uint32_t bit)
{
    float a, b, c;
    __asm volatile("vmov s0, %3\n vadd.f32 s8, s0, s0\n vadd.f32 s15, s8, s0\n vmul.f32 s31, s15, s8\n"
                   "str %5, [%4]\n dsb\n isb\n nop\n nop\n"
                   "vmov %0, s0\n vmov %1, s15\n vmov %2, s31\n"
                   : "=&r"(a), "=&r"(b), "=&r"(c)
                   : "r"(seed), "r"(trigger), "r"(bit)
                   : "s0", "s8", "s15", "s31", "memory");
    return a == seed && b == seed + seed + seed && c == (seed + seed + seed) * (seed + seed);
}

void TIM4_Handler(void)
{
    note(4);
    preempted++;
    seen_ipsr = ipsr();
    bad_floats += !live_floats(7.5f, &NVIC_ISPR(0), 0);
    __asm volatile("vmov.f32 s0, #1.0\n vcmp.f32 s0, #0.0" ::: "s0");
}

void TIM3_Handler(void)
{
    note(3);
    bad_floats += !live_floats(3.25f, &NVIC_ISPR(IRQ_TIM4), 1u << IRQ_TIM4 % 32);
    note(30);
}

void TIM2_Handler(void)
{
    note(2);
    if (TIM_SR(TIM2) & 1) {
        TIM_SR(TIM2) = 0;
        timer_fired++;
        timer_at = DWT_CYCCNT;
        return;
    }
    bad_floats += !live_floats(1.5f, &NVIC_ISPR(IRQ_TIM3), 1u << IRQ_TIM3 % 32);
    note(20);
}

void nest(void)
{
    SYST_CSR = 0;
    RCC_APB1ENR |= 7;
    irq_enable(IRQ_TIM2, 0xC0);
    irq_enable(IRQ_TIM3, 0x80);
    irq_enable(IRQ_TIM4, 0x40);
    bad_floats += !live_floats(0.75f, &NVIC_ISPR(IRQ_TIM2), 1u << IRQ_TIM2 % 32);
    ready();
    for (;;)
        wfi();
}

// PRIGROUP 7 leaves no bit for preemption: the same three only queue.
void nest_in_one_group(void)
{
    SCB_AIRCR = 0x05FA0700u;
    nest();
}

// The flags of a comparison are part of the frame.
void float_flags(void)
{
    uint32_t flags;
    SYST_CSR = 0;
    irq_enable(IRQ_TIM4, 0x40);
    __asm volatile("vmsr fpscr, %1\n str %3, [%2]\n dsb\n isb\n nop\n vmrs %0, fpscr"
                   : "=&r"(flags)
                   : "r"(0x60000000u), "r"(&NVIC_ISPR(IRQ_TIM4)), "r"(1u << IRQ_TIM4 % 32)
                   : "memory");
    note(flags);
    ready();
    for (;;)
        wfi();
}

// Tail chaining: three of one priority at once run one after the other, lowest number first.
void chain(void)
{
    SYST_CSR = 0;
    RCC_APB1ENR |= 7;
    irq_enable(IRQ_TIM2, 0x80);
    irq_enable(IRQ_TIM3, 0x80);
    irq_enable(IRQ_TIM4, 0x80);
    irq_off();
    NVIC_ISPR(IRQ_TIM2) = 1u << IRQ_TIM4 | 1u << IRQ_TIM3 | 1u << IRQ_TIM2;
    irq_on();
    ready();
    for (;;)
        wfi();
}

// PRIMASK and BASEPRI hold an interrupt back to the instruction.
void mask(void)
{
    SYST_CSR = 0;
    irq_enable(IRQ_TIM4, 0x80);
    irq_off();
    NVIC_ISPR(IRQ_TIM4) = 1u << IRQ_TIM4;
    __asm volatile("nop\n nop\n nop");
    entries_before_unmask = preempted;
    irq_on();
    entries_after_unmask = preempted;
    set_basepri(0x80);
    NVIC_ISPR(IRQ_TIM4) = 1u << IRQ_TIM4;
    __asm volatile("nop\n nop\n nop");
    masked_entries = preempted;
    set_basepri(0x90);
    masked_entries = masked_entries * 10 + preempted;
    set_basepri(0);
    ready();
    for (;;)
        wfi();
}

void SVC_Handler(void)
{
    note(11);
    SCB_ICSR = 1u << 28;
}
void PendSV_Handler(void)
{
    note(14);
}

// The same on the process stack: the handlers must find and leave it alone.
void call_svc(void)
{
    static uint64_t process_stack[64];
    SYST_CSR = 0;
    SCB_SHPR(14) = 0xF0;
    __asm volatile("msr psp, %0\n movs r0, #2\n msr control, r0\n isb" ::"r"(process_stack + 64)
                   : "r0", "memory");
    note(1);
    __asm volatile("svc #3" ::: "memory");
    note(5);
    __asm volatile("movs r0, #0\n msr control, r0\n isb" ::: "r0", "memory");
    ready();
    for (;;)
        wfi();
}

// One-pulse: 1 MHz ticks, 250 us.
void one_pulse(void)
{
    SYST_CSR = 0;
    RCC_APB1ENR |= 1;
    irq_enable(IRQ_TIM2, 0x80);
    TIM_PSC(TIM2) = 84 - 1;
    TIM_ARR(TIM2) = 250 - 1;
    TIM_CR1(TIM2) = 1u << 3 | 1u << 2;
    TIM_EGR(TIM2) = 1;
    TIM_DIER(TIM2) = 1;
    timer_at = DWT_CYCCNT;
    TIM_CR1(TIM2) |= 1;
    ready();
    for (;;)
        wfi();
}

// PRIMASK does not keep WFI asleep, and the interrupt comes when it is lifted.
void sleep_masked(void)
{
    SYST_CSR = 0;
    RCC_APB1ENR |= 1;
    irq_enable(IRQ_TIM2, 0x80);
    TIM_PSC(TIM2) = 84 - 1;
    TIM_ARR(TIM2) = 100 - 1;
    TIM_CR1(TIM2) = 1u << 3 | 1u << 2;
    TIM_EGR(TIM2) = 1;
    TIM_DIER(TIM2) = 1;
    irq_off();
    uint32_t start = DWT_CYCCNT;
    TIM_CR1(TIM2) |= 1;
    wfi();
    masked_entries = timer_fired;
    cycles_of_1000 = DWT_CYCCNT - start;
    irq_on();
    entries_after_unmask = timer_fired;
    ready();
    for (;;)
        wfi();
}

// A long float computation that is interrupted every few microseconds by handlers full of floats of their
// own.
__attribute__((noinline)) static float series(uint32_t count)
{
    float sum = 0, sign = 1, odd = 1;
    for (uint32_t i = 0; i < count; i++, odd += 2, sign = -sign)
        sum += sign / odd;
    return sum;
}

volatile float calm, stormy;
volatile uint32_t storms, terms; // volatile, or the second sum would be taken from the first
void TIM7_Handler(void)
{
    TIM_SR(TIM7) = 0;
    storms++;
    bad_floats += !live_floats((float)storms, &NVIC_ISPR(IRQ_TIM4), storms % 4 ? 0 : 1u << IRQ_TIM4 % 32);
}

void storm(void)
{
    SYST_CSR = 0;
    terms = 20000;
    calm = series(terms);
    RCC_APB1ENR |= 1u << 5;
    irq_enable(IRQ_TIM7, 0x80);
    irq_enable(IRQ_TIM4, 0x40);
    TIM_PSC(TIM7) = 0;
    TIM_ARR(TIM7) = 397;
    TIM_DIER(TIM7) = 1;
    TIM_CR1(TIM7) = 1;
    stormy = series(terms);
    TIM_CR1(TIM7) = 0;
    ready();
    for (;;)
        wfi();
}

// The bit-band alias of RAM: 0x22000000 + 32 * byte + 4 * bit.
void ram_bits(void)
{
    static volatile uint32_t target;
    target = 0x10;
    REG(0x22000000u + 32u * ((uint32_t)&target - 0x20000000u) + 4u * 31u) = 1;
    REG(0x22000000u + 32u * ((uint32_t)&target - 0x20000000u) + 4u * 4u) = 0;
    order[0] = target;
    order[1] = REG(0x22000000u + 32u * ((uint32_t)&target - 0x20000000u) + 4u * 31u);
    order_count = 2;
    ready();
    for (;;)
        wfi();
}

#include "faults.h"

void restart(void)
{
    survivor = 0xCAFEF00D;
    SCB_AIRCR = 0x05FA0000u | 4u;
    for (;;)
        ;
}

// 4 * 256 * (31 + 1) / 32 kHz would be a second: /4, reload 31 -> 4 ms.
void watchdog(void)
{
    IWDG_KR = 0xCCCC;
    IWDG_KR = 0x5555;
    IWDG_PR = 0;
    IWDG_RLR = 31;
    while (IWDG_SR)
        ;
    IWDG_KR = 0xAAAA;
    ready();
    for (;;)
        ;
}

// What machine.call() is tested with.
uint32_t add_many(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f;
}
int64_t wide(int32_t a, int64_t b)
{
    return a + b;
}
float scale(float a, uint32_t n, float b)
{
    return a * (float)n + b;
}
double twice(double a)
{
    return a + a;
}
uint32_t sum_bytes(const uint8_t *data, uint32_t length)
{
    uint32_t sum = 0;
    while (length--)
        sum += *data++;
    return sum;
}
__attribute__((naked)) uint32_t it_block(uint32_t a)
{
    __asm volatile("cmp r0, #5\n itte gt\n movgt r0, #1\n addgt r0, #1\n movle r0, #9\n it_block_end: bx lr");
}
__attribute__((naked)) void three_loads(const uint32_t *at)
{
    __asm volatile("ldr r1, [r0]\n ldr r2, [r0, #4]\n ldr r3, [r0, #16]\n bx lr");
}
__attribute__((naked)) void loads_that_step(const uint32_t *at)
{
    __asm volatile("ldr r1, [r0], #4\n ldr r2, [r0], #4\n ldr r3, [r0]\n bx lr");
}
__attribute__((naked)) void three_times(void)
{
    __asm volatile("movs r1, #3\n 1: subs r1, #1\n bne 1b\n bx lr");
}
