/* Where a store keeps its records: two sectors of the board's flash, one behind the other in port.h's list. */
#ifndef NEURON485_APP_SECTORS_H
#define NEURON485_APP_SECTORS_H

#include "core/store.h"
#include "port/port.h"

/* The flash for store_boot. first: PORT_MODEL_A or PORT_SETTINGS_A. */
struct store_flash sectors_flash(enum port_sector first);

#endif
