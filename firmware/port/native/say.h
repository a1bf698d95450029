/* What the simulation tells whoever runs it: lines of standard output. */
#ifndef NEURON485_PORT_NATIVE_SAY_H
#define NEURON485_PORT_NATIVE_SAY_H

/* A line, at once. Of printf's family; without a line feed. */
void say(const char *format, ...);

#endif
