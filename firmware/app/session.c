#include "app/session.h"

#include <string.h>

#include "app/words.h"

#define AT(name) (WIRE_HOLDING_##name - WIRE_HOLDING_SESSION_HASH)
#define OPENING_WORDS (AT(SESSION_SECONDS) + 1)
#define STATE_AT(name) (WIRE_HOLDING_##name - WIRE_HOLDING_SESSION_STATE)
#define STATE_WORDS (STATE_AT(BLOCKS_MISSING) + WIRE_HOLDING_BLOCKS_MISSING_SIZE)
#define BLOCK_WORDS (WIRE_HOLDING_BLOCK + WIRE_HOLDING_BLOCK_SIZE - WIRE_HOLDING_BLOCK_TAG)

static enum modbus_exception refuse(struct session *session, enum wire_reason reason)
{
    return refusal_answer(session->refusal, reason);
}

enum wire_session session_state(const struct session *session)
{
    return session->state;
}

bool session_waits(const struct session *session)
{
    const enum wire_session state = session_state(session);
    return state == WIRE_SESSION_VERIFIED || state == WIRE_SESSION_ARMED;
}

enum wire_reason session_arm(struct session *session, const uint8_t hash[WIRE_HASH_BYTES],
                             const uint8_t go[WIRE_HASH_BYTES], uint16_t seconds)
{
    if (!session_waits(session))
        return WIRE_REASON_SESSION;
    if (memcmp(hash, session->hash, WIRE_HASH_BYTES) != 0)
        return WIRE_REASON_HASH;
    memcpy(session->go, go, WIRE_HASH_BYTES);
    session->seconds = seconds;
    session->state = WIRE_SESSION_ARMED;
    return WIRE_REASON_NONE;
}

void session_step(struct session *session)
{
    (void)session;
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

static enum modbus_exception write_opening(void *part, uint32_t offset, uint16_t count,
                                           const uint16_t *values)
{
    if (offset != 0 || count != OPENING_WORDS)
        return MODBUS_ILLEGAL_ADDRESS;
    (void)values;
    return refuse(part, WIRE_REASON_CRYPTO);
}

static enum modbus_exception read_state(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct session *session = part;
    uint16_t words[STATE_WORDS];
    words[STATE_AT(SESSION_STATE)] = (uint16_t)session_state(session);
    for (unsigned i = 0; i < WIRE_HOLDING_BLOCKS_MISSING_SIZE; i++)
        words[STATE_AT(BLOCKS_MISSING) + i] = (uint16_t)(session->missing >> 16 * i);
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
    (void)offset;
    (void)count;
    (void)values;
    return refuse(part, WIRE_REASON_SESSION);
}

static enum modbus_exception write_go(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    (void)offset;
    (void)count;
    (void)values;
    return refuse(part, WIRE_REASON_SESSION);
}

const struct row session_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_SESSION_HASH, OPENING_WORDS, read_opening, write_opening},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_SESSION_STATE, STATE_WORDS, read_state, NULL},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_BLOCK_TAG, BLOCK_WORDS, read_nothing, write_block},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_GO, WIRE_HOLDING_GO_SIZE, read_nothing, write_go},
};
