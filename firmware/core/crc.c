#include "core/crc.h"

#include <string.h>

#define TABLES_CRC
#include "core/tables.h"

/* The lowest byte has been taken in. The variable is as wide as four bytes, whichever CRC it holds: what is
 * still to be taken in stands above it. Little-endian, as images are. */
#define AFTER_BYTE(table, crc) ((crc) >> 8 ^ (table)[(crc) & 0xFFu])

static inline uint32_t word_at(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

uint32_t crc32(const void *data, size_t size)
{
    return crc32_more(0, data, size);
}

uint32_t crc32_more(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *next = data;
    crc = ~crc;
    for (; size >= 4; next += 4, size -= 4) {
        crc ^= word_at(next);
        crc = AFTER_BYTE(crc32_table, crc);
        crc = AFTER_BYTE(crc32_table, crc);
        crc = AFTER_BYTE(crc32_table, crc);
        crc = AFTER_BYTE(crc32_table, crc);
    }
    while (size--) {
        crc ^= *next++;
        crc = AFTER_BYTE(crc32_table, crc);
    }
    return ~crc;
}

uint16_t crc16(const void *data, size_t size)
{
    const uint8_t *next = data;
    uint32_t crc = 0xFFFFu;
    for (; size >= 4; next += 4, size -= 4) {
        crc ^= word_at(next);
        crc = AFTER_BYTE(crc16_table, crc);
        crc = AFTER_BYTE(crc16_table, crc);
        crc = AFTER_BYTE(crc16_table, crc);
        crc = AFTER_BYTE(crc16_table, crc);
    }
    while (size--) {
        crc ^= *next++;
        crc = AFTER_BYTE(crc16_table, crc);
    }
    return (uint16_t)crc;
}
