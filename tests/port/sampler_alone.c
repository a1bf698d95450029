/* The sampler alone on the chip: what it needs beside its own objects. Driven by tests/test_elf_sampler.py. */
#include "app/sampler.h"
#include "port/port.h"

struct sampler sampler;

void port_sample(uint32_t channels, uint32_t rate, struct sampler *sampled)
{
    (void)channels;
    (void)rate;
    (void)sampled;
}
