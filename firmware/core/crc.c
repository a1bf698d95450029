#include "core/crc.h"

#define TABLES_CRC
#include "core/tables.h"

uint32_t crc32(const void *data, size_t size)
{
    const uint8_t *byte = data;
    uint32_t crc = 0xFFFFFFFFu;
    while (size--)
        crc = (crc >> 8) ^ crc32_table[(crc ^ *byte++) & 0xFFu];
    return ~crc;
}

uint16_t crc16(const void *data, size_t size)
{
    const uint8_t *byte = data;
    uint16_t crc = 0xFFFFu;
    while (size--)
        crc = (uint16_t)((crc >> 8) ^ crc16_table[(crc ^ *byte++) & 0xFFu]);
    return crc;
}
