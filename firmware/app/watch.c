#include "app/watch.h"

#include <stddef.h>

#include "port/port.h"

#define TENTH_MS 100u

void watch_boot(struct watch *watch, struct link *link, const struct settings *settings,
                struct neuron *neuron, struct events *events)
{
    *watch = (struct watch){
        .link = link,
        .settings = settings,
        .neuron = neuron,
        .events = events,
        .heard = port_millis(),
    };
}

/* The functions that write: 43 modulo 32 is none of them. */
#define WRITES (1u << 5 | 1u << 6 | 1u << 15 | 1u << 16 | 1u << 22 | 1u << 23)

static void become(struct watch *watch, bool lost)
{
    watch->lost = lost;
    watch->held = watch->neuron->lit;
    neuron_safe(watch->neuron, false, false);
    events_add(watch->events, WIRE_EVENT_KIND_BUS_LOST, lost, 0, NULL, 0);
}

void watch_step(struct watch *watch)
{
    const struct settings_record *settings = &watch->settings->in_force;
    const uint32_t limit = settings->watchdog * TENTH_MS, now = port_millis();
    const bool any = settings->watchdog_for == WIRE_WATCHDOG_FOR_FRAME;
    const bool heard = (watch->link->functions & (any ? UINT32_MAX : WRITES)) != 0;
    watch->link->functions = 0;
    if (heard)
        watch->heard = now;
    const bool lost = limit != 0 && !heard && (watch->lost || now - watch->heard >= limit);
    if (lost != watch->lost)
        become(watch, lost);
    if (watch->lost)
        neuron_safe(watch->neuron, settings->safe != WIRE_SAFE_KEEP,
                    settings->safe == WIRE_SAFE_ON || (settings->safe == WIRE_SAFE_HOLD && watch->held));
}
