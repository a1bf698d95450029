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
        (bits != 32 && bits != 64) || words[AT(LOSS_KIND)] > WIRE_LOSS_CROSS || config->epochs == 0 ||
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

/* Takes consecutive pieces of the arena, as trainer.h lists them. */
struct pieces {
    uint8_t *arena;
    size_t used;
};

/* The next `count` items of `size` bytes, or NULL where they do not fit. */
static void *take(struct pieces *pieces, size_t count, size_t size)
{
    if (size * count > WIRE_ARENA_BYTES - pieces->used)
        return NULL;
    void *piece = pieces->arena + pieces->used;
    pieces->used += size * count;
    return piece;
}

static bool all_finite(const void *values, size_t count, bool wide)
{
    for (size_t i = 0; i < count; i++)
        if (!(wide ? isfinite(((const double *)values)[i]) : isfinite(((const float *)values)[i])))
            return false;
    return true;
}

/* Whether a number is finite in the training's type too: the conversion of any other is undefined. */
static bool good_real(double value, bool wide)
{
    return isfinite(value) && (wide || fabs(value) <= FLT_MAX);
}

static bool good_ranges(const double (*ranges)[2], unsigned inputs)
{
    for (unsigned i = 0; i < inputs; i++)
        if (!(ranges[i][0] <= ranges[i][1]))
            return false;
    return all_finite(ranges, 2u * inputs, true);
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

static int begin(struct trainer *trainer, const struct learn_config *config, const void *x, const void *y,
                 double rate, double tolerance, struct pieces *pieces)
{
    uint8_t *workspace = pieces->arena + pieces->used;
    const size_t room = WIRE_ARENA_BYTES - pieces->used;
    if (trainer->wide)
        return learn64_begin(&trainer->learner.wide, config, x, y, rate, tolerance, workspace, room);
    return learn32_begin(&trainer->learner.narrow, config, x, y, (float)rate, (float)tolerance, workspace,
                         room);
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

static enum wire_reason place(struct trainer *trainer, const struct learn_config *config)
{
    struct quantise_model *model = &trainer->model;
    const unsigned inputs = config->units[0], outputs = config->units[config->layers];
    const bool wide = trainer->wide;
    const size_t real = wide ? sizeof(double) : sizeof(float);
    const uint32_t count = wide ? learn64_count(config) : learn32_count(config);
    const double rate = words_get_double(trainer->words + AT(RATE)),
                 tolerance = words_get_double(trainer->words + AT(TOLERANCE));
    struct pieces pieces = {.arena = trainer->arena};
    const double(*ranges)[2] = take(&pieces, inputs, 2 * sizeof(double));
    const void *x = take(&pieces, (size_t)config->samples * inputs, real);
    const void *y = take(&pieces, (size_t)config->samples * outputs, real);
    const void *start = take(&pieces, count, real);
    const float *vectors = take(&pieces, (size_t)model->vector_count * inputs, sizeof(float));
    if (!ranges || !x || !y || !start || !vectors || !take(&pieces, -pieces.used % 8, 1))
        return WIRE_REASON_TRAIN_ROOM;
    if (!good_real(rate, wide) || !good_real(tolerance, wide) || !good_ranges(ranges, inputs) ||
        !all_finite(x, (size_t)config->samples * inputs, wide) ||
        !all_finite(y, (size_t)config->samples * outputs, wide) || !all_finite(start, count, wide) ||
        !all_finite(vectors, (size_t)model->vector_count * inputs, false))
        return WIRE_REASON_TRAIN_DATA;
    const int error = begin(trainer, config, x, y, rate, tolerance, &pieces);
    if (error != LEARN_OK)
        return error == LEARN_ROOM ? WIRE_REASON_TRAIN_ROOM : WIRE_REASON_TRAIN_SHAPE;
    copy_start(trainer, start, count);
    model->ranges = ranges;
    model->vectors = vectors;
    model->parameters = parameters(trainer);
    trainer->parameters = (uint32_t)((const uint8_t *)model->parameters - trainer->arena);
    return WIRE_REASON_NONE;
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
    if (trainer->state != WIRE_TRAINING_RUNNING || trainer_learnt(trainer))
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
    const size_t length = quantise(&trainer->model, image, room, reason, detail);
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
        {AT(SEED), 2},  {AT(SAMPLES), 2}, {AT(BATCH), 2},     {AT(EPOCHS), 2},
        {AT(PAUSE), 2}, {AT(RATE), 4},    {AT(TOLERANCE), 4}, {AT(LED_THRESHOLD), 4},
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
