#include "app/search.h"

#include <string.h>

#include "app/words.h"
#include "port/port.h"

#define UID_BITS (8u * WIRE_UID_BYTES)
#define FOUND_WORDS (WIRE_HOLDING_FOUND_VERSION + 1u - WIRE_HOLDING_FOUND_UID)
#define FOUND_AT(name) (WIRE_HOLDING_FOUND_##name - WIRE_HOLDING_FOUND_UID)
_Static_assert(WIRE_HOLDING_SEARCH_UID == WIRE_HOLDING_SEARCH_BITS + 1 &&
                   WIRE_HOLDING_FOUND_ADDRESS == WIRE_HOLDING_FOUND_UID + WIRE_HOLDING_FOUND_UID_SIZE &&
                   WIRE_HOLDING_FOUND_VERSION == WIRE_HOLDING_FOUND_ADDRESS + 1,
               "the order of what a search writes, and of what it reads");

/* A function 23: code, where it reads and how much, where it writes and how much, the bytes of that, and they. */
enum { READ_AT = 1, READ_COUNT = 3, WRITE_AT = 5, WRITE_COUNT = 7, BYTES = 9, BITS = 10, UID = 12 };
#define WRITE_READ 23u
#define SEARCH_PDU (BITS + 2u * SEARCH_WORDS)

static unsigned get16(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

static bool is_search(const uint8_t *pdu, size_t size)
{
    if (size != SEARCH_PDU || pdu[0] != WRITE_READ)
        return false;
    const unsigned reads = get16(pdu + READ_COUNT);
    return get16(pdu + READ_AT) == WIRE_HOLDING_FOUND_UID && reads >= 1 && reads <= FOUND_WORDS &&
           get16(pdu + WRITE_AT) == WIRE_HOLDING_SEARCH_BITS && get16(pdu + WRITE_COUNT) == SEARCH_WORDS &&
           pdu[BYTES] == 2 * SEARCH_WORDS;
}

/* Whether the UID begins with so many bits of `asked`, and nothing stands behind them there. */
static bool begins(const uint8_t *uid, const uint8_t *asked, unsigned bits)
{
    if (bits > UID_BITS)
        return false;
    for (unsigned i = 0; i < WIRE_UID_BYTES; i++) {
        const unsigned here = bits < 8 ? bits : 8;
        if ((uid[i] & ((1u << here) - 1u)) != asked[i])
            return false;
        bits -= here;
    }
    return true;
}

bool search_calls(struct search *search, const uint8_t *pdu, size_t size)
{
    search->heard = port_millis();
    if (!is_search(pdu, size))
        return search->selected;
    const unsigned bits = get16(pdu + BITS);
    const bool ours = begins(port_uid(), pdu + UID, bits);
    search->selected = ours && bits == UID_BITS;
    return ours;
}

void search_watch(struct search *search)
{
    if (search->selected && port_millis() - search->heard >= 1000u * WIRE_SEARCH_SECONDS)
        search->selected = false;
}

/* ----------------------------------------------------------------------------------------------- registers */

static enum modbus_exception read_search(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    memcpy(values, ((const struct search *)part)->words + offset, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception write_search(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    memcpy(((struct search *)part)->words + offset, values, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception read_found(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct search *search = part;
    uint16_t words[FOUND_WORDS];
    words_from_bytes(words, port_uid(), WIRE_HOLDING_FOUND_UID_SIZE);
    words[FOUND_AT(ADDRESS)] = search->settings->in_force.address;
    words[FOUND_AT(VERSION)] = WIRE_VERSION;
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

const struct row search_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_SEARCH_BITS, SEARCH_WORDS, read_search, write_search},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_FOUND_UID, FOUND_WORDS, read_found, NULL},
};
