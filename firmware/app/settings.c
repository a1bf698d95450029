#include "app/settings.h"

#include <string.h>

#include "app/link.h"
#include "app/sectors.h"
#include "app/words.h"

#define AT(name) (WIRE_HOLDING_##name - WIRE_HOLDING_ADDRESS)
#define IN_FORCE(name) (WIRE_INPUT_##name##_IN_FORCE - WIRE_INPUT_ADDRESS_IN_FORCE)
_Static_assert(IN_FORCE(BAUD) == AT(BAUD) && IN_FORCE(FORMAT) == AT(FORMAT) && IN_FORCE(GAP) == AT(GAP) &&
                   IN_FORCE(WATCHDOG_FOR) - IN_FORCE(WATCHDOG) == AT(WATCHDOG_FOR) - AT(WATCHDOG) &&
                   IN_FORCE(SAFE) - IN_FORCE(WATCHDOG) == AT(SAFE) - AT(WATCHDOG) &&
                   IN_FORCE(DEBOUNCE) - IN_FORCE(WATCHDOG) == AT(DEBOUNCE) - AT(WATCHDOG) &&
                   IN_FORCE(LOCK) - IN_FORCE(GROUP) == AT(LOCK) - AT(GROUP) &&
                   IN_FORCE(BROADCASTS) - IN_FORCE(GROUP) == AT(BROADCASTS) - AT(GROUP),
               "those in force stand in the order of the written ones, in three rows");

static struct settings_record defaults(void)
{
    return (struct settings_record){
        .baud = WIRE_DEFAULT_BAUD,
        .address = port_default_address(),
        .format = WIRE_DEFAULT_FORMAT,
        .gap = WIRE_DEFAULT_GAP,
    };
}

static bool valid(const struct settings_record *record)
{
    return record->baud >= WIRE_BAUD_MIN && record->baud <= WIRE_BAUD_MAX &&
           record->address >= WIRE_ADDRESS_MIN && record->address <= WIRE_ADDRESS_MAX &&
           record->format <= WIRE_FORMAT_F8N2 && record->gap <= WIRE_GAP_TRUE_CHARACTERS &&
           record->reserved == 0 && record->debounce <= WIRE_DEBOUNCE_MAX &&
           record->watchdog_for <= WIRE_WATCHDOG_FOR_WRITE && record->safe <= WIRE_SAFE_KEEP &&
           record->broadcasts <= 1 && record->reserved2 == 0;
}

static void to_words(const struct settings_record *record, uint16_t words[SETTINGS_WORDS])
{
    words[AT(ADDRESS)] = record->address;
    words_put32(words + AT(BAUD), record->baud);
    words[AT(FORMAT)] = record->format;
    words[AT(GAP)] = record->gap;
    words[AT(WATCHDOG)] = record->watchdog;
    words[AT(WATCHDOG_FOR)] = record->watchdog_for;
    words[AT(SAFE)] = record->safe;
    words[AT(DEBOUNCE)] = record->debounce;
    words[AT(GROUP)] = record->group;
    words[AT(LOCK)] = record->lock;
    words[AT(BROADCASTS)] = record->broadcasts;
}

/* False where a field is out of range. */
static bool from_words(struct settings_record *record, const uint16_t words[SETTINGS_WORDS])
{
    *record = (struct settings_record){
        .baud = words_get32(words + AT(BAUD)),
        .address = (uint8_t)words[AT(ADDRESS)],
        .format = (uint8_t)words[AT(FORMAT)],
        .gap = (uint8_t)words[AT(GAP)],
        .watchdog = words[AT(WATCHDOG)],
        .debounce = words[AT(DEBOUNCE)],
        .watchdog_for = (uint8_t)words[AT(WATCHDOG_FOR)],
        .safe = (uint8_t)words[AT(SAFE)],
        .broadcasts = (uint8_t)words[AT(BROADCASTS)],
        .group = words[AT(GROUP)],
        .lock = words[AT(LOCK)],
    };
    uint16_t back[SETTINGS_WORDS];
    to_words(record, back); /* what a field cannot hold comes back as another number */
    return memcmp(back, words, sizeof back) == 0 && valid(record);
}

/* ------------------------------------------------------------------------------------------ kept, in force */

/* Bring the active record in force. False when that cannot be. */
static bool take_active(struct settings *settings)
{
    const struct store_record *kept = &settings->store.active;
    struct settings_record record = defaults();
    if (!kept->payload || (kept->length != sizeof record && kept->length != SETTINGS_NO_GROUP &&
                           kept->length != SETTINGS_LINE_ONLY))
        return false;
    memcpy(&record, kept->payload, kept->length);
    if (valid(&record))
        settings->in_force = record;
    return valid(&record);
}

