#include "core/infer.h"

#include <string.h>

#include "core/fixed.h"

/* bias + sum of weight * x over a row; x and weights are padded to even `stride`. Integers: the order is
 * free. */
static int64_t dot(const int16_t *weights, const int16_t *x, unsigned stride, int32_t bias)
{
    int64_t acc = bias;
    for (unsigned i = 0; i < stride; i += 2) {
        acc += (int32_t)weights[i] * x[i];
        acc += (int32_t)weights[i + 1] * x[i + 1];
    }
    return acc;
}

static int16_t activate(int64_t acc, const struct image_layer *layer)
{
    if (layer->activation == WIRE_ACTIVATION_STEP)
        return acc > 0; /* on the accumulator itself: rounding must not move a decision */
    int16_t z = fixed_rescale(acc, layer->shift);
    switch (layer->activation) {
    case WIRE_ACTIVATION_RELU:
        return z < 0 ? 0 : z;
    case WIRE_ACTIVATION_SIGMOID:
        return fixed_sigmoid(z);
    case WIRE_ACTIVATION_TANH:
        return fixed_tanh(z);
    default:
        return z;
    }
}

void infer(const struct image *image, const int16_t *inputs, int16_t *outputs)
{
    int16_t buffer[2][WIRE_UNITS_MAX];
    int16_t *x = buffer[0], *y = buffer[1];
    memcpy(x, inputs, image->inputs * sizeof *x);
    for (unsigned i = 0; i < image->layer_count; i++) {
        const struct image_layer *layer = &image->layers[i];
        if (layer->stride != layer->inputs)
            x[layer->inputs] = 0; /* meets the row's padding */
        const int16_t *row = layer->weights;
        for (unsigned j = 0; j < layer->outputs; j++, row += layer->stride)
            y[j] = activate(dot(row, x, layer->stride, layer->bias[j]), layer);
        int16_t *swap = x;
        x = y;
        y = swap;
    }
    memcpy(outputs, x, image->outputs * sizeof *outputs);
}

bool infer_led(const struct image *image, const int16_t *outputs)
{
    return outputs[image->led_output] > image->led_threshold;
}
