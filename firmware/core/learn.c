/* The algorithms, for float64; learn32.c builds the same text for float32. learn.h has the order of
 * operations. */
#include "core/learn.h"

#include <float.h>
#include <math.h>
#include <string.h>

#undef LEARN
#ifdef LEARN_FLOAT32
typedef float real;
#define LEARN(verb) learn32_##verb
#define learner_type learn32
#define square_root sqrtf
#define scale_by_power ldexpf
#define EXP_LOWEST (-87)
#define EXP_TERMS 8
#define LOG_TERMS 8
#define LN2_HIGH 0.693359375
#define LN2_LOW (-2.12194440e-4)
#else
typedef double real;
#define LEARN(verb) learn64_##verb
#define learner_type learn64
#define square_root sqrt
#define scale_by_power ldexp
#define EXP_LOWEST (-708)
#define EXP_TERMS 14
#define LOG_TERMS 17
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
#endif
_Static_assert(FLT_EVAL_METHOD == 0, "each operation rounds to its own type, as it is written");
#define R(constant) ((real)(constant)) /* folded by the compiler: no float64 is left in a float32 build */

/* --------------------------------------------------------------------------------------- exp and log1p */

real LEARN(exp)(real x)
{
    if (!(x >= EXP_LOWEST))
        return x < EXP_LOWEST ? 0 : x; /* NaN stays NaN */
    int k = (int)(x * R(1.4426950408889634) - R(0.5));
    real r = (x - (real)k * R(LN2_HIGH)) - (real)k * R(LN2_LOW);
    real sum = 1; /* 1 + r / 1 (1 + r / 2 (1 + ... r / (terms - 1))) */
    for (int n = EXP_TERMS - 1; n > 0; n--)
        sum = 1 + r * sum / (real)n;
    return scale_by_power(sum, k);
}

real LEARN(log1p)(real e)
{
    real s = e / (2 + e);
    real square = s * s;
    real sum = 0;
    for (int n = LOG_TERMS - 1; n >= 0; n--)
        sum = sum * square + R(2) / (real)(2 * n + 1);
    return s * sum;
}

/* ------------------------------------------------------------------------------------------ activations */

static real magnitude(real z)
{
    return z < 0 ? -z : z;
}

static real activate(unsigned activation, real z)
{
    real e;
    switch (activation) {
    case WIRE_ACTIVATION_RELU:
        return z > 0 ? z : 0;
    case WIRE_ACTIVATION_SIGMOID:
        e = LEARN(exp)(-magnitude(z));
        return (z < 0 ? e : 1) / (1 + e);
    case WIRE_ACTIVATION_TANH:
        e = LEARN(exp)(-2 * magnitude(z));
        return (z < 0 ? e - 1 : 1 - e) / (1 + e);
    default:
        return z;
    }
}

/* delta at z from that at a = activate(z) */
static real through(unsigned activation, real delta, real a)
{
    switch (activation) {
    case WIRE_ACTIVATION_RELU:
        return a > 0 ? delta : 0;
    case WIRE_ACTIVATION_SIGMOID:
        return delta * (a * (1 - a));
    case WIRE_ACTIVATION_TANH:
        return delta * (1 - a * a);
    default:
        return delta;
    }
}

/* ------------------------------------------------------------------------------------------------- rows */

static real dot(const real *restrict w, const real *restrict x, unsigned n)
{
    real z = 0;
    for (; n; n--)
        z += *w++ * *x++;
    return z;
}

/* back += delta * w */
static void pass_back(real *restrict back, const real *restrict w, real delta, unsigned n)
{
    for (; n; n--)
        *back++ += *w++ * delta;
}

/* gradient += delta * x */
static void accumulate(real *restrict gradient, const real *restrict x, real delta, unsigned n)
{
    for (; n; n--)
        *gradient++ += delta * *x++;
}

/* w -= rate * (delta * x) */
static void step_at_once(real *restrict w, const real *restrict x, real delta, real rate, unsigned n)
{
    for (; n; n--)
        *w++ -= rate * (delta * *x++);
}

/* ---------------------------------------------------------------------------------------------- a sample */

static void forward(struct learner_type *l, const real *x)
{
    const struct learn_config *config = &l->config;
    const real *w = l->parameters;
    real *z = l->deltas, *a = l->values;
    for (unsigned k = 0; k < config->layers; k++) {
        unsigned inputs = config->units[k], outputs = config->units[k + 1];
        const real *bias = w + outputs * inputs;
        for (unsigned j = 0; j < outputs; j++, w += inputs) {
            z[j] = dot(w, x, inputs);
            if (config->bias)
                z[j] += bias[j];
            a[j] = activate(config->activation[k], z[j]);
        }
        w += config->bias ? outputs : 0;
        x = a;
        z += outputs;
        a += outputs;
    }
}

