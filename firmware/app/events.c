#include "app/events.h"

#include <string.h>

#include "app/words.h"
#include "port/port.h"

/* The registers, EVENT_FROM first. */
#define AT(name) (WIRE_HOLDING_##name - WIRE_HOLDING_EVENT_FROM)
#define FROM_WORDS WIRE_HOLDING_EVENT_FROM_SIZE
#define WORDS (AT(EVENT_INPUTS) + WIRE_HOLDING_EVENT_INPUTS_SIZE)

void events_boot(struct events *events, const struct sampler *sampler)
{
    events->sampler = sampler;
    events->head = events->kept = events->from = 0;
    events->inputs_head = 0;
}

void events_add(struct events *events, enum wire_event_kind kind, uint16_t detail, uint32_t value,
                const int16_t *inputs, unsigned count)
{
    struct event *event = &events->ring[events->head++ % WIRE_EVENTS];
    *event = (struct event){
        .uptime = port_millis(),
        .sample = (uint32_t)sampler_head(events->sampler),
        .value = value,
        .detail = detail,
        .kind = (uint8_t)kind,
        .count = (uint8_t)count,
        .at = events->inputs_head,
    };
    while (count--)
        events->inputs[events->inputs_head++ % WIRE_EVENT_WORDS] = *inputs++;
    if (events->kept < WIRE_EVENTS)
        events->kept++;
}

#define LOSSES_MS 1000u

void events_add_losses(struct events *events, struct events_losses *losses, enum wire_event_kind kind,
                       uint32_t lost)
{
    const uint32_t now = port_millis(), untold = lost - losses->told;
    if (untold == 0 || (losses->told != 0 && now - losses->told_ms < LOSSES_MS))
        return;
    losses->told = lost;
    losses->told_ms = now;
    events_add(events, kind, 0, untold, NULL, 0);
}

/* How many events there are from `from` on that are kept. */
static uint32_t left(const struct events *events)
{
    const uint32_t back = events->head - events->from;
    if (back > UINT32_MAX / 2)
        return 0; /* it is still to come */
    return back < events->kept ? back : events->kept;
}

static enum modbus_exception read_event(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct events *events = part;
    uint16_t words[WORDS] = {0};
    const uint32_t number = events->head - left(events);
    words_put32(words + AT(EVENT_FROM), events->from);
    words_put32(words + AT(EVENTS_HEAD), events->head);
    words_put32(words + AT(EVENT_NUMBER), number);
    if (number != events->head) {
        const struct event *event = &events->ring[number % WIRE_EVENTS];
        words_put32(words + AT(EVENT_UPTIME), event->uptime);
        words_put32(words + AT(EVENT_SAMPLE), event->sample);
        words[AT(EVENT_KIND)] = event->kind;
        words[AT(EVENT_DETAIL)] = event->detail;
        words_put32(words + AT(EVENT_VALUE), event->value);
        words[AT(EVENT_COUNT)] = event->count;
        if (event->count && (uint16_t)(events->inputs_head - event->at) > WIRE_EVENT_WORDS)
            words[AT(EVENT_COUNT)] |= WIRE_EVENT_GONE;
        else
            for (unsigned i = 0; i < event->count; i++)
                words[AT(EVENT_INPUTS) + i] = (uint16_t)events->inputs[(event->at + i) % WIRE_EVENT_WORDS];
    }
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

/* Of all of them only EVENT_FROM, whole. */
static enum modbus_exception write_from(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    if (offset != 0 || count != FROM_WORDS)
        return MODBUS_ILLEGAL_ADDRESS;
    ((struct events *)part)->from = words_get32(values);
    return MODBUS_OK;
}

const struct row events_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_EVENT_FROM, WORDS, read_event, write_from},
};
