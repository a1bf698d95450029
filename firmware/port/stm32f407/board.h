/* The board as data: STM32F407VG at 168 MHz, with pins, levels and flash sectors after the original board
 * file. */
#ifndef NEURON485_PORT_STM32F407_BOARD_H
#define NEURON485_PORT_STM32F407_BOARD_H

#include "stm32f4xx_hal.h"

struct board_pin {
    GPIO_TypeDef *port;
    uint16_t pin;
};

#define BOARD_LED ((struct board_pin){GPIOD, GPIO_PIN_3}) /* LEDR */
#define BOARD_LED_LIT GPIO_PIN_SET                        /* level that lights it; neuron output 1 */

#define BOARD_RE ((struct board_pin){GPIOB, GPIO_PIN_8}) /* receiver enable, active low */
#define BOARD_RE_LISTEN GPIO_PIN_RESET
#define BOARD_SE ((struct board_pin){GPIOB, GPIO_PIN_9}) /* driver enable, active high */
#define BOARD_SE_DRIVE GPIO_PIN_SET

#define BOARD_USART_TX ((struct board_pin){GPIOD, GPIO_PIN_8}) /* USART3, AF7 */
#define BOARD_USART_RX ((struct board_pin){GPIOD, GPIO_PIN_9})

#define BOARD_HSE_MHZ 8u
#define BOARD_APB1_HZ 42000000u       /* clock of USART3 */
#define BOARD_APB1_TIMER_HZ 84000000u /* clock of TIM7: twice APB1, as its prescaler is not 1 */

/* Model: sectors 1 and 2. Settings: sector 3, and for the other half of their store the last one, of which
 * only the first 16 KiB are used; it is erased once in a few hundred changes. Code is in sectors 0 and 4. */
#define BOARD_FLASH_SECTORS                                                                                  \
    {                                                                                                        \
        {FLASH_SECTOR_1, 0x08004000u},                                                                       \
        {FLASH_SECTOR_2, 0x08008000u},                                                                       \
        {FLASH_SECTOR_3, 0x0800C000u},                                                                       \
        {FLASH_SECTOR_11, 0x080E0000u},                                                                      \
    }

#define BOARD_LAMP_TEST_MS 250u
#define BOARD_WATCHDOG_MS 2000u

#endif
