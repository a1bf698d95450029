/* A model on trial: the neuron runs it from the stage, for as long as was asked. CONFIRM keeps it, in the background and
 * without a change of the neuron's state. Else what ran before comes back by itself: by REVERT, when the time is over,
 * when the bus is lost, when its image rots, and by any reset, which leaves nothing of the stage. */
#ifndef NEURON485_APP_TRIAL_H
#define NEURON485_APP_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "app/models.h"
#include "app/refusal.h"
#include "app/rows.h"

struct trial {
    struct models *models;
    struct refusal *refusal;
    uint32_t began;   /* port_millis */
    uint16_t seconds; /* that it may last */
};

/* The commands, as models.h has them. TRIAL is VERIFY and, where that is accepted, the beginning of the trial; seconds:
 * 1.., else MODBUS_ILLEGAL_VALUE. Repeated, TRIAL does not begin anew, CONFIRM finds the model confirmed and REVERT finds
 * it gone. Reason TRIAL: another model is on trial, or that one is not. */
enum modbus_exception trial_begin(struct trial *trial, uint32_t length, const struct models_meant *meant,
                                  uint16_t seconds);
enum modbus_exception trial_confirm(struct trial *trial, const struct models_meant *meant);
enum modbus_exception trial_revert(struct trial *trial, const struct models_meant *meant);

/* Run the verified image of the stage now: on trial, or, where seconds is 0, to be kept at once. */
enum modbus_exception trial_go(struct trial *trial, uint16_t seconds);

/* Time passes. lost: so is the bus. */
void trial_step(struct trial *trial, bool lost);

#define TRIAL_ROWS 1u
extern const struct row trial_rows[TRIAL_ROWS];

#endif
