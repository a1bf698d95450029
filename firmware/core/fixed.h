/* Fixed-point scalars: rounding, saturation, sigmoid and tanh. Twin of host/core/fixed.py, bit for bit.
 *
 * A number is an int16 q with fraction bits f: value = q * 2^-f. Rounding is half up everywhere: floor(v +
 * 1/2). */
#ifndef NEURON485_CORE_FIXED_H
#define NEURON485_CORE_FIXED_H

#include <stdbool.h>
#include <stdint.h>

/* The int16 nearest to value. */
static inline int16_t fixed_saturate(int64_t value)
{
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

/* acc * 2^-shift, rounded half up, saturated. |acc| < 2^38; shift WIRE_SHIFT_MIN..WIRE_SHIFT_MAX, negative
 * goes left. Right shifts of negative numbers are arithmetic on every compiler we build with; fixed.c asserts
 * it. */
int16_t fixed_rescale(int64_t acc, int shift);

/* float32 -> q with `fraction` bits, rounded half up, saturated, infinities too. value must not be NaN; fraction
 * WIRE_FRACTION_MIN..WIRE_FRACTION_MAX, here and below. */
int16_t fixed_from_float(float value, int fraction);

/* Whether fixed_from_float has to saturate: the rounded value is outside of int16. value must not be NaN. */
bool fixed_clips(float value, int fraction);

/* q -> float32, exactly. */
float fixed_to_float(int16_t q, int fraction);

/* tanh of z in Q3.12, in Q0.15, -32767..32767. Table of 257 with linear interpolation: at most 4 units of the
 * last place from the true value (tests/parity measures it). */
int16_t fixed_tanh(int16_t z);

/* 1 / (1 + e^-z) of z in Q4.11, in Q0.15, 1..32767; as (1 + tanh(z / 2)) / 2. */
int16_t fixed_sigmoid(int16_t z);

#endif
