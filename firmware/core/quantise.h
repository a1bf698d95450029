/* Quantise trained layers into an image that cannot saturate. Twin of host/models/quantise.py: the same
 * scales, the same integers, the same image, bit for bit, but for names, which an image of the board has not.
 *
 * Each scale is the finest that holds the exact interval of its values over the declared input ranges.
 * Float64 here only rounds and scales by powers of two, so soft float gives the same bits. */
#ifndef NEURON485_CORE_QUANTISE_H
#define NEURON485_CORE_QUANTISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

/* What is to become an image. Pointers are read while quantise runs. */
struct quantise_model {
    char name[WIRE_NAME_BYTES];          /* printable ASCII, NUL padded */
    uint16_t units[WIRE_LAYERS_MAX + 1]; /* inputs, then outputs of each layer */
    uint8_t activation[WIRE_LAYERS_MAX]; /* enum wire_activation */
    uint8_t layers;                      /* 1..WIRE_LAYERS_MAX */
    bool bias;                           /* whether layers have biases */
    bool wide;                           /* parameters are float64, else float32 */
    const void *parameters;              /* layer by layer: weights (outputs, inputs), then biases */
    const double (*ranges)[2];           /* (inputs): low and high, low <= high */
    const float *vectors;  /* (vector_count, inputs): rows of the self-test, in their own units */
    uint16_t vector_count; /* 1..WIRE_VECTORS_MAX */
    bool shared_outputs;   /* all outputs of a linear last layer have one scale, not the finest of each */
    bool led_class;       /* the LED is lit where the class is led_output, else where that output is above: */
    uint16_t led_output;  /* 0..outputs - 1; a class of a single output: 0 or 1 */
    double led_threshold; /* in units of that output, or of the single one whose classes it parts; else any */
};

/* Write the image into `bytes`, aligned to 4. Answers its length, a multiple of 4; or 0 with the reason:
 * FRACTION where a value is too large for any scale (detail: the input or layer), LENGTH where there is no
 * room, SIZES. */
size_t quantise(const struct quantise_model *model, uint8_t *bytes, size_t room, enum wire_reason *reason,
                uint16_t *detail) __attribute__((cold)); /* rather small than fast: it runs once */

#endif
