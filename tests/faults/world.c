#include "tests/faults/world.h"

#include <string.h>

#include "core/crc.h"

#define HEADER_SIZE 24u

struct store store;
bool forging;
unsigned long outcomes_old, outcomes_new;
static uint8_t forged[NOR_WORDS_MAX * 4];

void require(bool holds, const char *rule)
{
    if (!holds)
        nor_broken(rule);
}

/* ------------------------------------------------------------------------------------------ payloads */

/* The payload with that id: its id, then noise with whole blank and whole zero words, or bytes that look like
 * records. */
static void make_payload(uint32_t id, uint32_t length, uint32_t *words)
{
    uint64_t state = id;
    words[0] = id;
    for (uint32_t i = 1; i < length / 4; i++) {
        const uint32_t word = nor_random(&state), kind = nor_random(&state) % 8;
        words[i] = kind == 0 ? 0xFFFFFFFFu : kind == 1 ? 0 : word;
        if (forging)
            memcpy(&words[i], forged + 4 * ((i + id) % (PAYLOAD_MAX / 4)), 4);
    }
    if (id % 3 == 0 && length > 4)
        words[length / 4 - 1] = 0xFFFFFFFFu; /* ends blank: the word before it is the last to be programmed */
}

/* Bytes of real records with high sequence numbers, taken from a flash that a store has written. */
void make_forged(void)
{
    static struct nor nor;
    static uint32_t payload[2] = {0xDEADBEEFu, 1};
    nor_init(&nor, sizeof forged, 1);
    const struct store_flash flash = nor_flash(&nor);
    store_boot(&store, &flash);
    store.sequence = 0xFFFF0000u;
    for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
        if (store.result != STORE_BUSY && store.active.sector == 0)
            store_commit(&store, payload, sizeof payload, crc32(payload, sizeof payload));
        store_step(&store);
    }
    memcpy(forged, nor.view[0], sizeof forged);
    require(store.active.sequence > 0xFFFF0000u, "no forged records");
}

/* A payload and its CRC are made once for as long as they are asked for: every start identifies the same few. */
#define MADE 64u

static const uint32_t *expect(uint32_t id, uint32_t length, uint32_t *crc)
{
    static struct made {
        uint32_t id, length, crc;
        bool forged;
        uint32_t words[PAYLOAD_MAX / 4];
    } all[MADE];
    struct made *made = &all[id % MADE];
    if (made->id != id || made->length != length || made->forged != forging) {
        make_payload(id, length, made->words);
        made->id = id;
        made->length = length;
        made->crc = crc32(made->words, length);
        made->forged = forging;
    }
    *crc = made->crc;
    return made->words;
}

uint32_t identify(const struct store_record *record)
{
    uint32_t id, crc;
    memcpy(&id, record->payload, sizeof id);
    if (record->length > PAYLOAD_MAX || id == 0 || id >= IDS)
        return 0;
    const uint32_t *expected = expect(id, record->length, &crc);
    return record->crc == crc && memcmp(expected, record->payload, record->length) == 0 ? id : 0;
}

/* --------------------------------------------------------------------------------------------- world */

static bool same(const struct claim *claim, const struct store_record *record)
{
    if (!record->payload || claim->id == 0)
        return !record->payload && claim->id == 0;
    return record->length == claim->length && record->sequence == claim->sequence &&
           identify(record) == claim->id;
}

static void now_stands(struct world *world, const struct claim *claim)
{
    const struct store_record *active = &store.active;
    world->stands = *claim;
    world->coming = (struct claim){0};
    if (claim->id == 0)
        return;
    world->committed[claim->id] = 1;
    world->stands.sector = active->sector;
    world->stands.offset = (uint32_t)(active->payload - (const uint8_t *)world->nor.view[active->sector]);
}

static void check_previous(const struct world *world)
{
    const struct store_record *previous = &store.previous;
    if (!previous->payload)
        return;
    const uint32_t id = identify(previous);
    require(id != 0 && world->committed[id], "previous was never committed");
    require(previous->sequence < store.active.sequence || id == world->refused.id, "previous is not older");
}

