/* The C twin of training as a library for this computer: host/training/fast.py builds and calls it.
 *
 * fast*_run does whole epochs of firmware/core/learn.c. A step over all samples of one linear or logistic
 * neuron, which is what a large table of data mostly wants, has loops of its own here: the same operations in
 * the same order, one after the other within each sum, with the sums of the features, and exp and log1p of
 * the samples, side by side. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "core/learn.h"
#include "core/learn_exp.h"

_Static_assert(FLT_EVAL_METHOD == 0, "each operation rounds to its own type, as it is written");

/* Samples: their sums, then their errors, then their gradients, each in a loop of its own. */
#define BLOCK 64u
#define APART __attribute__((noinline)) /* all in one, these functions take compilers three times as long */

/* Numbers of inputs that have a function each. */
#define EACH_WIDTH(DO)                                                                                       \
    DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15) DO(16)

#ifdef __clang__ /* would gather each feature out of many samples, which takes three times as long */
#define SAMPLE_BY_SAMPLE _Pragma("clang loop vectorize(disable)")
#else
#define SAMPLE_BY_SAMPLE
#endif

#define BITS 32
#include "fast_bits.h"
#define BITS 64
#include "fast_bits.h"
