/* The neuron: a model that runs in place from the flash, what goes into it, what comes out, and the lamp.
 *
 * Inputs are kept as integers at the running model's scales, and as floats in their own units, so that they
 * outlive a change of the model. An input written as an integer becomes a float only when it is read as one, or
 * the model changes. Without a model inputs can be set all the same, outputs are 0. */
#ifndef NEURON485_APP_NEURON_H
#define NEURON485_APP_NEURON_H

#include <stdbool.h>
#include <stdint.h>

#include "app/events.h"
#include "app/rows.h"
#include "core/image.h"
#include "core/wire.h"

#define NEURON_COILS 5u /* LAMP_TEST, HOLD, IDENTIFY, OVERRIDE, ACKNOWLEDGE */

struct neuron {
    struct events *events; /* told of every change of the model */
    bool valid;            /* `model` runs */
    struct image model;
    int8_t fractions[WIRE_UNITS_MAX];   /* of the inputs, as the model had them when it began; else 0 */
    float offsets[WIRE_UNITS_MAX];      /* of the inputs, likewise */
    int16_t inputs[WIRE_UNITS_MAX];     /* at these scales */
    float inputs_float[WIRE_UNITS_MAX]; /* never NaN; stale where `integers` says so */
    uint64_t integers;                  /* bit n: input n was last written as an integer */
    uint64_t clipped;                   /* bit n: input n is beyond its format, and was cut */
    int16_t outputs[WIRE_UNITS_MAX];    /* at the scales of the next, 0 behind the last */
    int8_t output_fractions[WIRE_UNITS_MAX];
    bool decision;       /* what the model lights the LED for */
    uint32_t inferences; /* since start, wraps */
    uint8_t coils;       /* bit n: coil n */
};

/* Run `model`, whose image must stay where it is, on the inputs as they are. */
void neuron_run(struct neuron *neuron, const struct image *model);

/* Run none: outputs 0, no decision. */
void neuron_stop(struct neuron *neuron);

/* The running model, or NULL. */
const struct image *neuron_model(const struct neuron *neuron);

/* What the lamp shows: the model's decision, or what a coil asks for. */
bool neuron_lamp(const struct neuron *neuron);

/* Whether an input of the running model is beyond what its format holds. */
bool neuron_clipped(const struct neuron *neuron);

/* Whether an input is beyond the range that the running model was made for, or what its format holds. */
bool neuron_out_of_range(const struct neuron *neuron);

/* Write the coils in `mask`, coil n in bit n. */
void neuron_write_coils(struct neuron *neuron, unsigned mask, unsigned bits);

#define NEURON_ROWS 12u
extern const struct row neuron_rows[NEURON_ROWS];

#endif