/* Guard the active record: its payload and header only, while a commit word may still need to be settled. */
static void guard(struct world *world, bool whole)
{
    const struct claim *claim = &world->stands;
    world->nor.guard = (struct nor_range){0};
    if (claim->id)
        world->nor.guard = (struct nor_range){claim->sector, claim->offset - HEADER_SIZE,
                                              claim->offset + claim->length +
                                                  (whole ? STORE_RECORD_OVERHEAD - HEADER_SIZE : 0)};
}

void boot(struct world *world)
{
    const struct store_flash flash = nor_flash(&world->nor);
    nor_power_on(&world->nor);
    guard(world, false);
    store_boot(&store, &flash);
    if (world->refused.id && same(&world->refused, &store.active))
        store_skip_active(&store);
    if (world->coming.id && same(&world->coming, &store.active)) {
        const struct claim claim = world->coming;
        now_stands(world, &claim);
        outcomes_new++;
    } else {
        if (!same(&world->stands, &store.active))
            nor_broken(!store.active.payload          ? "the record is lost"
                       : identify(&store.active) == 0 ? "a record that is neither old nor new"
                                                      : "another record than the one that was reported");
        outcomes_old += world->coming.id != 0;
        world->coming = (struct claim){0};
    }
    require(world->worn || !store.rotten, "takes a cut of power for rot");
    require(!store.unsettled || world->nor.low, "leaves a verdict open although the supply is good");
    check_previous(world);
    guard(world, !store.unsettled);
}

void idle(struct world *world)
{
    unsigned steps = 0;
    while (store_step(&store))
        require(++steps < STEPS_MAX, "the store never comes to rest");
    require(same(&world->stands, &store.active), "idle work has changed the active record");
    check_previous(world);
}

int commit(struct world *world, const struct plan *plan)
{
    static uint32_t payload[PAYLOAD_MAX / 4];
    uint32_t crc;
    struct claim claim = {.length = plan->length       ? plan->length
                                    : world->stands.id ? world->stands.length
                                                       : 24};
    if (plan->roll_back && store.previous.payload && identify(&store.previous) != world->refused.id) {
        claim.id = identify(&store.previous);
        claim.length = store.previous.length;
    } else {
        claim.id = world->next_id++;
    }
    require(claim.id < IDS, "the test has run out of payloads");
    memcpy(payload, expect(claim.id, claim.length, &crc), claim.length);
    claim.sequence = store.sequence + 1;
    world->sequence_limit++;
    require(claim.sequence > world->stands.sequence &&
                (claim.sequence <= world->sequence_limit || world->worn),
            "the sequence leaps or stands still");
    world->coming = claim;
    require(store_commit(&store, payload, claim.length, crc) == STORE_OK, "commit refused");
    require(store_commit(&store, payload, claim.length, 0) == STORE_BUSY, "commits twice at once");
    for (unsigned steps = 0; store.result == STORE_BUSY; steps++) {
        require(steps < STEPS_MAX, "a commit never ends");
        require(store_step(&store), "a commit stops half way");
    }
    if (store.result == STORE_OK) {
        require(same(&claim, &store.active), "a commit reports what it has not kept");
        now_stands(world, &claim);
    } else {
        require(same(&world->stands, &store.active), "a failed commit has changed the active record");
        world->coming = (struct claim){0};
    }
    guard(world, true);
    check_previous(world);
    return store.result;
}

void session(struct world *world, const struct plan *plan)
{
    for (unsigned i = 0; i < BOOTS; i++)
        boot(world);
    world->recovery = world->nor.operations;
    if (plan->idle_first)
        idle(world);
    require(commit(world, plan) == STORE_OK, "a commit has failed");
    idle(world);
}

void keep(struct world *world, unsigned count, uint32_t length)
{
    const struct plan plan = {.length = length};
    boot(world);
    idle(world);
    while (count--) {
        require(commit(world, &plan) == STORE_OK, "a commit has failed");
        idle(world);
    }
}

void world_init(struct world *world, uint32_t sector_size, uint64_t seed)
{
    *world = (struct world){.next_id = 1};
    nor_init(&world->nor, sector_size, seed);
}

void world_copy(struct world *to, const struct world *from)
{
    nor_copy(&to->nor, &from->nor);
    memcpy((char *)to + sizeof to->nor, (const char *)from + sizeof from->nor, sizeof *to - sizeof to->nor);
}
