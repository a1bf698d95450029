/* Train a stack of dense layers by gradient descent. Twin of host/core/learn.py: the same bits, float32 and
 * float64.
 *
 *     x -> layer 0 -> layer 1 -> ... -> outputs        layer: a = activation(weights x + bias)
 *
 * One source, learn.c, is built for float64 (learn64_*) and, by learn32.c, for float32 (learn32_*, which uses
 * no float64 at all). No heap: the caller owns the learner and one workspace, and its size is learn*_size.
 *
 *     learn32_begin(&learner, &config, x, y, 0.01f, 0, workspace, sizeof workspace);
 *     memcpy(learner.parameters, start, learner.count * sizeof(float));
 *     while (learn32_sample(&learner) != LEARN_ENDED)
 *         ...                                           the main loop's other work: the bus, the lamp
 *
 * The order of operations is the contract; no fused multiply-add (-ffp-contract=off):
 *
 *     sum        z = 0 + w0 x0 + w1 x1 + ... + b      features in order, then the bias
 *     error      e = a - y
 *     loss       (0 + e0 e0 + e1 e1 + ...) / outputs  outputs in order; HALF times 1/2; SUM undivided
 *     slope      2 e / outputs                        HALF e / outputs; SUM 2 e
 *     cross      0 + ((max(z, 0) - z y) + log1p(exp(-|z|))) + ..., / outputs; its delta (a - y) / outputs
 *     softmax    e = exp(z - the largest z), s = 0 + e0 + e1 + ..., n = 0 + y0 + y1 + ...
 *                0 + y0 (log(s) - (z0 - the largest z)) + ...; its delta e (n / s) - y
 *     delta      slope activation'                    at the last sums
 *     weighted   loss weight, delta weight            where samples have weights, at the last sums
 *     back       (0 + w0 delta0 + w1 delta1 + ...) activation'    at the sums before, outputs in order
 *     gradient   0 + delta x + ...                    samples of the batch in order; of a bias, delta alone
 *     batch      loss and gradient / samples          SUM undivided
 *     L2         gradient + l2 w                      with decay; of a bias the gradient alone
 *     descent    w - rate gradient
 *     Adam       m = 0.9 m + 0.1 g                    c1 = 0.9 c1 + 0.1
 *                v = 0.999 v + 0.001 (g g)            c2 = 0.999 c2 + 0.001
 *                w - (rate / c1) (m / (sqrt(v) / sqrt(c2) + 1e-8))
 *     relu' = 1 above 0, else 0     sigmoid' = a (1 - a)     tanh' = 1 - a a
 *
 * A batch of one without Adam or decay (sgd) takes each step at once and stores no gradient. The bits are the same, as
 * no parameter is ever -0: the caller starts from none, and no step makes one.
 *
 * exp of x <= 0: Cody and Waite's reduction by ln 2 in two parts, then the Taylor series for |r| <= ln 2 / 2;
 * 0 below -708 (float32 -87). log1p of 0..1: the series of 2 atanh(e / (2 + e)). log of 1..WIRE_UNITS_MAX: k ln 2
 * in two parts, and log1p of what it is above 2^k in units of that. The error of exp is below 1.5 units of the last
 * place, those of log1p and log below 3 (tests/test_learn.py). sigmoid and tanh come from
 * exp(-|z|) and exp(-2|z|). sqrt is libm's, which is exact; learn_exp.h has exp and log1p. */
#ifndef NEURON485_CORE_LEARN_H
#define NEURON485_CORE_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pcg32.h"
#include "core/wire.h"

enum learn_error {
    LEARN_OK = 0,
    LEARN_SHAPE = -1, /* sizes or activations that no image has */
    LEARN_DATA = -2,  /* no samples */
    LEARN_LOSS = -3,  /* unknown, cross-entropy without sigmoid outputs, or softmax without identity */
    LEARN_ROOM = -4,  /* the workspace is smaller than learn*_size, or not aligned */
};

/* What a call of learn*_sample did. */
enum learn_progress {
    LEARN_SAMPLED, /* one sample's gradient */
    LEARN_UPDATED, /* and, at a batch's end, the parameters */
    LEARN_EPOCH,   /* and that was the last batch of an epoch */
    LEARN_ENDED,   /* nothing: see state */
};

enum learn_state {
    LEARN_RUNNING,
    LEARN_DONE,      /* all epochs */
    LEARN_CONVERGED, /* the loss changed by less than the tolerance from one epoch to the next */
    LEARN_DIVERGED,  /* the loss or a parameter is no longer finite; each NaN is 0x7fc00000, or
                        0x7ff8000000000000 */
};

struct learn_config {
    uint16_t units[WIRE_LAYERS_MAX + 1]; /* inputs, then outputs of each layer, 1..WIRE_UNITS_MAX */
    uint8_t
        activation[WIRE_LAYERS_MAX]; /* enum wire_activation of each layer; a step is trained as identity */
    uint8_t layers;                  /* 1..WIRE_LAYERS_MAX */
    bool bias;                       /* whether layers have biases */
    uint8_t loss;                    /* enum wire_loss */
    bool adam;                       /* else plain descent */
    bool decay;                      /* weights are drawn towards 0, by the learner's l2 */
    bool shuffle;                    /* a new order of the samples in every epoch */
    uint32_t seed;                   /* of the shuffling */
    uint32_t samples;                /* from 1 */
    uint32_t batch;                  /* samples a step: 1 sgd, 0 or >= samples all of them */
    uint32_t epochs;
};

#define LEARN_BITS 32
#include "core/learn_bits.h"
#define LEARN_BITS 64
#include "core/learn_bits.h"

#endif
