/* What a node says of itself and needs no state of its own for: versions, the chip's UID, the time since
 * start, and why it last started. */
#ifndef NEURON485_APP_IDENTITY_H
#define NEURON485_APP_IDENTITY_H

#include "app/rows.h"

#define IDENTITY_ROWS 4u
extern const struct row identity_rows[IDENTITY_ROWS]; /* their part is NULL */

#endif
