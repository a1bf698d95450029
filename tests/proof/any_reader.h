#ifndef NEURON485_PROOF_ANY_READER_H
#define NEURON485_PROOF_ANY_READER_H

#include <stdbool.h>

extern bool any_reader_refuses; /* whatever is to be taken */

#endif
