/* What whoever runs the simulation asks of it: lines of standard input. */
#ifndef NEURON485_PORT_NATIVE_COMMANDS_H
#define NEURON485_PORT_NATIVE_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

/* `cut NAME WORDS [MILLISECONDS]`: the power of the node fails in the middle of that operation of its flash, a word
 * programmed or a sector erased, counted from now and 1; 0: at once. It is back after so long, half a second by default. */
struct command {
    uint32_t node; /* its name */
    uint32_t operations;
    uint32_t off_ms;
};

/* Take what there is and give each command whose line has ended to `obey`. What is no command is told on standard error.
 * False when the input has ended. */
bool commands_read(int fd, void (*obey)(const struct command *command));

#endif
