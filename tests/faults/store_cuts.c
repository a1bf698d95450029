/* Cut the power of core/store.c at every operation on its flash, then again while it recovers, and again.
 *
 * `explore` runs a session from a given flash to its end, to learn its operations, and then cuts it at each
 * of them in every way that cells can be left in; from what each cut leaves it explores anew, up to three
 * cuts deep.
 *
 * usage: store_cuts [thin [anew]]
 *     thin: cut a second time after 1 of `thin` first cuts (1: after all)
 *     anew: weak bits take a value at every read, not only at every start
 * Prints the cuts of each start; a broken promise ends it with one line and status 1. No clock, only seeds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc.h"
#include "tests/faults/world.h"

#define DEPTHS 3u

static uint64_t path; /* names what is being tested, and seeds it */
static const char *start_name = "";
static struct nor_cut path_cuts[DEPTHS];
static unsigned path_depth;
static unsigned long cuts_made[DEPTHS];

_Noreturn void nor_broken(const char *rule)
{
    printf("FAILED: start '%s': %s; cuts", start_name, rule);
    for (unsigned i = 0; i < path_depth; i++)
        printf(" (operation %u, landing %u, detail %u)", (unsigned)path_cuts[i].operation,
               (unsigned)path_cuts[i].landing, (unsigned)path_cuts[i].detail);
    printf("\n");
    exit(1);
}

/* ------------------------------------------------------------------------------------------- explore */

static struct world worlds[DEPTHS + 1];
static struct nor_operation logs[DEPTHS][NOR_LOG_MAX];
static unsigned thin, thinning = 1; /* second cuts after 1 of so many first cuts */
static bool anew;                   /* weak bits take a value at every read */

static void explore(const struct world *start, const struct plan *plan, unsigned depth);

/* Run a session from `start`, cut, and explore what that leaves. */
static void cut(const struct world *start, const struct plan *plan, unsigned depth, const struct nor_cut *cut)
{
    struct world *world = &worlds[depth];
    jmp_buf power_off;
    world_copy(world, start);
    world->nor.log = NULL;
    nor_arm(&world->nor, cut, &power_off);
    path_cuts[depth] = *cut;
    path_depth = depth + 1;
    cuts_made[depth]++;
    if (setjmp(power_off) == 0) {
        session(world, plan);
        nor_broken("the test is wrong: the cut did not come");
    }
    path = path * 0x100000001B3u + cut->operation * 4096u + cut->landing * 64u + cut->detail;
    world->nor.random = path;
    /* What follows varies: the same size again, or small; at once, or after the store has prepared; a
     * rollback. */
    const uint32_t variety = nor_random(&world->nor.random);
    const struct plan next = {
        .length = variety & 1 ? 0 : 8 + 4 * (variety >> 8) % 16,
        .idle_first = variety & 2,
        .roll_back = (variety & 12) == 0,
    };
    explore(world, &next, depth + 1);
    path_depth = depth;
}

/* Every way to land: with every single bit in the first cut of a thorough run, else with some of them. */
static void cut_every_way(const struct world *start, const struct plan *plan, unsigned depth, uint32_t i)
{
    const struct nor_operation operation = logs[depth][i];
    struct nor_cut how = {.operation = i};
    for (unsigned landing = 0; landing < NOR_LANDINGS; landing++) {
        const bool common = landing < NOR_PROGRAMS, random = landing == NOR_WEAK || landing == NOR_SUBSET;
        if (!common && operation.erase != (landing >= NOR_ERASES))
            continue;
        if (!operation.changes && landing != NOR_NONE)
            break;
        how.landing = (enum nor_landing)landing;
        if (common) {
            for (how.detail = 0; how.detail < (!random ? 1u : depth ? 3u : 4u); how.detail++)
                cut(start, plan, depth, &how);
        } else {
            const uint32_t stride = depth ? 11 : thinning > 16 ? 5 : 1;
            for (how.detail = i % stride; how.detail < (operation.erase ? 8u : 32u); how.detail += stride)
                if (operation.erase || operation.changes >> how.detail & 1)
                    cut(start, plan, depth, &how);
        }
    }
}

static void cut_one_way(const struct world *start, const struct plan *plan, unsigned depth, uint32_t i,
                        uint64_t *state)
{
    const struct nor_operation operation = logs[depth][i];
    struct nor_cut how = {.operation = i, .detail = nor_random(state) % 32};
    unsigned landing = nor_random(state) % (NOR_PROGRAMS + NOR_LANDINGS - NOR_ERASES);
    if (landing >= NOR_PROGRAMS && operation.erase)
        landing += NOR_ERASES - NOR_PROGRAMS;
    else if (landing >= NOR_ERASES)
        landing = NOR_JOINT; /* the most treacherous: half of the time it looks done */
    how.landing = operation.changes ? (enum nor_landing)landing : NOR_NONE;
    cut(start, plan, depth, &how);
}

