/* learn_divide32 and learn_divide64 of core/learn_exp.h beside the division itself, for every n of the series.
 *
 * float32: all mantissas and both signs in some binades. float64: many mantissas, and all those near where the
 * quotient is a power of two.
 *
 * Ends with 1, and says by what was divided, at a difference. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The fused way in every build: where the processor has none, libm's is as exact. */
#ifndef FP_FAST_FMAF
#define FP_FAST_FMAF 1
#endif
#ifndef FP_FAST_FMA
#define FP_FAST_FMA 1
#endif
#include "core/learn_exp.h"

#define MANY (1 << 22)   /* random mantissas */
#define BESIDE (1 << 16) /* numbers on either side of a power of two */

static float float_of(uint32_t pattern)
{
    float x;
    memcpy(&x, &pattern, sizeof x);
    return x;
}

static uint32_t pattern_of(float x)
{
    uint32_t pattern;
    memcpy(&pattern, &x, sizeof pattern);
    return pattern;
}

static uint64_t wide_pattern_of(double x)
{
    uint64_t pattern;
    memcpy(&pattern, &x, sizeof pattern);
    return pattern;
}

static unsigned differ(float x, int n)
{
    return pattern_of(learn_divide32(x, n)) != pattern_of(x / (float)n);
}

static unsigned wide_differ(double x, int n)
{
    return wide_pattern_of(learn_divide64(x, n)) != wide_pattern_of(x / n);
}

static unsigned binade(int exponent, int n)
{
    unsigned wrong = 0;
    uint32_t first = (uint32_t)(127 + exponent) << 23;
    for (uint32_t mantissa = 0; mantissa < 1u << 23; mantissa++) {
        float x = float_of(first + mantissa);
        wrong += differ(x, n) + differ(-x, n);
    }
    return wrong;
}

static unsigned wide(int n)
{
    unsigned wrong = 0;
    uint64_t random = 485;
    for (int i = 0; i < MANY; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        double x = (double)(random >> 12 | (uint64_t)1 << 52) * 0x1p-53;
        wrong += wide_differ(x, n) + wide_differ(-x, n);
    }
    for (int i = -BESIDE; i < BESIDE; i++) {
        double x = n * 0x1p-4 + i * 0x1p-53;
        wrong += wide_differ(x, n);
    }
    return wrong;
}

int main(void)
{
    static const int exponents[] = {-1, -64, -120};
    for (int n = 1; n < 14; n++) {
        unsigned wrong = wide(n);
        for (unsigned i = 0; n < 8 && i < sizeof exponents / sizeof *exponents; i++)
            wrong += binade(exponents[i], n);
        if (wrong) {
            printf("%u quotients by %d differ\n", wrong, n);
            return 1;
        }
    }
    return 0;
}
