/* Let bits of the flash under core/store.c rot: every single one, and random sets of up to 64. A boot must find
 * the newest record, or an older one and say so; a record is whole or is none; one bit hides one record; what
 * comes next is numbered above everything that there was. It ends with the next commit, cut or not.
 *
 * usage: store_rot [stride [thin]]
 *     stride: 1 of so many bits (1: every bit)
 *     thin: 1 of so many sets
 * Prints for each start how many faults broke which promise; status 1 after the first start in which any did. No
 * clock, only seeds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc.h"
#include "tests/faults/world.h"

#define SIZE 16384u
#define SETS 1000u
#define SET_MAX 64u

enum promise { TOLD, WHOLE, NEAR, NUMBERED, RECOVERED, PROMISES };
static unsigned long broken[PROMISES], faults;
static const char *start_name = "";
static const uint32_t remedy[] = {485, 0}; /* the payload of the next commit */

_Noreturn void nor_broken(const char *rule)
{
    printf("FAILED: start '%s': %s\n", start_name, rule);
    exit(1);
}

static void promise(enum promise promise, bool holds)
{
    broken[promise] += !holds;
}

/* ---------------------------------------------------------------------------------------------- checks */

/* As many as were ever committed, each by its own number: ids and sequences count from 1. */
static bool whole(const struct world *world, const struct store_record *record)
{
    return !record->payload || (identify(record) == record->sequence && world->committed[record->sequence]);
}

static void start_store(struct world *world)
{
    const struct store_flash flash = nor_flash(&world->nor);
    nor_power_on(&world->nor);
    store_boot(&store, &flash);
}

/* Is that bit in the header or the payload of the newest record? */
static bool in_newest(const struct world *world, uint32_t bit)
{
    const struct claim *newest = &world->stands;
    const uint32_t at = bit / 8 % SIZE;
    return bit / (8 * SIZE) == newest->sector && at + 24 >= newest->offset &&
           at < newest->offset + newest->length;
}

/* `bit`: the only one that has rotted, or NULL. */
static void check_start(struct world *world, const uint32_t *bit)
{
    start_store(world);
    promise(TOLD, store.active.sequence == world->stands.sequence || store.rotten);
    promise(WHOLE, whole(world, &store.active) && whole(world, &store.previous));
    promise(NEAR, !bit || store.active.sequence + in_newest(world, *bit) >= world->stands.sequence);
    promise(NUMBERED, store.sequence >= world->stands.sequence);
}

static void work(void)
{
    for (unsigned steps = 0; store_step(&store); steps++)
        require(steps < STEPS_MAX, "the store never comes to rest");
}

static bool remedied(const struct world *world)
{
    return store.active.payload && store.active.sequence > world->stands.sequence &&
           store.active.length == sizeof remedy && memcmp(store.active.payload, remedy, sizeof remedy) == 0;
}

/* What was found stays found, over starts and idle work; the next commit ends it, for good. */
static void check_recovery(struct world *world, const uint32_t *bit)
{
    start_store(world);
    const struct store_record found = store.active;
    const bool rotten = store.rotten;
    nor_arm(&world->nor, NULL, NULL);
    for (unsigned i = 0; i < 2; i++) {
        work();
        start_store(world);
        promise(RECOVERED, store.active.sequence == found.sequence && store.rotten == rotten);
    }
    promise(RECOVERED, world->nor.erases <= 1);
    require(store_commit(&store, remedy, sizeof remedy, crc32(remedy, sizeof remedy)) == STORE_OK,
            "commit refused");
    work();
    for (unsigned i = 0; i < 2; i++) {
        promise(RECOVERED, store.result == STORE_OK && !store.rotten && remedied(world));
        promise(RECOVERED, !bit || store.previous.sequence == found.sequence);
        start_store(world);
    }
}

/* And when it is cut, at any operation: what was found or the new one, over some starts. */
static void check_cuts(const struct world *rotten)
{
    static struct world world;
    jmp_buf power_off;
    static volatile uint32_t operation;
    for (operation = 0;; operation++) {
        const struct nor_cut how = {.operation = operation, .landing = operation % NOR_PROGRAMS};
        world_copy(&world, rotten);
        world.nor.anew = operation % 2;
        start_store(&world);
        const uint32_t found = store.active.sequence;
        nor_arm(&world.nor, &how, &power_off);
        if (setjmp(power_off) == 0) {
            store_commit(&store, remedy, sizeof remedy, crc32(remedy, sizeof remedy));
            work();
            return;
        }
        nor_arm(&world.nor, NULL, NULL);
        start_store(&world);
        const bool now = remedied(&world);
        for (unsigned i = 0; i < 2; i++) {
            promise(RECOVERED, now ? remedied(&world) : store.active.sequence == found);
            work();
            start_store(&world);
        }
        promise(RECOVERED, world.nor.erases <= 1);
    }
}

/* ---------------------------------------------------------------------------------------------- faults */

struct start {
    const char *name;
    unsigned count;
    uint32_t length;
    unsigned stride, payload; /* 1 of so many single bits, and of those 1 of so many in payloads */
    bool forged;              /* payloads look like records */
};

