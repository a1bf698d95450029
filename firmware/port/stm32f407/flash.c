/* The sectors of the store: programmed by HAL, erased from RAM. */
#include "board.h"
#include "internal.h"
#include "port/port.h"

struct sector {
    uint32_t number, address;
};
static const struct sector sectors[PORT_SECTORS] = BOARD_FLASH_SECTORS;

const uint8_t *port_flash_sector(enum port_sector sector)
{
    return (const uint8_t *)sectors[sector].address;
}

void port_flash_program(enum port_sector sector, uint32_t offset, uint32_t word)
{
    HAL_FLASH_Unlock();
    /* A word that does not keep is found by the store, which reads it back. */
    (void)HAL_FLASH_Program(FLASH_TYPEPROGRAM_WORD, sectors[sector].address + offset, word);
    HAL_FLASH_Lock();
}

/* The processor stalls when it reads a flash that is being erased (RM0090, 3.5.3). So it stays in RAM meanwhile, with
 * interrupts masked, as their vectors are in the flash, and answers the bus from there. A masked interrupt still ends
 * WFI: a character, the silence after a frame, a tick, the end of the erase. */
static RAM_CODE void erase(uint32_t number)
{
    FLASH->CR = (FLASH->CR & ~(FLASH_CR_SNB | FLASH_CR_PSIZE)) | FLASH_PSIZE_WORD | FLASH_CR_SER | FLASH_CR_EOPIE |
                number << FLASH_CR_SNB_Pos;
    FLASH->CR |= FLASH_CR_STRT;
    while (FLASH->SR & FLASH_SR_BSY) {
        IWDG->KR = 0xAAAA;
        if (SCB->ICSR & SCB_ICSR_PENDSTSET_Msk) {
            SCB->ICSR = SCB_ICSR_PENDSTCLR_Msk;
            uwTick++;
        }
        if (!rs485_stall_poll())
            __WFI();
    }
    FLASH->SR = FLASH_SR_EOP;
    FLASH->CR &= ~(FLASH_CR_SER | FLASH_CR_SNB | FLASH_CR_EOPIE);
}

void port_flash_erase(enum port_sector sector)
{
    HAL_FLASH_Unlock();
    __disable_irq();
    rs485_stall_begin();
    NVIC_EnableIRQ(FLASH_IRQn); /* never taken: it only ends the sleep */
    erase(sectors[sector].number);
    NVIC_DisableIRQ(FLASH_IRQn);
    NVIC_ClearPendingIRQ(FLASH_IRQn);
    rs485_stall_end();
    __enable_irq();

    /* The caches may hold what was erased (RM0090, 3.5.4). */
    __HAL_FLASH_DATA_CACHE_DISABLE();
    __HAL_FLASH_DATA_CACHE_RESET();
    __HAL_FLASH_DATA_CACHE_ENABLE();
    __HAL_FLASH_INSTRUCTION_CACHE_DISABLE();
    __HAL_FLASH_INSTRUCTION_CACHE_RESET();
    __HAL_FLASH_INSTRUCTION_CACHE_ENABLE();
    HAL_FLASH_Lock();
}

bool port_flash_busy(void)
{
    return false; /* port_flash_erase comes back when it is done */
}
