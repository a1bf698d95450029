#include "app/trust.h"

#include <string.h>

#include "app/sectors.h"
#include "app/words.h"
#include "core/crc.h"
#include "crypto/crypto.h"
#include "port/port.h"

/* -------------------------------------------------------------------------------------------- kept, in force */

static bool has_key(const struct trust_record *record)
{
    static const uint8_t none[WIRE_KEY_BYTES];
    return memcmp(record->key, none, sizeof none) != 0;
}

#define FIRMWARE ((unsigned)WIRE_FIRMWARE_MAJOR << 8 | WIRE_FIRMWARE_MINOR) /* this one */

bool trust_outdates(const struct trust_record *record)
{
    return record->firmware_floor > FIRMWARE;
}

static void take(struct trust *trust, const struct trust_record *record)
{
    trust->kept = *record;
    trust->keyed = has_key(record);
    trust->outdated = trust_outdates(record);
}

/* False where that is no record of ours. */
static bool take_active(struct trust *trust)
{
    const struct store_record *kept = &trust->store.active;
    struct trust_record record;
    if (kept->length != sizeof record)
        return false;
    memcpy(&record, kept->payload, sizeof record);
    if (record.flags > TRUST_GUARDS)
        return false;
    take(trust, &record);
    return true;
}

void trust_boot(struct trust *trust, struct refusal *refusal)
{
    const struct store_flash flash = sectors_flash(PORT_TRUST_A);
    *trust = (struct trust){.refusal = refusal, .broadcasts = true};
    if (port_start()->cause != WIRE_START_POWER)
        trust->open_for = TRUST_LATE;
    store_boot(&trust->store, &flash);
    trust->rotten = trust->store.rotten;
    if (trust->store.active.payload && !take_active(trust))
        trust->rotten = true;
    trust->counter = trust->kept.ceiling;
    if (trust->store.unsettled)
        refusal_fault(refusal, WIRE_REASON_SUPPLY, 0);
    if (trust->rotten)
        refusal_fault(refusal, WIRE_REASON_ROTTEN_TRUST, 0);
}

static enum wire_reason begin_saving(struct trust *trust)
{
    if (!port_supply_good())
        return WIRE_REASON_SUPPLY;
    const uint32_t crc = crc32(&trust->next, sizeof trust->next);
    if (store_commit(&trust->store, &trust->next, sizeof trust->next, crc) != STORE_OK)
        return WIRE_REASON_FLASH;
    trust->saving = true;
    return WIRE_REASON_NONE;
}

void trust_count(struct trust *trust, uint32_t counter, const struct trust_record *change)
{
    const uint32_t ceiling = trust->kept.ceiling, room = UINT32_MAX - counter;
    trust->counter = counter;
    trust->failed = WIRE_REASON_NONE;
    if (!change && counter <= ceiling)
        return;
    trust->next = change ? *change : trust->kept;
    trust->next.ceiling =
        counter <= ceiling ? ceiling : counter + (room < WIRE_ORDER_AHEAD ? room : WIRE_ORDER_AHEAD);
    trust->failed = begin_saving(trust);
}

static void end_saving(struct trust *trust)
{
    trust->saving = false;
    if (trust->store.result != STORE_OK) {
        trust->failed = WIRE_REASON_FLASH;
        refusal_fault(trust->refusal, WIRE_REASON_FLASH, 0);
        return;
    }
    take(trust, &trust->next);
    trust->rotten = false;
    refusal_mended(trust->refusal, 1u << WIRE_REASON_ROTTEN_TRUST);
}

bool trust_step(struct trust *trust)
{
    const bool more = store_step(&trust->store);
    if (trust->saving && trust->store.result != STORE_BUSY)
        end_saving(trust);
    return more;
}

/* ---------------------------------------------------------------------------------------------------- rules */

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
    return !trust->keyed && trust->lock != 0 && trust->open_for >= trust->lock && !port_present();
}

/* Damage and floors close what a key guards, whether one is installed or not: nobody knows. */
static enum wire_reason closed(const struct trust *trust, enum trust_deed deed)
{
    if (deed == TRUST_CHANGE)
        return WIRE_REASON_NONE;
    if (trust->rotten)
        return WIRE_REASON_ROTTEN_TRUST;
    return trust->outdated && deed != TRUST_RUN ? WIRE_REASON_FLOOR : WIRE_REASON_NONE;
}

enum wire_reason trust_refuses(const struct trust *trust, enum trust_deed deed)
{
    const enum wire_reason reason = closed(trust, deed);
    if (reason != WIRE_REASON_NONE)
        return reason;
    if (trust->keyed && (deed == TRUST_COMMAND || (deed == TRUST_RUN && trust->kept.flags & TRUST_GUARDS)))
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
                                  (kept->flags & TRUST_GUARDS) << WIRE_TRUST_GUARDED |
                                  (unsigned)crypto_present() << WIRE_TRUST_CRYPTO);
    words_put32(words + AT(RELEASE_FLOOR), kept->release_floor);
    words[AT(FIRMWARE_FLOOR)] = kept->firmware_floor;
    words_from_bytes(words + AT(KEY), kept->key, WIRE_INPUT_KEY_SIZE);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

const struct row trust_rows[] = {
    {WIRE_TABLE_INPUT, WIRE_INPUT_TRUST, WORDS, read_trust, NULL},
};
