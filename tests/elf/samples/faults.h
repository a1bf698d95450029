// Faults of every kind, and the handlers that report them; a part of core.c.
static void report(void)
{
    fault_cfsr = SCB_CFSR;
    fault_hfsr = SCB_HFSR;
    fault_mmfar = SCB_MMFAR;
    fault_bfar = SCB_BFAR;
    seen_ipsr = ipsr();
}

__attribute__((naked)) void HardFault_Handler(void)
{
    __asm volatile("mrs r0, msp\n b fault_report");
}
__attribute__((naked)) void MemManage_Handler(void)
{
    __asm volatile("mrs r0, msp\n b fault_report");
}
__attribute__((naked)) void BusFault_Handler(void)
{
    __asm volatile("mrs r0, msp\n b fault_report");
}
__attribute__((naked)) void UsageFault_Handler(void)
{
    __asm volatile("mrs r0, msp\n b fault_report");
}
__attribute__((used, noinline)) void fault_parked(void)
{
    for (;;)
        ;
}
__attribute__((used)) void fault_report(const uint32_t *frame)
{
    fault_pc = frame[6];
    report();
    fault_parked();
}

void undefined(void)
{
    __asm volatile("undefined_at: udf #0");
}
void undefined_enabled(void)
{
    SCB_SHCSR |= 1u << 18;
    __asm volatile("udf #1");
}
void undefined_wide(void)
{
    __asm volatile("undefined_wide_at: .inst.w 0xf7f0a000");
}
void null_read(void)
{
    (void)*(volatile uint32_t *)0u;
}
void outside(void)
{
    *(volatile uint32_t *)0x30000000u = 1;
}
void even_jump(void)
{
    __asm volatile("ldr r0, =0x08000000\n bx r0" ::: "r0");
}
void breakpoint(void)
{
    __asm volatile("bkpt #0");
}
void double_fault(void)
{
    SCB_SHCSR |= 1u << 18;
    __asm volatile("cpsid f\n udf #0");
}

static void guard(void)
{
    MPU_RBAR = (uint32_t)guarded | 0x10u | 3u;
    MPU_RASR = 1u << 28 | 4u << 1 | 1u; // no access, 32 bytes
    MPU_CTRL = 5;
    __asm volatile("dsb\n isb");
}

void guard_read(void)
{
    guard();
    (void)guarded[0];
}
void guard_write(void)
{
    guard();
    SCB_SHCSR |= 1u << 16;
    __asm volatile("guard_write_at: str %0, [%1]" ::"r"(1), "r"(&guarded[7]));
}
void guard_beside(void)
{
    guard();
    guarded[8] = 0x1234;
    ready();
    for (;;)
        ;
}
// 256 bytes with the first eighth switched off.
void guard_hole(void)
{
    MPU_RBAR = (uint32_t)guarded | 0x10u | 3u;
    MPU_RASR = 1u << 28 | 1u << 8 | 7u << 1 | 1u;
    MPU_CTRL = 5;
    __asm volatile("dsb\n isb");
    guarded[7] = 1;
    guarded[8] = 1;
}

void guard_frame(void)
{
    guard();
    SCB_SHCSR |= 1u << 16;
    __asm volatile("mov sp, %0\n svc #0" ::"r"((uint32_t)guarded + 40));
}
