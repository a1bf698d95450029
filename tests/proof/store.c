/* store_boot on a flash of any contents, which may read otherwise each time, whatever was programmed before;
 * and with a supply that comes and goes. */
#include "core/store.h"

#include "port/port.h"
#include "tests/proof/any.h"

static uint8_t sectors[2][PORT_SECTOR_SIZE];

static void in_a_sector(unsigned sector, uint32_t offset)
{
    //@ check a_sector: sector < 2;
    //@ check in_the_sector: offset <= PORT_SECTOR_SIZE - 4;
    //@ check a_word: offset % 4 == 0;
}

static uint32_t read(void *context, unsigned sector, uint32_t offset)
{
    in_a_sector(sector, offset);
    return any_between(0, UINT32_MAX);
}

static void program(void *context, unsigned sector, uint32_t offset, uint32_t word)
{
    in_a_sector(sector, offset);
}

static void erase(void *context, unsigned sector)
{
    //@ check a_sector: sector < 2;
}

static bool any(void *context)
{
    return any_bool();
}

static void check_record(const struct store_record *record)
{
    if (record->payload == NULL)
        return;
    //@ check in_the_flash: \valid_read(record->payload + (0 .. 3));
    //@ check of_a_sector: record->sector < 2;
}

int main(void)
{
    static struct store store;
    const struct store_flash flash = {
        NULL, {sectors[0], sectors[1]}, PORT_SECTOR_SIZE, read, program, erase, any, any};
    store_boot(&store, &flash);
    check_record(&store.active);
    check_record(&store.previous);
    //@ check ends: store.end[0] <= PORT_SECTOR_SIZE && store.end[1] <= PORT_SECTOR_SIZE;
    return 0;
}
