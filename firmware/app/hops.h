/* From the board's channels to the neuron: every hop of a model that senses, a window of scans becomes its inputs, and
 * it decides, with no master.
 *
 * The first window of a model begins with the scan that is next when the model begins; every hop scans another does. They
 * are decided in order, one a round, however late, as long as the ring holds them. One that it no longer holds, or in
 * which a scan is missing, is not decided; those after it are where they would have been. Where the ring loses one while it
 * is measured, the newest comes next. While OVERRIDE is set none is measured, nor counted.
 *
 * The largest window takes a hundred milliseconds. So it is measured piece by piece, and a request that has come meanwhile
 * is served before the next piece. */
#ifndef NEURON485_APP_HOPS_H
#define NEURON485_APP_HOPS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/events.h"
#include "app/link.h"
#include "app/neuron.h"
#include "app/rows.h"
#include "app/sampler.h"
#include "app/status.h"
#include "core/features.h"
#include "core/wire.h"

/* How far the measuring of a window has come. */
struct hops_measuring {
    bool begun;
    bool held;                     /* the ring had its first scan when it began */
    unsigned channel, input, bin;  /* what comes next: of a channel, WIRE_CHANNELS: none, this input's bin */
    struct features_window window; /* of that channel */
    struct features found;         /* of that window */
    uint64_t energy;               /* of the bins before */
    uint32_t features[WIRE_UNITS_MAX]; /* numerators */
    int16_t inputs[WIRE_UNITS_MAX];
    uint64_t clipped; /* bit n: input n was cut */
};

struct hops {
    struct sampler *sampler;
    struct neuron *neuron;
    struct events *events;
    const struct status *status;
    const struct link *link;
    uint32_t models; /* the neuron's: how many had begun when this was set up for one */
    uint32_t
        wanted[WIRE_CHANNELS]; /* features that the model wants of a channel, enum wire_feature n in bit n */
    uint64_t first;            /* number of the first scan of the next window */
    uint32_t skipped;          /* windows that were not decided, since start; wraps */
    struct events_losses losses;
    struct hops_measuring measuring;
    uint16_t missed; /* since the model began, like `decided`; both wrap */
    uint32_t decided;
    struct hops_window {
        uint32_t sample; /* number of its last scan; wraps */
        uint16_t bits;   /* the discrete inputs after it */
        uint32_t features[WIRE_UNITS_MAX];
        int16_t inputs[WIRE_UNITS_MAX], outputs[WIRE_UNITS_MAX];
    } last; /* window that was decided */
};

/* Sample what the running model wants, from when another began; of a model of the bus, let time pass for its decision. Tell
 * of windows that were not decided, as LATE. To be done between the beginning of a model and the next request: a write
 * would be decided at the time of the model before. */
void hops_follow(struct hops *hops);

/* In every round while the model senses: decide the next window if it is there, and let time pass for the decision. True
 * where another may be there already, or this one is not done because of a request. */
bool hops_step(struct hops *hops);

#define HOPS_ROWS 1u
extern const struct row hops_rows[HOPS_ROWS];

#endif
