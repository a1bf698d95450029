#include "app/trainer.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "app/words.h"
#include "core/crc.h"

/* Where a register stands among the words, and among those that tell of the progress. */
#define AT(name) (WIRE_HOLDING_TRAIN_##name - WIRE_HOLDING_TRAIN_LAYERS)
#define PROGRESS(name) (WIRE_INPUT_TRAIN_##name - WIRE_INPUT_TRAIN_STATE)
#define PROGRESS_WORDS (PROGRESS(PARAMETERS) + WIRE_INPUT_TRAIN_PARAMETERS_SIZE)

/* ---------------------------------------------------------------------------------------------- the words */

/* What learn.c and quantise.c are to do. False: sizes or codes that neither knows. */
static bool read_words(struct trainer *trainer, struct learn_config *config)
{
    const uint16_t *words = trainer->words;
    struct quantise_model *model = &trainer->model;
    const unsigned layers = words[AT(LAYERS)], vectors = words[AT(VECTORS)], bits = words[AT(BITS)];
    *model = (struct quantise_model){0};
    *config = (struct learn_config){
        .bias = words[AT(BIAS)] != 0,
        .adam = words[AT(ADAM)] != 0,
        .shuffle = words[AT(SHUFFLE)] != 0,
        .seed = words_get32(words + AT(SEED)),
        .samples = words_get32(words + AT(SAMPLES)),
        .batch = words_get32(words + AT(BATCH)),
        .epochs = words_get32(words + AT(EPOCHS)),
    };
    if (layers < 1 || layers > WIRE_LAYERS_MAX || vectors < 1 || vectors > WIRE_VECTORS_MAX ||
        (bits != 32 && bits != 64) || words[AT(LOSS_KIND)] > WIRE_LOSS_SOFTMAX || config->epochs == 0 ||
        config->samples > WIRE_ARENA_BYTES)
        return false;
    config->loss = (uint8_t)words[AT(LOSS_KIND)];
    config->layers = model->layers = (uint8_t)layers;
    for (unsigned i = 0; i <= layers; i++)
        config->units[i] = model->units[i] = words[AT(UNITS) + i];
    for (unsigned i = 0; i < layers; i++) {
        const uint16_t activation = words[AT(ACTIVATION) + i];
        if (activation > WIRE_ACTIVATION_TANH)
            return false;
        config->activation[i] = model->activation[i] = (uint8_t)activation;
    }
    for (unsigned i = 0; i < WIRE_NAME_BYTES; i++)
        model->name[i] = (char)(words[AT(NAME) + i / 2] >> (i % 2 ? 0 : 8));
    model->bias = config->bias;
    model->wide = trainer->wide = bits == 64;
    model->vector_count = (uint16_t)vectors;
    model->led_output = words[AT(LED_OUTPUT)];
    model->led_threshold = words_get_double(words + AT(LED_THRESHOLD));
    model->led_class = words[AT(LED_CLASS)] != 0;
    model->shared_outputs = words[AT(SHARED_OUTPUTS)] != 0;
    const unsigned outputs = model->units[layers], choices = model->led_class && outputs == 1 ? 2 : outputs;
    const uint32_t count = trainer->wide ? learn64_count(config) : learn32_count(config);
    return count > 0 && model->led_output < choices && isfinite(model->led_threshold);
}

/* ---------------------------------------------------------------------------------------------- the arena */

/* What the bus has written there. */
enum { RANGES, SCALES, X, Y, WEIGHTS, START, VECTORS, PIECES };
struct pieces {
    size_t count[PIECES]; /* of numbers, 0 where there are none */
    bool wide[PIECES];    /* float64 */
    void *at[PIECES];
    size_t used; /* bytes of the arena so far */
};

/* The next bytes of the arena, or NULL where they do not fit. */
static void *take(const struct trainer *trainer, struct pieces *pieces, size_t size)
{
    if (size > WIRE_ARENA_BYTES - pieces->used)
        return NULL;
    void *piece = trainer->arena + pieces->used;
    pieces->used += size;
    return piece;
}