static const struct start starts[] = {
    {"one model", 1, 2000, 1, 7, false},
    {"models like records", 12, 1040, 1, 7, true},
    {"settings fill a sector", 292, 8, 1, 1, false},
    {"settings fill both", 584, 8, 7, 1, false},
    {"settings, and the next sector's first", 293, 8, 7, 1, false},
    {"models fill a sector", 15, 1040, 1, 1, false},
    {"models in both", 20, 1040, 1, 7, false},
    {"largest models", 2, 8192, 1, 7, false},
};

/* Rot `count` bits of `before` in `world`, its copy. */
static void rot(const struct world *before, struct world *world, const uint32_t *bits, unsigned count,
                bool recover)
{
    for (unsigned i = 0; i < count; i++)
        nor_flip(&world->nor, bits[i] / (8 * SIZE), bits[i] % (8 * SIZE));
    const uint32_t *only = count == 1 ? bits : NULL;
    nor_arm(&world->nor, NULL, NULL);
    check_start(world, only);
    faults++;
    if (world->nor.operations > 0)
        check_start(world, only);
    if (recover) {
        if (store.rotten && faults % 16 == 0)
            check_cuts(world);
        check_recovery(world, only);
    }
    if (world->nor.operations > 0) {
        world_copy(world, before);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        nor_flip(&world->nor, bits[i] / (8 * SIZE), bits[i] % (8 * SIZE));
}

/* Is that bit where a start that filled its sectors would have a payload? */
static bool in_payload(const struct start *start, uint32_t bit)
{
    const uint32_t at = bit / 8 % SIZE, record = STORE_RECORD_OVERHEAD + start->length;
    return at >= STORE_MARK_SIZE && (at - STORE_MARK_SIZE) % record - 24 < start->length;
}

static void run_start(const struct start *start, unsigned number, unsigned stride, unsigned thin)
{
    static struct world before, world;
    uint64_t state = number;
    start_name = start->name;
    faults = 0;
    memset(broken, 0, sizeof broken);
    forging = start->forged;
    world_init(&before, SIZE, number);
    keep(&before, start->count, start->length);
    require(before.stands.sequence == start->count, "the test is wrong: numbers and ids differ");
    before.nor.guard = (struct nor_range){0};
    world_copy(&world, &before);
    for (uint32_t bit = 0; bit < NOR_SECTORS * 8 * SIZE; bit += stride * start->stride) {
        if (in_payload(start, bit) && bit % start->payload != 0)
            continue;
        if (bit / (8 * SIZE) == before.stands.sector || bit % 61 == 0)
            rot(&before, &world, &bit, 1, nor_random(&state) % 64 == 0);
    }
    const uint32_t newest = 8 * (before.stands.sector * SIZE + before.stands.offset - 24);
    const uint32_t verdict = newest + 8 * (24 + start->length);
    for (uint32_t bit = verdict; bit < verdict + 8 * 24; bit++)
        rot(&before, &world, &bit, 1, false);
    const unsigned long single = faults;
    for (unsigned set = 0; set < 3 * SETS; set += thin) {
        /* anywhere, in the newest record, or one in each of its commit words; then also one in its sector's mark */
        uint32_t bits[SET_MAX];
        const unsigned count = set < 2 * SETS ? 2 + nor_random(&state) % (SET_MAX - 1) : 3 + set % 2;
        for (unsigned i = 0; i < count; i++)
            bits[i] = set < SETS ? nor_random(&state) % (NOR_SECTORS * 8 * SIZE)
                      : set < 2 * SETS
                          ? newest + nor_random(&state) % (8 * (STORE_RECORD_OVERHEAD + start->length))
                      : i < 3 ? verdict + 32 * i + nor_random(&state) % 32
                              : 8 * SIZE * before.stands.sector + nor_random(&state) % (8 * STORE_MARK_SIZE);
        rot(&before, &world, bits, count, set % 8 == 0);
    }
    printf("%s: %lu bits, %lu sets; %lu untold, %lu not whole, %lu lost beside, %lu numbered again, "
           "%lu not recovered\n",
           start->name, single, faults - single, broken[TOLD], broken[WHOLE], broken[NEAR], broken[NUMBERED],
           broken[RECOVERED]);
}

/* A record that is copied to the other sector is none. */
static void copy_sector(void)
{
    static struct world world;
    start_name = "copied";
    forging = false;
    world_init(&world, SIZE, 1);
    keep(&world, 3, 1040);
    world.nor.guard = (struct nor_range){0};
    memcpy(world.nor.level[1], world.nor.level[0], SIZE);
    world.nor.torn = true;
    start_store(&world);
    require(store.active.sequence == 3 && store.active.sector == 0 && store.previous.sector == 0,
            "takes a record where it was not written");
}

int main(int argc, char **argv)
{
    const unsigned stride = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    const unsigned thin = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    bool holds = true;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    make_forged();
    copy_sector();
    for (unsigned i = 0; i < sizeof starts / sizeof *starts && holds; i++) {
        run_start(&starts[i], i, stride, thin);
        for (unsigned p = 0; p < PROMISES; p++)
            holds = holds && broken[p] == 0;
    }
    return holds ? 0 : 1;
}
