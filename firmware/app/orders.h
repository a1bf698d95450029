/* Signed orders: the register ORDER takes one, its signature is checked beside all else, and what it asks for is
 * carried out by the parts whose work it is.
 *
 * What is cheap to see is answered at once, by exception 04 and REASON, or 06 while the node has other work in the flash;
 * the rest stands in ORDER_RESULT and ORDER_REASON later on. An order that was taken is done once: the same bytes again
 * are answered as before, until the owner's next order or the next start; whatever bears no good signature is told, and
 * then forgotten. The counter is in the flash before anything is carried out; that of an order whose deed is refused is
 * used up too. FLOOR raises each floor up to what it names, or leaves it.
 *
 * The first key's order is signed by the key that it installs, and needs someone at the board; so does a key in place of
 * what is damaged. A key that is not good is never installed, and no floor is set that this firmware is below: nothing
 * could take it back. */
#ifndef NEURON485_APP_ORDERS_H
#define NEURON485_APP_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/commands.h"
#include "app/refusal.h"
#include "app/rows.h"
#include "app/session.h"
#include "app/trust.h"
#include "core/order.h"
#include "core/wire.h"

enum orders_step {
    ORDERS_IDLE,
    ORDERS_CHECK, /* the signature */
    ORDERS_KEEP,  /* the counter is on its way into the flash */
    ORDERS_DO,
};

/* An order, and what became of it. */
struct orders_taken {
    uint8_t bytes[WIRE_ORDER_MAX]; /* zeros behind it */
    uint16_t size;                 /* bytes; 0: none */
    enum wire_order_result result;
    enum wire_reason reason;
};

struct orders {
    struct trust *trust;
    struct refusal *refusal;
    struct commands *commands;
    struct session *session;
    struct neuron *neuron;
    struct events *events;
    struct orders_taken last;  /* whoever sent it; the one that is on its way, or what is told of */
    struct orders_taken owned; /* the last with a good signature that has ended: its repeat may come late */
    struct order order;        /* points into `last`, while it is on its way */
    enum orders_step step;
    bool genuine;           /* it has a good signature */
    enum wire_reason found; /* why it is not to be carried out, or NONE */
};

/* Do one small piece of what an order takes; but for the check of its signature, during which meanwhile(served) is called
 * as port_aside has it. True where it has been at it, and the line may be in use by now. */
bool orders_step(struct orders *orders, void (*meanwhile)(void *served), void *served);

#define ORDERS_ROWS 2u
extern const struct row orders_rows[ORDERS_ROWS];

#endif
