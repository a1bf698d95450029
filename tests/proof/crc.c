/* The checksums of any bytes, for each size of a frame, in a buffer of that size; and of a whole image. */
#include "core/crc.h"

#include "core/modbus.h"
#include "tests/proof/any.h"

static uint8_t bytes[WIRE_IMAGE_MAX];

int main(void)
{
    Frama_C_make_unknown((char *)bytes, sizeof bytes);
    crc32(bytes, sizeof bytes);
    size_t size = any_between(0, MODBUS_FRAME_MAX);
    //@ split size;
    const uint8_t *start = bytes + sizeof bytes - size;
    crc16(start, size);
    crc32_more(any_between(0, UINT32_MAX), start, size);
    return 0;
}
