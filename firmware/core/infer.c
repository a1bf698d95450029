#include "core/infer.h"

#include <string.h>

#include "core/fixed.h"

/* Two values side by side, in one load. */
static inline int32_t pair(const int16_t *values)
{
    int32_t both;
    memcpy(&both, values, sizeof both);
    return both;
}

/* acc + the products of two pairs, and saturation: each one instruction of a Cortex-M4. */
#ifdef __ARM_FEATURE_DSP
#include <arm_acle.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" /* within the macros of arm_acle.h */
static inline int32_t mac2(int32_t acc, int32_t weights, int32_t x)
{
    return __smlad(weights, x, acc);
}

static inline int64_t mac2_wide(int64_t acc, int32_t weights, int32_t x)
{
    return __smlald(weights, x, acc);
}

static inline int16_t saturate(int32_t z)
{
    return (int16_t)__ssat(z, 16);
}

static inline int16_t saturate_relu(int32_t z)
{
    return (int16_t)__usat(z, 15);
}
#pragma GCC diagnostic pop
#else
static inline int32_t mac2(int32_t acc, int32_t weights, int32_t x)
{
    return acc + (int16_t)weights * (int16_t)x + (weights >> 16) * (x >> 16);
}

static inline int64_t mac2_wide(int64_t acc, int32_t weights, int32_t x)
{
    return acc + (int16_t)weights * (int16_t)x + (weights >> 16) * (x >> 16);
}

static inline int16_t saturate(int32_t z)
{
    return fixed_saturate(z);
}

static inline int16_t saturate_relu(int32_t z)
{
    return z < 0 ? 0 : fixed_saturate(z);
}
#endif

/* ------------------------------------------------------------------- layers whose sums fit into 32 bits */

typedef int16_t finisher(int32_t acc, int shift);

static inline int16_t step(int32_t acc, int shift)
{
    (void)shift;
    return acc > 0; /* on the accumulator itself: rounding must not move a decision */
}

/* Rounded half up; 1 is added when only one bit is left to shift, where it cannot overflow: shift is at
 * least 2. */
static inline int32_t rescale(int32_t acc, int shift)
{
    return ((acc >> (shift - 1)) + 1) >> 1;
}

static inline int16_t linear(int32_t acc, int shift)
{
    return saturate(rescale(acc, shift));
}

static inline int16_t relu(int32_t acc, int shift)
{
    return saturate_relu(rescale(acc, shift));
}

/* y = finish(bias + weights * x). Two rows at a time share the loads of x. Inlined once for each `finish`. */
static inline __attribute__((always_inline)) void narrow(const struct image_layer *layer, const int16_t *x,
                                                         int16_t *y, finisher *finish)
{
    const int shift = layer->shift;
    const unsigned stride = layer->stride;
    const int32_t *bias = layer->bias;
    const int16_t *row = layer->weights, *const x_end = x + stride, *const y_end = y + layer->outputs;
    while (y_end - y >= 2) {
        const int16_t *below = row + stride;
        int32_t first = *bias++, second = *bias++;
        const int16_t *column = x;
        do {
            const int32_t both = pair(column);
            column += 2;
            first = mac2(first, pair(row), both);
            row += 2;
            second = mac2(second, pair(below), both);
            below += 2;
        } while (column != x_end);
        row = below;
        *y++ = finish(first, shift);
        *y++ = finish(second, shift);
    }
    if (y != y_end) {
        int32_t acc = *bias;
        do {
            acc = mac2(acc, pair(row), pair(x));
            row += 2;
            x += 2;
        } while (x != x_end);
        *y = finish(acc, shift);
    }
}

/* The same for any layer. */
static void wide(const struct image_layer *layer, const int16_t *x, int16_t *y)
{
    const int16_t *row = layer->weights;
    for (unsigned j = 0; j < layer->outputs; j++) {
        int64_t acc = layer->bias[j];
        for (unsigned i = 0; i < layer->stride; i += 2, row += 2)
            acc = mac2_wide(acc, pair(row), pair(x + i));
        if (layer->activation == WIRE_ACTIVATION_STEP) {
            y[j] = acc > 0; /* on the accumulator itself: rounding must not move a decision */
            continue;
        }
        y[j] = fixed_rescale(acc, layer->shift);
        if (layer->activation == WIRE_ACTIVATION_RELU && y[j] < 0)
            y[j] = 0;
    }
}

static void run_layer(const struct image_layer *layer, const int16_t *x, int16_t *y)
{
    if (!layer->narrow)
        wide(layer, x, y);
    else if (layer->activation == WIRE_ACTIVATION_STEP)
        narrow(layer, x, y, step);
    else if (layer->activation == WIRE_ACTIVATION_RELU)
        narrow(layer, x, y, relu);
    else
        narrow(layer, x, y, linear);

    if (layer->activation == WIRE_ACTIVATION_SIGMOID)
        for (unsigned j = 0; j < layer->outputs; j++)
            y[j] = fixed_sigmoid(y[j]);
    else if (layer->activation == WIRE_ACTIVATION_TANH)
        for (unsigned j = 0; j < layer->outputs; j++)
            y[j] = fixed_tanh(y[j]);
}

void infer(const struct image *image, const int16_t *inputs, int16_t *outputs)
{
    int16_t buffer[2][WIRE_UNITS_MAX];
    const int16_t *x = inputs;
    if (image->inputs % 2 != 0) { /* a zero meets the rows' padding */
        const unsigned whole = image->inputs - 1u;
        for (unsigned i = 0; i < whole; i += 2) {
            const int32_t both = pair(inputs + i);
            memcpy(buffer[1] + i, &both, sizeof both);
        }
        buffer[1][whole] = inputs[whole];
        buffer[1][whole + 1] = 0;
        x = buffer[1];
    }
    const unsigned last = image->layer_count - 1u;
    for (unsigned i = 0; i < last; i++) {
        const struct image_layer *layer = &image->layers[i];
        int16_t *y = buffer[i % 2];
        run_layer(layer, x, y);
        if (layer->outputs % 2 != 0)
            y[layer->outputs] = 0;
        x = y;
    }
    run_layer(&image->layers[last], x, outputs);
}

bool infer_led(const struct image *image, const int16_t *outputs)
{
    return outputs[image->led_output] > image->led_threshold;
}
