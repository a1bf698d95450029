/* The communication watchdog: whether the bus still asks for this node, and the lamp when it does not.
 *
 * It runs from the start on, and from the write that switches it on. The frame that ends BUS_LOST is still answered
 * with it. A write counts by its function, whether or not it is carried out: there is a master, and it writes. So does
 * what an erase of the flash costs. */
#ifndef NEURON485_APP_WATCH_H
#define NEURON485_APP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "app/events.h"
#include "app/link.h"
#include "app/neuron.h"
#include "app/settings.h"

struct watch {
    struct link *link;
    const struct settings *settings;
    struct neuron *neuron;
    struct events *events;
    uint32_t heard; /* port_millis in the step after the last frame that counts, or at the start */
    bool lost;
    bool held; /* what the lamp showed of the neuron when the bus was lost */
};

void watch_boot(struct watch *watch, struct link *link, const struct settings *settings,
                struct neuron *neuron, struct events *events);

/* In rounds that are at most some ms apart. */
void watch_step(struct watch *watch);

#endif
