/* The checksums as their callers may see them: any number, of bytes that can be read. tests/proof/crc.c enters
 * the real ones. */
#include "core/crc.h"

#include "tests/proof/any.h"

uint32_t crc32_more(uint32_t crc, const void *data, size_t size)
{
    //@ check readable: \valid_read((uint8_t *)data + (0 .. size - 1));
    //@ check filled: \initialized((uint8_t *)data + (0 .. size - 1));
    return any_between(0, UINT32_MAX);
}

uint32_t crc32(const void *data, size_t size)
{
    return crc32_more(0, data, size);
}

uint16_t crc16(const void *data, size_t size)
{
    //@ check readable: \valid_read((uint8_t *)data + (0 .. size - 1));
    //@ check filled: \initialized((uint8_t *)data + (0 .. size - 1));
    return (uint16_t)any_between(0, UINT16_MAX);
}
