#include "app/sectors.h"

#include <string.h>

/* The context of the callbacks is the number of the first sector itself. */
static enum port_sector nth(void *first, unsigned sector)
{
    return (enum port_sector)((uintptr_t)first + sector);
}

static uint32_t read_word(void *first, unsigned sector, uint32_t offset)
{
    uint32_t word;
    memcpy(&word, port_flash_sector(nth(first, sector)) + offset, sizeof word);
    return word;
}

static void program(void *first, unsigned sector, uint32_t offset, uint32_t word)
{
    port_flash_program(nth(first, sector), offset, word);
}

static void erase(void *first, unsigned sector)
{
    port_flash_erase(nth(first, sector));
}

static bool busy(void *first)
{
    (void)first; /* a flash does one thing at a time */
    return port_flash_busy();
}

static bool ready(void *first)
{
    (void)first;
    return port_supply_good();
}

struct store_flash sectors_flash(enum port_sector first)
{
    void *context = (void *)(uintptr_t)first;
    return (struct store_flash){
        .context = context,
        .sector = {port_flash_sector(nth(context, 0)), port_flash_sector(nth(context, 1))},
        .size = PORT_SECTOR_SIZE,
        .read = read_word,
        .program = program,
        .erase = erase,
        .busy = busy,
        .ready = ready,
    };
}