/* The sample's loss; leaves the gradient at the last layer's sums in its deltas. */
static real measure(struct learner_type *l, const real *y)
{
    const struct learn_config *config = &l->config;
    unsigned outputs = config->units[config->layers], last = config->activation[config->layers - 1];
    const real *a = l->values + l->units - outputs;
    real *delta = l->deltas + l->units - outputs;
    real loss = 0;
    for (unsigned j = 0; j < outputs; j++) {
        real error = a[j] - y[j];
        if (config->loss == WIRE_LOSS_CROSS) {
            real z = delta[j];
            loss += ((z > 0 ? z : 0) - z * y[j]) + LEARN(log1p)(LEARN(exp)(-magnitude(z)));
            delta[j] = error / (real)outputs;
            continue;
        }
        loss += error * error;
        real slope = config->loss == WIRE_LOSS_HALF ? error : 2 * error;
        if (config->loss != WIRE_LOSS_SUM)
            slope /= (real)outputs;
        delta[j] = through(last, slope, a[j]);
    }
    if (config->loss != WIRE_LOSS_SUM)
        loss /= (real)outputs;
    return config->loss == WIRE_LOSS_HALF ? R(0.5) * loss : loss;
}

/* From the deltas of the last layer to the gradient of every parameter; sgd steps at once. */
static void backward(struct learner_type *l, const real *sample)
{
    const struct learn_config *config = &l->config;
    size_t first = l->count, unit = l->units; /* of the layer, in the parameters and in values and deltas */
    for (unsigned k = config->layers; k-- > 0;) {
        unsigned inputs = config->units[k], outputs = config->units[k + 1];
        first -= (inputs + config->bias) * outputs;
        unit -= outputs;
        const real *delta = l->deltas + unit;
        const real *x = k ? l->values + unit - inputs : sample;
        real *back = k ? l->deltas + unit - inputs : NULL;
        for (unsigned i = 0; back && i < inputs; i++)
            back[i] = 0;
        real *w = l->parameters + first;
        for (unsigned j = 0; j < outputs; j++, w += inputs) {
            if (back)
                pass_back(back, w, delta[j], inputs);
            if (l->gradient)
                accumulate(l->gradient + first + j * inputs, x, delta[j], inputs);
            else
                step_at_once(w, x, delta[j], l->rate, inputs);
        }
        for (unsigned j = 0; config->bias && j < outputs; j++)
            if (l->gradient)
                l->gradient[first + outputs * inputs + j] += delta[j];
            else
                w[j] -= l->rate * delta[j];
        for (unsigned i = 0; back && i < inputs; i++)
            back[i] = through(config->activation[k - 1], back[i], x[i]);
    }
}

/* ---------------------------------------------------------------------------------------- a batch's step */

static void descend(struct learner_type *l, real samples)
{
    real *w = l->parameters;
    for (uint32_t i = 0; i < l->count; i++)
        w[i] -= l->rate * (l->gradient[i] / samples);
}

static void adam(struct learner_type *l, real samples)
{
    l->correction[0] = R(0.9) * l->correction[0] + R(0.1);
    l->correction[1] = R(0.999) * l->correction[1] + R(0.001);
    real step = l->rate / l->correction[0], root = square_root(l->correction[1]);
    real *restrict w = l->parameters, *restrict m = l->moment[0], *restrict v = l->moment[1];
    for (uint32_t i = 0; i < l->count; i++) {
        real g = l->gradient[i] / samples;
        m[i] = R(0.9) * m[i] + R(0.1) * g;
        v[i] = R(0.999) * v[i] + R(0.001) * (g * g);
        w[i] -= step * (m[i] / (square_root(v[i]) / root + R(1e-8)));
    }
}

static void update(struct learner_type *l)
{
    real samples = l->config.loss == WIRE_LOSS_SUM ? 1 : (real)l->in_batch;
    l->loss = l->batch_loss / samples;
    if (l->config.adam)
        adam(l, samples);
    else if (l->gradient)
        descend(l, samples);
    if (l->gradient)
        memset(l->gradient, 0, l->count * sizeof *l->gradient);
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
    real doubt =
        0 * l->loss; /* 0 times what is not finite is NaN; one isfinite after the other costs twice */
    for (uint32_t i = 0; i < l->count; i++)
        doubt += 0 * l->parameters[i];
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
    if (config->loss > WIRE_LOSS_CROSS || (config->loss == WIRE_LOSS_CROSS &&
                                           config->activation[config->layers - 1] != WIRE_ACTIVATION_SIGMOID))
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
    return config->adam || config->batch != 1;
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

enum learn_progress LEARN(sample)(struct learner_type *l)
{
    const struct learn_config *config = &l->config;
    if (l->state != LEARN_RUNNING)
        return LEARN_ENDED;
    if (l->order && l->sample == 0)
        pcg32_shuffle(&l->random, l->order, config->samples);
    size_t row = l->order ? l->order[l->sample] : l->sample;
    const real *x = l->x + row * config->units[0], *y = l->y + row * config->units[config->layers];

    forward(l, x);
    l->batch_loss += measure(l, y);
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
