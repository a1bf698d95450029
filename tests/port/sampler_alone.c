/* The sampler alone on the chip: what it needs beside its own objects. Driven by tests/test_elf_sampler.py. */
#include "app/sampler.h"
#include "port/port.h"

struct sampler sampler;
uint32_t sampled[2]; /* channels and rate, as last asked for */

void port_sample(uint32_t channels, uint32_t rate, struct sampler *asking)
{
    (void)asking;
    sampled[0] = channels;
    sampled[1] = rate;
}
