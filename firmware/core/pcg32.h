/* Random numbers that are the same everywhere: PCG32 (XSH RR 64/32) as M. E. O'Neill published it,
 * www.pcg-random.org, pcg-c-basic. Twin of host/core/pcg32.py, bit for bit. */
#ifndef NEURON485_CORE_PCG32_H
#define NEURON485_CORE_PCG32_H

#include <stdint.h>

struct pcg32 {
    uint64_t state;
    uint64_t increment; /* odd: which of the generator's sequences */
};

/* Begin sequence number `sequence` at `seed`. */
void pcg32_seed(struct pcg32 *random, uint64_t seed, uint64_t sequence);

/* A uniform number of 0..2^32 - 1. */
uint32_t pcg32_next(struct pcg32 *random);

/* A uniform number of 0..bound - 1; bound from 1. Without bias: draws again where a remainder would favour
 * small numbers. */
uint32_t pcg32_below(struct pcg32 *random, uint32_t bound);

/* Put (count) items into a random order: Fisher and Yates, from the end. */
void pcg32_shuffle(struct pcg32 *random, uint32_t *items, uint32_t count);

#endif
