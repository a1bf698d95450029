/* The algorithms, for float64; learn32.c builds the same text for float32. learn.h has the order of
 * operations. */
#include "core/learn.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/learn_exp.h"

#undef LEARN
#ifdef LEARN_FLOAT32
typedef float real;
#define LEARN(verb) learn32_##verb
#define learner_type learn32
#define square_root sqrtf
#define exp_inside learn_exp32
#define log1p_inside learn_log1p32
#define EXP_LOWEST LEARN_EXP_LOWEST32
#define LN2_HIGH LEARN_LN2_HIGH32
#define LN2_LOW LEARN_LN2_LOW32
#else
typedef double real;
#define LEARN(verb) learn64_##verb
#define learner_type learn64
#define square_root sqrt
#define exp_inside learn_exp64
#define log1p_inside learn_log1p64
#define EXP_LOWEST LEARN_EXP_LOWEST64
#define LN2_HIGH LEARN_LN2_HIGH64
#define LN2_LOW LEARN_LN2_LOW64
#endif
_Static_assert(FLT_EVAL_METHOD == 0, "each operation rounds to its own type, as it is written");
#if defined LEARN_FLOAT32 || !defined __ARM_FP || (__ARM_FP & 8)
#define SMALL
#else
#define SMALL __attribute__((cold)) /* float64 is made by calls: what is between them hardly counts */
#endif
#define APART __attribute__((noinline)) /* each of their series once in the flash */
#define R(constant) ((real)(constant))  /* folded by the compiler: no float64 is left in a float32 build */

/* --------------------------------------------------------------------------------------- exp, log1p, log */

APART real LEARN(exp)(real x)
{
    if (!(x >= EXP_LOWEST))
        return x < EXP_LOWEST ? 0 : x; /* NaN stays NaN */
    return exp_inside(x);
}

APART real LEARN(log1p)(real e)
{
    return log1p_inside(e);
}

real LEARN(log)(real s)
{
    real power = 0;
    for (; s >= 2; s *= R(0.5))
        power++;
    return power * LN2_HIGH + (power * LN2_LOW + LEARN(log1p)(s - 1));
}

/* ------------------------------------------------------------------------------------------ activations */

static real magnitude(real z)
{
    return z < 0 ? -z : z;
}

/* a = activation(z) of a layer's outputs */
static void activate(unsigned activation, real *restrict a, const real *restrict z, unsigned outputs)
{
    switch (activation) {
    case WIRE_ACTIVATION_RELU:
        for (unsigned j = 0; j < outputs; j++)
            a[j] = z[j] > 0 ? z[j] : 0;
        break;
    case WIRE_ACTIVATION_SIGMOID:
        for (unsigned j = 0; j < outputs; j++) {
            const real e = LEARN(exp)(-magnitude(z[j]));
            a[j] = (z[j] < 0 ? e : 1) / (1 + e);
        }
        break;
    case WIRE_ACTIVATION_TANH:
        for (unsigned j = 0; j < outputs; j++) {
            const real e = LEARN(exp)(-2 * magnitude(z[j]));
            a[j] = (z[j] < 0 ? e - 1 : 1 - e) / (1 + e);
        }
        break;
    default:
        for (unsigned j = 0; j < outputs; j++)
            a[j] = z[j];
    }
}

/* delta at z from that at a = activation(z) */
static void through(unsigned activation, real *restrict delta, const real *restrict a, unsigned outputs)
{
    switch (activation) {
    case WIRE_ACTIVATION_RELU:
        for (unsigned j = 0; j < outputs; j++)
            delta[j] = a[j] > 0 ? delta[j] : 0;
        break;
    case WIRE_ACTIVATION_SIGMOID:
        for (unsigned j = 0; j < outputs; j++)
            delta[j] = delta[j] * (a[j] * (1 - a[j]));
        break;
    case WIRE_ACTIVATION_TANH:
        for (unsigned j = 0; j < outputs; j++)
            delta[j] = delta[j] * (1 - a[j] * a[j]);
        break;
    default:
        break;
    }
}

