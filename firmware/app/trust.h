/* Who may change this node: the lock, the rule for broadcasts, and the key whose owner signs orders.
 *
 * registers.c asks trust_refuses before it lets the bus write what is guarded; what an order asks for is carried out by
 * orders.c from below it, and meets no guard a second time.
 *
 * Key, floors and counter are one record, kept by core/store in two sectors of their own. The kept counter is a ceiling
 * that stands WIRE_ORDER_AHEAD above the order that wrote it: orders up to it write nothing, and after a start the node
 * counts from it, so that no counter that was used can come again. A sector holds 178 such records of 92 bytes, and each
 * erase of it, of 10,000, therefore lasts for 178 orders at the very least (with a start before each), for 178 * 64
 * where the node runs on.
 *
 * What was kept and is damaged obeys nothing that is guarded: an older record may hold a key that was replaced. A key
 * that was removed leaves the counter and the floors.
 *
 * The floor of releases is asked when a model is verified, and again by whatever runs it or keeps it: COMMIT, INSTALL,
 * TRIAL, CONFIRM, ROLLBACK, ARM and GO, as it may have been raised meanwhile. What runs already, or is in the flash to
 * come back where another one rots, goes on, over a start too: a node without a model would be worse off. */
#ifndef NEURON485_APP_TRUST_H
#define NEURON485_APP_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "app/refusal.h"
#include "app/rows.h"
#include "core/store.h"
#include "core/wire.h"

/* What the bus wants to write. */
enum trust_deed {
    TRUST_CHANGE,  /* settings' registers, and commands that only prepare: VERIFY, TRAIN, RESUME, STOP */
    TRUST_COMMAND, /* any other command; to fall silent */
    TRUST_SESSION, /* to open a session; with a key it takes an order ARM later on */
    TRUST_RUN,     /* inputs and coils */
};

/* As kept in the flash. */
struct trust_record {
    uint32_t ceiling;            /* no order up to it is obeyed after a start */
    uint32_t release_floor;      /* of models */
    uint16_t firmware_floor;     /* major << 8 | minor */
    uint16_t flags;              /* TRUST_GUARDS or 0 */
    uint8_t key[WIRE_KEY_BYTES]; /* zeros: none */
};
#define TRUST_GUARDS 1u /* inputs and coils need an order too */
_Static_assert(sizeof(struct trust_record) == 44, "kept as 44 bytes");

struct trust {
    struct refusal *refusal;
    struct store store;
    struct trust_record kept; /* in force */
    struct trust_record next; /* on its way into the flash, and in force once it is there */
    bool saving;
    enum wire_reason failed; /* why the last one is not there, or NONE */
    uint32_t counter;        /* of the last order */
    bool keyed;              /* a key is installed */
    bool rotten;             /* what was kept is damaged: nothing that is guarded is obeyed */
    bool outdated;           /* this firmware is below the floor */
    bool checking;           /* an order is on its way through orders.c; STATE says so */
    bool broadcast;          /* the request that is served has come so */
    uint16_t lock;           /* s, 0: off; the settings in force */
    bool broadcasts;         /* likewise */
    uint32_t open_for;       /* s since power-on, up to TRUST_LATE; that from the start where it was none */
};
#define TRUST_LATE (UINT16_MAX + 1u)

/* What was kept; damage, and a supply too low to settle what a cut of power left, go to `refusal` as faults. */
void trust_boot(struct trust *trust, struct refusal *refusal);

/* LOCK and BROADCASTS as they are in force from now on. */
void trust_settings(struct trust *trust, uint16_t lock, bool broadcasts);

/* Time passes; in rounds that are at most some ms apart. */
void trust_watch(struct trust *trust);

/* Why a deed that the bus asks for without an order is refused now, or NONE. */
enum wire_reason trust_refuses(const struct trust *trust, enum trust_deed deed);

/* Whether trust_refuses has nothing against TRUST_RUN: what is asked for at every poll, and hence in a few instructions. */
static inline bool trust_lets_run(const struct trust *trust)
{
    return !trust->rotten && !(trust->keyed && trust->kept.flags & TRUST_GUARDS);
}

/* Whether the request that is served has come to this node alone, or as BROADCASTS allows. */
static inline bool trust_hears(const struct trust *trust)
{
    return !trust->broadcast || trust->broadcasts;
}

/* LOCK is in force now. With a key it never is: what the key leaves open runs nothing, and its owner needs it. */
bool trust_locked(const struct trust *trust);

/* Whether a model of that release may be taken into the flash, or run. */
bool trust_allows_release(const struct trust *trust, uint32_t release);

/* Whether the firmware that runs is below the record's floor. */
bool trust_outdates(const struct trust_record *record);

/* For orders.c, of an order that is genuine: no order of a counter up to this one is obeyed any more. `change`: key,
 * flags and floors that are to be kept from now on, its ceiling does not matter; NULL: as they are. Where something
 * has to be written, `saving` is true until it is done; then, or at once, `failed` says whether the order may be
 * carried out: NONE, or SUPPLY or FLASH. Not while saving. */
void trust_count(struct trust *trust, uint32_t counter, const struct trust_record *change);

/* Do one small piece of the store's work, one word or the start of an erase. True while there is more. */
bool trust_step(struct trust *trust);

#define TRUST_ROWS 1u
extern const struct row trust_rows[TRUST_ROWS];

#endif
