/* Two sectors of simulated NOR flash, whose power can be cut at any operation and which then keeps what real
 * cells keep: some bits landed, some did not, and some are *weak*: charged so little that they read
 * differently at every start, or at every read, until they are programmed in full or erased.
 *
 * Strict: what no flash allows, or what the store promises never to do, ends the program through nor_broken.
 */
#ifndef NEURON485_TESTS_NOR_H
#define NEURON485_TESTS_NOR_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/store.h"

#define NOR_SECTORS 2u
#define NOR_WORDS_MAX 4096u /* of a sector: 16 KiB, as on the board */
#define NOR_LOG_MAX 8192u

/* What a cut operation leaves. "The bits" are those that it was to change. */
enum nor_landing {
    NOR_NONE,                  /* cut just before */
    NOR_ALL,                   /* cut just after */
    NOR_WEAK,                  /* every bit weak by itself: nearly done, or barely begun */
    NOR_JOINT,                 /* all weak together: a word reads wholly old or wholly new */
    NOR_SUBSET,                /* each bit landed, weak or untouched, at random */
    NOR_PROGRAMS,              /* from here on, programming only; detail is the bit */
    NOR_ONE = NOR_PROGRAMS,    /* that bit landed, the others did not */
    NOR_ALL_BUT_ONE,           /* that bit is weak, the others landed */
    NOR_ONE_WEAK,              /* that bit is weak, the others are untouched */
    NOR_ERASES,                /* from here on, erasing only */
    NOR_FRACTION = NOR_ERASES, /* like a subset; detail eighths of the bits are past their threshold */
    NOR_FRONT,                 /* the first `detail` eighths of the sector are erased, the others not yet */
    NOR_BACK,                  /* and the other way round */
    NOR_DRAINED,               /* chips program all bits before they erase them: everything reads 0 */
    NOR_DRAINING,              /* some of that, and weak */
    NOR_LAST_BIT,              /* all erased, but one bit is weak */
    NOR_LANDINGS,
};

struct nor_cut {
    uint32_t operation; /* counted from 0; UINT32_MAX: no cut */
    enum nor_landing landing;
    uint32_t detail;
};

/* What an operation was, for choosing how to cut it. */
struct nor_operation {
    bool erase;
    uint32_t changes; /* program: the bits that it was to clear; erase: not 0 */
};

struct nor_range {
    unsigned sector;
    uint32_t from, to; /* bytes; from == to: nothing */
};

struct nor {
    uint32_t size; /* bytes of a sector */
    uint64_t random;
    uint32_t operations; /* since nor_arm */
    uint32_t erases;     /* since nor_arm */
    struct nor_cut cut;
    struct nor_operation *log; /* NOR_LOG_MAX entries, or NULL */
    jmp_buf *power_off;
    bool anew;              /* weak bits take a value at every read, not only when power comes on */
    bool torn;              /* a bit may be weak, or not read as it is kept, until power comes on */
    bool low;               /* the supply is too low to program or to erase */
    unsigned busy;          /* so often will the flash say that its erase is still under way */
    struct nor_range guard; /* nothing may be programmed here, and its sector not be erased */
    struct {                /* a worn word; mask 0: none */
        unsigned sector;
        uint32_t offset;
        uint32_t ones;  /* bits that programming does not clear */
        uint32_t zeros; /* bits that erasing does not set */
    } worn;
    uint32_t view[NOR_SECTORS][NOR_WORDS_MAX];  /* what is read since power came on */
    uint32_t level[NOR_SECTORS][NOR_WORDS_MAX]; /* what is kept; 1 where a bit is weak */
    uint32_t weak[NOR_SECTORS][NOR_WORDS_MAX];
    uint32_t joint[NOR_SECTORS][NOR_WORDS_MAX]; /* not 0: its weak bits read alike, all old or all new */
};

/* Fresh from the factory: blank. size: bytes of a sector, multiple of 4. */
void nor_init(struct nor *nor, uint32_t size, uint64_t seed);

void nor_copy(struct nor *to, const struct nor *from);

/* Stable random contents. */
void nor_fill_random(struct nor *nor);

/* Count operations from here; end the one that `cut` names by a longjmp to `power_off`. */
void nor_arm(struct nor *nor, const struct nor_cut *cut, jmp_buf *power_off);

/* Power comes on: weak bits take a value. */
void nor_power_on(struct nor *nor);

/* Rot: that bit of a sector turns over, for good. */
void nor_flip(struct nor *nor, unsigned sector, uint32_t bit);

/* The interface that the store works on. */
struct store_flash nor_flash(struct nor *nor);

/* A seeded generator, the only source of chance in these tests. */
uint32_t nor_random(uint64_t *state);

/* The store has broken a rule. By the test program. */
_Noreturn void nor_broken(const char *rule);

#endif
