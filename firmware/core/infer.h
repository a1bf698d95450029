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

/* The class that these outputs say: of a single output 1 where it is above led_threshold, else 0; of several the number
 * of the one that is largest in its own units, the first of equal ones. */
unsigned infer_class(const struct image *image, const int16_t *outputs);

/* Whether these outputs light the LED: where their class is led_output, if led_class; else where output number
 * led_output is above led_threshold. */
bool infer_led(const struct image *image, const int16_t *outputs);

#endif