/* Of a payload of thousands of words a few are cut; all other operations are, in every session. */
static bool worth(uint32_t i, uint32_t operations, uint64_t *state)
{
    return operations < 200 || i < 14 || i + 10 > operations || nor_random(state) % 1024 == 0;
}

/* Third cuts are sampled: in the recovery, if it does anything, or anywhere. */
static void cut_once_more(const struct world *start, const struct plan *plan, uint32_t recovery,
                          uint32_t operations, uint64_t *state)
{
    const bool recovering = recovery > 0 && nor_random(state) % 4 != 0;
    if (recovering || nor_random(state) % 4 == 0)
        cut_one_way(start, plan, 2, nor_random(state) % (recovering ? recovery : operations), state);
}

static void explore(const struct world *start, const struct plan *plan, unsigned depth)
{
    static struct world from[DEPTHS];
    struct world *world = &worlds[depth];
    uint64_t state = start->nor.random ^ 0x5EEDu;
    world_copy(world, start);
    world->nor.log = depth < DEPTHS ? logs[depth] : NULL;
    nor_arm(&world->nor, NULL, NULL);
    session(world, plan);
    const uint32_t operations = world->nor.operations, recovery = world->recovery;
    for (unsigned i = 0; i < BOOTS; i++)
        boot(world);
    require(operations < NOR_LOG_MAX, "the test is wrong: more operations than expected");
    if (depth == DEPTHS)
        return;

    world_copy(&from[depth], start); /* `start` is the world in which the next cuts are made */
    start = &from[depth];
    if (depth == 2) {
        cut_once_more(start, plan, recovery, operations, &state);
        return;
    }
    if (depth == 1 && nor_random(&state) % thin != 0)
        return;
    for (uint32_t i = 0; i < operations; i++) {
        if (!worth(i, operations, &state))
            continue;
        if (depth == 0 || (i < recovery && nor_random(&state) % 4 == 0))
            cut_every_way(start, plan, depth, i);
        else
            cut_one_way(start, plan, depth, i, &state);
    }
}

/* -------------------------------------------------------------------------------------------- starts */

#define SMALL 256u /* bytes of a sector where every cut is followed by every second cut */
#define REAL 16384u

struct start {
    const char *name;
    uint32_t sector_size;
    unsigned count;   /* records before the one whose commit is cut, ... */
    uint32_t length;  /* ... of this length */
    struct plan plan; /* of that commit */
    bool garbage, forged, refused;
};

/* A record takes 48 bytes beside its payload: 4 of 8 bytes, 3 of 24 or 1 of 80 fill a small sector. */
static const struct start starts[] = {
    {"blank", SMALL, 0, 0, {.length = 24}, .garbage = false},
    {"blank, prepared", SMALL, 0, 0, {.length = 24, .idle_first = true}, .garbage = false},
    {"garbage", SMALL, 0, 0, {.length = 24}, .garbage = true},
    {"one model", SMALL, 1, 24, {.length = 24}, .garbage = false},
    {"several in a sector", SMALL, 2, 8, {.length = 8}, .garbage = false},
    {"full: into the spare", SMALL, 3, 24, {.length = 24, .idle_first = true}, .garbage = false},
    {"spare in use: its tail", SMALL, 4, 24, {.length = 24, .idle_first = true}, .garbage = false},
    {"spare holds the previous", SMALL, 4, 24, {.length = 80}, .garbage = false},
    {"one fills a sector", SMALL, 3, 80, {.length = 80}, .garbage = false},
    {"rollback", SMALL, 2, 24, {.roll_back = true}, .garbage = false},
    {"rollback over sectors", SMALL, 3, 80, {.roll_back = true}, .garbage = false},
    {"looks like records", SMALL, 3, 80, {.length = 80}, .forged = true},
    {"refused", SMALL, 2, 24, {.length = 24}, .refused = true},
    {"refused, in the way", SMALL, 2, 80, {.length = 80}, .refused = true},
    {"settings, hundreds", REAL, 900, 8, {.length = 8}, .garbage = false},
    {"largest models", REAL, 3, 8192, {.length = 8192}, .garbage = false},
    {"largest, like records", REAL, 2, 8192, {.length = 8192}, .forged = true},
};