#include "core/learn_losses.h"
#include "core/learn_rows.h"

/* ---------------------------------------------------------------------------------------------- a sample */

static void forward(struct learner_type *l, const real *x)
{
    const struct learn_config *config = &l->config;
    const real *w = l->parameters;
    real *z = l->deltas, *a = l->values;
    for (unsigned k = 0; k < config->layers; k++) {
        unsigned inputs = config->units[k], outputs = config->units[k + 1];
        const real *bias = config->bias ? w + outputs * inputs : NULL;
        sum_rows(z, w, bias, x, inputs, outputs);
        if (k + 1u < config->layers) /* those of the last are the loss's business */
            activate(config->activation[k], a, z, outputs);
        w += (inputs + config->bias) * outputs;
        x = a;
        z += outputs;
        a += outputs;
    }
}

/* The sums become means. The inverse of a power of two is exact, and a product takes a tenth of the time. */
static void divide(real *sums, uint32_t count, uint32_t samples)
{
    const real divisor = (real)samples, inverse = 1 / divisor;
    if (samples == 1)
        return;
    if ((samples & (samples - 1)) == 0)
        for (uint32_t i = 0; i < count; i++)
            sums[i] *= inverse;
    else
        for (uint32_t i = 0; i < count; i++)
            sums[i] /= divisor;
}

/* The sample's loss; leaves the gradient at the last layer's sums in its deltas. */
static real measure(struct learner_type *l, const real *y)
{
    const struct learn_config *config = &l->config;
    const unsigned outputs = config->units[config->layers], kind = config->loss,
                   activation = config->activation[config->layers - 1];
    real *a = l->values + l->units - outputs, *delta = l->deltas + l->units - outputs;
    if (kind == WIRE_LOSS_SOFTMAX)
        return softmax(delta, a, y, outputs);
    real loss;
    if (kind == WIRE_LOSS_CROSS) {
        loss = cross(delta, y, outputs);
    } else {
        activate(activation, a, delta, outputs);
        loss = squares(delta, a, y, kind == WIRE_LOSS_HALF ? 1 : 2, outputs);
    }
    if (kind != WIRE_LOSS_SUM) {
        divide(&loss, 1, outputs);
        divide(delta, outputs, outputs);
    }
    if (kind != WIRE_LOSS_CROSS)
        through(activation, delta, a, outputs);
    return kind == WIRE_LOSS_HALF ? R(0.5) * loss : loss;
}

/* By how much a sample counts, in its loss and in the gradient at the last layer's sums. */
static real weighted(struct learner_type *l, real loss, real weight)
{
    const unsigned outputs = l->config.units[l->config.layers];
    for (unsigned j = 1; j <= outputs; j++)
        l->deltas[l->units - j] *= weight;
    return loss * weight;
}

/* From the deltas of the last layer to the gradient of every parameter; sgd steps at once. A bias is a weight of 1. */
static void backward(struct learner_type *l, const real *sample)
{
    const struct learn_config *config = &l->config;
    const real one = 1;
    size_t first = l->count, unit = l->units; /* of the layer, in the parameters and in values and deltas */
    for (unsigned k = config->layers; k-- > 0;) {
        unsigned inputs = config->units[k], outputs = config->units[k + 1];
        first -= (inputs + config->bias) * outputs;
        unit -= outputs;
        const real *delta = l->deltas + unit;
        const real *x = k ? l->values + unit - inputs : sample;
        real *w = l->parameters + first;
        if (k) {
            real *back = l->deltas + unit - inputs;
            pass_back(back, w, delta, inputs, outputs);
            through(config->activation[k - 1], back, x, inputs);
        }
        const unsigned biases = config->bias ? outputs : 0;
        if (l->gradient) {
            accumulate(l->gradient + first, x, delta, inputs, outputs);
            accumulate(l->gradient + first + outputs * inputs, &one, delta, 1, biases);
        } else {
            step_at_once(w, x, delta, l->rate, inputs, outputs);
            step_at_once(w + outputs * inputs, &one, delta, l->rate, 1, biases);
        }
    }
}

