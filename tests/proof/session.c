/* An opening, then any block, any look at what has come, ARM and GO, reads of all rows, and an opening of any words: of any
 * size and place that the register map lets through. Once for each number of blocks, and for each block of them, as what
 * a block may write depends on both. The image's hash and the parts around answer anything. */
#include "app/session.h"

#include "port/port.h"
#include "tests/proof/any.h"

#define OPENING (session_rows + 0)
#define BLOCK (session_rows + 2)
#define GO (session_rows + 3)
#define LENGTH (WIRE_HOLDING_SESSION_LENGTH - WIRE_HOLDING_SESSION_HASH)
#define INDEX (WIRE_HOLDING_BLOCK_INDEX - WIRE_HOLDING_BLOCK_TAG)

static struct models models;
static struct trial trial;
static struct trust trust;
static struct refusal refusal;
static struct session session;
static uint16_t words[MODBUS_WRITE_REGISTERS_MAX];

static enum modbus_exception any_exception(void)
{
    const uint32_t which = any_between(0, 2);
    return which == 0 ? MODBUS_OK : which == 1 ? MODBUS_DEVICE_FAILURE : MODBUS_DEVICE_BUSY;
}

/* ---------------------------------------------------------------------------------------------- the parts around */

void refusal_note(struct refusal *told, enum wire_reason reason, uint16_t detail)
{
}

enum modbus_exception refusal_answer(struct refusal *told, enum wire_reason reason)
{
    return MODBUS_DEVICE_FAILURE;
}

bool models_runs(const struct models *asked, const struct models_meant *meant)
{
    //@ check a_hash: \initialized(meant->hash + (0 .. WIRE_HASH_BYTES - 1));
    return any_bool();
}

enum modbus_exception models_lend(struct models *asked)
{
    const enum modbus_exception exception = any_exception();
    asked->lent = exception == MODBUS_OK;
    return exception;
}

enum modbus_exception models_accept(struct models *asked, uint32_t length, const uint8_t *hash)
{
    //@ check in_the_stage: 4 <= length <= WIRE_IMAGE_MAX;
    return any_exception();
}

enum modbus_exception wear_allows(struct wear *wear)
{
    return any_exception();
}

bool trust_allows_release(const struct trust *asked, uint32_t release)
{
    return any_bool();
}

enum modbus_exception trial_go(struct trial *asked, uint16_t seconds)
{
    return any_exception();
}

uint32_t port_millis(void)
{
    return any_between(0, UINT32_MAX);
}

bool crypto_present(void)
{
    return any_bool();
}

void crypto_hash_begin(struct crypto_hashing *hashing)
{
}

void crypto_hash_more(struct crypto_hashing *hashing, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    //@ check in_the_stage: \valid_read(bytes + (0 .. size - 1)) && bytes + size <= models.stage + WIRE_IMAGE_MAX;
}

void crypto_hash_end(struct crypto_hashing *hashing, uint8_t hash[WIRE_HASH_BYTES])
{
    Frama_C_make_unknown((char *)hash, WIRE_HASH_BYTES);
}

void crypto_hash(const void *data, size_t size, uint8_t hash[WIRE_HASH_BYTES])
{
    Frama_C_make_unknown((char *)hash, WIRE_HASH_BYTES);
}

/* ------------------------------------------------------------------------------------------------------- the bus */

static void any_words(void)
{
    Frama_C_make_unknown((char *)words, sizeof words);
}

static enum modbus_exception write(const struct row *row)
{
    const uint32_t offset = any_between(0, row->size - 1u);
    return row->write(&session, offset, (uint16_t)any_between(1, row->size - offset), words);
}

static void read(const struct row *row)
{
    static uint16_t values[MODBUS_READ_REGISTERS_MAX];
    const uint32_t offset = any_between(0, row->size - 1u);
    //@ split offset;
    row->read(&session, offset, (uint16_t)any_between(1, row->size - offset), values);
}

/* Any image of so many blocks. */
static void open_session(uint32_t blocks)
{
    const uint32_t most = blocks * WIRE_BLOCK_BYTES;
    any_words();
    words[LENGTH] = 0;
    words[LENGTH + 1] =
        (uint16_t)any_between(most - WIRE_BLOCK_BYTES + 1, most < WIRE_IMAGE_MAX ? most : WIRE_IMAGE_MAX);
    write(OPENING);
}

static void take_block(uint32_t blocks)
{
    uint16_t index = (uint16_t)any_between(0, blocks);
    //@ split index;
    any_words();
    words[INDEX] = index < blocks ? index : (uint16_t)any_between(blocks, UINT16_MAX);
    write(BLOCK);
    //@ check nothing_behind_the_stage: models.checked == 0 && models.check_crc == 0;
    //@ merge index;
    ;
}

/* session_step hashes from the beginning on in pieces of one size: any of them may be the next. */
static void look(uint32_t blocks)
{
    const uint32_t pieces = (blocks * WIRE_BLOCK_BYTES + SESSION_HASH_BYTES - 1) / SESSION_HASH_BYTES;
    uint32_t piece = any_between(0, pieces - 1);
    //@ split piece;
    if (piece * SESSION_HASH_BYTES < session.length) {
        session.hashed = piece * SESSION_HASH_BYTES;
        session_step(&session);
    }
    //@ merge piece;
    ;
}

int main(void)
{
    session.models = &models;
    session.trial = &trial;
    session.trust = &trust;
    session.refusal = &refusal;
    trust.broadcast = any_bool();
    trust.keyed = any_bool();
    trust.rotten = any_bool();
    trust.outdated = any_bool();
    uint32_t blocks = any_between(1, WIRE_BLOCKS_MAX);
    //@ split blocks;
    open_session(blocks);
    if (session.state != WIRE_SESSION_OPEN || session.length <= (blocks - 1) * WIRE_BLOCK_BYTES)
        return 0; /* refused */
    take_block(blocks);
    session.missing = any_bool();
    look(blocks);
    //@ merge blocks;
    session.state = (enum wire_session)any_between(WIRE_SESSION_NONE, WIRE_SESSION_REFUSED);
    session.waits = any_bool();
    session_waits(&session);
    uint8_t hash[WIRE_HASH_BYTES], go[WIRE_HASH_BYTES];
    crypto_hash(words, sizeof words, hash);
    crypto_hash(words, sizeof words, go);
    session_arm(&session, hash, go, (uint16_t)any_between(0, UINT16_MAX));
    any_words();
    write(GO);
    for (unsigned i = 0; i < SESSION_ROWS; i++)
        read(session_rows + i);
    any_words();
    write(OPENING);
    return 0;
}
