#include "core/quantise.h"

#include <math.h>
#include <string.h>

#include "core/crc.h"
#include "core/fixed.h"
#include "core/image.h"
#include "core/infer.h"

/* What is known of the integers between two layers. */
struct span {
    int32_t low[WIRE_UNITS_MAX], high[WIRE_UNITS_MAX];
    int8_t fraction[WIRE_UNITS_MAX];
};

/* A layer's parameters, wherever they stand. */
struct dense {
    const struct quantise_model *model;
    size_t first; /* index of its first weight */
    unsigned inputs, outputs;
    uint8_t activation;
};

/* Where the image is written. */
struct writer {
    uint8_t *bytes;
    size_t size, room;
};

static bool put(struct writer *writer, const void *data, size_t size)
{
    if (size > writer->room - writer->size)
        return false;
    memcpy(writer->bytes + writer->size, data, size);
    writer->size += size;
    return true;
}

static bool put_padding(struct writer *writer)
{
    static const uint8_t zeros[3];
    return put(writer, zeros, -writer->size % 4);
}

static double parameter(const struct dense *layer, size_t index)
{
    const struct quantise_model *model = layer->model;
    return model->wide ? ((const double *)model->parameters)[index]
                       : (double)((const float *)model->parameters)[index];
}

static double weight(const struct dense *layer, unsigned output, unsigned input)
{
    return parameter(layer, layer->first + output * layer->inputs + input);
}

static double bias(const struct dense *layer, unsigned output)
{
    return layer->model->bias
               ? parameter(layer, layer->first + (size_t)layer->outputs * layer->inputs + output)
               : 0.0;
}

/* Half up, still a float: it may be too large for any integer. */
static double rounded(double value, int fraction)
{
    return floor(ldexp(value, fraction) + 0.5);
}

/* ------------------------------------------------------------------------------------------------- scales */

/* The finest scale that holds low..high as the node converts them, or WIRE_FRACTION_MIN - 1. */
static int input_fraction(const double range[2])
{
    int fraction = WIRE_FRACTION_MAX;
    while (fraction >= WIRE_FRACTION_MIN && (rounded((double)(float)range[0], fraction) < INT16_MIN ||
                                             rounded((double)(float)range[1], fraction) > INT16_MAX))
        fraction--;
    return fraction;
}

enum fit { FIT_NOT, FIT_WIDE, FIT_NARROW };

/* Whether all weights and biases are integers of their size at this scale; narrow: no int16 inputs can then
 * take the accumulator out of 32 bits. */
static enum fit fit(const struct dense *layer, const struct span *before, int fraction)
{
    bool narrow = true;
    for (unsigned j = 0; j < layer->outputs; j++) {
        const double b = fabs(rounded(bias(layer, j), fraction));
        double sum = 0;
        if (!(b <= INT32_MAX))
            return FIT_NOT;
        for (unsigned i = 0; i < layer->inputs; i++) {
            const double w = rounded(weight(layer, j, i), fraction - before->fraction[i]);
            if (!(w >= INT16_MIN && w <= INT16_MAX))
                return FIT_NOT;
            sum += fabs(w);
        }
        narrow = narrow && sum * -(double)INT16_MIN + b <= INT32_MAX;
    }
    return narrow ? FIT_NARROW : FIT_WIDE;
}

static void acc_limits(uint8_t activation, int *lowest, int *highest)
{
    *lowest = WIRE_FRACTION_MIN + WIRE_SHIFT_MIN;
    *highest = WIRE_FRACTION_MAX + WIRE_SHIFT_MAX;
    if (activation == WIRE_ACTIVATION_STEP) {
        *lowest = INT8_MIN;
        *highest = INT8_MAX;
    } else if (activation == WIRE_ACTIVATION_SIGMOID || activation == WIRE_ACTIVATION_TANH) {
        const int in = activation == WIRE_ACTIVATION_TANH ? WIRE_TANH_IN_FRACTION : WIRE_SIGMOID_IN_FRACTION;
        *lowest = in + WIRE_SHIFT_MIN;
        *highest = in + WIRE_SHIFT_MAX;
    }
}

