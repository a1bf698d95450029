/* The board comes up: clocks, pins, lamp, identity, time. */
#include "port/port.h"

#include <string.h>

#include "board.h"
#include "internal.h"

static volatile bool woken;

static void set_mode(GPIO_TypeDef *port, uint32_t pin, uint32_t mode, uint32_t alternate)
{
    GPIO_InitTypeDef init = {
        .Pin = pin,
        .Mode = mode,
        .Pull = GPIO_PULLUP,
        .Speed = GPIO_SPEED_FREQ_VERY_HIGH,
        .Alternate = alternate,
    };
    HAL_GPIO_Init(port, &init);
}

/* Levels first, then modes, so that no pin ever shows a level that was not meant: lamp lit (its test),
 * receiver on, driver off. */
static void MX_GPIO_Init(void)
{
    BOARD_PORT_CLOCKS_ON();

    BOARD_WRITE(LED, BOARD_LED_LIT);
    BOARD_WRITE(RE, BOARD_RE_LISTEN);
    BOARD_WRITE(SE, !BOARD_SE_DRIVE);

    set_mode(BOARD_LED_PORT, BOARD_LED_PIN, GPIO_MODE_OUTPUT_PP, 0);
    set_mode(BOARD_RE_PORT, BOARD_RE_PIN, GPIO_MODE_OUTPUT_PP, 0);
    set_mode(BOARD_SE_PORT, BOARD_SE_PIN, GPIO_MODE_OUTPUT_PP, 0);
    set_mode(BOARD_USART_TX_PORT, BOARD_USART_TX_PIN, GPIO_MODE_AF_PP, BOARD_USART_AF);
    set_mode(BOARD_USART_RX_PORT, BOARD_USART_RX_PIN, GPIO_MODE_AF_PP, BOARD_USART_AF);
}

/* HSE 8 MHz / 8 * 336 / 2 = 168 MHz; APB1 42 MHz, APB2 84 MHz; 5 wait states (RM0090, table 11). */
static void start_clocks(void)
{
    RCC_OscInitTypeDef oscillator = {
        .OscillatorType = RCC_OSCILLATORTYPE_HSE,
        .HSEState = RCC_HSE_ON,
        .PLL = {.PLLState = RCC_PLL_ON,
                .PLLSource = RCC_PLLSOURCE_HSE,
                .PLLM = BOARD_HSE_MHZ,
                .PLLN = 336,
                .PLLP = RCC_PLLP_DIV2,
                .PLLQ = 7},
    };
    RCC_ClkInitTypeDef clocks = {
        .ClockType = RCC_CLOCKTYPE_SYSCLK | RCC_CLOCKTYPE_HCLK | RCC_CLOCKTYPE_PCLK1 | RCC_CLOCKTYPE_PCLK2,
        .SYSCLKSource = RCC_SYSCLKSOURCE_PLLCLK,
        .AHBCLKDivider = RCC_SYSCLK_DIV1,
        .APB1CLKDivider = RCC_HCLK_DIV4,
        .APB2CLKDivider = RCC_HCLK_DIV2,
    };
    __HAL_RCC_PWR_CLK_ENABLE();
    PWR->CR |= PWR_CR_PLS | PWR_CR_PVDE; /* what port_supply_good looks at */
    __HAL_PWR_VOLTAGESCALING_CONFIG(PWR_REGULATOR_VOLTAGE_SCALE1);
    if (HAL_RCC_OscConfig(&oscillator) != HAL_OK)
        _Error_Handler(__FILE__, __LINE__);
    if (HAL_RCC_ClockConfig(&clocks, FLASH_LATENCY_5) != HAL_OK)
        _Error_Handler(__FILE__, __LINE__);
}

void port_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    HAL_Init();
    MX_GPIO_Init();
    fault_init();
    start_clocks();
}

RAM_CODE void port_tick(void)
{
    uwTick++; /* HAL's, whose own function stands in the flash */
}

void SysTick_Handler(void)
{
    port_tick();
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
    return HAL_GetTick();
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
    if (!lit && HAL_GetTick() < BOARD_LAMP_TEST_MS)
        return;
    BOARD_WRITE(LED, lit == BOARD_LED_LIT);
}

_Noreturn void port_reset(void)
{
    NVIC_SystemReset();
}
