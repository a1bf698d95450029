#include "core/infer.h"

#include <math.h>
#include <string.h>

#include "core/fixed.h"
#include "core/rows.h"

/* Rounded half up; 1 is added when only one bit is left to shift, where it cannot overflow: shift is at
 * least 2. */
static inline int32_t rescale(int32_t acc, int shift)
{
    return ((acc >> (shift - 1)) + 1) >> 1;
}

static inline int32_t finish(int32_t acc, int shift, unsigned activation)
{
    if (activation == WIRE_ACTIVATION_STEP)
        return acc > 0; /* on the accumulator itself: rounding must not move a decision */
    if (activation == WIRE_ACTIVATION_RELU)
        return rows_saturate_relu(rescale(acc, shift));
    return rows_saturate(rescale(acc, shift));
}

static inline void finish_two(int16_t *y, int32_t acc0, int32_t acc1, int shift, unsigned activation)
{
    if (activation == WIRE_ACTIVATION_RELU) {
        acc0 = rows_saturate_relu(rescale(acc0, shift));
        acc1 = rows_saturate_relu(rescale(acc1, shift));
    } else if (activation == WIRE_ACTIVATION_STEP) {
        acc0 = acc0 > 0;
        acc1 = acc1 > 0;
    } else {
        acc0 = rows_saturate(rescale(acc0, shift));
        acc1 = rows_saturate(rescale(acc1, shift));
    }
    y[0] = (int16_t)acc0;
    y[1] = (int16_t)acc1;
}

/* Of any sum, at any shift. */
static __attribute__((noinline)) int16_t finish_any(int64_t acc, int shift, unsigned activation)
{
    if (activation == WIRE_ACTIVATION_STEP)
        return acc > 0;
    const int16_t y = fixed_rescale(acc, shift);
    return activation == WIRE_ACTIVATION_RELU && y < 0 ? 0 : y;
}

/* y = activation(bias + weights * x), up to the curve of a sigmoid or tanh, where 32 bits hold the sums. Kept apart
 * from the next, as GCC has registers enough for either. */
static __attribute__((noinline)) void narrow(const struct image_layer *layer, const int16_t *x, int16_t *y)
{
    const int shift = layer->shift;
    const unsigned activation = layer->activation, stride = layer->stride;
    const int16_t *row = layer->weights, *const last = y + (layer->outputs & ~1u);
    const int32_t *bias = layer->bias;
    for (; y != last; y += 2) {
        int32_t acc0 = *bias++, acc1 = *bias++;
        row = rows_add(&acc0, &acc1, row, x, stride);
        finish_two(y, acc0, acc1, shift, activation);
    }
    if (layer->outputs % 2 != 0)
        *y = (int16_t)finish((int32_t)rows_add_one(*bias, row, x, stride), shift, activation);
}

/* Sums are below 2^38, ACC_MAX of image.c: without their last 7 bits, which round nothing where more are shifted out, 32
 * hold them. A step, which looks at every bit, has shift 0. */
#define SPARE 7

/* The same for any layer. */
static __attribute__((noinline)) void wide(const struct image_layer *layer, const int16_t *x, int16_t *y)
{
    const int shift = layer->shift;
    const bool usual = shift >= SPARE + 2 && shift <= SPARE + 32;
    const unsigned activation = layer->activation, stride = layer->stride;
    const int16_t *row = layer->weights, *const last = y + (layer->outputs & ~1u);
    const int32_t *bias = layer->bias;
    for (; y != last; y += 2) {
        int64_t acc0 = *bias++, acc1 = *bias++;
        row = rows_add_wide(&acc0, &acc1, row, x, stride);
        if (usual) {
            finish_two(y, (int32_t)(acc0 >> SPARE), (int32_t)(acc1 >> SPARE), shift - SPARE, activation);
        } else {
            y[0] = finish_any(acc0, shift, activation);
            y[1] = finish_any(acc1, shift, activation);
        }
    }
    if (layer->outputs % 2 != 0)
        *y = finish_any(rows_add_one(*bias, row, x, stride), shift, activation);
}

static void run_layer(const struct image_layer *layer, const int16_t *x, int16_t *y)
{
    if (layer->narrow)
        narrow(layer, x, y);
    else
        wide(layer, x, y);

    const bool sigmoid = layer->activation == WIRE_ACTIVATION_SIGMOID;
    if (sigmoid || layer->activation == WIRE_ACTIVATION_TANH)
        for (unsigned j = 0; j < layer->outputs; j++)
            y[j] = sigmoid ? fixed_sigmoid(y[j]) : fixed_tanh(y[j]);
}

void infer(const struct image *image, const int16_t *inputs, int16_t *outputs)
{
    int16_t buffer[2][WIRE_UNITS_MAX]; /* by turns: each layer reads the one and writes the other */
    unsigned left = image->layer_count;
    const int16_t *x = inputs;
    if (image->inputs % 2 != 0) { /* a zero meets the rows' padding */
        int16_t *copy = buffer[left % 2];
        const unsigned whole = image->inputs - 1u;
        for (unsigned i = 0; i < whole; i += 2) {
            const int32_t both = rows_pair(inputs + i);
            memcpy(copy + i, &both, sizeof both);
        }
        copy[whole] = inputs[whole];
        copy[whole + 1] = 0;
        x = copy;
    }
    for (const struct image_layer *layer = image->layers;; layer++) {
        int16_t *y = --left == 0 ? outputs : buffer[left % 2];
        run_layer(layer, x, y);
        if (left == 0)
            return;
        if (layer->outputs % 2 != 0)
            y[layer->outputs] = 0;
        x = y;
    }
}

unsigned infer_class(const struct image *image, const int16_t *outputs)
{
    if (image->outputs == 1)
        return outputs[0] > image->led_threshold;
    const int8_t *fractions = image->output_fraction;
    unsigned largest = 0;
    float most = -INFINITY;
    for (unsigned j = 0; j < image->outputs; j++) {
        const float value = fixed_to_float(outputs[j], fractions ? fractions[j] : 0); /* exactly */
        if (value > most) {
            most = value;
            largest = j;
        }
    }
    return largest;
}

bool infer_led(const struct image *image, const int16_t *outputs)
{
    if (image->led_class)
        return infer_class(image, outputs) == image->led_output;
    return outputs[image->led_output] > image->led_threshold;
}