/* The finest accumulator scale that holds all weights and biases, one coarser if 32 bits do then. False: none
 * does. */
static bool acc_fraction(const struct dense *layer, const struct span *before, int *fraction)
{
    int lowest, highest;
    acc_limits(layer->activation, &lowest, &highest);
    for (*fraction = highest; *fraction >= lowest; --*fraction) {
        const enum fit now = fit(layer, before, *fraction);
        if (now == FIT_NOT)
            continue;
        if (now == FIT_WIDE && *fraction > lowest && fit(layer, before, *fraction - 1) == FIT_NARROW)
            --*fraction;
        return true;
    }
    return false;
}

/* fixed_rescale before it saturates. */
static int64_t unsaturated(int64_t acc, int shift)
{
    return shift > 0 ? (acc + ((int64_t)1 << (shift - 1))) >> shift : acc * ((int64_t)1 << -shift);
}

static bool holds(int64_t acc, int shift)
{
    const int64_t value = unsaturated(acc, shift);
    return value >= INT16_MIN && value <= INT16_MAX;
}

/* The interval of an output's accumulator. */
struct interval {
    int64_t low, high;
};

/* The finest output scale at which no accumulator of the intervals saturates. False: none. */
static bool out_fraction(const struct interval *acc, unsigned outputs, bool relu, int acc_scale,
                         int *fraction)
{
    const int finest =
        acc_scale - WIRE_SHIFT_MIN < WIRE_FRACTION_MAX ? acc_scale - WIRE_SHIFT_MIN : WIRE_FRACTION_MAX;
    const int coarsest =
        acc_scale - WIRE_SHIFT_MAX > WIRE_FRACTION_MIN ? acc_scale - WIRE_SHIFT_MAX : WIRE_FRACTION_MIN;
    for (*fraction = finest; *fraction >= coarsest; --*fraction) {
        bool all = true;
        for (unsigned j = 0; j < outputs && all; j++) {
            const int64_t low = relu && acc[j].low < 0 ? 0 : acc[j].low;
            all = holds(low, acc_scale - *fraction) && holds(acc[j].high, acc_scale - *fraction);
        }
        if (all)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------- layers */

static int32_t clip_relu(int32_t q, bool relu)
{
    return relu && q < 0 ? 0 : q;
}

static int32_t activate(int64_t acc, uint8_t activation, int acc_scale, int out)
{
    switch (activation) {
    case WIRE_ACTIVATION_STEP:
        return acc > 0;
    case WIRE_ACTIVATION_SIGMOID:
        return fixed_sigmoid(fixed_rescale(acc, acc_scale - WIRE_SIGMOID_IN_FRACTION));
    case WIRE_ACTIVATION_TANH:
        return fixed_tanh(fixed_rescale(acc, acc_scale - WIRE_TANH_IN_FRACTION));
    default:
        return clip_relu(fixed_rescale(acc, acc_scale - out), activation == WIRE_ACTIVATION_RELU);
    }
}

static bool out_scale(uint8_t activation, const struct interval *acc, unsigned outputs, int acc_scale,
                      int *out)
{
    if (activation == WIRE_ACTIVATION_STEP)
        *out = WIRE_STEP_OUT_FRACTION;
    else if (activation == WIRE_ACTIVATION_SIGMOID || activation == WIRE_ACTIVATION_TANH)
        *out = WIRE_UNIT_OUT_FRACTION;
    else
        return out_fraction(acc, outputs, activation == WIRE_ACTIVATION_RELU, acc_scale, out);
    return true;
}

/* Append a layer to the image and pass on what is known of its outputs. */
static enum wire_reason put_layer(struct writer *writer, const struct dense *layer, struct span *span)
{
    struct interval acc[WIRE_UNITS_MAX];
    int acc_scale, out;
    if (!acc_fraction(layer, span, &acc_scale))
        return WIRE_REASON_FRACTION;
    for (unsigned j = 0; j < layer->outputs; j++) {
        acc[j].low = acc[j].high = (int64_t)rounded(bias(layer, j), acc_scale);
        for (unsigned i = 0; i < layer->inputs; i++) {
            const int64_t w = (int64_t)rounded(weight(layer, j, i), acc_scale - span->fraction[i]);
            const int64_t ends[] = {w * span->low[i], w * span->high[i]};
            acc[j].low += ends[0] < ends[1] ? ends[0] : ends[1];
            acc[j].high += ends[0] < ends[1] ? ends[1] : ends[0];
        }
    }
    if (!out_scale(layer->activation, acc, layer->outputs, acc_scale, &out))
        return WIRE_REASON_FRACTION;

    const uint16_t sizes[] = {(uint16_t)layer->inputs, (uint16_t)layer->outputs};
    const uint8_t formats[] = {layer->activation, (uint8_t)acc_scale, (uint8_t)out, 0};
    if (!put(writer, sizes, sizeof sizes) || !put(writer, formats, sizeof formats))
        return WIRE_REASON_LENGTH;
    for (unsigned j = 0; j < layer->outputs; j++) {
        const int32_t b = (int32_t)rounded(bias(layer, j), acc_scale);
        if (!put(writer, &b, sizeof b))
            return WIRE_REASON_LENGTH;
    }
    for (unsigned j = 0; j < layer->outputs; j++) {
        for (unsigned i = 0; i < layer->inputs; i++) {
            const int16_t w = (int16_t)rounded(weight(layer, j, i), acc_scale - span->fraction[i]);
            if (!put(writer, &w, sizeof w))
                return WIRE_REASON_LENGTH;
        }
        if (!put_padding(writer))
            return WIRE_REASON_LENGTH;
    }
    for (unsigned j = 0; j < layer->outputs; j++) {
        span->low[j] = activate(acc[j].low, layer->activation, acc_scale, out);
        span->high[j] = activate(acc[j].high, layer->activation, acc_scale, out);
        span->fraction[j] = (int8_t)out;
    }
    return WIRE_REASON_NONE;
}

/* ---------------------------------------------------------------------------------------- the whole image */

static enum wire_reason put_layers(struct writer *writer, const struct quantise_model *model,
                                   uint16_t *detail, struct span *span)
{
    struct dense layer = {.model = model};
    for (unsigned i = 0; i < model->layers; i++) {
        layer.inputs = model->units[i];
        layer.outputs = model->units[i + 1];
        layer.activation = model->activation[i];
        enum wire_reason reason = put_layer(writer, &layer, span);
        if (reason != WIRE_REASON_NONE) {
            *detail = (uint16_t)i;
            return reason;
        }
        layer.first += (size_t)layer.outputs * (layer.inputs + (model->bias ? 1u : 0u));
    }
    return WIRE_REASON_NONE;
}

static enum wire_reason put_header(struct writer *writer, const struct quantise_model *model,
                                   uint16_t *detail, struct span *span)
{
    struct image_header head = {
        .magic = WIRE_IMAGE_MAGIC,
        .version = WIRE_IMAGE_VERSION,
        .layers = model->layers,
        .inputs = model->units[0],
        .outputs = model->units[model->layers],
        .vectors = model->vector_count,
        .led_output = model->led_output,
    };
    memcpy(head.name, model->name, sizeof head.name);
    if (!put(writer, &head, sizeof head))
        return WIRE_REASON_LENGTH;
    for (unsigned i = 0; i < model->units[0]; i++) {
        const int fraction = input_fraction(model->ranges[i]);
        *detail = (uint16_t)i;
        if (fraction < WIRE_FRACTION_MIN)
            return WIRE_REASON_FRACTION;
        span->fraction[i] = (int8_t)fraction;
        span->low[i] = fixed_from_float((float)model->ranges[i][0], fraction);
        span->high[i] = fixed_from_float((float)model->ranges[i][1], fraction);
    }
    *detail = 0;
    return put(writer, span->fraction, model->units[0]) && put_padding(writer) ? WIRE_REASON_NONE
                                                                               : WIRE_REASON_LENGTH;
}

/* The rows of the self-test, their outputs still 0. */
static bool put_vectors(struct writer *writer, const struct quantise_model *model, const int8_t *fractions)
{
    static const int16_t zeros[WIRE_UNITS_MAX];
    const unsigned inputs = model->units[0], outputs = model->units[model->layers];
    for (unsigned v = 0; v < model->vector_count; v++) {
        for (unsigned i = 0; i < inputs; i++) {
            const int16_t q = fixed_from_float(model->vectors[v * inputs + i], fractions[i]);
            if (!put(writer, &q, sizeof q))
                return false;
        }
        if (!put(writer, zeros, outputs * sizeof *zeros))
            return false;
    }
    return put_padding(writer);
}

static void seal(uint8_t *bytes, size_t length)
{
    const uint32_t crc = crc32(bytes, length - sizeof crc);
    memcpy(bytes + length - sizeof crc, &crc, sizeof crc);
}

/* Run the model on its own rows: what it gives is what the self-test expects. */
static enum wire_reason fill_vectors(uint8_t *bytes, size_t length, uint16_t *detail)
{
    struct image image;
    enum wire_reason reason = image_open(&image, bytes, length, detail);
    if (reason != WIRE_REASON_NONE)
        return reason;
    uint8_t *vector = bytes + ((const uint8_t *)image.vectors - image.bytes);
    for (unsigned v = 0; v < image.vector_count; v++) {
        int16_t x[WIRE_UNITS_MAX], y[WIRE_UNITS_MAX];
        memcpy(x, vector, image.inputs * sizeof *x);
        infer(&image, x, y);
        memcpy(vector + image.inputs * sizeof *x, y, image.outputs * sizeof *y);
        vector += (image.inputs + image.outputs) * sizeof *x;
    }
    return WIRE_REASON_NONE;
}

size_t quantise(const struct quantise_model *model, uint8_t *bytes, size_t room, enum wire_reason *reason,
                uint16_t *detail)
{
    struct writer writer = {.bytes = bytes, .room = room};
    struct span span;
    *detail = 0;
    *reason = put_header(&writer, model, detail, &span);
    int8_t fractions[WIRE_UNITS_MAX];
    memcpy(fractions, span.fraction, sizeof fractions);
    if (*reason == WIRE_REASON_NONE)
        *reason = put_layers(&writer, model, detail, &span);
    if (*reason != WIRE_REASON_NONE)
        return 0;

    static const uint32_t no_crc;
    const double threshold = floor(ldexp(model->led_threshold, span.fraction[model->led_output]));
    *reason = WIRE_REASON_LENGTH;
    if (!put_vectors(&writer, model, fractions) || !put(&writer, &no_crc, sizeof no_crc))
        return 0;
    *detail = model->layers;
    *reason = WIRE_REASON_FRACTION;
    if (!(threshold >= INT16_MIN && threshold <= INT16_MAX))
        return 0;
    const int16_t led = (int16_t)threshold;
    const uint32_t length = (uint32_t)writer.size;
    memcpy(bytes + offsetof(struct image_header, led_threshold), &led, sizeof led);
    memcpy(bytes + offsetof(struct image_header, length), &length, sizeof length);
    seal(bytes, writer.size);
    *reason = fill_vectors(bytes, writer.size, detail);
    if (*reason != WIRE_REASON_NONE)
        return 0;
    seal(bytes, writer.size);
    return writer.size;
}
