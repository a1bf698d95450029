#include "core/fixed.h"

#include <float.h>
#include <math.h>

#define TABLES_TANH
#include "core/tables.h"

_Static_assert(FLT_EVAL_METHOD == 0, "each operation rounds to its own type, as it is written");
/* cppcheck-suppress shiftNegativeLHS */
_Static_assert((-3 >> 1) == -2, "right shifts of negative numbers must be arithmetic");

int16_t fixed_saturate(int64_t value)
{
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

int16_t fixed_rescale(int64_t acc, int shift)
{
    /* A left shift of a negative number is undefined in C. */
    return fixed_saturate(shift > 0 ? (acc + ((int64_t)1 << (shift - 1))) >> shift
                                    : acc * ((int64_t)1 << -shift));
}

int16_t fixed_from_float(float value, int fraction)
{
    float scaled = ldexpf(value, fraction); /* exact, or so small that it rounds to 0 either way */
    if (scaled >= (float)INT16_MAX)
        return INT16_MAX;
    if (scaled <= (float)INT16_MIN)
        return INT16_MIN;
    float whole = floorf(scaled);
    /* The difference is exact, where scaled + 0.5f would round: 0.49999997f must not become 1. */
    return (int16_t)((int32_t)whole + (scaled - whole >= 0.5f));
}

bool fixed_clips(float value, int fraction)
{
    const float scaled = ldexpf(value, fraction);
    return scaled >= INT16_MAX + 0.5f || scaled < INT16_MIN - 0.5f;
}

float fixed_to_float(int16_t q, int fraction)
{
    return ldexpf((float)q, -fraction);
}

int16_t fixed_tanh(int16_t z)
{
    int32_t magnitude = z < 0 ? -(int32_t)z : z;
    if (magnitude > INT16_MAX)
        magnitude = INT16_MAX;
    int32_t low = tanh_table[magnitude >> TANH_STEP_BITS];
    int32_t high = tanh_table[(magnitude >> TANH_STEP_BITS) + 1];
    int32_t part = magnitude & ((1 << TANH_STEP_BITS) - 1);
    int32_t result = low + (((high - low) * part + (1 << (TANH_STEP_BITS - 1))) >> TANH_STEP_BITS);
    return (int16_t)(z < 0 ? -result : result);
}

int16_t fixed_sigmoid(int16_t z)
{
    return fixed_saturate((fixed_tanh(z) + 32769) >> 1);
}
