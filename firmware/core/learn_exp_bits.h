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
#if LEARN_BITS == 64 && defined __ARM_FP && !(__ARM_FP & 8)
#define UNROLLED /* each operation is a call: a loop of them is as fast, and small */
#else
#define UNROLLED _Pragma("GCC unroll 32")
#endif

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
    UNROLLED
    for (int n = EXP_TERMS - 1; n > 0; n--)
        sum = 1 + NAMED(learn_divide)(r * sum, n);
    PATTERN pattern;
    memcpy(&pattern, &sum, sizeof pattern);
    pattern += (PATTERN)k << MANTISSA_BITS;
    memcpy(&sum, &pattern, sizeof sum);
    return sum;
}

/* 2 / (2 n + 1) */
static const REAL NAMED(learn_odd)[LOG_TERMS] = {
    R(2) / R(1),  R(2) / R(3),  R(2) / R(5),  R(2) / R(7),  R(2) / R(9),
    R(2) / R(11), R(2) / R(13), R(2) / R(15),
#if LEARN_BITS == 64
    R(2) / R(17), R(2) / R(19), R(2) / R(21), R(2) / R(23), R(2) / R(25),
    R(2) / R(27), R(2) / R(29), R(2) / R(31), R(2) / R(33),
#endif
};

/* log(1 + e) for 0 <= e <= 1. */
static inline REAL NAMED(learn_log1p)(REAL e)
{
    REAL s = e / (2 + e);
    REAL square = s * s;
    REAL sum = 0;
    UNROLLED
    for (int n = LOG_TERMS - 1; n >= 0; n--)
        sum = sum * square + NAMED(learn_odd)[n];
    return s * sum;
}

#undef FUSED
#undef UNROLLED
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