void settings_boot(struct settings *settings, struct refusal *refusal, struct wear *wear)
{
    const struct store_flash flash = sectors_flash(PORT_SETTINGS_A);
    *settings = (struct settings){.refusal = refusal, .wear = wear, .in_force = defaults()};
    struct store *store = &settings->store;
    store_boot(store, &flash);
    settings->fallback = store->rotten;
    if (store->active.payload && !take_active(settings)) {
        settings->fallback = true;
        store_skip_active(store);
        take_active(settings);
    }
    if (store->unsettled)
        refusal_fault(refusal, WIRE_REASON_SUPPLY, 0);
    if (settings->fallback)
        refusal_fault(refusal, WIRE_REASON_ROTTEN_SETTINGS, 0);
    to_words(&settings->in_force, settings->words);
}

struct port_line settings_line(const struct settings *settings)
{
    const struct settings_record *now = &settings->in_force;
    const enum wire_format format = (enum wire_format)now->format;
    return (struct port_line){
        .baud = now->baud,
        .address = now->address,
        .format = format,
        .silence_us = link_silence_us(now->baud, format, (enum wire_gap)now->gap),
    };
}

enum modbus_exception settings_save_words(struct settings *settings, const uint16_t words[SETTINGS_WORDS])
{
    struct settings_record asked;
    if (settings->saving)
        return MODBUS_DEVICE_BUSY;
    if (!from_words(&asked, words))
        return refusal_answer(settings->refusal, WIRE_REASON_SETTINGS);
    enum modbus_exception exception = MODBUS_OK;
    if (settings->fallback || memcmp(&asked, &settings->in_force, sizeof asked) != 0) {
        settings->next = asked;
        exception = wear_commit(settings->wear, &settings->store, &settings->next, sizeof settings->next);
        settings->saving = !exception;
    }
    if (!exception)
        to_words(&asked, settings->words);
    return exception;
}

enum modbus_exception settings_save(struct settings *settings)
{
    return settings_save_words(settings, settings->words);
}

bool settings_take_change(struct settings *settings)
{
    const bool changed = settings->changed;
    settings->changed = false;
    return changed;
}

static void end_saving(struct settings *settings)
{
    settings->saving = false;
    if (settings->store.result != STORE_OK) {
        refusal_fault(settings->refusal, WIRE_REASON_FLASH, 0);
        return;
    }
    settings->fallback = false;
    refusal_mended(settings->refusal, 1u << WIRE_REASON_ROTTEN_SETTINGS);
    settings->in_force = settings->next;
    settings->changed = true;
}

bool settings_step(struct settings *settings)
{
    const bool more = store_step(&settings->store);
    if (settings->saving && settings->store.result != STORE_BUSY)
        end_saving(settings);
    return more || settings->changed;
}

/* ----------------------------------------------------------------------------------------------- registers */

static enum modbus_exception read_settings(const void *part, uint32_t offset, uint16_t count,
                                           uint16_t *values)
{
    const struct settings *settings = part;
    memcpy(values, settings->words + offset, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception read_in_force(const void *part, uint32_t offset, uint16_t count,
                                           uint16_t *values)
{
    const struct settings *settings = part;
    uint16_t words[SETTINGS_WORDS];
    to_words(&settings->in_force, words);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception read_watchdog_in_force(const void *part, uint32_t offset, uint16_t count,
                                                    uint16_t *values)
{
    return read_in_force(part, AT(WATCHDOG) + offset, count, values);
}

static enum modbus_exception read_trust_in_force(const void *part, uint32_t offset, uint16_t count,
                                                 uint16_t *values)
{
    return read_in_force(part, AT(GROUP) + offset, count, values);
}

static enum modbus_exception write_settings(void *part, uint32_t offset, uint16_t count,
                                            const uint16_t *values)
{
    struct settings *settings = part;
    if (words_split(offset, count, AT(BAUD), WIRE_HOLDING_BAUD_SIZE))
        return MODBUS_ILLEGAL_ADDRESS;
    if (settings->saving)
        return MODBUS_DEVICE_BUSY;
    memcpy(settings->words + offset, values, count * sizeof *values);
    return MODBUS_OK;
}

const struct row settings_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_ADDRESS, SETTINGS_WORDS, read_settings, write_settings},
    {WIRE_TABLE_INPUT, WIRE_INPUT_GROUP_IN_FORCE, SETTINGS_WORDS - AT(GROUP), read_trust_in_force, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_WATCHDOG_IN_FORCE, AT(GROUP) - AT(WATCHDOG), read_watchdog_in_force, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_ADDRESS_IN_FORCE, AT(WATCHDOG), read_in_force, NULL},
};
