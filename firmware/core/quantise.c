#include "core/quantise.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/crc.h"
#include "core/fixed.h"
#include "core/image.h"
#include "core/infer.h"

_Static_assert(FLT_EVAL_METHOD == 0, "each operation rounds to its own type, as it is written");

#define LAYER_HEADER_SIZE 8u

/* What is known of the integers between two layers. */
struct span {
    int32_t low[WIRE_UNITS_MAX], high[WIRE_UNITS_MAX];
    int8_t fraction[WIRE_UNITS_MAX];
    int lowest; /* image_lowest */
};

/* A layer's parameters, wherever they stand. */
struct dense {
    const struct quantise_model *model;
    size_t first; /* index of its first weight */
    unsigned inputs, outputs;
    uint8_t activation;
};

/* Where the image is written; there is room for all of it. */
struct writer {
    uint8_t *bytes;
    size_t size;
};

static void put(struct writer *writer, const void *data, size_t size)
{
    memcpy(writer->bytes + writer->size, data, size);
    writer->size += size;
}

static void put_padding(struct writer *writer)
{
    static const uint8_t zeros[3];
    put(writer, zeros, -writer->size % 4);
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

/* Integers of `bits` bits beside the sign. */
struct integer {
    double low, high;
    int bits;
};
static const struct integer value_size = {INT16_MIN, INT16_MAX, 15}, bias_size = {-INT32_MAX, INT32_MAX, 31};

/* `fraction`, or the finest scale below it at which the rounded value is such an integer. What is smaller by a
 * whole bit is one for sure, so at most three scales are tried. */
static int held(double value, int fraction, const struct integer *size)
{
    int exponent;
    if (!isfinite(value))
        return INT16_MIN;
    (void)frexp(value, &exponent); /* |value| is below 2^exponent */
    if (value == 0 || fraction + exponent < size->bits)
        return fraction;
    if (fraction > size->bits + 1 - exponent)
        fraction = size->bits + 1 - exponent;
    while (!(rounded(value, fraction) >= size->low && rounded(value, fraction) <= size->high))
        fraction--;
    return fraction;
}

/* The finest scale that holds low..high as the node converts them; below WIRE_FRACTION_MIN there is none. */
static int input_fraction(const double range[2])
{
    const int fraction = held((double)(float)range[0], WIRE_FRACTION_MAX, &value_size);
    return held((double)(float)range[1], fraction, &value_size);
}

static int32_t weight_at(const struct dense *layer, const struct span *before, int fraction, unsigned output,
                         unsigned input)
{
    return (int32_t)rounded(weight(layer, output, input), fraction - before->fraction[input]);
}

static int32_t bias_at(const struct dense *layer, int fraction, unsigned output)
{
    return (int32_t)rounded(bias(layer, output), fraction);
}

/* `fraction`, or the finest scale below it at which all weights and biases are integers of their size. */
static int all_held(const struct dense *layer, const struct span *before, int fraction)
{
    for (unsigned j = 0; j < layer->outputs; j++) {
        fraction = held(bias(layer, j), fraction, &bias_size);
        for (unsigned i = 0; i < layer->inputs; i++) {
            const int inner = before->fraction[i];
            fraction = held(weight(layer, j, i), fraction - inner, &value_size) + inner;
        }
    }
    return fraction;
}

static bool is_narrow(const struct dense *layer, const struct span *before, int fraction)
{
    for (unsigned j = 0; j < layer->outputs; j++) {
        int16_t row[WIRE_UNITS_MAX];
        for (unsigned i = 0; i < layer->inputs; i++)
            row[i] = (int16_t)weight_at(layer, before, fraction, j, i);
        if (!image_narrow(bias_at(layer, fraction, j), row, layer->inputs, before->lowest))
            return false;
    }
    return true;
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
    *fraction = all_held(layer, before, highest);
    if (*fraction < lowest)
        return false;
    if (*fraction > lowest && !is_narrow(layer, before, *fraction) && is_narrow(layer, before, *fraction - 1))
        --*fraction;
    return true;
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
        acc[j].low = acc[j].high = bias_at(layer, acc_scale, j);
        for (unsigned i = 0; i < layer->inputs; i++) {
            const int64_t w = weight_at(layer, span, acc_scale, j, i);
            const int64_t ends[] = {w * span->low[i], w * span->high[i]};
            acc[j].low += ends[0] < ends[1] ? ends[0] : ends[1];
            acc[j].high += ends[0] < ends[1] ? ends[1] : ends[0];
        }
    }
    if (!out_scale(layer->activation, acc, layer->outputs, acc_scale, &out))
        return WIRE_REASON_FRACTION;

    const uint16_t sizes[] = {(uint16_t)layer->inputs, (uint16_t)layer->outputs};
    const uint8_t formats[] = {layer->activation, (uint8_t)acc_scale, (uint8_t)out, 0};
    _Static_assert(sizeof sizes + sizeof formats == LAYER_HEADER_SIZE, "as image_length counts it");
    put(writer, sizes, sizeof sizes);
    put(writer, formats, sizeof formats);
    for (unsigned j = 0; j < layer->outputs; j++) {
        const int32_t b = bias_at(layer, acc_scale, j);
        put(writer, &b, sizeof b);
    }
    for (unsigned j = 0; j < layer->outputs; j++) {
        for (unsigned i = 0; i < layer->inputs; i++) {
            const int16_t w = (int16_t)weight_at(layer, span, acc_scale, j, i);
            put(writer, &w, sizeof w);
        }
        put_padding(writer);
    }
    for (unsigned j = 0; j < layer->outputs; j++) {
        span->low[j] = activate(acc[j].low, layer->activation, acc_scale, out);
        span->high[j] = activate(acc[j].high, layer->activation, acc_scale, out);
        span->fraction[j] = (int8_t)out;
    }
    span->lowest = image_lowest(layer->activation);
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
    put(writer, &head, sizeof head);
    span->lowest = INT16_MIN;
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
    put(writer, span->fraction, model->units[0]);
    put_padding(writer);
    return WIRE_REASON_NONE;
}

