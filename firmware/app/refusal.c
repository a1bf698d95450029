#include "app/refusal.h"

#include <string.h>

#include "app/words.h"

void refusal_note(struct refusal *refusal, enum wire_reason reason, uint16_t detail)
{
    refusal->reason = (uint16_t)reason;
    refusal->detail = detail;
}

void refusal_fault(struct refusal *refusal, enum wire_reason reason, uint16_t detail)
{
    refusal_note(refusal, reason, detail);
    refusal->faults |= 1u << reason;
    events_add(refusal->events, WIRE_EVENT_KIND_FAULT, (uint16_t)reason, detail, NULL, 0);
}

void refusal_mended(struct refusal *refusal, uint32_t faults)
{
    refusal->faults &= ~faults;
}

enum modbus_exception refusal_answer(struct refusal *refusal, enum wire_reason reason)
{
    refusal_note(refusal, reason, 0);
    return MODBUS_DEVICE_FAILURE;
}

static enum modbus_exception read_refusal(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct refusal *refusal = part;
    uint16_t words[] = {refusal->reason, refusal->detail};
    if (refusal->waits) {
        words[0] = WIRE_REASON_SUPPLY;
        words[1] = 0;
    }
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception read_faults(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    words_read32(values, ((const struct refusal *)part)->faults, offset, count);
    return MODBUS_OK;
}

_Static_assert(WIRE_INPUT_DETAIL == WIRE_INPUT_REASON + 1, "side by side");

const struct row refusal_rows[] = {
    {WIRE_TABLE_INPUT, WIRE_INPUT_REASON, 2, read_refusal, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_FAULTS, WIRE_INPUT_FAULTS_SIZE, read_faults, NULL},
};
