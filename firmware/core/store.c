#include "core/store.h"

#include <stddef.h>
#include <string.h>

#include "core/crc.h"

#define RECORD_MAGIC 0x3552344Eu /* "N4R5" */
#define RECORD_VERSION 2u
#define COMMITTED 0x5AC3A53Cu
#define REFUSED 0x3CA5C35Au
#define UNMARKED 0x00000000u
#define BLANK 0xFFFFFFFFu

/* So few wrong bits are rot: nothing that the store does, or a cut of it, comes so near by chance. A record
 * has ten times as many bits that are not blank. */
#define FLAWS_MAX 8u

static const uint32_t prepared_mark[STORE_MARK_SIZE / 4] = {0x50345E2Du, ~0x50345E2Du};

struct record_header {
    uint32_t magic, version, sequence, length, crc, header_crc;
};

#define HEADER_SIZE ((uint32_t)sizeof(struct record_header))
#define HEADER_WORDS (HEADER_SIZE / 4)
#define VERDICT_WORDS 3u /* to commit a record, and as many to refuse it */
#define VERDICT_SIZE (4 * VERDICT_WORDS)
#define RECORD_SIZE_MIN (STORE_RECORD_OVERHEAD + 4)
_Static_assert(sizeof(struct record_header) + 2 * VERDICT_SIZE == STORE_RECORD_OVERHEAD,
               "what a record takes");

static uint32_t read_word(const struct store *store, unsigned sector, uint32_t offset)
{
    return store->flash.read(store->flash.context, sector, offset);
}

static void program(struct store *store, unsigned sector, uint32_t offset, uint32_t word)
{
    store->flash.program(store->flash.context, sector, offset, word);
}

static bool ready(const struct store *store)
{
    return store->flash.ready(store->flash.context);
}

static bool blank(const struct store *store, unsigned sector, uint32_t from)
{
    for (uint32_t offset = from; offset < store->flash.size; offset += 4)
        if (read_word(store, sector, offset) != BLANK)
            return false;
    return true;
}

static unsigned count_ones(uint32_t word)
{
    unsigned count = 0;
    for (; word != 0; word &= word - 1)
        count++;
    return count;
}

/* ---------------------------------------------------------------------------------------------- marks */

enum mark {
    MARK_NONE,     /* being erased, blank or foreign */
    MARK_GIVEN_UP, /* one word is right: an erase has not begun yet, or what is damaged has been told */
    MARK_FLAWED,   /* a few bits are wrong */
    MARK_PREPARED,
};

static enum mark read_mark(const struct store *store, unsigned sector)
{
    unsigned right = 0, flaws = 0;
    for (uint32_t i = 0; i < STORE_MARK_SIZE / 4; i++) {
        const uint32_t wrong = read_word(store, sector, 4 * i) ^ prepared_mark[i];
        right += wrong == 0;
        flaws += count_ones(wrong);
    }
    if (flaws == 0)
        return MARK_PREPARED;
    return flaws <= FLAWS_MAX ? MARK_FLAWED : right > 0 ? MARK_GIVEN_UP : MARK_NONE;
}

/* ------------------------------------------------------------------------------------------- verdicts */

struct judgement {
    unsigned commits, refusals; /* words that are right */
    bool unfinished;            /* a word of the one that holds is not right yet, but can be made so */
    bool damaged; /* neither: later commit words are there, but the first was programmed first */
};

static bool holds(const struct judgement *judgement)
{
    return judgement->commits > judgement->refusals;
}

/* A word can still become `to`, or be it more firmly: programming clears bits. */
static bool can_become(uint32_t word, uint32_t to)
{
    return (to & ~word) == 0;
}

/* Judge by the verdict that begins at `offset`. Each word is read once: a doubtful one may not be asked
 * twice. */
