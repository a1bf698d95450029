/* core/crc.c's CRC-32 by four tables, a word at a time: a test asks for it a thousand million times. */
#include "tests/faults/world.h"

#define crc32 plain_crc32
#define crc32_more plain_crc32_more
#include "core/crc.c"
#undef crc32
#undef crc32_more

uint32_t crc32(const void *data, size_t size);
uint32_t crc32_more(uint32_t crc, const void *data, size_t size);

#define CHECKED_MAX 64u

static uint32_t table[4][256];

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
        crc = table[3][crc & 0xFFu] ^ table[2][crc >> 8 & 0xFFu] ^ table[1][crc >> 16 & 0xFFu] ^
              table[0][crc >> 24];
    }
    return size ? plain_crc32_more(~crc, next, size) : ~crc;
}

bool crc_begin(void)
{
    uint8_t data[CHECKED_MAX];
    uint32_t state = 485;
    for (unsigned i = 0; i < 256; i++) {
        table[0][i] = crc32_table[i];
        for (unsigned more = 1; more < 4; more++)
            table[more][i] = AFTER_BYTE(crc32_table, table[more - 1][i]);
    }
    for (unsigned i = 0; i < CHECKED_MAX; i++)
        data[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    for (unsigned from = 0; from < CHECKED_MAX; from++)
        for (unsigned size = 0; from + size <= CHECKED_MAX; size++)
            if (crc32_more(state, data + from, size) != plain_crc32_more(state, data + from, size))
                return false;
    return true;
}