static void run_start(const struct start *start, unsigned number)
{
    static struct world world;
    start_name = start->name;
    path = number + 1;
    path_depth = 0;
    forging = start->forged;
    thin = start->sector_size == SMALL ? thinning : 32 * thinning;
    for (unsigned i = 0; i < DEPTHS; i++)
        cuts_made[i] = 0;
    outcomes_old = outcomes_new = 0;
    world_init(&world, start->sector_size, number);
    world.nor.anew = anew;
    if (start->garbage)
        nor_fill_random(&world.nor);
    if (start->count)
        keep(&world, start->count, start->length);
    if (start->refused) {
        const struct claim accepted = world.stands;
        keep(&world, 1, start->length);
        world.refused = world.stands;
        world.stands = accepted;
    }
    explore(&world, &start->plan, 0);
    printf("%s: %lu first, %lu second, %lu third cuts; %lu old, %lu new\n", start->name, cuts_made[0],
           cuts_made[1], cuts_made[2], outcomes_old, outcomes_new);
}

/* --------------------------------------------------------------------------------------- a long life */

/* Thousands of commits, most of them cut: what no single start foresees. */
static void live_long(void)
{
    static struct world world;
    jmp_buf power_off;
    static volatile unsigned lives; /* survives the longjmp */
    static unsigned long cut_lives;
    uint64_t state = 485;
    start_name = "a long life";
    forging = false;
    path_depth = 0;
    for (lives = 0; lives < 40; lives++) {
        static volatile unsigned in_a_row;
        world_init(&world, SMALL, lives);
        world.nor.anew = anew;
        in_a_row = 0;
        while (world.next_id + 1 < IDS / 8) {
            const struct plan plan = {.length = nor_random(&state) % 4 ? 8 : 4 + nor_random(&state) % 33 * 4,
                                      .idle_first = nor_random(&state) % 2,
                                      .roll_back = nor_random(&state) % 8 == 0};
            const struct nor_cut how = {.operation = nor_random(&state) % 40,
                                        .landing = (enum nor_landing)(nor_random(&state) % NOR_LANDINGS),
                                        .detail = nor_random(&state) % 32};
            /* more than four cuts of one commit may outwit its commit words: see store.h */
            nor_arm(&world.nor, in_a_row < 4 ? &how : NULL, &power_off);
            if (setjmp(power_off) == 0) {
                session(&world, &plan);
                in_a_row = 0;
            } else {
                in_a_row++;
                cut_lives++;
            }
        }
    }
    printf("a long life: %lu cuts\n", cut_lives);
}

/* ---------------------------------------------------------------------------------------- half erased */

/* Run `work`, cut as told. */
static void cut_off(struct world *world, const struct nor_cut *how, void (*work)(struct world *world))
{
    jmp_buf power_off;
    nor_arm(&world->nor, how, &power_off);
    if (setjmp(power_off) == 0) {
        work(world);
        nor_broken("the test is wrong: the cut did not come");
    }
    nor_arm(&world->nor, NULL, NULL);
}

static void keep_small(struct world *world)
{
    keep(world, 1, 8);
}

/* The erase of a sector is cut so that each word may read as before, or blank. Its records are no previous ones
 * to rely on; and one that was refused, its first commit word being in doubt, may lose the refusal first. */
static void half_erase(void)
{
    static struct world world;
    unsigned long boots = 0;
    start_name = "half erased";
    path_depth = 0;
    for (unsigned seed = 0; seed < (thinning > 16 ? 150 : 600); seed++) {
        world_init(&world, SMALL, seed);
        world.nor.anew = anew;
        if (seed % 3 == 0) {
            /* 4 in the one, a large one in the other, and no room for the next */
            keep(&world, 4, 8);
            keep(&world, 1, 160);
            cut_off(&world, &(struct nor_cut){.operation = 2, .landing = NOR_JOINT}, keep_small);
        } else {
            /* the first record, or one in the spare (3 of 24 bytes fill a sector): a word of the mark, 6 of
             * the header and 2 of the payload come before its commit */
            keep(&world, seed % 3 == 1 ? 0 : 3, 24);
            cut_off(&world, &(struct nor_cut){.operation = 9, .landing = NOR_JOINT}, keep_small);
            boot(&world);
            if (world.stands.length == 8)
                continue; /* it was committed */
            cut_off(&world, &(struct nor_cut){.operation = 2, .landing = NOR_JOINT}, idle);
        }
        for (unsigned i = 0; i < 400; i++, boots++)
            boot(&world);
    }
    printf("half erased: %lu boots\n", boots);
}

