/* A flash and what a person may expect of it: the payload that stands and, while a commit is on its way, the
 * one that may replace it. Every call checks the store against that; a broken promise ends the program
 * (nor_broken). */
#ifndef NEURON485_TESTS_WORLD_H
#define NEURON485_TESTS_WORLD_H

#include "tests/faults/nor.h"

#define BOOTS 3u         /* starts in a row that must find the same */
#define STEPS_MAX 20000u /* more steps than any work of the store takes */
#define PAYLOAD_MAX 8192u
#define IDS 4096u

struct claim {
    uint32_t id; /* 0: nothing */
    uint32_t length, sequence;
    unsigned sector;
    uint32_t offset; /* of the payload */
};

struct world {
    struct nor nor;
    struct claim stands;  /* what the next boot must find, ... */
    struct claim coming;  /* ... or else this one, whose commit was cut */
    struct claim refused; /* newer than `stands`, and never accepted by its user (store_skip_active) */
    uint32_t next_id;
    uint32_t sequence_limit; /* each attempt of a commit uses up one number at most */
    uint8_t committed[IDS];  /* by id: was it ever kept? */
    uint32_t recovery;       /* operations of the session's boots */
    bool worn;               /* cells are: damage may be found where no power was cut */
};

struct plan {
    uint32_t length; /* of the payload to commit; 0: that of what stands */
    bool idle_first; /* let the store prepare before the commit comes */
    bool roll_back;  /* commit the previous payload */
};

/* The store under test: one at a time, it lives in RAM and dies with every cut. */
extern struct store store;

/* Payloads look like records of high sequence numbers. */
extern bool forging;
void make_forged(void);

/* How often a boot after a cut commit found the old, and the new. */
extern unsigned long outcomes_old, outcomes_new;

void require(bool holds, const char *rule);

/* The record's payload is what was once given to the store, bit for bit; answers its id, 0 when it is not. */
uint32_t identify(const struct store_record *record);

void world_init(struct world *world, uint32_t sector_size, uint64_t seed);
void world_copy(struct world *to, const struct world *from);

/* Start: what stands is found, or what was coming, and never the other one again. */
void boot(struct world *world);

/* Let the store work until it rests. */
void idle(struct world *world);

/* Commit to the end. Answers the store's result. */
int commit(struct world *world, const struct plan *plan);

/* Keep `count` payloads of `length` bytes, as in a node's life without cuts. */
void keep(struct world *world, unsigned count, uint32_t length);

/* A life between two cuts: some boots, a commit, which must succeed, and the idle work after it. */
void session(struct world *world, const struct plan *plan);

#endif
