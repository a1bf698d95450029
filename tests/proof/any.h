/* What Frama-C takes as any value. Only for the harnesses here: no other compiler has these. */
#ifndef NEURON485_PROOF_ANY_H
#define NEURON485_PROOF_ANY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <__fc_builtin.h>

static uint32_t any_between(uint32_t low, uint32_t high)
{
    return Frama_C_unsigned_int_interval(low, high);
}

static bool any_bool(void)
{
    return Frama_C_unsigned_int_interval(0, 1) != 0;
}

#endif
