#include "app/trainer.h"

#include <math.h>
#include <string.h>

#include "core/crc.h"

/* Where a register stands among the words. */
#define AT(name) (WIRE_HOLDING_TRAIN_##name - WIRE_HOLDING_TRAIN_LAYERS)

/* ---------------------------------------------------------------------------------------------- the words */

static uint32_t word32(const struct trainer *trainer, unsigned at)
{
    return (uint32_t)trainer->words[at] << 16 | trainer->words[at + 1];
}

static double word_f64(const struct trainer *trainer, unsigned at)
{
    const uint64_t bits = (uint64_t)word32(trainer, at) << 32 | word32(trainer, at + 2);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

bool trainer_splits(uint32_t offset, uint16_t count)
{
    static const struct {
        uint8_t at, width;
    } values[] = {
        {AT(SEED), 2},  {AT(SAMPLES), 2}, {AT(BATCH), 2},     {AT(EPOCHS), 2},
        {AT(PAUSE), 2}, {AT(RATE), 4},    {AT(TOLERANCE), 4}, {AT(LED_THRESHOLD), 4},
    };
    const uint32_t ends[] = {offset, offset + count};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++)
        for (unsigned end = 0; end < 2; end++)
            if (ends[end] > values[i].at && ends[end] < (uint32_t)values[i].at + values[i].width)
                return true;
    return false;
}

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
        .seed = word32(trainer, AT(SEED)),
        .samples = word32(trainer, AT(SAMPLES)),
        .batch = word32(trainer, AT(BATCH)),
        .epochs = word32(trainer, AT(EPOCHS)),
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
    model->led_threshold = word_f64(trainer, AT(LED_THRESHOLD));
    const uint32_t count = trainer->wide ? learn64_count(config) : learn32_count(config);
    return count > 0 && model->led_output < model->units[layers] && isfinite(model->led_threshold);
}

/* ---------------------------------------------------------------------------------------------- the arena */

/* Takes consecutive parts of the arena, as trainer.h lists them. */
struct parts {
    uint8_t *arena;
    size_t used;
};

/* The next `count` items of `size` bytes, or NULL where they do not fit. */
static void *take(struct parts *parts, size_t count, size_t size)
{
    if (size * count > WIRE_ARENA_BYTES - parts->used)
        return NULL;
    void *part = parts->arena + parts->used;
    parts->used += size * count;
    return part;
}

static bool all_finite(const void *values, size_t count, bool wide)
{
    for (size_t i = 0; i < count; i++)
        if (!(wide ? isfinite(((const double *)values)[i]) : isfinite(((const float *)values)[i])))
            return false;
    return true;
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
                 struct parts *parts)
{
    const double rate = word_f64(trainer, AT(RATE)), tolerance = word_f64(trainer, AT(TOLERANCE));
    uint8_t *workspace = parts->arena + parts->used;
    const size_t room = WIRE_ARENA_BYTES - parts->used;
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
    struct parts parts = {.arena = trainer->arena};
    const double(*ranges)[2] = take(&parts, inputs, 2 * sizeof(double));
    const void *x = take(&parts, (size_t)config->samples * inputs, real);
    const void *y = take(&parts, (size_t)config->samples * outputs, real);
    const void *start = take(&parts, count, real);
    const float *vectors = take(&parts, (size_t)model->vector_count * inputs, sizeof(float));
    if (!ranges || !x || !y || !start || !vectors || !take(&parts, -parts.used % 8, 1))
        return WIRE_REASON_TRAIN_ROOM;
    if (!good_ranges(ranges, inputs) || !all_finite(x, (size_t)config->samples * inputs, wide) ||
        !all_finite(y, (size_t)config->samples * outputs, wide) || !all_finite(start, count, wide) ||
        !all_finite(vectors, (size_t)model->vector_count * inputs, false))
        return WIRE_REASON_TRAIN_DATA;
    const int error = begin(trainer, config, x, y, &parts);
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
    trainer->pause = word32(trainer, AT(PAUSE));
    trainer->state = reason == WIRE_REASON_NONE ? WIRE_TRAINING_RUNNING : WIRE_TRAINING_REFUSED;
    return reason;
}

void trainer_resume(struct trainer *trainer)
{
    trainer->pause = word32(trainer, AT(PAUSE));
    if (trainer->state == WIRE_TRAINING_PAUSED && trainer->pause != trainer->epoch)
        trainer->state = WIRE_TRAINING_RUNNING;
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