/* ----------------------------------------------------------------------------------------- low supply */

/* The supply is low at the start after a cut, then now and then: nothing is programmed meanwhile (the flash sees
 * to that), what was found stays found, and a commit waits and then ends. */
static void run_low(void)
{
    static struct world world;
    jmp_buf power_off;
    static volatile unsigned lives;
    static volatile unsigned long unsettled;
    uint64_t state = 2900;
    start_name = "low supply";
    path_depth = 0;
    for (lives = 0, unsettled = 0; lives < (thinning > 16 ? 5000 : 20000); lives++) {
        const struct plan plan = {.length = 8, .idle_first = lives % 2};
        const struct nor_cut how = {.operation = nor_random(&state) % 16,
                                    .landing = (enum nor_landing)(nor_random(&state) % NOR_ERASES),
                                    .detail = nor_random(&state) % 32};
        world_init(&world, SMALL, lives);
        world.nor.anew = anew;
        keep(&world, lives % 5, 8);
        nor_arm(&world.nor, &how, &power_off);
        if (setjmp(power_off) == 0) {
            session(&world, &plan);
            continue;
        }
        nor_arm(&world.nor, NULL, NULL);
        world.nor.low = true;
        boot(&world);
        unsettled += store.unsettled;
        require(!store_step(&store), "works although the supply is low");
        world.nor.low = false;
        idle(&world);
        require(!store.unsettled, "leaves a verdict open although the supply is good again");
        for (unsigned i = 0; i < BOOTS; i++)
            boot(&world);

        static const uint32_t payload[] = {485, 29};
        require(store_commit(&store, payload, sizeof payload, crc32(payload, sizeof payload)) == STORE_OK,
                "commit refused");
        for (unsigned steps = 0; store.result == STORE_BUSY; steps++) {
            require(steps < STEPS_MAX, "a commit never ends");
            world.nor.low = nor_random(&state) % 2;
            require(store_step(&store) != world.nor.low, "does not wait for the supply, or goes on waiting");
        }
        require(store.result == STORE_OK && memcmp(store.active.payload, payload, sizeof payload) == 0,
                "a commit has failed for a low supply");
    }
    printf("low supply: %lu verdicts made late\n", unsettled);
}

/* ---------------------------------------------------------------------------------------- worn cells */

/* One word of the flash no longer takes zeros, or no longer gives them up: the store says so, keeps what
 * stands, comes to rest, and does not erase again and again. */
static void wear_out(void)
{
    static struct world before, world;
    unsigned long failures = 0, commits = 0;
    start_name = "worn";
    path_depth = 0;
    for (unsigned count = 0; count < 5; count++) {
        world_init(&before, SMALL, count);
        keep(&before, count, 24);
        for (unsigned word = 0; word < NOR_SECTORS * SMALL / 4 * 2; word++) {
            world_copy(&world, &before);
            world.worn = true;
            world.nor.worn.sector = word / 2 % NOR_SECTORS;
            world.nor.worn.offset = word / 2 / NOR_SECTORS * 4;
            const uint32_t mask = word % 4 < 2 ? 1u << word % 31 : 0xFFFFFFFFu;
            if (word % 2)
                world.nor.worn.ones = mask;
            else
                world.nor.worn.zeros = mask;
            bool failed = false,
                 elsewhere = true; /* the last commit failed; in the sector that is not active */
            for (unsigned i = 0; i < 10; i++) {
                const struct plan plan = {.length = i % 3 ? 24 : 64, .idle_first = i % 2};
                nor_arm(&world.nor, NULL, NULL);
                boot(&world);
                if (plan.idle_first)
                    idle(&world);
                const bool kept = commit(&world, &plan) == STORE_OK;
                require(kept || !failed || elsewhere, "no commit works, although the other sector is good");
                failed = !kept;
                elsewhere = !world.stands.id || world.nor.worn.sector != world.stands.sector;
                failures += failed;
                commits++;
                idle(&world);
                require(world.nor.erases <= 3, "erases again and again");
            }
            boot(&world);
        }
    }
    printf("worn: %lu commits, %lu failures\n", commits, failures);
    require(failures > 0 && failures < commits, "the test is wrong: wear makes no difference");
}

int main(int argc, char **argv)
{
    if (argc > 1)
        thinning = (unsigned)strtoul(argv[1], NULL, 10);
    anew = argc > 2;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    make_forged();
    wear_out();
    live_long();
    half_erase();
    run_low();
    for (unsigned i = 0; i < sizeof starts / sizeof *starts; i++)
        run_start(&starts[i], i);
    return 0;
}
