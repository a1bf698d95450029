/* Run a fixed-point model. Twin of host/core/infer.py: the same integers, bit for bit. */
#ifndef NEURON485_CORE_INFER_H
#define NEURON485_CORE_INFER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/image.h"

/* inputs: (image->inputs) int16 at the scales of image->input_fraction; outputs: (image->outputs) int16 at
 * the scale of the last layer. They may not overlap. Uses 256 bytes of stack for the activations between
 * layers. */
void infer(const struct image *image, const int16_t *inputs, int16_t *outputs);

/* Whether these outputs light the LED. */
bool infer_led(const struct image *image, const int16_t *outputs);

#endif
