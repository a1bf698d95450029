#include "app/session.h"

#include <string.h>

#include "app/words.h"
#include "port/port.h"

#define SECOND_MS 1000u
#define AT(name) (WIRE_HOLDING_##name - WIRE_HOLDING_SESSION_HASH)
#define OPENING_WORDS (AT(SESSION_SECONDS) + 1)
#define STATE_AT(name) (WIRE_HOLDING_##name - WIRE_HOLDING_SESSION_STATE)
#define STATE_WORDS (STATE_AT(BLOCKS_MISSING) + WIRE_HOLDING_BLOCKS_MISSING_SIZE)
#define BLOCK_AT(name) (WIRE_HOLDING_##name - WIRE_HOLDING_BLOCK_TAG)
#define BLOCK_WORDS (WIRE_HOLDING_BLOCK + WIRE_HOLDING_BLOCK_SIZE - WIRE_HOLDING_BLOCK_TAG)

static enum modbus_exception refuse(struct session *session, enum wire_reason reason)
{
    return refusal_answer(session->refusal, reason);
}

/* What comes is for another session than this one. */
static enum modbus_exception not_ours(struct session *session)
{
    return session->trust->broadcast ? MODBUS_OK : refuse(session, WIRE_REASON_SESSION);
}

/* ------------------------------------------------------------------------------------------------- how it stands */

enum wire_session session_state(const struct session *session)
{
    const enum wire_session state = session->state;
    if (state != WIRE_SESSION_DONE && !session->models->lent)
        return WIRE_SESSION_NONE;
    if (state == WIRE_SESSION_ARMED && port_millis() - session->since >= WIRE_GO_SECONDS * SECOND_MS)
        return WIRE_SESSION_VERIFIED;
    return state;
}

/* It has its image, tested, and GO has not come. */
static bool ready(const struct session *session)
{
    const enum wire_session state = session_state(session);
    return state == WIRE_SESSION_VERIFIED || state == WIRE_SESSION_ARMED;
}

/* Its image is the one that runs. */
static bool runs(const struct session *session)
{
    return models_runs(session->models, &(struct models_meant){.hash = session->hash});
}

bool session_waits(const struct session *session)
{
    return session->waits && ready(session);
}

enum wire_reason session_arm(struct session *session, const uint8_t hash[WIRE_HASH_BYTES],
                             const uint8_t go[WIRE_HASH_BYTES], uint16_t seconds)
{
    if (!ready(session))
        return WIRE_REASON_SESSION;
    if (memcmp(hash, session->hash, WIRE_HASH_BYTES) != 0)
        return WIRE_REASON_HASH;
    if (!trust_allows_release(session->trust, session->models->staged.release))
        return WIRE_REASON_FLOOR;
    memcpy(session->go, go, WIRE_HASH_BYTES);
    session->seconds = seconds;
    session->state = WIRE_SESSION_ARMED;
    session->since = port_millis();
    session->waits = true;
    return WIRE_REASON_NONE;
}

/* Time passes: what is over is so for good, before port_millis wraps. */
static void end_waiting(struct session *session)
{
    const uint32_t been = port_millis() - session->since;
    session->state = session_state(session);
    if (been >= SESSION_HOLDS_S * SECOND_MS)
        session->waits = false;
}

/* ------------------------------------------------------------------------------------------------------- checking */

/* Whether the image that has come whole, and has that hash, may run here. A switch that could not be kept is refused
 * while nobody has switched yet. */
static bool accepted(struct session *session, const uint8_t hash[WIRE_HASH_BYTES])
{
    if (memcmp(hash, session->hash, WIRE_HASH_BYTES) != 0) {
        refuse(session, WIRE_REASON_HASH);
        return false;
    }
    return wear_allows(session->models->wear) == MODBUS_OK &&
           models_accept(session->models, session->length, hash) == MODBUS_OK;
}

bool session_step(struct session *session)
{
    end_waiting(session);
    if (session->state != WIRE_SESSION_OPEN || session->missing)
        return false;
    const uint32_t left = session->length - session->hashed;
    const uint32_t size = left < SESSION_HASH_BYTES ? left : SESSION_HASH_BYTES;
    crypto_hash_more(&session->hashing, session->models->stage + session->hashed, size);
    session->hashed += size;
    if (size < left)
        return true;
    uint8_t hash[WIRE_HASH_BYTES];
    crypto_hash_end(&session->hashing, hash);
    session->state = accepted(session, hash) ? WIRE_SESSION_VERIFIED : WIRE_SESSION_REFUSED;
    session->since = port_millis();
    session->waits = true;
    return false;
}

/* ----------------------------------------------------------------------------------------------- registers */