/* ---------------------------------------------------------------------------------------- a batch's step */

static void decay(struct learner_type *l)
{
    const struct learn_config *config = &l->config;
    size_t first = 0;
    for (unsigned k = 0; k < config->layers; k++) {
        const unsigned inputs = config->units[k], outputs = config->units[k + 1];
        for (size_t i = first; i < first + inputs * outputs; i++)
            l->gradient[i] += l->l2 * l->parameters[i];
        first += (inputs + config->bias) * outputs;
    }
}

/* The gradient begins at 0 again, here and in adam. */
static void descend(struct learner_type *l)
{
    real *restrict w = l->parameters, *restrict gradient = l->gradient;
    const real rate = l->rate;
    for (uint32_t i = 0, count = l->count; i < count; i++) {
        w[i] -= rate * gradient[i];
        gradient[i] = 0;
    }
}

static void adam(struct learner_type *l)
{
    l->correction[0] = R(0.9) * l->correction[0] + R(0.1);
    l->correction[1] = R(0.999) * l->correction[1] + R(0.001);
    real step = l->rate / l->correction[0], root = square_root(l->correction[1]);
    real *restrict w = l->parameters, *restrict m = l->moment[0], *restrict v = l->moment[1];
    real *restrict gradient = l->gradient;
    for (uint32_t i = 0, count = l->count; i < count; i++) {
        real g = gradient[i];
        gradient[i] = 0;
        m[i] = R(0.9) * m[i] + R(0.1) * g;
        v[i] = R(0.999) * v[i] + R(0.001) * (g * g);
        w[i] -= step * (m[i] / (square_root(v[i]) / root + R(1e-8)));
    }
}

static void update(struct learner_type *l)
{
    const uint32_t samples = l->config.loss == WIRE_LOSS_SUM ? 1 : l->in_batch;
    l->loss = l->batch_loss;
    divide(&l->loss, 1, samples);
    if (l->gradient)
        divide(l->gradient, l->count, samples);
    if (l->config.decay)
        decay(l);
    if (l->config.adam)
        adam(l);
    else if (l->gradient)
        descend(l);
    l->batch_loss = 0;
    l->in_batch = 0;
}

/* One bit pattern for what is not a number: x86 makes a negative one, ARM a positive one. */
static real plain(real value)
{
    return value == value ? value : R(NAN);
}

static void diverge(struct learner_type *l)
{
    l->state = LEARN_DIVERGED;
    l->loss = plain(l->loss);
    for (uint32_t i = 0; i < l->count; i++)
        l->parameters[i] = plain(l->parameters[i]);
}

static void end_epoch(struct learner_type *l)
{
    real change = magnitude(l->loss - l->epoch_loss);
    real doubt = 0 * l->loss; /* 0 times what is finite is 0, else NaN, and stays so; isfinite costs more */
    for (uint32_t i = 0; i < l->count; i++)
        doubt *= l->parameters[i];
    l->epoch++;
    l->sample = 0;
    if (doubt != 0)
        diverge(l);
    else if (l->epoch > 1 && change < l->tolerance)
        l->state = LEARN_CONVERGED;
    else if (l->epoch >= l->config.epochs)
        l->state = LEARN_DONE;
    l->epoch_loss = l->loss;
}

/* ----------------------------------------------------------------------------------------------- outside */

