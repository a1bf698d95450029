/* The board comes up: clocks, pins, lamp, identity, time. */
#include "port/port.h"

#include <string.h>

#include "board.h"
#include "internal.h"

static volatile bool woken;
static bool present;

static void set_mode(GPIO_TypeDef *port, uint32_t pin, uint32_t mode, uint32_t pull, uint32_t alternate)
{
    GPIO_InitTypeDef init = {
        .Pin = pin,
        .Mode = mode,
        .Pull = pull,
        .Speed = GPIO_SPEED_FREQ_VERY_HIGH,
        .Alternate = alternate,
    };
    HAL_GPIO_Init(port, &init);
}

/* Levels first, then modes, so that no pin ever shows a level that was not meant: lamp lit (its test),
 * receiver on, driver off. SE has no pull-up: HAL sets the pull before the mode, which would drive the
 * bus for that long. */
static void MX_GPIO_Init(void)
{
    BOARD_PORT_CLOCKS_ON();

    BOARD_WRITE(LED, BOARD_LED_LIT);
    BOARD_WRITE(RE, BOARD_RE_LISTEN);
    BOARD_WRITE(SE, !BOARD_SE_DRIVE);

    set_mode(BOARD_LED_PORT, BOARD_LED_PIN, GPIO_MODE_OUTPUT_PP, GPIO_PULLUP, 0);
    set_mode(BOARD_RE_PORT, BOARD_RE_PIN, GPIO_MODE_OUTPUT_PP, GPIO_PULLUP, 0);
    set_mode(BOARD_SE_PORT, BOARD_SE_PIN, GPIO_MODE_OUTPUT_PP, GPIO_NOPULL, 0);
    set_mode(BOARD_USART_TX_PORT, BOARD_USART_TX_PIN, GPIO_MODE_AF_PP, GPIO_PULLUP, BOARD_USART_AF);
    set_mode(BOARD_USART_RX_PORT, BOARD_USART_RX_PIN, GPIO_MODE_AF_PP, GPIO_PULLUP, BOARD_USART_AF);
    set_mode(BOARD_ANALOG_PORT, BOARD_ANALOG_PINS, GPIO_MODE_ANALOG, GPIO_NOPULL, 0);
    set_mode(BOARD_DIGITAL_PORT, BOARD_DIGITAL_PINS, GPIO_MODE_INPUT, GPIO_PULLDOWN, 0);
    set_mode(BOARD_PRESENT_PORT, BOARD_PRESENT_PIN, GPIO_MODE_INPUT, GPIO_PULLUP, 0);
}

/* The detector that port_supply_good looks at. No data sheet says how long it takes to settle; the
 * clocks, which come up after it, take 100 us at least. */
static void watch_supply(void)
{
    __HAL_RCC_PWR_CLK_ENABLE();
    PWR->CR = (PWR->CR & ~PWR_CR_PLS) | BOARD_SUPPLY_LEVEL;
    PWR->CR |= PWR_CR_PVDE;
}

/* Source / mhz * 336 / 2 = 168 MHz. */
static bool start_pll(uint32_t source, uint32_t mhz)
{
    const bool crystal = source == RCC_PLLSOURCE_HSE;
    RCC_OscInitTypeDef oscillator = {
        .OscillatorType = RCC_OSCILLATORTYPE_HSE,
        .HSEState = crystal ? RCC_HSE_ON : RCC_HSE_OFF,
        .PLL = {.PLLState = RCC_PLL_ON,
                .PLLSource = source,
                .PLLM = mhz,
                .PLLN = 336,
                .PLLP = RCC_PLLP_DIV2,
                .PLLQ = 7},
    };
    return HAL_RCC_OscConfig(&oscillator) == HAL_OK;
}

/* APB1 42 MHz, APB2 84 MHz; 5 wait states (RM0090, table 11).
 *
 * A crystal that has not started after HSE_STARTUP_TIMEOUT is dead: the HSI takes its place, at the same
 * 168 MHz, so that every divider stays as it is. It is trimmed to 1 % at 25 C, but may be off by 4 % from
 * -10 to 85 C and by 8 % from -40 to 105 C (data sheet, HSI oscillator characteristics), where the USART
 * bears about 3 %. So the node can say at room temperature what is wrong (port_on_crystal), and is not to
 * be left so.
 *
 * A crystal that dies later would leave the PLL running free: wrong on the line, and feeding the
 * watchdog. The clock security system makes an NMI of it, on the HSI (RM0090, 7.2.7). That is a fault
 * like any other: the driver goes off, the watchdog resets, and this start finds the crystal dead. */