/* False where they do not fit. */
static bool find_pieces(const struct trainer *trainer, const struct learn_config *config, uint32_t parameters,
                        struct pieces *pieces)
{
    const size_t inputs = config->units[0], outputs = config->units[config->layers],
                 samples = config->samples;
    const bool wide = trainer->wide;
    *pieces = (struct pieces){
        .count = {[RANGES] = 2 * inputs,
                  [SCALES] = trainer->words[AT(SCALED)] != 0 ? 2 * (inputs + outputs) : 0,
                  [X] = samples * inputs,
                  [Y] = samples * outputs,
                  [WEIGHTS] = trainer->words[AT(WEIGHTED)] != 0 ? samples : 0,
                  [START] = parameters,
                  [VECTORS] = trainer->model.vector_count * inputs},
        .wide = {true, true, wide, wide, wide, wide, false},
    };
    for (unsigned i = 0; i < PIECES; i++) {
        pieces->at[i] =
            take(trainer, pieces, pieces->count[i] * (pieces->wide[i] ? sizeof(double) : sizeof(float)));
        if (!pieces->at[i])
            return false;
    }
    return take(trainer, pieces, -pieces->used % 8) != NULL;
}

static double number(const void *values, size_t i, bool wide)
{
    return wide ? ((const double *)values)[i] : (double)((const float *)values)[i];
}

static bool all_finite(const void *values, size_t count, bool wide)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(number(values, i, wide)))
            return false;
    return true;
}

/* Whether a number is finite in the training's type too: the conversion of any other is undefined. */
static bool good_real(double value, bool wide)
{
    return isfinite(value) && (wide || fabs(value) <= (double)FLT_MAX);
}

static bool good_ranges(const double (*ranges)[2], unsigned inputs)
{
    for (unsigned i = 0; i < inputs; i++)
        if (!(ranges[i][0] <= ranges[i][1]))
            return false;
    return true;
}

/* Scales may be infinite: what they make of the parameters is quantise's to refuse. */
static bool good_pieces(const struct pieces *pieces, const struct learn_config *config)
{
    for (unsigned i = 0; i < PIECES; i++)
        if (i != SCALES && !all_finite(pieces->at[i], pieces->count[i], pieces->wide[i]))
            return false;
    return good_ranges(pieces->at[RANGES], config->units[0]);
}

/* learn.c wants no parameter to begin at -0. */
static void copy_start(struct trainer *trainer, const void *start, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (trainer->wide)
            trainer->learner.wide.parameters[i] = ((const double *)start)[i] + 0.0;
        else
            trainer->learner.narrow.parameters[i] = ((const float *)start)[i] + 0.0f;
}

static const void *parameters(const struct trainer *trainer)
{
    return trainer->wide ? (const void *)trainer->learner.wide.parameters
                         : trainer->learner.narrow.parameters;
}

static uint32_t parameter_count(const struct trainer *trainer)
{
    return trainer->wide ? trainer->learner.wide.count : trainer->learner.narrow.count;
}

static int begin(struct trainer *trainer, struct learn_config *config, const struct pieces *pieces,
                 double rate, double tolerance, double l2)
{
    const void *x = pieces->at[X], *y = pieces->at[Y],
               *weights = pieces->count[WEIGHTS] ? pieces->at[WEIGHTS] : NULL;
    uint8_t *workspace = trainer->arena + pieces->used;
    const size_t room = WIRE_ARENA_BYTES - pieces->used;
    const float narrow_l2 = (float)l2;
    config->decay = trainer->wide ? l2 != 0 : narrow_l2 != 0;
    int error;
    if (trainer->wide) {
        struct learn64 *learner = &trainer->learner.wide;
        error = learn64_begin(learner, config, x, y, rate, tolerance, workspace, room);
        learner->weights = weights;
        learner->l2 = l2;
    } else {
        struct learn32 *learner = &trainer->learner.narrow;
        error = learn32_begin(learner, config, x, y, (float)rate, (float)tolerance, workspace, room);
        learner->weights = weights;
        learner->l2 = narrow_l2;
    }
    return error;
}