static enum modbus_exception read_opening(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct session *session = part;
    uint16_t words[OPENING_WORDS];
    words_from_bytes(words + AT(SESSION_HASH), session->hash, WIRE_HOLDING_SESSION_HASH_SIZE);
    words_put32(words + AT(SESSION_LENGTH), session->length);
    words_from_bytes(words + AT(SESSION_GO), session->go, WIRE_HOLDING_SESSION_GO_SIZE);
    words[AT(SESSION_SECONDS)] = session->seconds;
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

/* Blocks of an image of that many bytes. */
static unsigned blocks(uint32_t length)
{
    return (length + WIRE_BLOCK_BYTES - 1) / WIRE_BLOCK_BYTES;
}

static void close_session(struct session *session)
{
    if (session->models->lent)
        session->models->verified = session->models->lent = false;
    session->state = WIRE_SESSION_NONE;
}

/* It is under way, or its image runs. */
static bool goes_on(const struct session *session)
{
    const enum wire_session state = session_state(session);
    return state == WIRE_SESSION_OPEN || ready(session) || (state == WIRE_SESSION_DONE && runs(session));
}

static enum modbus_exception write_opening(void *part, uint32_t offset, uint16_t count,
                                           const uint16_t *values)
{
    struct session *session = part;
    uint16_t now[OPENING_WORDS];
    if (offset != 0 || count != OPENING_WORDS)
        return MODBUS_ILLEGAL_ADDRESS;
    const uint32_t length = words_get32(values + AT(SESSION_LENGTH));
    if (length == 0) {
        close_session(session);
        return MODBUS_OK;
    }
    if (!crypto_present())
        return refuse(session, WIRE_REASON_CRYPTO);
    if (length > WIRE_IMAGE_MAX || length % 4 != 0)
        return refuse(session, WIRE_REASON_LENGTH);
    read_opening(session, 0, OPENING_WORDS, now);
    if (memcmp(now, values, sizeof now) == 0 && goes_on(session))
        return MODBUS_OK; /* the reply was lost */
    const enum modbus_exception exception = models_lend(session->models);
    if (exception)
        return exception;
    session->state = WIRE_SESSION_OPEN;
    words_to_bytes(session->hash, values + AT(SESSION_HASH), WIRE_HOLDING_SESSION_HASH_SIZE);
    session->length = length;
    words_to_bytes(session->go, values + AT(SESSION_GO), WIRE_HOLDING_SESSION_GO_SIZE);
    session->seconds = values[AT(SESSION_SECONDS)];
    session->missing = UINT64_MAX >> (64u - blocks(length));
    session->hashed = 0;
    crypto_hash_begin(&session->hashing);
    refusal_note(session->refusal, WIRE_REASON_NONE, 0);
    return MODBUS_OK;
}

static enum modbus_exception read_state(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct session *session = part;
    uint16_t words[STATE_WORDS];
    const enum wire_session state = session_state(session);
    words[STATE_AT(SESSION_STATE)] = (uint16_t)state;
    for (unsigned i = 0; i < WIRE_HOLDING_BLOCKS_MISSING_SIZE; i++)
        words[STATE_AT(BLOCKS_MISSING) + i] =
            (uint16_t)(state == WIRE_SESSION_OPEN ? session->missing >> 16 * i : 0);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

/* What is only written reads 0. */
static enum modbus_exception read_nothing(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    (void)part;
    (void)offset;
    memset(values, 0, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception write_block(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    struct session *session = part;
    if (offset != 0 || count <= BLOCK_AT(BLOCK))
        return MODBUS_ILLEGAL_ADDRESS;
    uint16_t tag[2];
    words_from_bytes(tag, session->hash, 2);
    if ((session_state(session) != WIRE_SESSION_OPEN && !ready(session)) ||
        memcmp(tag, values + BLOCK_AT(BLOCK_TAG), sizeof tag) != 0)
        return not_ours(session);
    const unsigned index = values[BLOCK_AT(BLOCK_INDEX)];
    if (index >= blocks(session->length))
        return MODBUS_ILLEGAL_VALUE;
    const uint32_t at = index * WIRE_BLOCK_BYTES, left = session->length - at;
    if (count - BLOCK_AT(BLOCK) != (left < WIRE_BLOCK_BYTES ? left : WIRE_BLOCK_BYTES) / 2)
        return MODBUS_ILLEGAL_VALUE;
    if (session->missing >> index & 1u)
        words_to_bytes(session->models->stage + at, values + BLOCK_AT(BLOCK), count - BLOCK_AT(BLOCK));
    session->missing &= ~((uint64_t)1 << index);
    return MODBUS_OK;
}

/* Why GO, whose bytes are right, is not obeyed all the same; or NONE. */
static enum wire_reason refuses_go(const struct session *session)
{
    const struct trust *trust = session->trust;
    if (trust->rotten)
        return WIRE_REASON_ROTTEN_TRUST;
    if (trust->outdated)
        return WIRE_REASON_FLOOR;
    return trust->keyed && session_state(session) != WIRE_SESSION_ARMED ? WIRE_REASON_UNSIGNED
                                                                        : WIRE_REASON_NONE;
}

static enum modbus_exception write_go(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    struct session *session = part;
    uint8_t bytes[WIRE_GO_BYTES], hash[WIRE_HASH_BYTES];
    if (offset != 0 || count != WIRE_HOLDING_GO_SIZE)
        return MODBUS_ILLEGAL_ADDRESS;
    const bool done = session_state(session) == WIRE_SESSION_DONE;
    if (!done && !ready(session))
        return not_ours(session);
    words_to_bytes(bytes, values, WIRE_HOLDING_GO_SIZE);
    crypto_hash(bytes, sizeof bytes, hash);
    if (memcmp(hash, session->go, sizeof hash) != 0)
        return not_ours(session);
    if (done) /* the reply was lost; or it has gone back since */
        return runs(session) ? MODBUS_OK : not_ours(session);
    const enum wire_reason reason = refuses_go(session);
    if (reason != WIRE_REASON_NONE)
        return refuse(session, reason);
    const enum modbus_exception exception = trial_go(session->trial, session->seconds);
    if (!exception) {
        session->state = WIRE_SESSION_DONE;
        refusal_note(session->refusal, WIRE_REASON_NONE, 0);
    }
    return exception;
}

const struct row session_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_SESSION_HASH, OPENING_WORDS, read_opening, write_opening},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_SESSION_STATE, STATE_WORDS, read_state, NULL},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_BLOCK_TAG, BLOCK_WORDS, read_nothing, write_block},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_GO, WIRE_HOLDING_GO_SIZE, read_nothing, write_go},
};
