/* Rows of weights times x, two rows at a time: by the instructions of a Cortex-M4, and the same in C.
 *
 * A row is `stride` int16, an even number; the rows begin at a multiple of 4 bytes, one behind the other. x may begin
 * at any int16. Sums must fit into their accumulators, on the way too. */
#ifndef NEURON485_CORE_ROWS_H
#define NEURON485_CORE_ROWS_H

#include <stdint.h>
#include <string.h>

#include "core/fixed.h"

/* Two values side by side, in one load. */
static inline int32_t rows_pair(const int16_t *values)
{
    int32_t both;
    memcpy(&both, values, sizeof both);
    return both;
}

/* acc + the products of two pairs. */
static inline int64_t rows_mac(int64_t acc, int32_t weights, int32_t x);

/* The int16 nearest to z. */
static inline int32_t rows_saturate(int32_t z);

/* The same, and what is below 0 becomes 0. */
static inline int32_t rows_saturate_relu(int32_t z);

/* Add to each accumulator the products of its row and x. Answers where the next row begins. */
static inline const int16_t *rows_add(int32_t *acc0, int32_t *acc1, const int16_t *first, const int16_t *x,
                                      unsigned stride);

/* The same for sums beyond 32 bits. */
static inline const int16_t *rows_add_wide(int64_t *acc0, int64_t *acc1, const int16_t *first,
                                           const int16_t *x, unsigned stride);

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
#include <arm_acle.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" /* within the macros of arm_acle.h */
static inline int64_t rows_mac(int64_t acc, int32_t weights, int32_t x)
{
    return __smlald(weights, x, acc);
}

static inline int32_t rows_saturate(int32_t z)
{
    return __ssat(z, 16);
}

static inline int32_t rows_saturate_relu(int32_t z)
{
    return (int32_t)__usat(z, 15);
}
#pragma GCC diagnostic pop

/* Both rows share the loads of x, and a load brings four weights. Written in C with intrinsics, two rows at a time, GCC
 * takes a quarter more instructions for a network like 64-48-10: it never loads four. */
/* clang-format off */
#define ROWS_SMLAD(row, columns) \
    "   smlad %[acc" row "], %[w" columns "], %[x" columns "], %[acc" row "] \n"
#define ROWS_SMLALD(row, columns) \
    "   smlald %[low" row "], %[high" row "], %[w" columns "], %[x" columns "] \n"
#define ROWS_ADD_TWO(MAC, ...) \
    __asm__("   add    %[second], %[first], %[bytes] \n" \
            "   lsls   %[w01], %[bytes], #29 \n" /* the sign: whether a pair is left over by fours */ \
            "   bpl    1f \n" \
            "   ldr    %[x01], [%[x]], #4 \n" \
            "   ldr    %[w01], [%[first]], #4 \n" \
            MAC("0", "01") \
            "   ldr    %[w01], [%[second]], #4 \n" \
            MAC("1", "01") \
            "   subs   %[bytes], #4 \n" \
            "   beq    2f \n" \
            "1: ldr    %[x01], [%[x]], #4 \n" \
            "   ldr    %[x23], [%[x]], #4 \n" \
            "   ldrd   %[w01], %[w23], [%[first]], #8 \n" \
            MAC("0", "01") \
            MAC("0", "23") \
            "   ldrd   %[w01], %[w23], [%[second]], #8 \n" \
            MAC("1", "01") \
            MAC("1", "23") \
            "   subs   %[bytes], #8 \n" \
            "   bne    1b \n" \
            "2: \n" \
            : __VA_ARGS__, [x] "+r"(x), [first] "+r"(first), [second] "=&r"(second), [bytes] "+r"(bytes), \
              [x01] "=&r"(x01), [x23] "=&r"(x23), [w01] "=&r"(w01), [w23] "=&r"(w23) \
            : \
            : "cc", "memory")
/* clang-format on */

static inline const int16_t *rows_add(int32_t *acc0, int32_t *acc1, const int16_t *first, const int16_t *x,
                                      unsigned stride)
{
    const int16_t *second;
    unsigned bytes = stride * sizeof *first;
    int32_t x01, x23, w01, w23;
    ROWS_ADD_TWO(ROWS_SMLAD, [acc0] "+r"(*acc0), [acc1] "+r"(*acc1));
    return second;
}

static inline const int16_t *rows_add_wide(int64_t *acc0, int64_t *acc1, const int16_t *first,
                                           const int16_t *x, unsigned stride)
{
    const int16_t *second;
    unsigned bytes = stride * sizeof *first;
    int32_t x01, x23, w01, w23;
    uint32_t low0 = (uint32_t)*acc0, low1 = (uint32_t)*acc1;
    uint32_t high0 = (uint32_t)(*acc0 >> 32), high1 = (uint32_t)(*acc1 >> 32);
    ROWS_ADD_TWO(ROWS_SMLALD, [low0] "+r"(low0), [high0] "+r"(high0), [low1] "+r"(low1), [high1] "+r"(high1));
    *acc0 = (int64_t)((uint64_t)high0 << 32 | low0);
    *acc1 = (int64_t)((uint64_t)high1 << 32 | low1);
    return second;
}
#else
static inline int64_t rows_mac(int64_t acc, int32_t weights, int32_t x)
{
    return acc + (int16_t)weights * (int16_t)x + (weights >> 16) * (x >> 16);
}

static inline int32_t rows_saturate(int32_t z)
{
    return fixed_saturate(z);
}

static inline int32_t rows_saturate_relu(int32_t z)
{
    return z < 0 ? 0 : fixed_saturate(z);
}

static inline const int16_t *rows_add(int32_t *acc0, int32_t *acc1, const int16_t *first, const int16_t *x,
                                      unsigned stride)
{
    const int16_t *second = first + stride;
    for (unsigned i = 0; i < stride; i++) {
        *acc0 += first[i] * x[i];
        *acc1 += second[i] * x[i];
    }
    return second + stride;
}

static inline const int16_t *rows_add_wide(int64_t *acc0, int64_t *acc1, const int16_t *first,
                                           const int16_t *x, unsigned stride)
{
    const int16_t *second = first + stride;
    for (unsigned i = 0; i < stride; i++) {
        *acc0 += first[i] * x[i];
        *acc1 += second[i] * x[i];
    }
    return second + stride;
}
#endif

/* The products of one row and x. */
static inline int64_t rows_add_one(int64_t acc, const int16_t *row, const int16_t *x, unsigned stride)
{
    const int16_t *const end = x + stride;
    do {
        acc = rows_mac(acc, rows_pair(row), rows_pair(x));
        row += 2;
        x += 2;
    } while (x != end);
    return acc;
}

#endif
