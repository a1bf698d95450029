/* The part of learn_exp.h that depends on the type of real numbers: included by it once for each. */
#if LEARN_BITS == 32
#define NAMED(name) name##32
#define REAL float
#define PATTERN uint32_t
#define MANTISSA_BITS 23
#define EXP_TERMS 8
#define LOG_TERMS 8
#define LN2_HIGH LEARN_LN2_HIGH32
#define LN2_LOW LEARN_LN2_LOW32
#ifdef FP_FAST_FMAF
#define FUSED fmaf
#endif
#else
#define NAMED(name) name##64
#define REAL double
#define PATTERN uint64_t
#define MANTISSA_BITS 52
#define EXP_TERMS 14
#define LOG_TERMS 17
#define LN2_HIGH LEARN_LN2_HIGH64
#define LN2_LOW LEARN_LN2_LOW64
#ifdef FP_FAST_FMA
#define FUSED fma
#endif
#endif
#define R(constant) ((REAL)(constant)) /* folded by the compiler: no float64 is left in a float32 build */

/* x / n, 1 <= n < 14, |x| <= 1; not all the bits of a quotient below the least normal number. */
static inline REAL NAMED(learn_divide)(REAL x, int n)
{
#ifdef FUSED
    if ((n & (n - 1)) != 0) { /* by a power of two compilers multiply */
        REAL inverse = 1 / (REAL)n;
        REAL q = x * inverse;
        return FUSED(FUSED(-(REAL)n, q, x), inverse, q);
    }
#endif
    return x / (REAL)n;
}

/* e^x for LEARN_EXP_LOWEST <= x <= 0, and for nothing else. */
static inline REAL NAMED(learn_exp)(REAL x)
{
    int32_t k = (int32_t)(x * R(1.4426950408889634) - R(0.5));
    REAL r = (x - (REAL)k * LN2_HIGH) - (REAL)k * LN2_LOW;
    REAL sum = 1; /* 1 + r / 1 (1 + r / 2 (1 + ... r / (terms - 1))) */
#pragma GCC unroll 16
    for (int n = EXP_TERMS - 1; n > 0; n--)
        sum = 1 + NAMED(learn_divide)(r * sum, n);
    PATTERN pattern;
    memcpy(&pattern, &sum, sizeof pattern);
    pattern += (PATTERN)k << MANTISSA_BITS;
    memcpy(&sum, &pattern, sizeof sum);
    return sum;
}

/* log(1 + e) for 0 <= e <= 1. */
static inline REAL NAMED(learn_log1p)(REAL e)
{
    REAL s = e / (2 + e);
    REAL square = s * s;
    REAL sum = 0;
#pragma GCC unroll 32
    for (int n = LOG_TERMS - 1; n >= 0; n--)
        sum = sum * square + R(2) / (REAL)(2 * n + 1);
    return s * sum;
}

#undef FUSED
#undef R
#undef LN2_LOW
#undef LN2_HIGH
#undef LOG_TERMS
#undef EXP_TERMS
#undef MANTISSA_BITS
#undef PATTERN
#undef REAL
#undef NAMED
#undef LEARN_BITS
