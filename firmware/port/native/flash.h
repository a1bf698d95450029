/* The native port's flash: a file, or memory. */
#ifndef NEURON485_PORT_NATIVE_FLASH_H
#define NEURON485_PORT_NATIVE_FLASH_H

#include "port/native/events.h"

/* Before there are nodes: memory for all of them, where no file keeps it. */
void flash_share(const struct options *options);

/* In node `index`, which has this end of the socket to the bus: its own flash. A file that cannot be it ends the node. */
void flash_open(const struct options *options, unsigned index, int events);

#endif
