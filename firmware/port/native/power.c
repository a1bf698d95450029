#define _DEFAULT_SOURCE
#include "port/native/power.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct power {
    uint32_t kept[PORT_KEPT_WORDS];
    bool stayed;
    atomic_uint cut_in; /* operations of the flash, 0: it stays; both processes write it */
};

static struct power *powers; /* of all nodes; in a node, its own */

void power_share(const struct options *options)
{
    const size_t size = sizeof *powers * options->node_count;
    powers = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (powers == MAP_FAILED) {
        perror("error: no memory for the simulated nodes");
        exit(2);
    }
}

void power_cut_in(unsigned index, uint32_t operations)
{
    powers[index].cut_in = operations;
}

void power_lost(unsigned index)
{
    for (unsigned i = 0; i < PORT_KEPT_WORDS; i++)
        powers[index].kept[i] = 0;
    powers[index].stayed = false;
}

void power_open(unsigned index)
{
    powers += index;
}

uint32_t *power_kept(void)
{
    return powers->kept;
}

_Noreturn void power_stays(void)
{
    powers->stayed = true;
    exit(EVENT_EXIT_RESET);
}

bool power_stayed(void)
{
    return powers->stayed;
}

bool power_fails(void)
{
    /* The bus may set another number at any time: what is counted down is what stands there. */
    unsigned left = powers->cut_in;
    while (left > 0 && !atomic_compare_exchange_weak(&powers->cut_in, &left, left - 1))
        ;
    return left == 1;
}

_Noreturn void power_off(void)
{
    _exit(EVENT_EXIT_POWER);
}
