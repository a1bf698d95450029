/* The sectors of the store, programmed and erased from RAM. */
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

#define FLASH_DONE                                                                                           \
    (FLASH_SR_EOP | FLASH_SR_SOP | FLASH_SR_WRPERR | FLASH_SR_PGAERR | FLASH_SR_PGPERR | FLASH_SR_PGSERR)

/* Store `word` at `place`, or start an erase if that is NULL, and come back when the flash has done it.
 *
 * A processor that reads a flash at work stalls (RM0090, 3.5.3): for 16 us a word, or up to 100, which is
 * longer than a character at 1 Mbit/s; for 250 ms an erase, or up to 800. So this stands in RAM, as do the
 * interrupts and their vectors, and sleeps until one of them: a character, the silence after a frame, a scan, a
 * tick, the end of the work. */
static RAM_CODE void work(uint32_t control, volatile uint32_t *place, uint32_t word)
{
    const bool erase = !place;
    const uint32_t bits = FLASH_CR_SNB | FLASH_CR_PSIZE | FLASH_CR_SER | FLASH_CR_PG | FLASH_CR_EOPIE;
    NVIC_EnableIRQ(FLASH_IRQn);
    FLASH->CR = (FLASH->CR & ~bits) | FLASH_PSIZE_WORD | FLASH_CR_EOPIE | control;
    if (erase)
        FLASH->CR |= FLASH_CR_STRT;
    else
        *place = word;
    __DSB();
    for (;;) {
        __disable_irq(); /* an interrupt between the look and the sleep would be slept over */
        if (!(FLASH->SR & FLASH_SR_BSY))
            break;
        __WFI();
        __enable_irq();
        IWDG->KR = 0xAAAA;
        if (erase)
            rs485_answer_busy();
    }
    FLASH->SR = FLASH_DONE;
    FLASH->CR &= ~bits;
    __enable_irq();
}

/* The work is done: this has ended the sleep. */
RAM_CODE void FLASH_IRQHandler(void)
{
    FLASH->SR = FLASH_DONE;
}

/* The voltage detector: above BOARD_SUPPLY_LEVEL (RM0090, 5.4.2). */
bool port_supply_good(void)
{
    return !(PWR->CSR & PWR_CSR_PVDO);
}

void port_flash_program(enum port_sector sector, uint32_t offset, uint32_t word)
{
    HAL_FLASH_Unlock();
    work(FLASH_CR_PG, (volatile uint32_t *)(sectors[sector].address + offset), word);
    HAL_FLASH_Lock(); /* a word that does not keep is found by the store, which reads it back */
}

void port_flash_erase(enum port_sector sector)
{
    HAL_FLASH_Unlock();
    work(FLASH_CR_SER | sectors[sector].number << FLASH_CR_SNB_Pos, NULL, 0);

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
