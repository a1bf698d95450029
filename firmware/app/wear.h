/* Who may write to the flash, and how often: every commit of a model and every save of settings begins here.
 *
 * A sector of the STM32F407 lasts 10,000 erase cycles (data sheet, flash memory endurance). With the largest
 * image every commit erases one of the two sectors: a frame a second could kill them in a few hours. So
 * commits and saves are taken from a bucket of WEAR_BUCKET, and one comes back every WEAR_INTERVAL_MS: 144 a
 * day, 72 erases of a sector, for which it lasts more than four months of nothing else. A deploy never meets
 * that. What writes nothing takes nothing.
 *
 * What was taken outlives a reset, which loses no more than the interval that had begun; a loss of power, which
 * no bus can cause, fills the bucket. */
#ifndef NEURON485_APP_WEAR_H
#define NEURON485_APP_WEAR_H

#include <stdint.h>

#include "app/refusal.h"
#include "core/modbus.h"
#include "core/store.h"

#define WEAR_BUCKET 250u
#define WEAR_INTERVAL_MS (10u * 60u * 1000u)

struct wear {
    struct refusal *refusal;
    uint32_t *kept; /* how many are taken, and the complement; anything else: none */
    uint32_t since; /* port_millis when the interval began, after which one comes back */
};

void wear_boot(struct wear *wear, struct refusal *refusal);

/* Give back what is due; at least once in the 49 days after which port_millis wraps. */
void wear_step(struct wear *wear);

/* Whether a commit may begin now: MODBUS_OK, or MODBUS_DEVICE_FAILURE with SUPPLY or with WEAR and the minutes
 * to wait. */
enum modbus_exception wear_allows(struct wear *wear);

/* Begin to keep `length` bytes in `store`, if that may be. */
enum modbus_exception wear_commit(struct wear *wear, struct store *store, const void *payload,
                                  uint32_t length);

#endif
