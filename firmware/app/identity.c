#include "app/identity.h"

#include <string.h>

#include "app/words.h"
#include "port/port.h"

#define VERSION_WORDS (WIRE_INPUT_UID + WIRE_INPUT_UID_SIZE - WIRE_INPUT_FIRMWARE_VERSION)
#define START_WORDS (WIRE_INPUT_FAULT_FILE + WIRE_INPUT_FAULT_FILE_SIZE - WIRE_INPUT_START_CAUSE)
_Static_assert(WIRE_INPUT_UID == WIRE_INPUT_FIRMWARE_VERSION + 1 && 2 * WIRE_INPUT_UID_SIZE == WIRE_UID_BYTES,
               "the order of firmware version and UID");
_Static_assert(WIRE_INPUT_FAULT_LINE == WIRE_INPUT_START_CAUSE + 1 &&
                   WIRE_INPUT_FAULT_PC == WIRE_INPUT_START_CAUSE + 2 &&
                   WIRE_INPUT_FAULT_FILE == WIRE_INPUT_START_CAUSE + 4 &&
                   2 * WIRE_INPUT_FAULT_FILE_SIZE == WIRE_FAULT_FILE_BYTES,
               "the order of what is said of the start");

static enum modbus_exception read_wire_version(const void *part, uint32_t offset, uint16_t count,
                                               uint16_t *values)
{
    (void)part;
    (void)offset; /* a row of one */
    (void)count;
    *values = WIRE_VERSION;
    return MODBUS_OK;
}

static enum modbus_exception read_versions(const void *part, uint32_t offset, uint16_t count,
                                           uint16_t *values)
{
    (void)part;
    uint16_t words[VERSION_WORDS] = {WIRE_FIRMWARE_MAJOR << 8 | WIRE_FIRMWARE_MINOR};
    words_from_bytes(words + 1, port_uid(), WIRE_INPUT_UID_SIZE);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception read_uptime(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    (void)part;
    words_read32(values, port_millis(), offset, count);
    return MODBUS_OK;
}

static enum modbus_exception read_start(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    (void)part;
    const struct port_start *start = port_start();
    uint16_t words[START_WORDS] = {(uint16_t)start->cause, start->line};
    words_put32(words + 2, start->pc);
    words_from_bytes(words + 4, start->file, WIRE_INPUT_FAULT_FILE_SIZE);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

const struct row identity_rows[] = {
    {WIRE_TABLE_INPUT, WIRE_INPUT_WIRE_VERSION, 1, read_wire_version, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_FIRMWARE_VERSION, VERSION_WORDS, read_versions, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_UPTIME, WIRE_INPUT_UPTIME_SIZE, read_uptime, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_START_CAUSE, START_WORDS, read_start, NULL},
};
