/* The half-duplex RS485 link: bytes and silences in, whole frames out, and the direction of the transceiver.
 *
 * The port calls link_on_... from interrupts; the rest is for the main loop. link.c uses neither the C library
 * nor constant tables, so that a port can run it where only RAM can be read. Two frames are buffered, so that
 * one can be heard while the other is served. Direction: RE high, SE high, send; and only when the last stop
 * bit has left, SE low, RE low. The port waits the silence that ends a request, so a reply never comes
 * earlier than that. */
#ifndef NEURON485_APP_LINK_H
#define NEURON485_APP_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/modbus.h"

struct link_frame {
    uint8_t bytes[MODBUS_FRAME_MAX];
    _Atomic uint16_t size; /* bytes so far */
    bool damaged;          /* a character error, an overrun, or too long */
    atomic_bool complete;  /* the main loop's until it lets go */
};

struct link {
    struct link_frame frames[2];
    _Atomic uint8_t filling; /* which frame the interrupts fill */
    uint8_t serving;         /* which frame the main loop takes next */
    atomic_bool sending;
    _Atomic uint16_t overruns; /* characters lost since start */
    _Atomic uint16_t missed;   /* broadcasts that came while the node was busy, since start */
    uint32_t functions; /* bit n: a good frame of function n, modulo 32, came for this node; the watchdog's */
    uint8_t reply[MODBUS_FRAME_MAX];
};

/* A character has arrived; `damaged`: with a parity, framing or noise error. */
void link_on_byte(struct link *link, uint8_t byte, bool damaged);

/* The receiver has lost at least one character. */
void link_on_overrun(struct link *link);

/* The silence that ends a frame has passed since the last character. */
void link_on_silence(struct link *link);

/* The last stop bit of the reply has left. */
void link_on_sent(struct link *link);

/* The frame to serve, or NULL; a damaged one has size 0. It is yours until link_done. */
const uint8_t *link_receive(struct link *link, size_t *size);
void link_done(struct link *link);

/* A good frame has come that is for this node, alone or by broadcast, whether it was served or not. */
static inline void link_heard(struct link *link, uint8_t function)
{
    link->functions |= 1u << (function & 31u);
}

/* Send link->reply. Stays silent if the master has begun to speak again: it no longer waits for this reply.
 */
void link_send(struct link *link, size_t size);

/* A frame waits to be served. */
static inline bool link_waits(const struct link *link)
{
    return atomic_load_explicit(&link->frames[link->serving].complete, memory_order_acquire);
}

/* Nothing is being heard, served or sent. */
bool link_quiet(const struct link *link);

/* Silence that ends a frame, in microseconds, rounded up. gap: enum wire_gap. Characters of 11 bits, 10 for
 * 8N1. */
uint32_t link_silence_us(uint32_t baud, enum wire_format format, enum wire_gap gap);

#endif
