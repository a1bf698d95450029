/* Keep the newest of a sequence of records in two sectors of NOR flash, so that a cut of power at any instant
 * leaves the old record or the new one, never neither and never a mix. Used for the model and, again, for the
 * settings.
 *
 * A sector is a log:
 *
 *     | prepared mark, 8 bytes | record | record | ... blank ...
 *     record: magic, version, sequence, length, CRC-32, header CRC | payload | commit x 3 | refuse x 3
 *     (32-bit words)
 *
 * A record goes behind the active one while there is room, otherwise into the other sector, the spare, which
 * is erased beforehand while nothing is to be done; so a commit only programs words, and the active record is
 * never touched. The record before the active one stays readable: `previous`, what a rollback brings back.
 *
 * What makes a cut harmless:
 * - A record counts once its first commit word, programmed last, reads exactly right and its CRCs hold.
 * - A half-programmed word may read differently at every start. store_boot settles the only ones that
 *   matter, the verdict: a record with more commit words than refuse words gets all its commit words, any
 *   other all its refuse words. A word programmed again by its own value keeps it; one that was torn by
 *   another value might not, which is why a refusal does not simply overwrite the commit word.
 * - Cells that read as they please can carry the doubt one word on with every further cut, so no number of
 *   words is safe from any number of cuts: these are, from four during one commit and its recovery.
 * - Nothing is ever appended behind a broken or uncommitted record: its sector is closed until it is erased.
 *   A torn first word that reads blank is no exception: the next record programs the same constant there.
 * - The prepared mark is programmed after an erase has ended and overwritten before the next begins;
 *   without it a sector that looks blank may be half erased, and is erased again before use.
 *
 * Flash promises: programming clears bits, erasing sets the whole sector; a word can be programmed again with
 * more bits cleared (no ECC: STM32F4, RM0090 3.6). Errors: negative enum store_error. */
#ifndef NEURON485_CORE_STORE_H
#define NEURON485_CORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#define STORE_MARK_SIZE 8u        /* bytes at the start of a sector */
#define STORE_RECORD_OVERHEAD 48u /* bytes that a record takes beside its payload */

enum store_error {
    STORE_OK = 0,
    STORE_BUSY = -1,  /* a commit or an erase is under way: come back after store_step */
    STORE_SIZE = -2,  /* the payload cannot fit, is empty, or is no multiple of 4 */
    STORE_FLASH = -3, /* the flash did not keep what was programmed; the old record stands */
};

/* The flash below: function pointers, so that tests can cut the power. Offsets are multiples of 4. */
struct store_flash {
    void *context;
    const uint8_t *sector[2]; /* where the user of a record reads it, aligned to 4 */
    uint32_t size;            /* bytes of a sector */
    uint32_t (*read)(void *context, unsigned sector, uint32_t offset);
    void (*program)(void *context, unsigned sector, uint32_t offset, uint32_t word);
    void (*erase)(void *context, unsigned sector); /* starts; may return before it has ended */
    bool (*busy)(void *context);                   /* an erase is still under way */
    bool (*ready)(void *context);                  /* the supply is high enough to program and erase */
};

/* A committed record; payload is NULL when there is none. Points into the flash. */
struct store_record {
    const uint8_t *payload;
    uint32_t length; /* bytes, multiple of 4 */
    uint32_t crc;    /* CRC-32 of the payload */
    uint32_t sequence;
    unsigned sector;
};

enum store_step {
    STORE_STEP_IDLE,
    STORE_STEP_UNMARK, /* overwrite the prepared mark */
    STORE_STEP_ERASE,
    STORE_STEP_WAIT, /* for the end of the erase */
    STORE_STEP_MARK,
    STORE_STEP_RECORD, /* header and payload */
    STORE_STEP_COMMIT,
    STORE_STEP_GIVE_UP, /* the damage that was found at boot */
};

/* What was decided about a record, and still has to be made last. Offsets in its sector. */
struct store_verdict {
    uint32_t header, header_crc;
    uint32_t offset; /* of the verdict words; 0: nothing to do */
    bool committed;
};

struct store {
    struct store_flash flash;
    struct store_record active, previous;
    uint32_t sequence; /* highest ever seen */
    uint32_t end[2];   /* first blank byte of each sector; its size when nothing may be appended */
    enum store_step step;
    uint32_t word;   /* next word of the step */
    unsigned target; /* sector being erased or written */
    struct store_record
        pending;    /* being written; payload is the source, waiting for a sector while not placed */
    bool waiting;   /* a commit waits for room */
    bool worn;      /* the flash did not keep what was last written: no more erases until the next commit */
    bool rotten;    /* damaged is what may be newer than the active record: from boot to the next commit */
    bool unsettled; /* a verdict could not be made final at boot, as the flash was not ready */
    struct store_verdict verdict[2]; /* that one, of each sector */
    int result;                      /* of the last commit: STORE_BUSY while it runs */
};

/* Find the active and the previous record, and settle what a cut of power left behind (a few words at most).
 */
void store_boot(struct store *store, const struct store_flash *flash);

/* Let active and previous change places, in RAM only: for an active record that its user cannot accept. The
 * refused one, as `previous`, is kept from being erased until its room is needed. */
void store_skip_active(struct store *store);

/* Begin to keep `length` bytes (a multiple of 4) with that CRC-32. They must stay as they are until
 * store->result is no longer STORE_BUSY. Answers STORE_OK when it has begun. An erase that it needs first is
 * part of it. */
int store_commit(struct store *store, const void *payload, uint32_t length, uint32_t crc);

/* Do one small piece of what is to be done: one word, or the start of an erase. True while there is more. */
bool store_step(struct store *store);

/* Whether a sector is being erased, from the overwriting of its mark until it is marked again. */
bool store_erasing(const struct store *store);

#endif
