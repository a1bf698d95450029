#include "app/wear.h"

#include "core/crc.h"
#include "port/port.h"

#define MINUTE_MS 60000u

enum { TAKEN, COMPLEMENT, KEPT_WORDS };
_Static_assert(KEPT_WORDS <= PORT_KEPT_WORDS, "what outlives a reset");

static uint32_t taken(const struct wear *wear)
{
    const uint32_t count = wear->kept[TAKEN];
    return wear->kept[COMPLEMENT] == ~count && count <= WEAR_BUCKET ? count : 0;
}

static void keep(struct wear *wear, uint32_t count)
{
    wear->kept[TAKEN] = count;
    wear->kept[COMPLEMENT] = ~count;
}

void wear_boot(struct wear *wear, struct refusal *refusal)
{
    *wear = (struct wear){.refusal = refusal, .kept = port_kept(), .since = port_millis()};
}

static void give_back(struct wear *wear, uint32_t now)
{
    const uint32_t count = taken(wear), back = (now - wear->since) / WEAR_INTERVAL_MS;
    if (count == 0 || back == 0)
        return;
    wear->since += back * WEAR_INTERVAL_MS;
    keep(wear, back < count ? count - back : 0);
}

void wear_step(struct wear *wear)
{
    give_back(wear, port_millis());
}

enum modbus_exception wear_allows(struct wear *wear)
{
    if (!port_supply_good())
        return refusal_answer(wear->refusal, WIRE_REASON_SUPPLY);
    const uint32_t now = port_millis();
    give_back(wear, now);
    if (taken(wear) < WEAR_BUCKET)
        return MODBUS_OK;
    const uint32_t wait = wear->since + WEAR_INTERVAL_MS - now;
    refusal_note(wear->refusal, WIRE_REASON_WEAR, (uint16_t)((wait + MINUTE_MS - 1) / MINUTE_MS));
    return MODBUS_DEVICE_FAILURE;
}

enum modbus_exception wear_commit(struct wear *wear, struct store *store, const void *payload,
                                  uint32_t length)
{
    const enum modbus_exception exception = wear_allows(wear);
    if (exception)
        return exception;
    const int result = store_commit(store, payload, length, crc32(payload, length));
    if (result != STORE_OK)
        return result == STORE_BUSY ? MODBUS_DEVICE_BUSY : refusal_answer(wear->refusal, WIRE_REASON_FLASH);
    if (taken(wear) == 0)
        wear->since = port_millis();
    keep(wear, taken(wear) + 1);
    refusal_note(wear->refusal, WIRE_REASON_NONE, 0);
    return MODBUS_OK;
}
