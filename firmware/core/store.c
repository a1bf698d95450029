#include "core/store.h"

#include <string.h>

#include "core/crc.h"

#define RECORD_MAGIC 0x3552344Eu /* "N4R5" */
#define RECORD_VERSION 1u
#define COMMITTED 0x5AC3A53Cu
#define REFUSED 0x3CA5C35Au
#define UNMARKED 0x00000000u
#define BLANK 0xFFFFFFFFu

static const uint32_t prepared_mark[STORE_MARK_SIZE / 4] = {0x50345E2Du, ~0x50345E2Du};

struct record_header {
    uint32_t magic, version, sequence, length, crc, header_crc;
};

#define HEADER_SIZE ((uint32_t)sizeof(struct record_header))
#define HEADER_WORDS (HEADER_SIZE / 4)
#define VERDICT_WORDS 3u /* to commit a record, and as many to refuse it */
#define VERDICT_SIZE (4 * VERDICT_WORDS)
_Static_assert(sizeof(struct record_header) + 2 * VERDICT_SIZE == STORE_RECORD_OVERHEAD,
               "what a record takes");

static uint32_t read_word(const struct store *store, unsigned sector, uint32_t offset)
{
    uint32_t word;
    memcpy(&word, store->flash.sector[sector] + offset, sizeof word);
    return word;
}

static void program(struct store *store, unsigned sector, uint32_t offset, uint32_t word)
{
    store->flash.program(store->flash.context, sector, offset, word);
}

static bool blank(const struct store *store, unsigned sector, uint32_t from)
{
    for (uint32_t offset = from; offset < store->flash.size; offset += 4)
        if (read_word(store, sector, offset) != BLANK)
            return false;
    return true;
}

static bool prepared(const struct store *store, unsigned sector)
{
    return memcmp(store->flash.sector[sector], prepared_mark, STORE_MARK_SIZE) == 0;
}

/* --------------------------------------------------------------------------------------------- start */

static void make_active(struct store *store, const struct store_record *record)
{
    if (store->active.payload && store->active.sequence > record->sequence) {
        if (!store->previous.payload || store->previous.sequence < record->sequence)
            store->previous = *record;
        return;
    }
    store->previous = store->active;
    store->active = *record;
}

/* How many words in a row, from `offset` on, give that verdict. */
static unsigned count_verdict(const struct store *store, unsigned sector, uint32_t offset, uint32_t verdict)
{
    unsigned count = 0;
    while (count < VERDICT_WORDS && read_word(store, sector, offset + 4 * count) == verdict)
        count++;
    return count;
}

/* Is the record committed, whose verdict begins at `offset`? Makes whatever is found last: a word that is
 * programmed again, by the same value, keeps it. Commits and refusals have words of their own, for a word
 * that was torn by one value can never be trusted to keep another. */
static bool settle(struct store *store, unsigned sector, uint32_t offset)
{
    const unsigned commits = count_verdict(store, sector, offset, COMMITTED);
    const unsigned refusals = count_verdict(store, sector, offset + VERDICT_SIZE, REFUSED);
    const bool committed = commits > refusals;
    const uint32_t from = committed ? offset : offset + VERDICT_SIZE;
    if ((committed ? commits : refusals) < VERDICT_WORDS)
        for (uint32_t i = 0; i < VERDICT_WORDS; i++)
            program(store, sector, from + 4 * i, committed ? COMMITTED : REFUSED);
    return committed;
}

/* Walk the log of a sector: note its records, settle their verdicts, find where the next one may go. */
static void scan(struct store *store, unsigned sector)
{
    const uint32_t size = store->flash.size;
    uint32_t offset = STORE_MARK_SIZE;
    bool closed = !prepared(store, sector);
    while (offset + STORE_RECORD_OVERHEAD < size) {
        struct record_header header;
        memcpy(&header, store->flash.sector[sector] + offset, sizeof header);
        if (header.magic != RECORD_MAGIC || header.version != RECORD_VERSION ||
            header.header_crc != crc32(&header, HEADER_SIZE - 4) || header.length == 0 ||
            header.length % 4 != 0 || header.length > size - offset - STORE_RECORD_OVERHEAD)
            break;
        if (header.sequence > store->sequence)
            store->sequence = header.sequence;
        const bool committed = settle(store, sector, offset + HEADER_SIZE + header.length);
        const struct store_record record = {
            .payload = store->flash.sector[sector] + offset + HEADER_SIZE,
            .length = header.length,
            .crc = header.crc,
            .sequence = header.sequence,
            .sector = sector,
        };
        if (!committed)
            closed = true;
        else if (crc32(record.payload, record.length) == record.crc)
            make_active(store, &record);
        offset += header.length + STORE_RECORD_OVERHEAD;
    }
    store->end[sector] = closed || !blank(store, sector, offset) ? size : offset;
}

void store_boot(struct store *store, const struct store_flash *flash)
{
    *store = (struct store){.flash = *flash};
    scan(store, 0);
    scan(store, 1);
}

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
    next_step(store, STORE_STEP_IDLE);
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
            next_step(store, STORE_STEP_RECORD);
            return;
        }
    if (store->worn)
        finish(store, STORE_FLASH);
    else
        start_erase(store, spare(store));
}

/* The record stands in the flash, all but its verdict: is it what was asked for? */
static bool kept(const struct store *store, uint32_t offset, const struct record_header *header)
{
    const uint8_t *record = store->flash.sector[store->target] + offset;
    return memcmp(record, header, HEADER_SIZE) == 0 &&
           memcmp(record + HEADER_SIZE, store->pending.payload, header->length) == 0;
}

static void write_record(struct store *store)
{
    const uint32_t offset = store->end[store->target], length = store->pending.length;
    const uint32_t verdict = offset + HEADER_SIZE + length;
    struct record_header header = {RECORD_MAGIC, RECORD_VERSION,     store->sequence + 1,
                                   length,       store->pending.crc, 0};
    header.header_crc = crc32(&header, HEADER_SIZE - 4);

    if (store->step == STORE_STEP_RECORD) {
        const uint32_t index = store->word++;
        const uint8_t *source = (const uint8_t *)&header + 4 * index;
        uint32_t word;
        if (index >= HEADER_WORDS)
            source = store->pending.payload + 4 * (index - HEADER_WORDS);
        memcpy(&word, source, sizeof word);
        program(store, store->target, offset + 4 * index, word);
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
    if (!settle(store, store->target, verdict)) {
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
        if (!store->flash.busy(store->flash.context))
            next_step(store, STORE_STEP_MARK);
    } else {
        program(store, store->target, offset, prepared_mark[store->word]);
        if (++store->word < STORE_MARK_SIZE / 4)
            return;
        const bool good = prepared(store, store->target) && blank(store, store->target, STORE_MARK_SIZE);
        store->end[store->target] = good ? STORE_MARK_SIZE : store->flash.size;
        store->worn = !good;
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

/* The spare is erased ahead of need, but not while it holds the only previous record, nor again and again
 * when its flash has worn out. */
static bool should_prepare(const struct store *store)
{
    const unsigned sector = spare(store);
    return !empty_and_ready(store, sector) && !store->worn &&
           !(store->previous.payload && store->previous.sector == sector);
}

bool store_step(struct store *store)
{
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
    default:
        erase_step(store);
        return true;
    }
}

bool store_erasing(const struct store *store)
{
    return store->step >= STORE_STEP_UNMARK && store->step <= STORE_STEP_MARK;
}
