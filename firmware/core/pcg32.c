#include "core/pcg32.h"

uint32_t pcg32_next(struct pcg32 *random)
{
    uint64_t state = random->state;
    random->state = state * 6364136223846793005u + random->increment;
    uint32_t mixed = (uint32_t)(((state >> 18) ^ state) >> 27);
    unsigned turn = (unsigned)(state >> 59);
    return (mixed >> turn) | (mixed << (-turn & 31u));
}

void pcg32_seed(struct pcg32 *random, uint64_t seed, uint64_t sequence)
{
    random->state = 0;
    random->increment = sequence << 1 | 1u;
    pcg32_next(random);
    random->state += seed;
    pcg32_next(random);
}

uint32_t pcg32_below(struct pcg32 *random, uint32_t bound)
{
    uint32_t first_fair = -bound % bound; /* 2^32 mod bound: below it some remainders come once more */
    uint32_t number;
    do
        number = pcg32_next(random);
    while (number < first_fair);
    return number % bound;
}

void pcg32_shuffle(struct pcg32 *random, uint32_t *items, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t chosen = pcg32_below(random, i);
        uint32_t item = items[chosen];
        items[chosen] = items[i - 1];
        items[i - 1] = item;
    }
}
