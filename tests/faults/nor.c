#include "tests/faults/nor.h"

#include <stddef.h>
#include <string.h>

#define BLANK 0xFFFFFFFFu
#define BUSY_POLLS 2u

uint32_t nor_random(uint64_t *state)
{
    /* splitmix64: any seed will do, neighbours too */
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ (z >> 31)) >> 16);
}

static uint32_t words(const struct nor *nor)
{
    return nor->size / 4;
}

void nor_init(struct nor *nor, uint32_t size, uint64_t seed)
{
    *nor = (struct nor){.size = size, .random = seed};
    memset(nor->level, 0xFF, sizeof nor->level);
    nor->torn = true;
    nor_arm(nor, NULL, NULL);
    nor_power_on(nor);
}

void nor_copy(struct nor *to, const struct nor *from)
{
    /* only what is in use: a test copies small sectors a million times */
    memcpy(to, from, offsetof(struct nor, view));
    for (unsigned s = 0; s < NOR_SECTORS; s++) {
        memcpy(to->view[s], from->view[s], from->size);
        memcpy(to->level[s], from->level[s], from->size);
        memcpy(to->weak[s], from->weak[s], from->size);
        memcpy(to->joint[s], from->joint[s], from->size);
    }
}

void nor_fill_random(struct nor *nor)
{
    nor->torn = true;
    for (unsigned s = 0; s < NOR_SECTORS; s++)
        for (uint32_t i = 0; i < words(nor); i++)
            nor->level[s][i] = nor_random(&nor->random);
}

void nor_arm(struct nor *nor, const struct nor_cut *cut, jmp_buf *power_off)
{
    nor->operations = nor->erases = 0;
    nor->cut = cut ? *cut : (struct nor_cut){.operation = UINT32_MAX};
    nor->power_off = power_off;
}

/* What a word reads this time. */
static uint32_t look(struct nor *nor, unsigned sector, uint32_t i)
{
    const uint32_t weak = nor->weak[sector][i];
    uint32_t coins = 0;
    if (weak) {
        coins = nor_random(&nor->random);
        if (nor->joint[sector][i])
            coins = coins & 1 ? BLANK : 0;
    }
    return (nor->level[sector][i] & ~weak) | (coins & weak);
}

void nor_power_on(struct nor *nor)
{
    nor->busy = 0;
    if (!nor->torn)
        return; /* everything is read as it is kept: a test starts whole sectors a million times */
    nor->torn = false;
    for (unsigned s = 0; s < NOR_SECTORS; s++)
        for (uint32_t i = 0; i < words(nor); i++) {
            nor->view[s][i] = look(nor, s, i);
            nor->torn |= nor->weak[s][i] != 0;
        }
}

void nor_flip(struct nor *nor, unsigned sector, uint32_t bit)
{
    nor->level[sector][bit / 32] ^= 1u << bit % 32;
    nor->view[sector][bit / 32] = nor->level[sector][bit / 32];
}

static uint32_t nor_read(void *context, unsigned sector, uint32_t offset)
{
    struct nor *nor = context;
    if (sector >= NOR_SECTORS || offset % 4 != 0 || offset >= nor->size)
        nor_broken("reads outside of the flash");
    return nor->anew && nor->torn ? look(nor, sector, offset / 4) : nor->view[sector][offset / 4];
}

/* Cut now? Notes the operation. */
static bool cut_now(struct nor *nor, bool erase, uint32_t changes)
{
    const uint32_t operation = nor->operations++;
    if (nor->log && operation < NOR_LOG_MAX)
        nor->log[operation] = (struct nor_operation){erase, changes};
    if (operation != nor->cut.operation)
        return false;
    nor->torn = true;
    return true;
}

/* ------------------------------------------------------------------------------------------- program */

/* Leave in a word what a cut leaves when `changes` were to become 0. */
static void land_program(struct nor *nor, unsigned sector, uint32_t i, uint32_t changes)
{
    const uint32_t one = 1u << (nor->cut.detail % 32) & changes;
    uint32_t landed = 0, weak = 0;
    switch (nor->cut.landing) {
    case NOR_ALL:
        landed = changes;
        break;
    case NOR_JOINT:
        nor->joint[sector][i] = 1;
        weak = changes;
        break;
    case NOR_WEAK:
        weak = changes;
        break;
    case NOR_SUBSET:
        landed = nor_random(&nor->random);
        weak = nor_random(&nor->random) & ~landed;
        break;
    case NOR_ONE:
        landed = one;
        break;
    case NOR_ALL_BUT_ONE:
        landed = changes & ~one;
        weak = one;
        break;
    case NOR_ONE_WEAK:
        weak = one;
        break;
    default:
        break;
    }
    if (nor->cut.landing != NOR_JOINT && nor->cut.landing != NOR_NONE)
        nor->joint[sector][i] = 0;
    nor->level[sector][i] &= ~(landed & changes);
    nor->weak[sector][i] &= ~(landed & changes);
    nor->weak[sector][i] |= weak & changes;
}

