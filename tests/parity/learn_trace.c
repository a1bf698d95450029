/* The C side of the training twins, as a filter: a training on stdin, its trajectory on stdout. See
 * learn_trace.py.
 *
 *     training: u32 bits, layers, bias, loss, adam, decay, shuffle, seed, samples, batch, epochs, units..,
 * activations.. | reals: rate, tolerance, l2, parameters.., x.., y.., weights.. (all or none)
 *     answer:   after each step the reals: loss, parameters..
 *
 * Each array lies in a block of its own and exact size, so that the sanitizers see a step beyond its end. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/learn.h"

static void *block(size_t count, size_t size)
{
    void *memory = malloc(count * size);
    if (!memory)
        abort();
    return memory;
}

static void *read_block(size_t count, size_t size)
{
    void *memory = block(count, size);
    if (fread(memory, size, count, stdin) != count)
        abort();
    return memory;
}

static uint32_t word(void)
{
    uint32_t value;
    if (fread(&value, sizeof value, 1, stdin) != 1)
        abort();
    return value;
}

#define TRACE trace32
#define REAL float
#define LEARN32(verb) learn32_##verb
#define CALL LEARN32
#define TYPE learn32
#include "tests/parity/learn_trace.h"
#define TRACE trace64
#define REAL double
#define LEARN64(verb) learn64_##verb
#define CALL LEARN64
#define TYPE learn64
#include "tests/parity/learn_trace.h"

int main(void)
{
    struct learn_config config = {0};
    uint32_t bits = word();
    config.layers = (uint8_t)word();
    config.bias = word() != 0;
    config.loss = (uint8_t)word();
    config.adam = word() != 0;
    config.decay = word() != 0;
    config.shuffle = word() != 0;
    config.seed = word();
    config.samples = word();
    config.batch = word();
    config.epochs = word();
    for (unsigned i = 0; i <= config.layers; i++)
        config.units[i] = (uint16_t)word();
    for (unsigned i = 0; i < config.layers; i++)
        config.activation[i] = (uint8_t)word();
    return bits == 32 ? trace32(&config) : trace64(&config);
}
