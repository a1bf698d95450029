/* The communication watchdog: whether the bus still asks for this node, and the lamp when it does not.
 *
 * It runs from the start on, and from the write that switches it on. The frame that ends BUS_LOST is still answered with
 * it. A write counts by its function,
 * whether or not it is carried out: there is a master, and it writes. */
#ifndef NEURON485_APP_WATCH_H
#define NEURON485_APP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "app/events.h"
#include "app/neuron.h"
#include "app/settings.h"

struct watch {
    const struct settings *settings;
    struct neuron *neuron;
    struct events *events;
    uint32_t
        functions;  /* bit n: a good frame of function n, modulo 32, came for this node since the last step */
    uint32_t heard; /* port_millis in the step after the last frame that counts, or at the start */
    bool lost;
    bool held; /* what the lamp showed of the neuron when the bus was lost */
};

void watch_boot(struct watch *watch, const struct settings *settings, struct neuron *neuron,
                struct events *events);

/* A good frame has come that is for this node, alone or by broadcast. */
static inline void watch_hear(struct watch *watch, uint8_t function)
{
    watch->functions |= 1u << (function & 31u);
}

/* In rounds that are at most some ms apart. */
void watch_step(struct watch *watch);

#endif
