#include "core/fixed.h"

#include <float.h>
#include <string.h>

#define TABLES_TANH
#include "core/tables.h"

_Static_assert(FLT_EVAL_METHOD == 0, "each operation rounds to its own type, as it is written");
/* cppcheck-suppress shiftNegativeLHS */
_Static_assert((-3 >> 1) == -2, "right shifts of negative numbers must be arithmetic");

int16_t fixed_rescale(int64_t acc, int shift)
{
    /* A left shift of a negative number is undefined in C. */
    return fixed_saturate(shift > 0 ? (acc + ((int64_t)1 << (shift - 1))) >> shift
                                    : acc * ((int64_t)1 << -shift));
}

/* A product with it is exact, or infinite, or so small that it rounds to 0 either way. ldexpf gives the same by
 * a hundred instructions. */
static float power_of_two(int exponent)
{
    const uint32_t bits = (uint32_t)(exponent + FLT_MAX_EXP - 1) << (FLT_MANT_DIG - 1);
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

int16_t fixed_from_float(float value, int fraction)
{
    /* floor(v + 1/2) = (floor(2 v) + 1) >> 1, where v + 0.5f would round: 0.49999997f must not become 1. */
    const float twice = value * power_of_two(fraction + 1);
    if (twice >= 2.0f * INT16_MAX)
        return INT16_MAX;
    if (twice <= 2.0f * INT16_MIN)
        return INT16_MIN;
    int32_t whole = (int32_t)twice; /* towards 0 */
    whole -= (float)whole > twice;
    return (int16_t)((whole + 1) >> 1);
}

bool fixed_clips(float value, int fraction)
{
    const float scaled = value * power_of_two(fraction);
    return scaled >= INT16_MAX + 0.5f || scaled < INT16_MIN - 0.5f;
}

float fixed_to_float(int16_t q, int fraction)
{
    return (float)q * power_of_two(-fraction);
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
