/* Waiting for descriptors that can be read, to the microsecond: poll knows milliseconds only, and each would be
 * missing at the wire's pace. */
#ifndef NEURON485_PORT_NATIVE_WAITING_H
#define NEURON485_PORT_NATIVE_WAITING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/select.h>

struct waiting {
    fd_set ready;
    int highest;
};

/* For nothing yet. */
void waiting_begin(struct waiting *waiting);

/* For this one too; below 0: none. */
void waiting_for(struct waiting *waiting, int fd);

/* Wait for one of them, and so many microseconds at most. True when that time has passed. */
bool waiting_end(struct waiting *waiting, uint64_t timeout_us);

/* Whether it can be read now. */
bool waiting_readable(const struct waiting *waiting, int fd);

#endif
