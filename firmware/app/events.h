/* What has happened: the last WIRE_EVENTS events, numbered from 0 at every start.
 *
 * A master writes the number from which it wants to read, and gets the first event that is kept from there on. One
 * with a higher number: it has lost some. */
#ifndef NEURON485_APP_EVENTS_H
#define NEURON485_APP_EVENTS_H

#include <stdint.h>

#include "app/rows.h"
#include "app/sampler.h"
#include "core/wire.h"

struct event {
    uint32_t uptime; /* ms since start; wraps */
    uint32_t sample; /* low half of the number of the next scan then */
    uint32_t value;  /* as its kind has it */
    uint16_t detail; /* likewise */
    uint8_t kind;    /* enum wire_event_kind */
    uint8_t count;   /* inputs, 0: it is not about them */
    uint16_t at;     /* number of its first input among all that events had; wraps */
};

struct events {
    const struct sampler *sampler;
    uint32_t head; /* number of the next event; wraps */
    uint32_t kept; /* events in the ring, up to WIRE_EVENTS */
    uint32_t from; /* EVENT_FROM */
    struct event ring[WIRE_EVENTS];
    uint16_t inputs_head; /* number of the next input; wraps */
    int16_t inputs[WIRE_EVENT_WORDS];
};

_Static_assert(65536 % WIRE_EVENT_WORDS == 0,
               "an input's place in the ring follows from its number, across the wrap");
_Static_assert(WIRE_EVENTS *WIRE_UNITS_MAX < 65536, "nor is any that is gone taken for one of the next turn");

/* Of something that may be lost again and again: what was told of it. All zero before. */
struct events_losses {
    uint32_t told;
    uint32_t told_ms; /* when the last event did */
};

/* No events yet. */
void events_boot(struct events *events, const struct sampler *sampler);

/* Something has happened, now. inputs: (count) q, copied; count 0: inputs may be NULL. */
void events_add(struct events *events, enum wire_event_kind kind, uint16_t detail, uint32_t value,
                const int16_t *inputs, unsigned count);

/* `lost` have been lost since start, wraps: tell of those that are new, once a second at most, lest such events crowd out
 * all others. */
void events_add_losses(struct events *events, struct events_losses *losses, enum wire_event_kind kind,
                       uint32_t lost);

#define EVENTS_ROWS 1u
extern const struct row events_rows[EVENTS_ROWS];

#endif