static void nor_program(void *context, unsigned sector, uint32_t offset, uint32_t word)
{
    struct nor *nor = context;
    if (sector >= NOR_SECTORS || offset % 4 != 0 || offset >= nor->size)
        nor_broken("programs outside of the flash");
    if (nor->low)
        nor_broken("programs while the supply is low");
    if (nor->busy > 0)
        nor_broken("programs while an erase is under way");
    if (sector == nor->guard.sector && offset >= nor->guard.from && offset < nor->guard.to)
        nor_broken("programs inside the active record");
    const uint32_t i = offset / 4;
    const bool here = sector == nor->worn.sector && offset == nor->worn.offset;
    if ((word & ~nor->level[sector][i]) != 0 && !(here && nor->worn.zeros))
        nor_broken("programs a 0 to become a 1");

    const uint32_t changes = nor->level[sector][i] & ~word & ~(here ? nor->worn.ones : 0);
    if (cut_now(nor, false, changes)) {
        land_program(nor, sector, i, changes);
        longjmp(*nor->power_off, 1);
    }
    nor->level[sector][i] &= ~changes;
    nor->weak[sector][i] &= ~changes;
    nor->view[sector][i] &= ~changes;
}

/* --------------------------------------------------------------------------------------------- erase */

/* Leave in one word what a cut of an erase leaves. place: eighths of the way through the sector. */
static void land_erase_word(struct nor *nor, unsigned sector, uint32_t i, uint32_t place)
{
    const uint32_t old = nor->level[sector][i], detail = nor->cut.detail;
    uint32_t *level = &nor->level[sector][i], *weak = &nor->weak[sector][i], *joint = &nor->joint[sector][i];
    const bool front = nor->cut.landing == NOR_FRONT;
    switch (nor->cut.landing) {
    case NOR_NONE:
        break;
    case NOR_ALL:
        *level = BLANK, *weak = 0;
        break;
    case NOR_WEAK:
    case NOR_JOINT:
        *level = BLANK, *weak |= ~old, *joint = nor->cut.landing == NOR_JOINT;
        break;
    case NOR_SUBSET:
        *level = nor_random(&nor->random), *weak = nor_random(&nor->random), *level |= *weak, *joint = 0;
        break;
    case NOR_FRACTION:
        for (uint32_t bit = 1; bit != 0; bit <<= 1) {
            const uint32_t chance = nor_random(&nor->random) % 16;
            if (chance / 2 < detail)
                *level |= bit, *weak &= ~bit;
            else if (chance % 2)
                *weak |= ~old & bit, *level |= bit;
        }
        *joint = 0;
        break;
    case NOR_FRONT:
    case NOR_BACK:
        if ((place < detail) == front)
            *level = BLANK, *weak = 0;
        else if (place == detail)
            *weak |= ~old, *level = BLANK;
        break;
    case NOR_DRAINED:
        *level = *weak = 0;
        break;
    case NOR_DRAINING:
        *weak |= old & nor_random(&nor->random);
        break;
    case NOR_LAST_BIT:
        *level = BLANK, *weak = i == detail % words(nor) ? 1u << detail % 32 : 0;
        break;
    default:
        break;
    }
}

static void nor_erase(void *context, unsigned sector)
{
    struct nor *nor = context;
    if (sector >= NOR_SECTORS)
        nor_broken("erases outside of the flash");
    if (nor->low)
        nor_broken("erases while the supply is low");
    if (nor->busy > 0)
        nor_broken("erases while an erase is under way");
    if (sector == nor->guard.sector && nor->guard.from < nor->guard.to)
        nor_broken("erases the active record");
    nor->erases++;
    if (cut_now(nor, true, BLANK)) {
        for (uint32_t i = 0; i < words(nor); i++)
            land_erase_word(nor, sector, i, 8 * i / words(nor));
        longjmp(*nor->power_off, 1);
    }
    for (uint32_t i = 0; i < words(nor); i++) {
        const bool here = sector == nor->worn.sector && 4 * i == nor->worn.offset;
        nor->level[sector][i] = nor->view[sector][i] = here ? ~nor->worn.zeros : BLANK;
        nor->weak[sector][i] = nor->joint[sector][i] = 0;
    }
    nor->busy = BUSY_POLLS;
}

static bool nor_busy(void *context)
{
    struct nor *nor = context;
    if (nor->busy == 0)
        return false;
    nor->busy--;
    return true;
}

static bool nor_ready(void *context)
{
    const struct nor *nor = context;
    return !nor->low;
}

struct store_flash nor_flash(struct nor *nor)
{
    return (struct store_flash){
        .context = nor,
        .sector = {(const uint8_t *)nor->view[0], (const uint8_t *)nor->view[1]},
        .size = nor->size,
        .read = nor_read,
        .program = nor_program,
        .erase = nor_erase,
        .busy = nor_busy,
        .ready = nor_ready,
    };
}
