/* The neuron: a model that runs in place from the flash, what goes into it, what comes out, and the lamp.
 *
 * Inputs are kept as integers at the running model's scales, and as floats in their own units, so that they
 * outlive a change of the model. An input written as an integer becomes a float only when it is read as one, or
 * the model changes. Without a model inputs can be set all the same, outputs are 0.
 *
 * A model whose inputs come from the bus infers when they are written. One that senses infers when a window of its
 * channels has been measured; what the bus writes beside them takes part in the next. While OVERRIDE is set it is as
 * one of the bus. */
#ifndef NEURON485_APP_NEURON_H
#define NEURON485_APP_NEURON_H

#include <stdbool.h>
#include <stdint.h>

#include "app/decision.h"
#include "app/events.h"
#include "app/refusal.h"
#include "app/rows.h"
#include "core/image.h"
#include "core/wire.h"

#define NEURON_COILS 5u /* LAMP_TEST, HOLD, IDENTIFY, OVERRIDE, ACKNOWLEDGE */

struct neuron {
    struct refusal *refusal;
    struct events *events;
    bool valid; /* `model` runs */
    struct image model;
    uint32_t models;                    /* how often another began, or none */
    int8_t fractions[WIRE_UNITS_MAX];   /* of the inputs, as the model had them when it began; else 0 */
    float offsets[WIRE_UNITS_MAX];      /* of the inputs, likewise */
    int16_t inputs[WIRE_UNITS_MAX];     /* at these scales */
    float inputs_float[WIRE_UNITS_MAX]; /* never NaN; stale where `integers` says so */
    uint64_t integers;                  /* bit n: input n was last written as an integer */
    uint64_t clipped;                   /* bit n: input n is beyond its format, and was cut */
    uint64_t sensed;                    /* bit n: input n of the model comes from a channel */
    bool senses;                        /* one does, or more */
    uint64_t unknown;                   /* bit n: of these, input n has not been measured yet, nor written */
    bool due;                           /* inputs have changed, but HOLD keeps the outputs */
    int16_t outputs[WIRE_UNITS_MAX];    /* at the scales of the next, 0 behind the last */
    int8_t output_fractions[WIRE_UNITS_MAX];
    struct decision decision;
    bool lit;  /* by the decision; HOLD keeps it */
    bool news; /* for neuron_tell */
    bool lit_told, clips_told;
    uint32_t now;        /* of a model that senses: the time of its samples, ms; hops.c sets it */
    uint32_t inferences; /* since start, wraps */
    uint8_t coils;       /* bit n: coil n */
    bool safe, safe_lit; /* the lamp does not follow the decision; what it shows instead */
};

void neuron_boot(struct neuron *neuron, struct refusal *refusal, struct events *events);

/* Run `model`, whose image must stay where it is, on the inputs as they are; those that it senses are 0 in their own units
 * until the first window. */
void neuron_run(struct neuron *neuron, const struct image *model);

/* The running model goes on from another copy of its image, with all its state. */
void neuron_move(struct neuron *neuron, const struct image *model);

/* Run none: outputs 0, no decision. */
void neuron_stop(struct neuron *neuron);

/* The running model, or NULL. */
const struct image *neuron_model(const struct neuron *neuron);

/* The inputs that come from channels have been measured. inputs: (model's) q, of which those in `sensed` are taken;
 * clipped: bit n: input n was cut; now: of the window's last sample, ms. Not while OVERRIDE is set. */
void neuron_sense(struct neuron *neuron, const int16_t *inputs, uint64_t clipped, uint32_t now);

/* Time passes: of a model that senses, that of its samples, not beyond the window that comes next; else port_millis.
 * Not where the decision is plain. */
void neuron_tick(struct neuron *neuron, uint32_t now);

/* Tell events of the news, what has changed since this was last called: DECISION, CLIPPED. No master waits for that, but
 * it must be done before the next request. */
void neuron_tell(struct neuron *neuron);

/* Inputs of the running model come from channels, and the bus has not taken them over. */
bool neuron_takes_windows(const struct neuron *neuron);

/* From now on the lamp does not follow the decision, but is lit or dark; or follows it again. */
void neuron_safe(struct neuron *neuron, bool safe, bool lit);

/* What the lamp shows: the model's decision or what is safe instead, or what a coil asks for. */
bool neuron_lamp(const struct neuron *neuron);

/* Whether an input of the running model is beyond what its format holds. Not one that is still to be measured. */
bool neuron_clipped(const struct neuron *neuron);

/* Whether an input is beyond the range that the running model was made for, or what its format holds, likewise. */
bool neuron_out_of_range(const struct neuron *neuron);

/* Write the coils in `mask`, coil n in bit n. */
void neuron_write_coils(struct neuron *neuron, unsigned mask, unsigned bits);

#define NEURON_ROWS 12u
extern const struct row neuron_rows[NEURON_ROWS];

#endif
