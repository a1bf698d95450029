/* Included by fast.c for each type. */
#if BITS == 32
#define FAST(verb) fast32_##verb
#define CALL(verb) learn32_##verb
#define TYPE learn32
#define REAL float
#else
#define FAST(verb) fast64_##verb
#define CALL(verb) learn64_##verb
#define TYPE learn64
#define REAL double
#endif

/* The gradient and the loss of all samples but the last, which is left to learn_sample with the step itself.
 * `inputs` is a constant wherever it is called from, so that the features' sums stay in registers. */
static inline __attribute__((always_inline)) void FAST(neuron)(struct TYPE *l, unsigned inputs)
{
    const REAL *restrict x = l->x, *restrict y = l->y;
    REAL w[WIRE_UNITS_MAX], gradient[WIRE_UNITS_MAX] = {0};
    memcpy(w, l->parameters, inputs * sizeof(REAL));
    bool bias = l->config.bias;
    REAL b = bias ? l->parameters[inputs] : 0, gradient_b = 0, loss = 0;
    REAL slope = l->config.loss == WIRE_LOSS_HALF ? 1 : 2;
    uint32_t samples = l->config.samples - 1;
    for (uint32_t first = 0; first < samples; first += BLOCK) {
        uint32_t block = samples - first < BLOCK ? samples - first : BLOCK;
        REAL delta[BLOCK];
        for (uint32_t i = 0; i < block; i++) {
            REAL z = 0;
            for (unsigned j = 0; j < inputs; j++)
                z += w[j] * x[i * inputs + j];
            delta[i] = (bias ? z + b : z) - y[first + i];
        }
        for (uint32_t i = 0; i < block; i++, x += inputs) {
            REAL square = delta[i] * delta[i];
            loss += l->config.loss == WIRE_LOSS_HALF ? (REAL)0.5 * square : square;
            delta[i] *= slope;
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

#define CASE(inputs)                                                                                         \
    case inputs:                                                                                             \
        FAST(neuron)(l, inputs);                                                                             \
        return;

static void FAST(most_of_epoch)(struct TYPE *l)
{
    const struct learn_config *config = &l->config;
    unsigned activation = config->activation[0];
    if (config->layers != 1 || config->units[1] != 1 || config->loss == WIRE_LOSS_CROSS || config->shuffle ||
        config->batch != config->samples || !l->gradient ||
        (activation != WIRE_ACTIVATION_IDENTITY && activation != WIRE_ACTIVATION_STEP))
        return;
    switch (config->units[0]) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
        CASE(14)
        CASE(15)
        CASE(16)
    default:
        FAST(neuron)(l, config->units[0]);
    }
}
#undef CASE

/* A learner with its workspace, or NULL when there is no memory or the config is no good. */
struct TYPE *FAST(begin)(const struct learn_config *config, const REAL *x, const REAL *y, REAL rate,
                         const REAL *start);
struct TYPE *FAST(begin)(const struct learn_config *config, const REAL *x, const REAL *y, REAL rate,
                         const REAL *start)
{
    size_t size = CALL(size)(config);
    struct TYPE *l = size ? malloc(sizeof *l + size) : NULL;
    if (l && CALL(begin)(l, config, x, y, rate, 0, l + 1, size) == LEARN_OK) {
        memcpy(l->parameters, start, l->count * sizeof(REAL));
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
#undef BITS
