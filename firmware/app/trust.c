#include "app/trust.h"

#include <string.h>

#include "app/words.h"
#include "port/port.h"

void trust_boot(struct trust *trust, struct refusal *refusal)
{
    *trust = (struct trust){.refusal = refusal, .broadcasts = true};
    if (port_start()->cause != WIRE_START_POWER)
        trust->open_for = TRUST_LATE;
}

void trust_settings(struct trust *trust, uint16_t lock, bool broadcasts)
{
    trust->lock = lock;
    trust->broadcasts = broadcasts;
}

void trust_watch(struct trust *trust)
{
    if (trust->open_for < TRUST_LATE) /* longer than any lock: port_millis may wrap */
        trust->open_for = port_millis() / 1000u;
}

bool trust_locked(const struct trust *trust)
{
    return trust->lock != 0 && trust->open_for >= trust->lock && !port_present();
}

enum wire_reason trust_refuses(const struct trust *trust, enum trust_deed deed)
{
    const bool guarded =
        trust->keyed && (deed == TRUST_COMMAND || (deed == TRUST_RUN && trust->kept.flags & TRUST_GUARDS));
    if (trust->rotten && deed != TRUST_CHANGE)
        return WIRE_REASON_ROTTEN_TRUST;
    if (trust->outdated && deed != TRUST_CHANGE && deed != TRUST_RUN)
        return WIRE_REASON_FLOOR;
    if (guarded)
        return WIRE_REASON_UNSIGNED;
    if (deed == TRUST_RUN)
        return WIRE_REASON_NONE;
    if (trust_locked(trust))
        return WIRE_REASON_LOCKED;
    return trust_hears(trust) ? WIRE_REASON_NONE : WIRE_REASON_BROADCAST;
}

bool trust_allows_release(const struct trust *trust, uint32_t release)
{
    return release >= trust->kept.release_floor;
}

/* ----------------------------------------------------------------------------------------------- registers */

#define AT(name) (WIRE_INPUT_##name - WIRE_INPUT_TRUST)
#define WORDS (AT(KEY) + WIRE_INPUT_KEY_SIZE)

static enum modbus_exception read_trust(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct trust *trust = part;
    const struct trust_record *kept = &trust->kept;
    uint16_t words[WORDS];
    words[AT(TRUST)] = (uint16_t)((unsigned)trust->keyed << WIRE_TRUST_KEYED |
                                  (unsigned)port_present() << WIRE_TRUST_PRESENT |
                                  (unsigned)trust_locked(trust) << WIRE_TRUST_LOCKED |
                                  (kept->flags & TRUST_GUARDS) << WIRE_TRUST_GUARDED);
    words_put32(words + AT(RELEASE_FLOOR), kept->release_floor);
    words[AT(FIRMWARE_FLOOR)] = kept->firmware_floor;
    words_from_bytes(words + AT(KEY), kept->key, WIRE_INPUT_KEY_SIZE);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

const struct row trust_rows[] = {
    {WIRE_TABLE_INPUT, WIRE_INPUT_TRUST, WORDS, read_trust, NULL},
};
