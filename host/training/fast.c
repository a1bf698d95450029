/* The C twin of training as a library for this computer: host/training/fast.py builds and calls it.
 *
 * fast*_run does whole epochs of firmware/core/learn.c. A step over all samples of one linear neuron, which
 * is what a large table of data mostly wants, has a loop of its own here: the same operations in the same
 * order, one after the other within each sum, with the sums of the features side by side. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "core/learn.h"

_Static_assert(FLT_EVAL_METHOD == 0, "each operation rounds to its own type, as it is written");

#define BLOCK 64u /* samples: their errors first, then their gradients, so that both loops are vectors */

#define BITS 32
#include "fast_bits.h"
#define BITS 64
#include "fast_bits.h"
