#include "app/fingerprint.h"

#include "app/words.h"
#include "port/port.h"

void fingerprint_boot(struct fingerprint *fingerprint)
{
    *fingerprint = (struct fingerprint){.done = !crypto_present()};
    crypto_hash_begin(&fingerprint->hashing);
}

bool fingerprint_step(struct fingerprint *fingerprint)
{
    if (fingerprint->done)
        return false;
    const struct port_part part = port_firmware(fingerprint->part);
    if (part.size == 0) {
        crypto_hash_end(&fingerprint->hashing, fingerprint->hash);
        fingerprint->done = true;
        return false;
    }
    const size_t left = part.size - fingerprint->at;
    const size_t size = left < FINGERPRINT_BYTES ? left : FINGERPRINT_BYTES;
    crypto_hash_more(&fingerprint->hashing, part.bytes + fingerprint->at, size);
    fingerprint->at += size;
    if (size == left) {
        fingerprint->part++;
        fingerprint->at = 0;
    }
    return true;
}

static enum modbus_exception read_hash(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct fingerprint *fingerprint = part;
    words_from_bytes(values, fingerprint->hash + 2 * offset, count);
    return MODBUS_OK;
}

const struct row fingerprint_rows[] = {
    {WIRE_TABLE_INPUT, WIRE_INPUT_FIRMWARE_HASH, WIRE_INPUT_FIRMWARE_HASH_SIZE, read_hash, NULL},
};
