/* The native port's channels: a virtual converter that scans a signal (signal.h). */
#ifndef NEURON485_PORT_NATIVE_CONVERTER_H
#define NEURON485_PORT_NATIVE_CONVERTER_H

#include <stdbool.h>

#include "port/native/events.h"

/* Before there are nodes: the signal of the options, for all of them. One that cannot be played ends the simulation. */
void converter_open(const struct options *options);

/* In a node: whom it tells what it decides. */
void converter_start(int events);

/* End of a round of the main loop: hand over the scans that are due. `more`: the loop has something to do. Answers the
 * milliseconds until the next is due, 50 at most, as a lamp that blinks needs rounds. */
int converter_idle(bool more);

#endif