static struct judgement judge(const struct store *store, unsigned sector, uint32_t offset)
{
    uint32_t commit[VERDICT_WORDS], refusal[VERDICT_WORDS];
    struct judgement found = {0};
    for (uint32_t i = 0; i < VERDICT_WORDS; i++) {
        commit[i] = read_word(store, sector, offset + 4 * i);
        refusal[i] = read_word(store, sector, offset + VERDICT_SIZE + 4 * i);
        found.commits += commit[i] == COMMITTED;
        found.refusals += refusal[i] == REFUSED;
    }
    for (uint32_t i = 0; i < VERDICT_WORDS; i++) {
        const uint32_t word = holds(&found) ? commit[i] : refusal[i];
        const uint32_t right = holds(&found) ? COMMITTED : REFUSED;
        found.unfinished |= word != right && can_become(word, right);
        found.damaged |= i > 0 && commit[i] != BLANK;
    }
    found.damaged &= found.commits == 0 && found.refusals < 2;
    return found;
}

/* Make a verdict last. A word that is programmed again by its own value keeps it; a damaged one is left
 * alone. Commits and refusals have words of their own, for a word that was torn by one value can never be
 * trusted to keep another. False when the supply did not allow it. */
static bool settle(struct store *store, unsigned sector, const struct store_verdict *verdict)
{
    const uint32_t word = verdict->committed ? COMMITTED : REFUSED;
    const uint32_t from = verdict->offset + (verdict->committed ? 0 : VERDICT_SIZE);
    if (!ready(store))
        return false;
    /* The header that was cut may be read only now and then; behind such a one nothing may stand. */
    if (!verdict->committed)
        program(store, sector, verdict->header + offsetof(struct record_header, header_crc),
                verdict->header_crc);
    for (uint32_t i = 0; i < VERDICT_WORDS; i++) {
        if (!can_become(read_word(store, sector, from + 4 * i), word))
            continue;
        if (!ready(store))
            return false;
        program(store, sector, from + 4 * i, word);
    }
    return true;
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

/* The header's own CRC, bound to its place: bytes of a payload, or of the other sector, are no header. */
static uint32_t header_crc(const struct record_header *header, unsigned sector, uint32_t offset)
{
    const uint32_t place[] = {sector, offset};
    return crc32_more(crc32(header, HEADER_SIZE - 4), place, sizeof place);
}

/* Is there a header at `offset`, whose first word has been read? Then `verdict` says where. */
static bool read_header(const struct store *store, unsigned sector, uint32_t offset, uint32_t magic,
                        struct record_header *header, struct store_verdict *verdict)
{
    const uint32_t size = store->flash.size;
    if (magic != RECORD_MAGIC || offset > size - RECORD_SIZE_MIN)
        return false;
    *header = (struct record_header){
        .magic = magic,
        .version = read_word(store, sector, offset + 4),
        .sequence = read_word(store, sector, offset + 8),
        .length = read_word(store, sector, offset + 12),
        .crc = read_word(store, sector, offset + 16),
        .header_crc = read_word(store, sector, offset + 20),
    };
    if (header->version != RECORD_VERSION || header->header_crc != header_crc(header, sector, offset) ||
        header->length == 0 || header->length % 4 != 0 || header->length > size)
        return false;
    const uint32_t end = offset + STORE_RECORD_OVERHEAD + header->length;
    if (end > size)
        return false;
    *verdict = (struct store_verdict){
        .header = offset,
        .header_crc = header->header_crc,
        .offset = end - 2 * VERDICT_SIZE,
    };
    return true;
}

/* CRC of the words from `offset` to `end`. */
static uint32_t words_crc(const struct store *store, unsigned sector, uint32_t offset, uint32_t end)
{
    uint32_t crc = 0;
    for (; offset < end; offset += 4) {
        const uint32_t word = read_word(store, sector, offset);
        crc = crc32_more(crc, &word, sizeof word);
    }
    return crc;
}

/* What is damaged and may be newer than the active record. */
struct loss {
    uint32_t sequence; /* the highest of damaged records whose header is good; 0: none */
    uint32_t hidden;   /* so many records may stand, at most, where no header is good */
};

/* Judge a record, by its header, and make last what is found. Answers whether it counts. */
static bool take_record(struct store *store, unsigned sector, enum mark mark,
                        const struct record_header *header, const struct store_verdict *verdict,
                        struct loss *loss)
{
    const struct judgement found = judge(store, sector, verdict->offset);
    bool committed = holds(&found), damaged = found.damaged;
    if (mark == MARK_NONE) {
        /* An erase may have taken a refusal away and left a doubtful word of a commit, but not three. */
        committed = found.commits == VERDICT_WORDS;
    } else if (found.unfinished && !damaged) {
        store->verdict[sector] = *verdict;
        store->verdict[sector].committed = committed;
        if (settle(store, sector, &store->verdict[sector]))
            store->verdict[sector].offset = 0;
        else
            store->unsettled = true;
    }
    if (committed && words_crc(store, sector, verdict->header + HEADER_SIZE, verdict->offset) == header->crc)
        return true;
    if ((committed || damaged) && mark >= MARK_FLAWED && header->sequence > loss->sequence)
        loss->sequence = header->sequence;
    return false;
}

/* Walk the log of a sector: note its records, settle their verdicts, find where the next one may go. Behind
 * what is no record the search goes on, word by word. `use`: its records may count. */
static void scan(struct store *store, unsigned sector, enum mark mark, bool use, struct loss *loss)
{
    const uint32_t size = store->flash.size;
    uint32_t end = STORE_MARK_SIZE, used = end; /* of the last record; of the last word that is not blank */
    uint32_t zeros = 0;                         /* bits that are not blank, in between */
    bool closed = mark != MARK_PREPARED, damaged = false;
    struct record_header header = {0};
    struct store_verdict verdict = {0};
    for (uint32_t offset = end; offset < size;) {
        const uint32_t word = read_word(store, sector, offset);
        if (!read_header(store, sector, offset, word, &header, &verdict)) {
            offset += 4;
            if (word != BLANK)
                used = offset;
            zeros += count_ones(~word);
            continue;
        }
        if (header.sequence > store->sequence)
            store->sequence = header.sequence;
        closed |= zeros > 0;
        damaged |= zeros > FLAWS_MAX;
        if (take_record(store, sector, mark, &header, &verdict, loss)) {
            const struct store_record record = {
                .payload = store->flash.sector[sector] + verdict.header + HEADER_SIZE,
                .length = header.length,
                .crc = header.crc,
                .sequence = header.sequence,
                .sector = sector,
            };
            damaged = false; /* it was there before */
            if (use)
                make_active(store, &record);
        } else {
            closed = true;
        }
        offset = verdict.offset + 2 * VERDICT_SIZE;
        end = used = offset;
        zeros = 0;
    }
    uint32_t hidden = damaged;
    if (used - end > HEADER_SIZE && zeros > FLAWS_MAX)
        hidden += (used - end) / RECORD_SIZE_MIN + 1;
    if (mark >= MARK_FLAWED)
        loss->hidden += hidden;
    store->end[sector] = closed || zeros > 0 ? size : end;
}

void store_boot(struct store *store, const struct store_flash *flash)
{
    *store = (struct store){.flash = *flash};
    const enum mark marks[] = {read_mark(store, 0), read_mark(store, 1)};
    struct loss loss = {0};
    /* What stands in a sector that is being erased is older than the active record, which is in the other. */
    const unsigned first = marks[0] == MARK_NONE ? 1 : 0;
    scan(store, first, marks[first], true, &loss);
    scan(store, 1 - first, marks[1 - first],
         marks[1 - first] != MARK_NONE || marks[first] == MARK_NONE || !store->active.payload, &loss);
    store->rotten = loss.hidden > 0 || loss.sequence > store->active.sequence;
    store->sequence += loss.hidden;
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

bool store_erasing(const struct store *store)
{
    return store->step >= STORE_STEP_UNMARK && store->step <= STORE_STEP_MARK;
}
