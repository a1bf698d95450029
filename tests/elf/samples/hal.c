// ST's HAL on the models: HAL_Init, 168 MHz from HSE, GPIO, TIM7 with interrupt, flash erase and program.
#include "stm32f4xx_hal.h"

volatile uint32_t step, core_hz, sector_error, read_back, fired;
TIM_HandleTypeDef timer;

__attribute__((noinline)) void ready(void)
{
    __asm volatile("" ::: "memory");
}
void _Error_Handler(char *file, int line)
{
    (void)file;
    (void)line;
    for (;;)
        ;
}
void SysTick_Handler(void)
{
    HAL_IncTick();
}
void TIM7_Handler(void)
{
    HAL_TIM_IRQHandler(&timer);
}
void HAL_TIM_PeriodElapsedCallback(TIM_HandleTypeDef *which)
{
    (void)which;
    fired++;
}

static void check(HAL_StatusTypeDef status)
{
    step++;
    if (status != HAL_OK)
        for (;;)
            ;
}

int main(void)
{
    SystemInit();
    check(HAL_Init());
    __HAL_RCC_PWR_CLK_ENABLE();
    __HAL_PWR_VOLTAGESCALING_CONFIG(PWR_REGULATOR_VOLTAGE_SCALE1);
    RCC_OscInitTypeDef osc = {0};
    osc.OscillatorType = RCC_OSCILLATORTYPE_HSE;
    osc.HSEState = RCC_HSE_ON;
    osc.PLL.PLLState = RCC_PLL_ON;
    osc.PLL.PLLSource = RCC_PLLSOURCE_HSE;
    osc.PLL.PLLM = 8;
    osc.PLL.PLLN = 336;
    osc.PLL.PLLP = RCC_PLLP_DIV2;
    osc.PLL.PLLQ = 7;
    check(HAL_RCC_OscConfig(&osc));
    RCC_ClkInitTypeDef clk = {0};
    clk.ClockType = RCC_CLOCKTYPE_HCLK | RCC_CLOCKTYPE_SYSCLK | RCC_CLOCKTYPE_PCLK1 | RCC_CLOCKTYPE_PCLK2;
    clk.SYSCLKSource = RCC_SYSCLKSOURCE_PLLCLK;
    clk.AHBCLKDivider = RCC_SYSCLK_DIV1;
    clk.APB1CLKDivider = RCC_HCLK_DIV4;
    clk.APB2CLKDivider = RCC_HCLK_DIV2;
    check(HAL_RCC_ClockConfig(&clk, FLASH_LATENCY_5));
    core_hz = HAL_RCC_GetHCLKFreq();

    __HAL_RCC_GPIOB_CLK_ENABLE();
    __HAL_RCC_GPIOD_CLK_ENABLE();
    HAL_GPIO_WritePin(GPIOD, GPIO_PIN_3, GPIO_PIN_SET);
    HAL_GPIO_WritePin(GPIOB, GPIO_PIN_8 | GPIO_PIN_9, GPIO_PIN_RESET);
    GPIO_InitTypeDef pin = {
        .Mode = GPIO_MODE_OUTPUT_PP, .Pull = GPIO_PULLUP, .Speed = GPIO_SPEED_FREQ_VERY_HIGH};
    pin.Pin = GPIO_PIN_3;
    HAL_GPIO_Init(GPIOD, &pin);
    pin.Pin = GPIO_PIN_8 | GPIO_PIN_9;
    HAL_GPIO_Init(GPIOB, &pin);

    __HAL_RCC_TIM7_CLK_ENABLE();
    timer.Instance = TIM7;
    timer.Init.Prescaler = 84 - 1;
    timer.Init.Period = 500 - 1;
    timer.Init.CounterMode = TIM_COUNTERMODE_UP;
    check(HAL_TIM_Base_Init(&timer));
    HAL_NVIC_SetPriority(TIM7_IRQn, 5, 0);
    HAL_NVIC_EnableIRQ(TIM7_IRQn);
    check(HAL_TIM_Base_Start_IT(&timer));
    HAL_Delay(5);
    check(HAL_TIM_Base_Stop_IT(&timer));

    check(HAL_FLASH_Unlock());
    FLASH_EraseInitTypeDef wipe = {FLASH_TYPEERASE_SECTORS, FLASH_BANK_1, FLASH_SECTOR_2, 1,
                                   FLASH_VOLTAGE_RANGE_3};
    uint32_t error;
    check(HAL_FLASHEx_Erase(&wipe, &error));
    sector_error = error;
    check(HAL_FLASH_Program(FLASH_TYPEPROGRAM_WORD, 0x08008000, 0x12345678));
    check(HAL_FLASH_Lock());
    read_back = *(volatile uint32_t *)0x08008000;
    HAL_GPIO_TogglePin(GPIOD, GPIO_PIN_3);
    ready();
    for (;;)
        __WFI();
}
