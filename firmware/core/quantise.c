#include "core/quantise.h"

#include <math.h>
#include <string.h>

#include "core/crc.h"
#include "core/fixed.h"
#include "core/formats.h"
#include "core/image.h"
#include "core/infer.h"

#define LAYER_HEADER_SIZE 8u

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

static size_t padded(size_t size)
{
    return (size + 3u) & ~(size_t)3;
}

/* Whether each output has the finest scale that holds it, not all of them one. */
static bool has_own_scales(const struct quantise_model *model)
{
    return !model->shared_outputs && model->activation[model->layers - 1] == WIRE_ACTIVATION_IDENTITY &&
           model->units[model->layers] > 1;
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

/* Append a layer to the image and pass on what is known of its outputs. */
static bool put_layer(struct writer *writer, const struct formats_layer *layer, struct formats_span *span)
{
    struct formats_rows rows;
    struct formats_span after = {.lowest = image_lowest(layer->activation)};
    if (!formats_of_rows(layer, span, &rows))
        return false;
    unsigned coarsest = 0;
    for (unsigned j = 0; j < layer->outputs; j++) {
        const struct formats_interval acc = formats_interval(layer, span, rows.acc[j], j);
        after.low[j] = activate(acc.low, layer->activation, rows.acc[j], rows.out[j]);
        after.high[j] = activate(acc.high, layer->activation, rows.acc[j], rows.out[j]);
        after.fraction[j] = rows.out[j];
        coarsest = rows.out[j] < rows.out[coarsest] ? j : coarsest;
    }

    const uint16_t sizes[] = {(uint16_t)layer->inputs, (uint16_t)layer->outputs};
    const uint8_t formats[] = {layer->activation, (uint8_t)rows.acc[coarsest], (uint8_t)rows.out[coarsest],
                               0};
    _Static_assert(sizeof sizes + sizeof formats == LAYER_HEADER_SIZE, "as image_length counts it");
    put(writer, sizes, sizeof sizes);
    put(writer, formats, sizeof formats);
    for (unsigned j = 0; j < layer->outputs; j++) {
        const int32_t b = formats_bias(layer, rows.acc[j], j);
        put(writer, &b, sizeof b);
    }
    for (unsigned j = 0; j < layer->outputs; j++) {
        for (unsigned i = 0; i < layer->inputs; i++) {
            const int16_t w = (int16_t)formats_weight(layer, span, rows.acc[j], j, i);
            put(writer, &w, sizeof w);
        }
        put_padding(writer);
    }
    *span = after;
    return true;
}

/* ---------------------------------------------------------------------------------------- the whole image */

/* The scales of a whole model: of its inputs, and, layer by layer, of what is known last. */
struct scales {
    struct formats_span span;
    float offset[WIRE_UNITS_MAX];
    int16_t range[WIRE_UNITS_MAX][2];
    int8_t input_fraction[WIRE_UNITS_MAX];
    bool offsets, ranges; /* whether the image says them: they are not what goes without saying */
};

static bool find_inputs(struct scales *scales, const struct quantise_model *model, uint16_t *detail)
{
    struct formats_span *span = &scales->span;
    span->lowest = INT16_MIN;
    scales->offsets = scales->ranges = false;
    for (unsigned i = 0; i < model->units[0]; i++) {
        *detail = (uint16_t)i;
        if (!formats_of_input(model->ranges[i], span, &scales->offset[i], i))
            return false;
        scales->input_fraction[i] = span->fraction[i];
        scales->range[i][0] = (int16_t)span->low[i];
        scales->range[i][1] = (int16_t)span->high[i];
        scales->offsets = scales->offsets || scales->offset[i] != 0.0F;
        scales->ranges = scales->ranges || span->low[i] != INT16_MIN || span->high[i] != INT16_MAX;
    }
    *detail = 0;
    return true;
}

static void put_header(struct writer *writer, const struct quantise_model *model, const struct scales *scales)
{
    const unsigned flags = (scales->offsets ? WIRE_FLAG_OFFSETS : 0u) |
                           (scales->ranges ? WIRE_FLAG_RANGES : 0u) |
                           (model->led_class ? WIRE_FLAG_LED_CLASS : 0u);
    struct image_header head = {
        .magic = WIRE_IMAGE_MAGIC,
        .version = WIRE_IMAGE_VERSION,
        .flags = (uint16_t)flags,
        .layers = model->layers,
        .inputs = model->units[0],
        .outputs = model->units[model->layers],
        .vectors = model->vector_count,
        .led_output = model->led_output,
    };
    memcpy(head.name, model->name, sizeof head.name);
    put(writer, &head, sizeof head);
    put(writer, scales->input_fraction, head.inputs);
    put_padding(writer);
    if (scales->offsets)
        put(writer, scales->offset, head.inputs * sizeof *scales->offset);
    if (scales->ranges)
        put(writer, scales->range, head.inputs * sizeof *scales->range);
}

/* Put the outputs' fractions before the layers where they are not all the same; as they are known only behind them,
 * the layers move. */
static void put_output_fractions(struct writer *writer, const struct scales *scales, size_t layers,
                                 unsigned outputs)
{
    const int8_t *fraction = scales->span.fraction;
    const size_t size = padded(outputs);
    uint8_t *at = writer->bytes + layers;
    bool same = true;
    for (unsigned j = 0; j < outputs; j++)
        same = same && fraction[j] == fraction[0];
    if (same)
        return;
    memmove(at + size, at, writer->size - layers);
    memset(at, 0, size);
    memcpy(at, fraction, outputs);
    writer->size += size;
    writer->bytes[offsetof(struct image_header, flags)] |= WIRE_FLAG_OUTPUT_FRACTIONS; /* its low byte */
}

static bool put_layers(struct writer *writer, const struct quantise_model *model, uint16_t *detail,
                       struct scales *scales)
{
    struct formats_layer layer = {.parameters = model->parameters,
                                  .wide = model->wide,
                                  .bias = model->bias,
                                  .offset = scales->offsets ? scales->offset : NULL};
    const size_t start = writer->size;
    for (unsigned i = 0; i < model->layers; i++) {
        layer.inputs = model->units[i];
        layer.outputs = model->units[i + 1];
        layer.activation = model->activation[i];
        layer.own = has_own_scales(model) && i + 1u == model->layers;
        *detail = (uint16_t)i;
        if (!put_layer(writer, &layer, &scales->span))
            return false;
        layer.first += (size_t)layer.outputs * (layer.inputs + (model->bias ? 1u : 0u));
        layer.offset = NULL;
    }
    *detail = 0;
    put_output_fractions(writer, scales, start, layer.outputs);
    return true;
}

/* The rows of the self-test, their outputs still 0. */
static void put_vectors(struct writer *writer, const struct quantise_model *model,
                        const struct scales *scales)
{
    static const int16_t zeros[WIRE_UNITS_MAX];
    const unsigned inputs = model->units[0], outputs = model->units[model->layers];
    for (unsigned v = 0; v < model->vector_count; v++) {
        for (unsigned i = 0; i < inputs; i++) {
            const float value = model->vectors[v * inputs + i] - scales->offset[i];
            const int16_t q = fixed_from_float(value, scales->input_fraction[i]);
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

/* Bytes of the image; of one with scales of its outputs, where they may turn out the same, the most. */
static size_t image_length(const struct quantise_model *model, const struct scales *scales)
{
    const unsigned inputs = model->units[0], outputs = model->units[model->layers];
    size_t length = sizeof(struct image_header) + padded(inputs) + sizeof(uint32_t) +
                    padded(model->vector_count * (inputs + outputs) * sizeof(int16_t));
    length += scales->offsets ? inputs * sizeof *scales->offset : 0;
    length += scales->ranges ? inputs * sizeof *scales->range : 0;
    length += has_own_scales(model) ? padded(outputs) : 0;
    for (unsigned i = 0; i < model->layers; i++)
        length += LAYER_HEADER_SIZE +
                  model->units[i + 1] * (sizeof(int32_t) + padded(model->units[i] * sizeof(int16_t)));
    return length;
}

/* The LED's threshold as the integer t with y > threshold exactly where q > t: rounded down, not half up. False: no
 * int16. */
static bool put_threshold(uint8_t *bytes, const struct quantise_model *model,
                          const struct formats_span *outputs)
{
    const bool single = model->units[model->layers] == 1;
    if (model->led_class && !single)
        return true;
    const double threshold =
        floor(ldexp(model->led_threshold, outputs->fraction[single ? 0 : model->led_output]));
    if (!(threshold >= INT16_MIN && threshold <= INT16_MAX))
        return false;
    const int16_t led = (int16_t)threshold;
    memcpy(bytes + offsetof(struct image_header, led_threshold), &led, sizeof led);
    return true;
}

size_t quantise(const struct quantise_model *model, uint8_t *bytes, size_t room, enum wire_reason *reason,
                uint16_t *detail)
{
    struct writer writer = {.bytes = bytes};
    struct scales scales;
    const uint32_t no_crc = 0;
    *detail = 0;
    *reason = WIRE_REASON_FRACTION;
    if (!find_inputs(&scales, model, detail))
        return 0;
    *reason = WIRE_REASON_LENGTH;
    if (image_length(model, &scales) > room)
        return 0;
    put_header(&writer, model, &scales);
    *reason = WIRE_REASON_FRACTION;
    if (!put_layers(&writer, model, detail, &scales))
        return 0;
    put_vectors(&writer, model, &scales);
    put(&writer, &no_crc, sizeof no_crc);
    *detail = model->layers;
    if (!put_threshold(bytes, model, &scales.span))
        return 0;
    const uint32_t length = (uint32_t)writer.size;
    memcpy(bytes + offsetof(struct image_header, length), &length, sizeof length);
    seal(bytes, length);
    *reason = fill_vectors(bytes, length, detail);
    if (*reason != WIRE_REASON_NONE)
        return 0;
    seal(bytes, length);
    return length;
}
