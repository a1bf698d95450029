/* Included by fast.c for each type. */
#if BITS == 32
#define FAST(verb) fast32_##verb
#define CALL(verb) learn32_##verb
#define TYPE learn32
#define REAL float
#define EXP learn_exp32
#define LOG1P learn_log1p32
#define EXP_LOWEST LEARN_EXP_LOWEST32
#else
#define FAST(verb) fast64_##verb
#define CALL(verb) learn64_##verb
#define TYPE learn64
#define REAL double
#define EXP learn_exp64
#define LOG1P learn_log1p64
#define EXP_LOWEST LEARN_EXP_LOWEST64
#endif

/* The squared errors of `count` samples, from their sums: losses, and deltas in place of the sums z. */
static APART void FAST(square)(const struct TYPE *l, const REAL *y, uint32_t count, REAL *z, REAL *losses)
{
    bool half = l->config.loss == WIRE_LOSS_HALF;
    for (uint32_t i = 0; i < count; i++) {
        REAL error = z[i] - y[i], square = error * error;
        losses[i] = half ? (REAL)0.5 * square : square;
        z[i] = half ? error : 2 * error;
    }
}

/* The same for cross-entropy. exp(-|z|), which both the sigmoid and the loss want, is taken once, and of all
 * samples: where it is not learn_exp's, for the lowest that is; afterwards 0 or NaN. The bound has a loop of
 * its own, as compilers that see exp of a constant branch, and make no vectors. */
static APART void FAST(cross)(const REAL *y, uint32_t count, REAL *z, REAL *losses)
{
    REAL inside[BLOCK];
    for (uint32_t i = 0; i < count; i++) {
        REAL x = z[i] < 0 ? z[i] : -z[i];
        inside[i] = x >= EXP_LOWEST ? x : EXP_LOWEST;
    }
    for (uint32_t i = 0; i < count; i++) {
        REAL x = z[i] < 0 ? z[i] : -z[i];
        REAL e = EXP(inside[i]) * (REAL)(x >= EXP_LOWEST ? 1 : 0) + (x == x ? 0 : x);
        losses[i] = ((z[i] > 0 ? z[i] : 0) - z[i] * y[i]) + LOG1P(e);
        z[i] = (z[i] < 0 ? e : 1) / (1 + e) - y[i];
    }
}

/* The gradient and the loss of all samples but the last, which is left to learn_sample with the step itself.
 * `inputs` is a constant wherever it is called from, so that the features' sums stay in registers. */
static inline __attribute__((always_inline)) void FAST(neuron)(struct TYPE *l, unsigned inputs)
{
    const REAL *restrict x = l->x, *restrict y = l->y;
    REAL w[WIRE_UNITS_MAX], gradient[WIRE_UNITS_MAX] = {0};
    memcpy(w, l->parameters, inputs * sizeof(REAL));
    bool bias = l->config.bias;
    REAL b = bias ? l->parameters[inputs] : 0, gradient_b = 0, loss = 0;
    uint32_t samples = l->config.samples - 1;
    for (uint32_t first = 0; first < samples; first += BLOCK) {
        uint32_t block = samples - first < BLOCK ? samples - first : BLOCK;
        REAL delta[BLOCK], losses[BLOCK];
        SAMPLE_BY_SAMPLE
        for (uint32_t i = 0; i < block; i++) {
            REAL z = 0;
            for (unsigned j = 0; j < inputs; j++)
                z += w[j] * x[i * inputs + j];
            delta[i] = bias ? z + b : z;
        }
        if (l->config.loss == WIRE_LOSS_CROSS)
            FAST(cross)(y + first, block, delta, losses);
        else
            FAST(square)(l, y + first, block, delta, losses);
        for (uint32_t i = 0; l->weights && i < block; i++) {
            losses[i] *= l->weights[first + i];
            delta[i] *= l->weights[first + i];
        }
        for (uint32_t i = 0; i < block; i++, x += inputs) {
            loss += losses[i];
            for (unsigned j = 0; j < inputs; j++)
                gradient[j] += delta[i] * x[j];
            gradient_b += delta[i];
        }
    }
    memcpy(l->gradient, gradient, inputs * sizeof(REAL));
    if (bias)
        l->gradient[inputs] = gradient_b;
    l->batch_loss = loss;
    l->sample = l->in_batch = samples;
}

#define ALONE(inputs)                                                                                        \
    static APART void FAST(neuron_##inputs)(struct TYPE * l)                                                 \
    {                                                                                                        \
        FAST(neuron)(l, inputs);                                                                             \
    }
EACH_WIDTH(ALONE)
#undef ALONE

#define CASE(inputs)                                                                                         \
    case inputs:                                                                                             \
        FAST(neuron_##inputs)(l);                                                                            \
        return;

static void FAST(most_of_epoch)(struct TYPE *l)
{
    const struct learn_config *config = &l->config;
    unsigned activation = config->activation[0];
    bool fits = config->loss == WIRE_LOSS_CROSS
                    ? activation == WIRE_ACTIVATION_SIGMOID
                    : activation == WIRE_ACTIVATION_IDENTITY || activation == WIRE_ACTIVATION_STEP;
    if (!fits || config->layers != 1 || config->units[1] != 1 || config->shuffle ||
        config->batch != config->samples || !l->gradient)
        return;
    switch (config->units[0]) {
        EACH_WIDTH(CASE)
    default:
        FAST(neuron)(l, config->units[0]);
    }
}
#undef CASE

/* A learner with its workspace, or NULL when there is no memory or the config is no good. */
struct TYPE *FAST(begin)(const struct learn_config *config, const REAL *x, const REAL *y, const REAL *weights,
                         REAL rate, REAL l2, const REAL *start);
struct TYPE *FAST(begin)(const struct learn_config *config, const REAL *x, const REAL *y, const REAL *weights,
                         REAL rate, REAL l2, const REAL *start)
{
    size_t size = CALL(size)(config);
    struct TYPE *l = size ? malloc(sizeof *l + size) : NULL;
    if (l && CALL(begin)(l, config, x, y, rate, 0, l + 1, size) == LEARN_OK) {
        memcpy(l->parameters, start, l->count * sizeof(REAL));
        l->weights = weights;
        l->l2 = l2;
        return l;
    }
    free(l);
    return NULL;
}

/* Up to (epochs) more epochs; (epochs) losses and (epochs, count) parameters. Answers how many were done. */
uint32_t FAST(run)(struct TYPE *l, uint32_t epochs, REAL *losses, REAL *parameters);
uint32_t FAST(run)(struct TYPE *l, uint32_t epochs, REAL *losses, REAL *parameters)
{
    uint32_t done = 0;
    while (done < epochs && l->state == LEARN_RUNNING) {
        FAST(most_of_epoch)(l);
        while (CALL(sample)(l) != LEARN_EPOCH)
            ;
        losses[done] = l->loss;
        memcpy(parameters + (size_t)done * l->count, l->parameters, l->count * sizeof(REAL));
        done++;
    }
    return done;
}

void FAST(end)(struct TYPE *l);
void FAST(end)(struct TYPE *l)
{
    free(l);
}

#undef FAST
#undef CALL
#undef TYPE
#undef REAL
#undef EXP
#undef LOG1P
#undef EXP_LOWEST
#undef BITS
