/* Sampling as the bus sees it: what it may ask for, the scans by number, and the channels as they are now. */
#ifndef NEURON485_APP_SAMPLING_H
#define NEURON485_APP_SAMPLING_H

#include <stdint.h>

#include "app/events.h"
#include "app/refusal.h"
#include "app/rows.h"
#include "app/sampler.h"

struct sampling {
    struct sampler *sampler;
    struct events *events;
    struct refusal *refusal;
    uint32_t from;               /* SAMPLE_FROM */
    struct events_losses losses; /* scans */
};

/* Tell of scans that were lost, as a GAP. */
void sampling_step(struct sampling *sampling);

#define SAMPLING_ROWS 3u
extern const struct row sampling_rows[SAMPLING_ROWS];

#endif
