/* What stands in a sector of the store, read and judged word by word: marks, headers, verdicts. The shape of it is
 * drawn in store.h; shared by store_boot.c, which reads a flash, and store.c, which writes it. */
#ifndef NEURON485_CORE_STORE_RECORDS_H
#define NEURON485_CORE_STORE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crc.h"
#include "core/store.h"

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

static inline uint32_t read_word(const struct store *store, unsigned sector, uint32_t offset)
{
    return store->flash.read(store->flash.context, sector, offset);
}

static inline void program(struct store *store, unsigned sector, uint32_t offset, uint32_t word)
{
    store->flash.program(store->flash.context, sector, offset, word);
}

static inline bool ready(const struct store *store)
{
    return store->flash.ready(store->flash.context);
}

static inline bool blank(const struct store *store, unsigned sector, uint32_t from)
{
    for (uint32_t offset = from; offset < store->flash.size; offset += 4)
        if (read_word(store, sector, offset) != BLANK)
            return false;
    return true;
}

/* The same time for any word: at a start it counts in whole sectors that a cut left between 0 and 1. In sums of
 * two bits, of four, of eight, of all. */
static inline unsigned count_ones(uint32_t word)
{
    word -= word >> 1 & 0x55555555u;
    word = (word & 0x33333333u) + (word >> 2 & 0x33333333u);
    word = (word + (word >> 4)) & 0x0F0F0F0Fu;
    return word * 0x01010101u >> 24;
}

/* ---------------------------------------------------------------------------------------------- marks */

enum mark {
    MARK_NONE,     /* being erased, blank or foreign */
    MARK_GIVEN_UP, /* one word is right: an erase has not begun yet, or what is damaged has been told */
    MARK_FLAWED,   /* a few bits are wrong */
    MARK_PREPARED,
};

static inline enum mark read_mark(const struct store *store, unsigned sector)
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

static inline bool holds(const struct judgement *judgement)
{
    return judgement->commits > judgement->refusals;
}

/* A word can still become `to`, or be it more firmly: programming clears bits. */
static inline bool can_become(uint32_t word, uint32_t to)
{
    return (to & ~word) == 0;
}

/* Judge by the verdict that begins at `offset`. Each word is read once: a doubtful one may not be asked
 * twice. */
static inline struct judgement judge(const struct store *store, unsigned sector, uint32_t offset)
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
static inline bool settle(struct store *store, unsigned sector, const struct store_verdict *verdict)
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

/* ------------------------------------------------------------------------------------------- headers */

/* The header's own CRC, bound to its place: bytes of a payload, or of the other sector, are no header. */
static inline uint32_t header_crc(const struct record_header *header, unsigned sector, uint32_t offset)
{
    const uint32_t place[] = {sector, offset};
    return crc32_more(crc32(header, HEADER_SIZE - 4), place, sizeof place);
}

#endif
