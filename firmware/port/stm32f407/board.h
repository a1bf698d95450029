/* The board as data: STM32F407VG at 168 MHz, with pins, levels and flash sectors after the original board
 * file.
 *
 * Every pin, timer and USART stands here once, and nowhere else by its own name. All are macros, hence
 * immediates: a fault handler and code that runs while the flash cannot be read take them too. */
#ifndef NEURON485_PORT_STM32F407_BOARD_H
#define NEURON485_PORT_STM32F407_BOARD_H

#include "stm32f4xx_hal.h"

/* A signal is a port, a pin, and the level of what it is named after: true is high. */
#define BOARD_LED_PORT GPIOD /* LEDR */
#define BOARD_LED_PIN GPIO_PIN_3
#define BOARD_LED_LIT true /* neuron output 1 */

#define BOARD_RE_PORT GPIOB /* receiver enable */
#define BOARD_RE_PIN GPIO_PIN_8
#define BOARD_RE_LISTEN false

#define BOARD_SE_PORT GPIOB /* driver enable */
#define BOARD_SE_PIN GPIO_PIN_9
#define BOARD_SE_DRIVE true

/* Set the level of a signal, in one write that touches no other pin. */
#define BOARD_WRITE(signal, high)                                                                            \
    (BOARD_##signal##_PORT->BSRR =                                                                           \
         (high) ? (uint32_t)BOARD_##signal##_PIN : (uint32_t)BOARD_##signal##_PIN << 16)

#define BOARD_PORT_CLOCKS_ON()                                                                               \
    do {                                                                                                     \
        __HAL_RCC_GPIOB_CLK_ENABLE();                                                                        \
        __HAL_RCC_GPIOC_CLK_ENABLE();                                                                        \
        __HAL_RCC_GPIOD_CLK_ENABLE();                                                                        \
    } while (0)

#define BOARD_HSE_MHZ 8u
#define BOARD_HSI_MHZ 16u /* the chip's own oscillator, where the crystal is dead */
#define BOARD_APB1_HZ 42000000u
#define BOARD_APB1_TIMER_HZ 84000000u /* twice APB1, as its prescaler is not 1 */

/* The line's USART. */
#define BOARD_USART USART3
#define BOARD_USART_IRQ USART3_IRQn
#define BOARD_USART_HANDLER USART3_IRQHandler
#define BOARD_USART_CLOCK_ON() __HAL_RCC_USART3_CLK_ENABLE()
#define BOARD_USART_HZ BOARD_APB1_HZ
#define BOARD_USART_AF GPIO_AF7_USART3
#define BOARD_USART_TX_PORT GPIOD
#define BOARD_USART_TX_PIN GPIO_PIN_8
#define BOARD_USART_RX_PORT GPIOD
#define BOARD_USART_RX_PIN GPIO_PIN_9

/* The timer of the silence that ends a frame: a basic one, 16 bits. */
#define BOARD_SILENCE TIM7
#define BOARD_SILENCE_IRQ TIM7_IRQn
#define BOARD_SILENCE_HANDLER TIM7_IRQHandler
#define BOARD_SILENCE_CLOCK_ON() __HAL_RCC_TIM7_CLK_ENABLE()
#define BOARD_SILENCE_HZ BOARD_APB1_TIMER_HZ

/* A0..A5 are pins, A6 is the chip's temperature, A7 its reference: one after the other the ADC's inputs from 10 on.
 * They want 10 us of sampling at least (data sheet); the pins get 4 us, as long as a source of 50 kOhm takes, the most
 * that the data sheet allows. ADCCLK: APB2's 84 MHz / 4; 36 MHz is its limit. */
#define BOARD_ANALOG_PORT GPIOC
#define BOARD_ANALOG_PINS                                                                                    \
    (GPIO_PIN_0 | GPIO_PIN_1 | GPIO_PIN_2 | GPIO_PIN_3 | GPIO_PIN_4 | GPIO_PIN_5) /* A0.. */
#define BOARD_ADC ADC1
#define BOARD_ADC_COMMON ADC123_COMMON
#define BOARD_ADC_FIRST 10u
#define BOARD_ADC_PRESCALER ADC_CCR_ADCPRE_0 /* 4 */
#define BOARD_ADC_SAMPLING                                                                                   \
    (4u * 0111111u | 7u * 011000000u) /* SMPR1, three bits an input: A0..A5 84 cycles, A6 and A7 480 */

/* What carries their values off (RM0090, table 43), and its interrupt. */
#define BOARD_ADC_STREAM DMA2_Stream0
#define BOARD_ADC_DMA_CHANNEL 0u
#define BOARD_ADC_DMA_DONE() ((DMA2->LISR & DMA_LISR_TCIF0) != 0)
#define BOARD_ADC_DMA_FORGET()                                                                               \
    (DMA2->LIFCR =                                                                                           \
         DMA_LIFCR_CTCIF0 | DMA_LIFCR_CHTIF0 | DMA_LIFCR_CTEIF0 | DMA_LIFCR_CDMEIF0 | DMA_LIFCR_CFEIF0)
#define BOARD_ADC_DMA_IRQ DMA2_Stream0_IRQn
#define BOARD_ADC_DMA_HANDLER DMA2_Stream0_IRQHandler

/* D0..D3, one after the other. */
#define BOARD_DIGITAL_PORT GPIOC
#define BOARD_DIGITAL_PINS (GPIO_PIN_6 | GPIO_PIN_7 | GPIO_PIN_8 | GPIO_PIN_9)
#define BOARD_DIGITAL_FIRST 6u

/* The timer of scans, and the one that runs free beside it; both have 32 bits. Above all other interrupts. */
#define BOARD_SCAN TIM2
#define BOARD_SCAN_IRQ TIM2_IRQn
#define BOARD_SCAN_HANDLER TIM2_IRQHandler
#define BOARD_SCAN_PRIORITY 0u
#define BOARD_SCAN_HZ BOARD_APB1_TIMER_HZ
#define BOARD_FREE TIM5
#define BOARD_SENSES_CLOCKS_ON()                                                                             \
    do {                                                                                                     \
        __HAL_RCC_ADC1_CLK_ENABLE();                                                                         \
        __HAL_RCC_DMA2_CLK_ENABLE();                                                                         \
        __HAL_RCC_TIM2_CLK_ENABLE();                                                                         \
        __HAL_RCC_TIM5_CLK_ENABLE();                                                                         \
    } while (0)

/* Raw values of A6 at 30 and at 110 C, and of A7, at 3.3 V (data sheet, tables 72 and 74). */
#define BOARD_TEMPERATURE_30 0x1FFF7A2Cu
#define BOARD_TEMPERATURE_110 0x1FFF7A2Eu
#define BOARD_REFERENCE 0x1FFF7A2Au

/* Model: sectors 1 and 2. Settings: sector 3, and for the other half of their store the last one; trust: sectors 6 and
 * 7. Of these three, 128 KiB each, only the first 16 KiB are used; they are erased once in a few hundred changes. Code:
 * sectors 0, 4, 5. New firmware leaves all others as they are. */
#define BOARD_FLASH_SECTORS                                                                                  \
    {                                                                                                        \
        {FLASH_SECTOR_1, 0x08004000u},  {FLASH_SECTOR_2, 0x08008000u}, {FLASH_SECTOR_3, 0x0800C000u},        \
        {FLASH_SECTOR_11, 0x080E0000u}, {FLASH_SECTOR_6, 0x08040000u}, {FLASH_SECTOR_7, 0x08060000u},        \
    }

/* The supply below which flash is neither programmed nor erased, as the detector's level. By the data
 * sheet (table 19) level 7 falls at 2.95 to 3.09 V, and rises at 3.07 to 3.21 V; level 6 may fall as low
 * as 2.85 V. */
#define BOARD_SUPPLY_LEVEL PWR_CR_PLS_LEV7

/* Someone is at the board: the pin is held to ground at power-on, all the while, against a pull-up. */
#define BOARD_PRESENT_PORT GPIOD
#define BOARD_PRESENT_PIN GPIO_PIN_2
#define BOARD_PRESENT_MS 20u

#define BOARD_LAMP_TEST_MS 250u
#define BOARD_WATCHDOG_MS 2000u

#endif
