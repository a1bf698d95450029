/* What a simulated board's channels see: a file of scans, which host/boards/signals.py draws and writes, or quiet. */
#ifndef NEURON485_PORT_NATIVE_SIGNAL_H
#define NEURON485_PORT_NATIVE_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

/* All zero: no signal, the channels are quiet. */
struct signal {
    const uint8_t *frames; /* (scans, width) words, little-endian */
    uint32_t rate;         /* scans a second */
    uint32_t channels;     /* channel n in bit n */
    uint32_t scans, width; /* width: words of a scan */
    bool made_up;          /* by generators: any rate of the node's will do that divides its own */
};

/* One scan of all the board's channels. */
struct signal_scan {
    uint16_t analog[WIRE_ANALOG];
    unsigned levels; /* Dn in bit n */
};

/* Map a file that is foreign until it was checked. Answers NULL, or what is wrong with it. */
const char *signal_open(struct signal *signal, const char *path);

/* Scans that a node makes at this rate until the signal has ended, where it is played once; 0: it never ends. */
uint64_t signal_length(const struct signal *signal, uint32_t rate);

/* What the node's scan number n sees at this rate, from 0 on: the newest scan of the signal, which begins anew where it
 * ends. False: that one is missing. */
bool signal_at(const struct signal *signal, uint64_t n, uint32_t rate, struct signal_scan *scan);

#endif
