/* Why the node last refused something, for the registers REASON and DETAIL, and whether something is wrong
 * that will not pass by itself. */
#ifndef NEURON485_APP_REFUSAL_H
#define NEURON485_APP_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

#include "app/events.h"
#include "app/rows.h"
#include "core/wire.h"

struct refusal {
    struct events *events; /* told of every fault */
    uint16_t reason;       /* enum wire_reason; NONE: what was last asked for was done */
    uint16_t detail;       /* where: a layer or a self-test vector, counted from 0 */
    uint32_t faults;       /* what is wrong until it is mended, or the next start: reason n in bit n */
    bool waits; /* for the supply, before it goes on with what it has begun; REASON says so meanwhile */
};

/* Remember the outcome of what was asked for. */
void refusal_note(struct refusal *refusal, enum wire_reason reason, uint16_t detail);

/* The same, and that it is a fault. */
void refusal_fault(struct refusal *refusal, enum wire_reason reason, uint16_t detail);

/* What was wrong for good, reason n in bit n, has been mended: damage by a new record. */
void refusal_mended(struct refusal *refusal, uint32_t faults);

/* Remember the reason, and answer the exception that goes with it. */
enum modbus_exception refusal_answer(struct refusal *refusal, enum wire_reason reason);

#define REFUSAL_ROWS 2u
extern const struct row refusal_rows[REFUSAL_ROWS];

#endif
