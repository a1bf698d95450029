#include "core/store.h"

#include <string.h>

#include "core/store_records.h"

void store_skip_active(struct store *store)
{
    const struct store_record refused = store->active;
    store->active = store->previous;
    store->previous = refused;
}

/* --------------------------------------------------------------------------------------------- steps */

static unsigned spare(const struct store *store)
{
    return store->active.payload ? 1 - store->active.sector : 0;
}

static bool empty_and_ready(const struct store *store, unsigned sector)
{
    return store->end[sector] == STORE_MARK_SIZE;
}

static void next_step(struct store *store, enum store_step step)
{
    store->step = step;
    store->word = 0;
}

static void start_erase(struct store *store, unsigned sector)
{
    store->target = sector;
    store->end[sector] = store->flash.size;
    if (store->previous.payload && store->previous.sector == sector)
        store->previous = (struct store_record){0};
    next_step(store, STORE_STEP_UNMARK);
}

/* End the commit. */
static void finish(struct store *store, int result)
{
    store->result = result;
    store->waiting = false;
    store->worn = result == STORE_FLASH;
    next_step(store, result == STORE_OK && store->rotten ? STORE_STEP_GIVE_UP : STORE_STEP_IDLE);
}

/* Give the waiting commit its place, or erase the spare to make one. */
static void place(struct store *store)
{
    const uint32_t need = store->pending.length + STORE_RECORD_OVERHEAD;
    const unsigned candidates[] = {1 - spare(store), spare(store)};
    for (unsigned i = 0; i < 2; i++)
        if (store->flash.size - store->end[candidates[i]] >= need) {
            store->target = candidates[i];
            store->waiting = false;
            /* The mark may be read only now and then, if it was cut; records may not stand on such a one. */
            if (empty_and_ready(store, store->target))
                program(store, store->target, 4, prepared_mark[1]);
            next_step(store, STORE_STEP_RECORD);
            return;
        }
    if (store->worn)
        finish(store, STORE_FLASH);
    else
        start_erase(store, spare(store));
}

/* The word at `offset` of the record that is being written. */
static uint32_t record_word(const struct store *store, const struct record_header *header, uint32_t offset)
{
    const uint8_t *source = (const uint8_t *)header + offset;
    uint32_t word;
    if (offset >= HEADER_SIZE)
        source = store->pending.payload + (offset - HEADER_SIZE);
    memcpy(&word, source, sizeof word);
    return word;
}

/* The record stands in the flash, all but its verdict: is it what was asked for? */
static bool kept(const struct store *store, uint32_t offset, const struct record_header *header)
{
    for (uint32_t i = 0; i < HEADER_SIZE + header->length; i += 4)
        if (read_word(store, store->target, offset + i) != record_word(store, header, i))
            return false;
    return true;
}

static void write_record(struct store *store)
{
    const uint32_t offset = store->end[store->target], length = store->pending.length;
    const uint32_t verdict = offset + HEADER_SIZE + length;
    struct record_header header = {RECORD_MAGIC, RECORD_VERSION,     store->sequence + 1,
                                   length,       store->pending.crc, 0};
    header.header_crc = header_crc(&header, store->target, offset);

    if (store->step == STORE_STEP_RECORD) {
        const uint32_t place = 4 * store->word++;
        program(store, store->target, offset + place, record_word(store, &header, place));
        if (4 * store->word == HEADER_SIZE + length)
            next_step(store, STORE_STEP_COMMIT);
        return;
    }
    if (store->word == 0 && !kept(store, offset, &header)) {
        /* The cells are worn. The place stays uncommitted: nothing follows it until the sector is erased. */
        store->end[store->target] = store->flash.size;
        finish(store, STORE_FLASH);
        return;
    }
    program(store, store->target, verdict + 4 * store->word, COMMITTED);
    if (++store->word < VERDICT_WORDS)
        return;
    const struct judgement found = judge(store, store->target, verdict);
    if (!holds(&found)) {
        const struct store_verdict refused = {
            .header = offset, .header_crc = header.header_crc, .offset = verdict};
        settle(store, store->target, &refused);
        store->end[store->target] = store->flash.size;
        finish(store, STORE_FLASH);
        return;
    }
    store->end[store->target] = offset + length + STORE_RECORD_OVERHEAD;
    store->sequence++;
    store->previous = store->active;
    store->active = (struct store_record){
        .payload = store->flash.sector[store->target] + offset + HEADER_SIZE,
        .length = length,
        .crc = store->pending.crc,
        .sequence = store->sequence,
        .sector = store->target,
    };
    finish(store, STORE_OK);
}

