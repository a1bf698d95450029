/* exp and log1p of training as inline functions, learn_exp32, learn_exp64, learn_log1p32 and learn_log1p64: a
 * loop over many samples can take them as vectors. learn*_exp and learn*_log1p are these, the first for every x
 * of 0 and below.
 *
 * learn.h has the order of operations, and two things are done here in another way that gives the same bits:
 *
 * x / n, where n is a small constant of a series and the processor has a fused multiply-add: q = x (1 / n),
 * then q + (x - n q) (1 / n), each of them one fused operation. q is within 2 ulp of x / n, and x and n q are
 * multiples of q's ulp: so x - n q is exact. The last sum, before its one rounding, is x / n but for
 * (x - n q) / n times the relative error of 1 / n, which is below 2^-22 ulp. For n < 14 no x / n lies nearer
 * than 1 / (2 n) ulp to the middle between two numbers, where rounding turns: the result is the quotient
 * correctly rounded. (Markstein, IBM Journal of Research and Development 34 (1990) 111.) Only below the least
 * normal number may it be the neighbour of that, or another zero; it is added to 1, which knows no difference.
 *
 * 2^k: k is added to the exponent of the sum, in place of ldexp. The sum is within sqrt(1/2) .. sqrt(2); k is
 * -126 or more, with a sum above 1 at -126 (float64: -1021 or more): the result is a normal number. */
#ifndef NEURON485_CORE_LEARN_EXP_H
#define NEURON485_CORE_LEARN_EXP_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LEARN_EXP_LOWEST32 (-87)
#define LEARN_EXP_LOWEST64 (-708)

/* ln 2 in two parts, the first with so few digits that up to 2^10 times it is exact. */
#define LEARN_LN2_HIGH32 0.693359375f
#define LEARN_LN2_LOW32 (-2.12194440e-4f)
#define LEARN_LN2_HIGH64 6.93147180369123816490e-01
#define LEARN_LN2_LOW64 1.90821492927058770002e-10

#define LEARN_BITS 32
#include "core/learn_exp_bits.h"
#define LEARN_BITS 64
#include "core/learn_exp_bits.h"

#endif
