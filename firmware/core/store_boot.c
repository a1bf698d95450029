#include "core/store.h"
#include "core/store_records.h"

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