static enum wire_reason place(struct trainer *trainer, struct learn_config *config)
{
    const uint16_t *words = trainer->words;
    const bool wide = trainer->wide;
    const uint32_t count = wide ? learn64_count(config) : learn32_count(config);
    const double rate = words_get_double(words + AT(RATE)),
                 tolerance = words_get_double(words + AT(TOLERANCE)), l2 = words_get_double(words + AT(L2));
    struct pieces pieces;
    if (!find_pieces(trainer, config, count, &pieces))
        return WIRE_REASON_TRAIN_ROOM;
    trainer->scales = pieces.count[SCALES] ? pieces.at[SCALES] : NULL;
    trainer->raw = take(trainer, &pieces, trainer->scales ? count * sizeof(double) : 0);
    if (!trainer->raw)
        return WIRE_REASON_TRAIN_ROOM;
    if (!good_real(rate, wide) || !good_real(tolerance, wide) || !good_real(l2, wide) ||
        !good_pieces(&pieces, config))
        return WIRE_REASON_TRAIN_DATA;
    const int error = begin(trainer, config, &pieces, rate, tolerance, l2);
    if (error != LEARN_OK)
        return error == LEARN_ROOM ? WIRE_REASON_TRAIN_ROOM : WIRE_REASON_TRAIN_SHAPE;
    copy_start(trainer, pieces.at[START], count);
    trainer->parameters = (uint32_t)((const uint8_t *)parameters(trainer) - trainer->arena);
    trainer->model.ranges = pieces.at[RANGES];
    trainer->model.vectors = pieces.at[VECTORS];
    return WIRE_REASON_NONE;
}

/* The model of raw values of what was learnt. */
static void to_raw(struct trainer *trainer)
{
    struct quantise_model *model = &trainer->model;
    const unsigned inputs = model->units[0], outputs = model->units[model->layers],
                   before_last = model->units[model->layers - 1];
    const uint32_t count = parameter_count(trainer);
    const struct scale *scales = trainer->scales;
    double *raw = trainer->raw;
    for (uint32_t i = 0; i < count; i++)
        raw[i] = number(parameters(trainer), i, trainer->wide);
    scale_outputs(raw + count - (before_last + model->bias) * outputs, before_last, outputs, model->bias,
                  scales + inputs);
    scale_inputs(raw, inputs, model->units[1], model->bias, scales);
}

/* ----------------------------------------------------------------------------------------------- training */

void trainer_init(struct trainer *trainer, uint8_t *arena)
{
    *trainer = (struct trainer){.arena = arena, .state = WIRE_TRAINING_NONE};
}

bool trainer_active(const struct trainer *trainer)
{
    return trainer->state == WIRE_TRAINING_RUNNING || trainer->state == WIRE_TRAINING_PAUSED;
}

enum wire_reason trainer_start(struct trainer *trainer)
{
    struct learn_config config;
    enum wire_reason reason = read_words(trainer, &config) ? WIRE_REASON_NONE : WIRE_REASON_TRAIN_SHAPE;
    if (reason == WIRE_REASON_NONE)
        reason = place(trainer, &config);
    trainer->epoch = trainer->chain = 0;
    trainer->loss = 0;
    trainer->pause = words_get32(trainer->words + AT(PAUSE));
    trainer->state = reason == WIRE_REASON_NONE ? WIRE_TRAINING_RUNNING : WIRE_TRAINING_REFUSED;
    return reason;
}

void trainer_resume(struct trainer *trainer)
{
    trainer->pause = words_get32(trainer->words + AT(PAUSE));
    if (trainer->state == WIRE_TRAINING_PAUSED && trainer->pause != trainer->epoch)
        trainer->state = WIRE_TRAINING_RUNNING;
}

void trainer_stop(struct trainer *trainer)
{
    if (trainer_active(trainer))
        trainer->state = WIRE_TRAINING_STOPPED;
}

static enum learn_state learner_state(const struct trainer *trainer)
{
    return trainer->wide ? trainer->learner.wide.state : trainer->learner.narrow.state;
}

