/* The image of a fixed-point model: checked once, then run in place, from RAM or flash. Twin of
 * host/core/image.py, which draws the layout.
 *
 * Errors are enum wire_reason; `detail` says where: the layer, input or vector, counted from 0. */
#ifndef NEURON485_CORE_IMAGE_H
#define NEURON485_CORE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/senses.h"
#include "core/wire.h"

/* The fixed part at the start of an image, as host/core/image.py draws it. */
struct image_header {
    uint32_t magic;
    uint16_t version, flags;
    uint32_t length;
    char name[WIRE_NAME_BYTES];
    uint16_t layers, inputs, outputs, vectors;
    uint16_t led_output;
    int16_t led_threshold;
};
_Static_assert(sizeof(struct image_header) == 40, "the image's header is 40 bytes");

/* A dense layer: out = activation(bias + weights * in). Points into the image. */
struct image_layer {
    const int16_t *weights; /* (outputs, stride), row by row; a row's padding is 0 */
    const int32_t *bias;    /* (outputs), at the accumulator's scale */
    uint8_t inputs;         /* 1..WIRE_UNITS_MAX */
    uint8_t outputs;        /* 1..WIRE_UNITS_MAX */
    uint8_t stride;         /* inputs rounded up to even, for two MACs an instruction */
    uint8_t activation;     /* enum wire_activation */
    int8_t shift;           /* bits from the accumulator's scale to the activation's, WIRE_SHIFT_MIN..MAX */
    int8_t out_fraction;    /* fraction bits of the output, WIRE_FRACTION_MIN..MAX */
    bool narrow; /* 32 bits hold its sums, image_narrow, and the shift: infer.c has a faster way then */
};

/* A checked image. It lives as long as the bytes that it points into. */
struct image {
    const uint8_t *bytes;          /* the image itself, aligned to 4 */
    uint32_t length;               /* bytes, CRC included */
    uint32_t crc;                  /* CRC-32, the model's identity */
    const char *name;              /* WIRE_NAME_BYTES, NUL padded, not NUL terminated */
    const int8_t *input_fraction;  /* (inputs), WIRE_FRACTION_MIN..MAX: value = offset + q * 2^-fraction */
    const float *input_offset;     /* (inputs), finite; NULL: 0 for each */
    const int16_t *input_range;    /* (inputs, 2), q, low and high: what the model was made for; NULL: any */
    const int8_t *output_fraction; /* (outputs), WIRE_FRACTION_MIN..MAX; NULL: the last layer's for each */
    const struct senses *senses;   /* of the inputs that come from channels; NULL: all come from the bus */
    const struct senses_source *sources; /* (inputs), where there are senses */
    struct decide_config decision; /* how what lights the LED becomes a decision; by default it is one */
    uint32_t release;              /* of the model, 1 on; 0: none */
    const int16_t *vectors;        /* (vector_count, inputs + outputs): inputs, then expected outputs */
    int16_t led_threshold;         /* infer_led and infer_class say what it parts */
    uint8_t led_output;            /* of an output, or where led_class, of a class */
    bool led_class;
    uint8_t inputs, outputs; /* 1..WIRE_UNITS_MAX */
    uint8_t layer_count;     /* 1..WIRE_LAYERS_MAX */
    uint8_t vector_count;    /* 1..WIRE_VECTORS_MAX */
    struct image_layer layers[WIRE_LAYERS_MAX];
};

/* The least value that a layer can be handed by one of this activation, or 0 if that is less: INT16_MIN or 0. The inputs
 * of a model are as those of an identity. */
int image_lowest(uint8_t activation);

/* Whether no `count` inputs of lowest..INT16_MAX can take a row's accumulator out of 32 bits. As 0 is among them, no sum
 * on the way goes beyond the ends of the whole. lowest: INT16_MIN..0. */
bool image_narrow(int32_t bias, const int16_t *weights, unsigned count, int lowest);

/* Check everything but the self-test, and fill *image. Any `length` bytes are safe to pass; on an error
 * *image is not to be used. `detail` may not be NULL. */
enum wire_reason image_open(struct image *image, const void *bytes, size_t length, uint16_t *detail)
    __attribute__((cold)); /* rather small than fast */

/* Run the image's self-test on this machine: WIRE_REASON_NONE, or SELF_TEST with the first vector that differs; then,
 * with WIRE_WINDOW_TEST upon it, the first input whose feature does. */
enum wire_reason image_self_test(const struct image *image, uint16_t *detail);

#endif