static void erase_step(struct store *store)
{
    const uint32_t offset = 4 * store->word;
    if (store->step == STORE_STEP_UNMARK) {
        program(store, store->target, offset, UNMARKED);
        if (++store->word == STORE_MARK_SIZE / 4)
            next_step(store, STORE_STEP_ERASE);
    } else if (store->step == STORE_STEP_ERASE) {
        store->flash.erase(store->flash.context, store->target);
        next_step(store, STORE_STEP_WAIT);
    } else if (store->step == STORE_STEP_WAIT) {
        if (store->flash.busy(store->flash.context))
            return;
        store->worn = !blank(store, store->target, 0);
        next_step(store, store->worn ? STORE_STEP_IDLE : STORE_STEP_MARK);
    } else {
        program(store, store->target, offset, prepared_mark[store->word]);
        if (++store->word < STORE_MARK_SIZE / 4)
            return;
        store->worn = read_mark(store, store->target) != MARK_PREPARED;
        store->end[store->target] = store->worn ? store->flash.size : STORE_MARK_SIZE;
        next_step(store, STORE_STEP_IDLE);
    }
}

int store_commit(struct store *store, const void *payload, uint32_t length, uint32_t crc)
{
    if (store->result == STORE_BUSY)
        return STORE_BUSY;
    if (length == 0 || length % 4 != 0 ||
        length > store->flash.size - STORE_MARK_SIZE - STORE_RECORD_OVERHEAD)
        return STORE_SIZE;
    store->pending = (struct store_record){.payload = payload, .length = length, .crc = crc};
    store->waiting = true;
    store->worn = false;
    store->result = STORE_BUSY;
    return STORE_OK;
}

/* The damage that was told is older than the record that has just been committed: it is not told again. */
static void give_up(struct store *store)
{
    program(store, spare(store), 0, UNMARKED);
    store->end[spare(store)] = store->flash.size;
    store->rotten = false;
    next_step(store, STORE_STEP_IDLE);
}

/* The spare is erased ahead of need, but not while it holds the only previous record, nor what may be the only
 * evidence of a newer one, nor again and again when its flash has worn out. */
static bool should_prepare(const struct store *store)
{
    const unsigned sector = spare(store);
    return !empty_and_ready(store, sector) && !store->worn && !store->rotten &&
           !(store->previous.payload && store->previous.sector == sector);
}

/* What the supply did not allow when the store was booted. */
static void settle_late(struct store *store)
{
    for (unsigned sector = 0; sector < 2; sector++) {
        if (store->verdict[sector].offset == 0)
            continue;
        if (!settle(store, sector, &store->verdict[sector]))
            return;
        store->verdict[sector].offset = 0;
    }
    store->unsettled = false;
}

bool store_step(struct store *store)
{
    if (!ready(store))
        return false;
    if (store->unsettled) {
        settle_late(store);
        return true;
    }
    switch (store->step) {
    case STORE_STEP_IDLE:
        if (store->waiting)
            place(store);
        else if (should_prepare(store))
            start_erase(store, spare(store));
        else
            return false;
        return true;
    case STORE_STEP_RECORD:
    case STORE_STEP_COMMIT:
        write_record(store);
        return true;
    case STORE_STEP_GIVE_UP:
        give_up(store);
        return true;
    default:
        erase_step(store);
        return true;
    }
}

bool store_rests(const struct store *store)
{
    return store->step == STORE_STEP_IDLE && !store->waiting && !store->unsettled;
}

bool store_erasing(const struct store *store)
{
    return store->step >= STORE_STEP_UNMARK && store->step <= STORE_STEP_MARK;
}
