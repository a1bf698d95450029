/* Takes consecutive parts of bytes that nobody vouches for. */
#ifndef NEURON485_CORE_READER_H
#define NEURON485_CORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *next, *end; /* of the same bytes, next never behind end */
};

/* The next `size` bytes, or NULL when so many are not left. */
const void *reader_take(struct reader *reader, size_t size);

/* Whether all has been taken. */
bool reader_at_end(const struct reader *reader);

#endif
