/* The register map: the rows of all parts, joined into the areas that the bus sees.
 *
 * An area is a run of rows without a gap between them. Every access lies within one area, or is refused with
 * exception 02. */
#ifndef NEURON485_APP_REGISTERS_H
#define NEURON485_APP_REGISTERS_H

#include <stdbool.h>

#include "app/parts.h"
#include "core/modbus.h"

#define REGISTERS_ROWS                                                                                       \
    (COMMANDS_ROWS + STATUS_ROWS + MODELS_ROWS + NEURON_ROWS + SETTINGS_ROWS + TRAINER_ROWS + REFUSAL_ROWS + \
     IDENTITY_ROWS + EVENTS_ROWS + SAMPLING_ROWS + HOPS_ROWS + TRIAL_ROWS + SESSION_ROWS + TRUST_ROWS +      \
     ORDERS_ROWS + FINGERPRINT_ROWS + SEARCH_ROWS)

#define REGISTERS_PAGES 512u /* of 256 addresses, in two tables */

/* The rows in the order of their addresses, each with the part that it belongs to. */
struct registers {
    struct parts *parts;
    bool busy;                     /* a write was refused with exception 06 since the owner last cleared it */
    uint8_t last[REGISTERS_PAGES]; /* of the rows that begin in the page or before it */
    struct registers_row {
        uint32_t start; /* table in the upper half, address in the lower */
        const struct row *row;
        void *part;
    } rows[REGISTERS_ROWS];
};

/* Join the rows of `parts`, for the Modbus server; both must last as long as it. */
struct modbus_data registers_join(struct registers *registers, struct parts *parts);

#endif
