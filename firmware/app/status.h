/* What the node is doing, gathered from its parts: STATE, the discrete inputs, and RESULT_BITS, which are the
 * same once more, where a master that polls results finds them. */
#ifndef NEURON485_APP_STATUS_H
#define NEURON485_APP_STATUS_H

#include "app/link.h"
#include "app/models.h"
#include "app/neuron.h"
#include "app/refusal.h"
#include "app/rows.h"
#include "app/settings.h"
#include "app/trainer.h"
#include "app/trust.h"
#include "app/watch.h"

#define STATUS_DISCRETES 16u

/* Whom to ask. */
struct status {
    const struct link *link;
    const struct refusal *refusal;
    const struct neuron *neuron;
    const struct models *models;
    const struct settings *settings;
    const struct trainer *trainer;
    const struct trust *trust;
    const struct watch *watch;
};

/* The discrete inputs, number n in bit n. */
unsigned status_bits(const struct status *status);

#define STATUS_ROWS 3u
extern const struct row status_rows[STATUS_ROWS];

#endif
