/* The part of learn.h that depends on the type of real numbers: included by it once for each. */
#undef LEARN
#undef LEARN_TYPE
#undef LEARN_REAL
#if LEARN_BITS == 32
#define LEARN(verb) learn32_##verb
#define LEARN_TYPE learn32
#define LEARN_REAL float
#else
#define LEARN(verb) learn64_##verb
#define LEARN_TYPE learn64
#define LEARN_REAL double
#endif

/* A training under way. Read it between calls; write only `parameters`, `weights` and `l2`, before the first
 * sample. */
struct LEARN_TYPE {
    struct learn_config config;
    const LEARN_REAL *x;       /* (samples, inputs) */
    const LEARN_REAL *y;       /* (samples, outputs) */
    const LEARN_REAL *weights; /* (samples), by which each counts; NULL, as begin leaves it: 1 */
    LEARN_REAL rate, tolerance;
    LEARN_REAL l2; /* of the decay, from 0 */

    enum learn_state state;
    uint32_t epoch;  /* whole epochs done */
    uint32_t sample; /* samples of this epoch done */
    LEARN_REAL loss; /* of the last batch, before its update; between epochs: of the epoch's last batch */

    uint32_t count;         /* of parameters */
    LEARN_REAL *parameters; /* layer by layer: weights (outputs, inputs), then biases (outputs) */

    LEARN_REAL *gradient;  /* of the batch, not divided; (count); none for sgd */
    LEARN_REAL *moment[2]; /* Adam's m and v; (count) */
    LEARN_REAL *values;    /* activations of every layer */
    LEARN_REAL *deltas;    /* sums of every layer on the way forward, their gradients on the way back */
    uint32_t *order;       /* of the samples when shuffled */
    uint32_t units;        /* outputs of all layers */
    uint32_t in_batch;     /* samples of this batch done */
    LEARN_REAL batch_loss, epoch_loss;
    LEARN_REAL correction[2]; /* Adam's c1 and c2 */
    struct pcg32 random;
};

/* Bytes of workspace that a training needs, at the alignment of its reals; 0 when the config is no good. */
size_t LEARN(size)(const struct learn_config *config);

/* Number of parameters; 0 when the config is no good. */
uint32_t LEARN(count)(const struct learn_config *config);

/* Begin. x, y and the workspace stay the caller's and must last; the parameters begin at 0. rate: of
 * learning; tolerance: 0 runs all epochs. Answers enum learn_error; the learner is usable only with LEARN_OK.
 */
int LEARN(begin)(struct LEARN_TYPE *learner, const struct learn_config *config, const LEARN_REAL *x,
                 const LEARN_REAL *y, LEARN_REAL rate, LEARN_REAL tolerance, void *workspace, size_t size)
    __attribute__((cold)); /* rather small than fast */

/* Take one sample forward and back; at the end of a batch, step; at the start of an epoch, shuffle. */
enum learn_progress LEARN(sample)(struct LEARN_TYPE *learner);

/* e^x for x <= 0, log(1 + e) for 0 <= e <= 1, and log(s) for 1 <= s <= WIRE_UNITS_MAX, as training uses them. */
LEARN_REAL LEARN(exp)(LEARN_REAL x);
LEARN_REAL LEARN(log1p)(LEARN_REAL e);
LEARN_REAL LEARN(log)(LEARN_REAL s);

#undef LEARN_BITS
