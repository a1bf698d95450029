/* Keep the newest of a sequence of records in two sectors of NOR flash, so that a cut of power at any instant
 * leaves the old record or the new one, never neither and never a mix; and so that a bit that rots leaves the
 * newest, or an older one and `rotten`. Used for the model and, again, for the settings.
 *
 * A sector is a log:
 *
 *     | prepared mark, 8 bytes | record | record | ... blank ...
 *     record: magic, version, sequence, length, CRC-32, header CRC | payload | commit x 3 | refuse x 3
 *     (32-bit words; the header CRC covers the sector and the offset too)
 *
 * A record goes behind the active one while there is room, otherwise into the other sector, the spare, which
 * is erased beforehand while nothing is to be done; so a commit only programs words, and the active record is
 * never touched. The record before the active one stays readable: `previous`, what a rollback brings back.
 *
 * What makes a cut harmless:
 * - A record counts once its first commit word, programmed last, reads exactly right and its CRCs hold.
 * - A half-programmed word may read differently at every read. So each is judged by one reading, and nothing
 *   is built on it before it was programmed again by the value that was read, which is what it then keeps:
 *   - store_boot settles the verdict: a record with more commit words than refuse words gets all its commit
 *     words, any other all its refuse words. A word that was torn by one value might not keep another, which
 *     is why a refusal does not simply overwrite the commit word;
 *   - the end of its header is programmed again before a refusal, the end of a mark before a first record.
 * - Cells that read as they please can carry the doubt one word on with every further cut, so no number of
 *   words is safe from any number of cuts: these are, from four during one commit and its recovery.
 * - Nothing is ever appended behind a broken or uncommitted record: its sector is closed until it is erased.
 *   A torn first word that reads blank is no exception: the next record programs the same constant there.
 * - The prepared mark is programmed after an erase has ended and overwritten before the next begins;
 *   without it a sector that looks blank may be half erased, and is erased again before use. What else such
 *   a sector holds is older than the active record, which is in the other one: it counts only without one,
 *   and then only with all its commit words, as an erase may take a refusal away.
 *
 * What makes rot harmless, or tells of it:
 * - Any of the three words of a verdict count, wherever they stand. What two of them committed is never
 *   refused. A word in which a 1 is missing cannot be mended, and is left alone.
 * - Behind what is no record the search goes on, word by word. As a header is bound to its place, neither
 *   bytes of a payload nor a copy from the other sector pose as one.
 * - `rotten` tells of damage that may be newer than the active record: a committed record of a higher
 *   sequence whose payload is wrong; one without a right commit word, though the later ones are not blank;
 *   words that are no record, unless a committed one follows in their sector. What a cut leaves is none of
 *   these: words are programmed in order, so it is a header with nothing behind it, or a record whose later
 *   commit words are blank. Up to 8 bits that are wrong cannot have been a record, and only close the sector.
 * - A mark that is wrong in up to 8 bits closes its sector, whose damage is told all the same. In a sector
 *   whose mark is begun to be overwritten, is missing or foreign, damage is not told.
 * - The next sequence is above all that the damage may hide.
 * - The damage stays in the flash, and is told at every start, until the next commit: nothing is erased ahead
 *   of need, and only when the new record stands the mark of the other sector is overwritten by half, which
 *   says that its damage is known. (A commit that has to erase the damaged sector loses it before that.)
 *
 * While the flash is not ready nothing is programmed and no erase begins. store_boot decides by what it reads
 * and store_step, once it is ready, makes that last; until then it is `unsettled`.
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
    uint32_t (*read)(void *context, unsigned sector, uint32_t offset); /* a word, as the store reads it */
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
    bool rotten;    /* found at boot, until a commit: damage that may be newer than the active record */
    bool unsettled; /* found at boot, until the flash is ready: a verdict that could not be made final */
    int result;     /* of the last commit: STORE_BUSY while it runs */
    struct store_verdict verdict[2]; /* what is unsettled in each sector */
};

/* Find the active and the previous record, and settle what a cut of power left behind (a few words at most).
 * Tells of damage by `rotten`. */
void store_boot(struct store *store, const struct store_flash *flash);

/* Let active and previous change places, in RAM only: for an active record that its user cannot accept. The
 * refused one, as `previous`, is kept from being erased until its room is needed. */
void store_skip_active(struct store *store);

/* Begin to keep `length` bytes (a multiple of 4) with that CRC-32. They must stay as they are until
 * store->result is no longer STORE_BUSY. Answers STORE_OK when it has begun. An erase that it needs first is
 * part of it. */
int store_commit(struct store *store, const void *payload, uint32_t length, uint32_t crc);

/* Do one small piece of what is to be done: one word, a verdict that store_boot left open, or the start of an
 * erase. True while there is more; false while the flash is not ready, though a commit may be under way. */
bool store_step(struct store *store);

/* Whether nothing is under way that was asked for or has begun: store_step would do nothing, or erase ahead of need. */
bool store_rests(const struct store *store);

/* Whether a sector is being erased, from the overwriting of its mark until it is marked again. */
bool store_erasing(const struct store *store);

#endif
