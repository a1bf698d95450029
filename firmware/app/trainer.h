/* A node trains itself: data and wishes come over the bus, core/learn.c takes one sample a call, and at the
 * end core/quantise.c makes an image of what was learnt. The running model is not touched by any of it.
 *
 * The arena is the training's memory. The bus writes its first part, without gaps, little-endian:
 *
 *     f64  ranges[inputs][2]          low and high of each input, as host/models/quantise.py declares them
 *     f64  scales[inputs + outputs][2]  with TRAIN_SCALED: mean and deviation of each column, by which x and y were
 *                                     standardised; core/scale.c makes a model of raw values of what was learnt
 *     real x[samples][inputs]         real: float32 or float64, as TRAIN_BITS says
 *     real y[samples][outputs]
 *     real weights[samples]           with TRAIN_WEIGHTED: by which each sample counts, from 0
 *     real start[parameters]          layer by layer: weights (outputs, inputs), then biases (outputs)
 *     f32  vectors[vectors][inputs]   rows of the model's self-test
 *
 * and learn.c works behind it, from the next multiple of 8; with TRAIN_SCALED the parameters of the raw model, float64,
 * stand between. */
#ifndef NEURON485_APP_TRAINER_H
#define NEURON485_APP_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/rows.h"
#include "core/learn.h"
#include "core/quantise.h"
#include "core/scale.h"
#include "core/wire.h"

#define TRAINER_WORDS (WIRE_HOLDING_TRAIN_NAME + WIRE_HOLDING_TRAIN_NAME_SIZE - WIRE_HOLDING_TRAIN_LAYERS)

struct trainer {
    uint16_t words[TRAINER_WORDS]; /* holding registers TRAIN_LAYERS ... TRAIN_NAME, as last written */
    uint8_t *arena;                /* WIRE_ARENA_BYTES, aligned to 8 */

    enum wire_training state;
    uint32_t epoch;      /* whole epochs done */
    double loss;         /* of the last of them */
    uint32_t chain;      /* CRC-32 over the parameters after every epoch so far */
    uint32_t parameters; /* byte of the arena at which they stand */
    uint32_t pause;      /* epoch after which to pause, 0: none */
    bool wide;           /* float64 */
    union {
        struct learn32 narrow;
        struct learn64 wide;
    } learner;
    const struct scale *scales;  /* inputs, then outputs; NULL: raw values were learnt from */
    double *raw;                 /* room for the parameters of the model of raw values */
    struct quantise_model model; /* what the training is to become; its pointers go into the arena */
};

/* arena: the memory to work in, WIRE_ARENA_BYTES, aligned to 8. */
void trainer_init(struct trainer *trainer, uint8_t *arena);

/* Whether a training is under way: running or paused. */
bool trainer_active(const struct trainer *trainer);

/* Begin what the registers ask for: TRAIN_SHAPE, TRAIN_ROOM and TRAIN_DATA tell why not. */
enum wire_reason trainer_start(struct trainer *trainer) __attribute__((cold)); /* rather small than fast */

/* Go on until the epoch that TRAIN_PAUSE names now. */
void trainer_resume(struct trainer *trainer);

/* End what is under way, without an image. */
void trainer_stop(struct trainer *trainer);

/* Take one sample, while it is running. True while there is more to do. */
bool trainer_step(struct trainer *trainer);

/* The training has come to its end and waits for trainer_finish. */
bool trainer_learnt(const struct trainer *trainer);

/* Write the image of what was learnt; its length, or 0 with the reason. */
size_t trainer_finish(struct trainer *trainer, uint8_t *image, size_t room, enum wire_reason *reason,
                      uint16_t *detail) __attribute__((cold));

#define TRAINER_ROWS 3u
extern const struct row trainer_rows[TRAINER_ROWS];

#endif