/* The rows of the self-test, their outputs still 0. */
static void put_vectors(struct writer *writer, const struct quantise_model *model, const int8_t *fractions)
{
    static const int16_t zeros[WIRE_UNITS_MAX];
    const unsigned inputs = model->units[0], outputs = model->units[model->layers];
    for (unsigned v = 0; v < model->vector_count; v++) {
        for (unsigned i = 0; i < inputs; i++) {
            const int16_t q = fixed_from_float(model->vectors[v * inputs + i], fractions[i]);
            put(writer, &q, sizeof q);
        }
        put(writer, zeros, outputs * sizeof *zeros);
    }
    put_padding(writer);
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

static size_t padded(size_t size)
{
    return (size + 3u) & ~(size_t)3;
}

static size_t image_length(const struct quantise_model *model)
{
    const unsigned inputs = model->units[0], outputs = model->units[model->layers];
    size_t length = sizeof(struct image_header) + padded(inputs) + sizeof(uint32_t) +
                    padded(model->vector_count * (inputs + outputs) * sizeof(int16_t));
    for (unsigned i = 0; i < model->layers; i++)
        length += LAYER_HEADER_SIZE +
                  model->units[i + 1] * (sizeof(int32_t) + padded(model->units[i] * sizeof(int16_t)));
    return length;
}

size_t quantise(const struct quantise_model *model, uint8_t *bytes, size_t room, enum wire_reason *reason,
                uint16_t *detail)
{
    struct writer writer = {.bytes = bytes};
    struct span span;
    const uint32_t length = (uint32_t)image_length(model), no_crc = 0;
    *detail = 0;
    *reason = WIRE_REASON_LENGTH;
    if (length > room)
        return 0;
    *reason = put_header(&writer, model, detail, &span);
    int8_t fractions[WIRE_UNITS_MAX];
    memcpy(fractions, span.fraction, sizeof fractions);
    if (*reason == WIRE_REASON_NONE)
        *reason = put_layers(&writer, model, detail, &span);
    if (*reason != WIRE_REASON_NONE)
        return 0;

    put_vectors(&writer, model, fractions);
    put(&writer, &no_crc, sizeof no_crc);
    const double threshold = floor(ldexp(model->led_threshold, span.fraction[model->led_output]));
    *detail = model->layers;
    *reason = WIRE_REASON_FRACTION;
    if (!(threshold >= INT16_MIN && threshold <= INT16_MAX))
        return 0;
    const int16_t led = (int16_t)threshold;
    memcpy(bytes + offsetof(struct image_header, led_threshold), &led, sizeof led);
    memcpy(bytes + offsetof(struct image_header, length), &length, sizeof length);
    seal(bytes, length);
    *reason = fill_vectors(bytes, length, detail);
    if (*reason != WIRE_REASON_NONE)
        return 0;
    seal(bytes, length);
    return length;
}