static int check(const struct learn_config *config)
{
    if (config->layers < 1 || config->layers > WIRE_LAYERS_MAX)
        return LEARN_SHAPE;
    for (unsigned k = 0; k <= config->layers; k++)
        if (config->units[k] < 1 || config->units[k] > WIRE_UNITS_MAX)
            return LEARN_SHAPE;
    for (unsigned k = 0; k < config->layers; k++)
        if (config->activation[k] > WIRE_ACTIVATION_TANH)
            return LEARN_SHAPE;
    if (config->samples < 1 || config->epochs < 1)
        return LEARN_DATA;
    const uint8_t last = config->activation[config->layers - 1];
    if (config->loss > WIRE_LOSS_SOFTMAX ||
        (config->loss == WIRE_LOSS_CROSS && last != WIRE_ACTIVATION_SIGMOID) ||
        (config->loss == WIRE_LOSS_SOFTMAX && last != WIRE_ACTIVATION_IDENTITY))
        return LEARN_LOSS;
    return LEARN_OK;
}

static uint32_t count_units(const struct learn_config *config)
{
    uint32_t units = 0;
    for (unsigned k = 1; k <= config->layers; k++)
        units += config->units[k];
    return units;
}

static bool needs_gradient(const struct learn_config *config)
{
    return config->adam || config->batch != 1 || config->decay;
}

uint32_t LEARN(count)(const struct learn_config *config)
{
    uint32_t count = 0;
    if (check(config) == LEARN_OK)
        for (unsigned k = 0; k < config->layers; k++)
            count += (config->units[k] + (uint32_t)config->bias) * config->units[k + 1];
    return count;
}

size_t LEARN(size)(const struct learn_config *config)
{
    size_t count = LEARN(count)(config);
    if (count == 0)
        return 0;
    size_t reals = count * (1u + needs_gradient(config) + 2u * config->adam) + 2 * count_units(config);
    return reals * sizeof(real) + (config->shuffle ? config->samples * sizeof(uint32_t) : 0);
}

int LEARN(begin)(struct learner_type *l, const struct learn_config *config, const real *x, const real *y,
                 real rate, real tolerance, void *workspace, size_t size)
{
    int error = check(config);
    if (error != LEARN_OK)
        return error;
    if (size < LEARN(size)(config) || (uintptr_t)workspace % sizeof(real) != 0)
        return LEARN_ROOM;
    memset(l, 0, sizeof *l);
    memset(workspace, 0, LEARN(size)(config));
    l->config = *config;
    if (l->config.batch == 0 || l->config.batch > l->config.samples)
        l->config.batch = l->config.samples;
    l->x = x;
    l->y = y;
    l->rate = rate;
    l->tolerance = tolerance;
    l->count = LEARN(count)(config);
    l->units = count_units(config);

    real *free = workspace;
    l->parameters = free;
    free += l->count;
    if (needs_gradient(config)) {
        l->gradient = free;
        free += l->count;
    }
    for (unsigned i = 0; config->adam && i < 2; i++) {
        l->moment[i] = free;
        free += l->count;
    }
    l->values = free;
    l->deltas = l->values + l->units;
    if (config->shuffle) {
        l->order = (uint32_t *)(void *)(l->deltas + l->units);
        for (uint32_t i = 0; i < config->samples; i++)
            l->order[i] = i;
        pcg32_seed(&l->random, config->seed, 0);
    }
    return LEARN_OK;
}

SMALL enum learn_progress LEARN(sample)(struct learner_type *l)
{
    const struct learn_config *config = &l->config;
    if (l->state != LEARN_RUNNING)
        return LEARN_ENDED;
    if (l->order && l->sample == 0)
        pcg32_shuffle(&l->random, l->order, config->samples);
    size_t row = l->order ? l->order[l->sample] : l->sample;
    const real *x = l->x + row * config->units[0], *y = l->y + row * config->units[config->layers];

    forward(l, x);
    const real loss = measure(l, y);
    l->batch_loss += l->weights ? weighted(l, loss, l->weights[row]) : loss;
    backward(l, x);
    l->sample++;
    l->in_batch++;

    bool last = l->sample == config->samples;
    if (l->in_batch < config->batch && !last)
        return LEARN_SAMPLED;
    update(l);
    if (!last)
        return LEARN_UPDATED;
    end_epoch(l);
    return LEARN_EPOCH;
}
