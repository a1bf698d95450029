/* Which fixed-point scales hold a float model: of each input, each layer, and each output of a linear last layer. Twin of
 * host/models/formats.py, bit for bit; core/quantise writes the image.
 *
 * Each scale is the finest that holds the exact interval of its values over the declared input ranges. Float64 here only
 * rounds and scales by powers of two, but for the biases that absorb offsets and the weighing of shifts: plain operations
 * in a written order, so soft float gives the same bits. */
#ifndef NEURON485_CORE_FORMATS_H
#define NEURON485_CORE_FORMATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

/* What is known of the integers between two layers, an entry a unit. */
struct formats_span {
    int32_t low[WIRE_UNITS_MAX], high[WIRE_UNITS_MAX];
    int8_t fraction[WIRE_UNITS_MAX]; /* WIRE_FRACTION_MIN..MAX */
    int lowest;                      /* image_lowest */
};

/* A float layer, wherever its parameters stand. */
struct formats_layer {
    const void *parameters; /* of the whole model: float64 if wide, else float32 */
    const float *offset;    /* of its inputs, which its biases absorb; NULL: 0 for each */
    size_t first;           /* index of its first weight; weights (outputs, inputs), then biases */
    unsigned inputs, outputs;
    uint8_t activation; /* enum wire_activation */
    bool wide;
    bool bias; /* whether it has biases */
    bool own;  /* of an identity: each output has a scale of its own, and one shift goes for all */
};

/* Scales of a layer's rows: of its accumulators and of its outputs. */
struct formats_rows {
    int8_t acc[WIRE_UNITS_MAX], out[WIRE_UNITS_MAX];
};

/* The interval of a row's accumulator. */
struct formats_interval {
    int64_t low, high;
};

/* Scale of input number `i`, the integers at both ends of its range (low, high), and its offset: the middle of the range
 * or, where that gains less than two bits, 0. False: no scale holds them. */
bool formats_of_input(const double range[2], struct formats_span *span, float *offset, unsigned i)
    __attribute__((cold)); /* small rather than fast, as all of these */

/* Scales of all rows. False: none holds a weight, a bias or an output. */
bool formats_of_rows(const struct formats_layer *layer, const struct formats_span *before,
                     struct formats_rows *rows) __attribute__((cold));

/* A weight and a bias as integers for an accumulator of that scale, at most formats_of_rows' own. */
int32_t formats_weight(const struct formats_layer *layer, const struct formats_span *before, int acc_scale,
                       unsigned output, unsigned input) __attribute__((cold));
int32_t formats_bias(const struct formats_layer *layer, int acc_scale, unsigned output) __attribute__((cold));

/* The interval of a row's accumulator of that scale, exactly. */
struct formats_interval formats_interval(const struct formats_layer *layer, const struct formats_span *before,
                                         int acc_scale, unsigned output) __attribute__((cold));

#endif
