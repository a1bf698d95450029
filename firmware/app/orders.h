/* Signed orders: the register ORDER takes one, its signature is checked beside all else, and what it asks for is
 * carried out by the parts whose work it is.
 *
 * What is cheap to see is answered at once, by exception 04 and REASON; the rest stands in ORDER_RESULT and
 * ORDER_REASON later on. The counter is in the flash before anything is carried out; an order that comes again as it
 * was is answered, and nothing is done twice. */
#ifndef NEURON485_APP_ORDERS_H
#define NEURON485_APP_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/commands.h"
#include "app/refusal.h"
#include "app/rows.h"
#include "app/trust.h"
#include "core/wire.h"

struct orders {
    struct trust *trust;
    struct refusal *refusal;
    struct commands *commands;
    struct events *events;
    uint8_t bytes[WIRE_ORDER_MAX]; /* the last that was taken, zeros behind it */
    enum wire_order_result result;
    enum wire_reason reason;
};

#define ORDERS_ROWS 2u
extern const struct row orders_rows[ORDERS_ROWS];

#endif