static void start_clocks(void)
{
    RCC_ClkInitTypeDef clocks = {
        .ClockType = RCC_CLOCKTYPE_SYSCLK | RCC_CLOCKTYPE_HCLK | RCC_CLOCKTYPE_PCLK1 | RCC_CLOCKTYPE_PCLK2,
        .SYSCLKSource = RCC_SYSCLKSOURCE_PLLCLK,
        .AHBCLKDivider = RCC_SYSCLK_DIV1,
        .APB1CLKDivider = RCC_HCLK_DIV4,
        .APB2CLKDivider = RCC_HCLK_DIV2,
    };
    __HAL_PWR_VOLTAGESCALING_CONFIG(PWR_REGULATOR_VOLTAGE_SCALE1);
    if (start_pll(RCC_PLLSOURCE_HSE, BOARD_HSE_MHZ))
        HAL_RCC_EnableCSS();
    else if (!start_pll(RCC_PLLSOURCE_HSI, BOARD_HSI_MHZ))
        _Error_Handler(__FILE__, __LINE__);
    if (HAL_RCC_ClockConfig(&clocks, FLASH_LATENCY_5) != HAL_OK)
        _Error_Handler(__FILE__, __LINE__);
}

/* One look that finds the pin high says no: so whoever is not there waits for nothing, and neither noise nor a contact
 * that bounces is taken for someone. */
static void look_for_someone(void)
{
    const enum wire_start cause = port_start()->cause;
    present = cause == WIRE_START_POWER || cause == WIRE_START_PIN;
    const uint32_t since = HAL_GetTick();
    while (present && HAL_GetTick() - since <= BOARD_PRESENT_MS)
        present = !(BOARD_PRESENT_PORT->IDR & BOARD_PRESENT_PIN);
}

void port_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    HAL_Init();
    MX_GPIO_Init();
    fault_init();
    watch_supply();
    start_clocks();
    look_for_someone();
}

/* Work aside: the main loop is within it, and PendSV takes a round in between, on the same stack. */
static struct {
    void (*volatile meanwhile)(void *served); /* NULL: nothing is aside */
    void *volatile served;
} aside;

RAM_CODE void port_round(void)
{
    if (aside.meanwhile)
        SCB->ICSR = SCB_ICSR_PENDSVSET_Msk;
}

RAM_CODE void PendSV_Handler(void)
{
    if (aside.meanwhile)
        aside.meanwhile(aside.served);
}

RAM_CODE void SysTick_Handler(void)
{
    uwTick++; /* HAL's, whose own function stands in the flash */
    port_round();
}

RAM_CODE void port_wake(void)
{
    woken = true;
}

void port_idle(bool more)
{
    IWDG->KR = 0xAAAA;
    __disable_irq(); /* an interrupt between the look and the sleep would be slept over; a masked one ends the
                        sleep */
    if (!more && !woken)
        __WFI();
    woken = false;
    __enable_irq();
}

uint32_t port_millis(void)
{
    return uwTick;
}

const uint8_t *port_uid(void)
{
    return (const uint8_t *)UID_BASE;
}

uint8_t port_default_address(void)
{
    return WIRE_DEFAULT_ADDRESS;
}

/* The core-coupled memory is the processor's alone, and nothing else wants it. */
uint8_t *port_arena(void)
{
    static __attribute__((section(".ccm"), aligned(8))) uint8_t arena[WIRE_ARENA_BYTES];
    return arena;
}

bool port_on_crystal(void)
{
    return (RCC->PLLCFGR & RCC_PLLCFGR_PLLSRC) != 0;
}

void port_led(bool lit)
{
    if (!lit && uwTick < BOARD_LAMP_TEST_MS)
        return;
    BOARD_WRITE(LED, lit == BOARD_LED_LIT);
}

bool port_present(void)
{
    return present;
}

/* Sector 0 as far as it is used, then the code with the first values of what stands in RAM. */
struct port_part port_firmware(unsigned part)
{
    extern const uint8_t _boot[], _eboot[], _code[], _ecode[];
    switch (part) {
    case 0:
        return (struct port_part){_boot, (size_t)(_eboot - _boot)};
    case 1:
        return (struct port_part){_code, (size_t)(_ecode - _code)};
    default:
        return (struct port_part){0};
    }
}

void port_aside(void (*work)(void *context), void *context, void (*meanwhile)(void *served), void *served)
{
    NVIC_SetPriority(PendSV_IRQn,
                     (1u << __NVIC_PRIO_BITS) - 1u); /* below all others: a round is interrupted as ever */
    aside.served = served;
    aside.meanwhile = meanwhile;
    port_round();
    work(context);
    aside.meanwhile = NULL;
    SCB->ICSR = SCB_ICSR_PENDSVCLR_Msk;
    __DSB();
    __ISB();
}

_Noreturn void port_reset(void)
{
    NVIC_SystemReset();
}