static void end_epoch(struct trainer *trainer)
{
    const size_t real = trainer->wide ? sizeof(double) : sizeof(float);
    trainer->epoch++;
    trainer->loss = trainer->wide ? trainer->learner.wide.loss : (double)trainer->learner.narrow.loss;
    trainer->chain = crc32_more(trainer->chain, parameters(trainer), parameter_count(trainer) * real);
    if (trainer->epoch == trainer->pause && learner_state(trainer) == LEARN_RUNNING)
        trainer->state = WIRE_TRAINING_PAUSED;
}

bool trainer_step(struct trainer *trainer)
{
    if (trainer_learnt(trainer))
        return false;
    const enum learn_progress progress =
        trainer->wide ? learn64_sample(&trainer->learner.wide) : learn32_sample(&trainer->learner.narrow);
    if (progress == LEARN_EPOCH)
        end_epoch(trainer);
    if (learner_state(trainer) == LEARN_DIVERGED)
        trainer->state = WIRE_TRAINING_DIVERGED;
    return trainer->state == WIRE_TRAINING_RUNNING;
}

bool trainer_learnt(const struct trainer *trainer)
{
    return trainer->state == WIRE_TRAINING_RUNNING &&
           (learner_state(trainer) == LEARN_DONE || learner_state(trainer) == LEARN_CONVERGED);
}

size_t trainer_finish(struct trainer *trainer, uint8_t *image, size_t room, enum wire_reason *reason,
                      uint16_t *detail)
{
    struct quantise_model *model = &trainer->model;
    model->parameters = parameters(trainer);
    if (trainer->scales) {
        to_raw(trainer);
        model->parameters = trainer->raw;
        model->wide = true;
    }
    const size_t length = quantise(model, image, room, reason, detail);
    trainer->state = length == 0                                 ? WIRE_TRAINING_REFUSED
                     : learner_state(trainer) == LEARN_CONVERGED ? WIRE_TRAINING_CONVERGED
                                                                 : WIRE_TRAINING_DONE;
    return length;
}

/* ----------------------------------------------------------------------------------------------- registers */

static enum modbus_exception read_wishes(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct trainer *trainer = part;
    memcpy(values, trainer->words + offset, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception write_wishes(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    static const struct {
        uint8_t at, width;
    } wide[] = {
        {AT(SEED), 2}, {AT(SAMPLES), 2},   {AT(BATCH), 2},         {AT(EPOCHS), 2}, {AT(PAUSE), 2},
        {AT(RATE), 4}, {AT(TOLERANCE), 4}, {AT(LED_THRESHOLD), 4}, {AT(L2), 4},
    };
    struct trainer *trainer = part;
    for (unsigned i = 0; i < sizeof wide / sizeof *wide; i++)
        if (words_split(offset, count, wide[i].at, wide[i].width))
            return MODBUS_ILLEGAL_ADDRESS;
    memcpy(trainer->words + offset, values, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception read_arena(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct trainer *trainer = part;
    words_from_bytes(values, trainer->arena + 2 * offset, count);
    return MODBUS_OK;
}

static enum modbus_exception write_arena(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    struct trainer *trainer = part;
    if (trainer_active(trainer))
        return MODBUS_DEVICE_BUSY;
    words_to_bytes(trainer->arena + 2 * offset, values, count);
    return MODBUS_OK;
}

static enum modbus_exception read_progress(const void *part, uint32_t offset, uint16_t count,
                                           uint16_t *values)
{
    const struct trainer *trainer = part;
    uint64_t loss;
    memcpy(&loss, &trainer->loss, sizeof loss);
    uint16_t words[PROGRESS_WORDS] = {(uint16_t)trainer->state};
    words_put32(words + PROGRESS(EPOCH), trainer->epoch);
    words_put64(words + PROGRESS(LOSS), loss);
    words_put32(words + PROGRESS(CHAIN), trainer->chain);
    words_put32(words + PROGRESS(PARAMETERS), trainer->parameters);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

const struct row trainer_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_TRAIN_LAYERS, TRAINER_WORDS, read_wishes, write_wishes},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_ARENA, WIRE_HOLDING_ARENA_SIZE, read_arena, write_arena},
    {WIRE_TABLE_INPUT, WIRE_INPUT_TRAIN_STATE, PROGRESS_WORDS, read_progress, NULL},
};
