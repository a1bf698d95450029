#include "core/image.h"

#include <stdbool.h>
#include <string.h>

#include "core/crc.h"
#include "core/infer.h"

struct layer_header {
    uint16_t inputs, outputs;
    uint8_t activation;
    int8_t acc_fraction, out_fraction;
    uint8_t reserved;
};
_Static_assert(sizeof(struct layer_header) == 8, "a layer's header is 8 bytes");

/* Every image within the limits keeps its accumulators inside int64, whatever its weights: the largest sum,
 * and the largest rounding or left shift upon it. */
#define ACC_MAX (WIRE_UNITS_MAX * (INT64_C(1) << 30) + (INT64_C(1) << 31))
_Static_assert(ACC_MAX < (INT64_C(1) << 38), "the bound that fixed_rescale relies on");
_Static_assert(WIRE_SHIFT_MAX <= 61 && -WIRE_SHIFT_MIN <= 63 - 38, "neither shift can leave int64");

#define CRC_SIZE sizeof(uint32_t)

/* Takes consecutive parts of the body. */
struct reader {
    const uint8_t *bytes;
    size_t offset, end;
};

static const void *take(struct reader *reader, size_t size)
{
    if (size > reader->end - reader->offset)
        return NULL;
    const void *part = reader->bytes + reader->offset;
    reader->offset += size;
    return part;
}

static bool all_zero(const uint8_t *byte, size_t size)
{
    while (size--)
        if (*byte++ != 0)
            return false;
    return true;
}

static size_t padded(size_t size)
{
    return (size + 3u) & ~(size_t)3;
}

static bool valid_name(const char *name)
{
    size_t size = WIRE_NAME_BYTES;
    while (size > 0 && name[size - 1] == '\0')
        size--;
    while (size--)
        if (name[size] < 0x20 || name[size] > 0x7E)
            return false;
    return true;
}

static bool within(int value, int low, int high)
{
    return value >= low && value <= high;
}

/* Whether no inputs can take an accumulator of the layer, or any sum on the way to it, out of 32 bits; and
 * whether its shift is one that infer.c can do in 32 bits. Twin of the rule by which host/models/quantise.py chooses
 * scales. */
static bool is_narrow(const struct image_layer *layer)
{
    if (layer->activation != WIRE_ACTIVATION_STEP && !within(layer->shift, 2, 32))
        return false;
    const int16_t *weight = layer->weights;
    for (unsigned row = 0; row < layer->outputs; row++) {
        int64_t largest = layer->bias[row] < 0 ? -(int64_t)layer->bias[row] : layer->bias[row];
        for (unsigned i = 0; i < layer->stride; i++, weight++)
            largest += (int64_t)(*weight < 0 ? -*weight : *weight) * -INT16_MIN;
        if (largest > INT32_MAX)
            return false;
    }
    return true;
}

static enum wire_reason open_layer(struct image_layer *layer, struct reader *reader, unsigned inputs)
{
    struct layer_header head;
    const void *part = take(reader, sizeof head);
    if (!part)
        return WIRE_REASON_LENGTH;
    memcpy(&head, part, sizeof head);
    if (head.inputs != inputs || !within(head.outputs, 1, WIRE_UNITS_MAX))
        return WIRE_REASON_SIZES;
    if (head.activation > WIRE_ACTIVATION_TANH)
        return WIRE_REASON_ACTIVATION;
    if (head.reserved != 0)
        return WIRE_REASON_PADDING;
    if (!within(head.out_fraction, WIRE_FRACTION_MIN, WIRE_FRACTION_MAX))
        return WIRE_REASON_FRACTION;

    int shift = head.acc_fraction - head.out_fraction;
    if (head.activation == WIRE_ACTIVATION_STEP) {
        shift = 0;
        if (head.out_fraction != WIRE_STEP_OUT_FRACTION)
            return WIRE_REASON_FRACTION;
    } else if (head.activation == WIRE_ACTIVATION_SIGMOID || head.activation == WIRE_ACTIVATION_TANH) {
        bool is_tanh = head.activation == WIRE_ACTIVATION_TANH;
        shift = head.acc_fraction - (is_tanh ? WIRE_TANH_IN_FRACTION : WIRE_SIGMOID_IN_FRACTION);
        if (head.out_fraction != WIRE_UNIT_OUT_FRACTION)
            return WIRE_REASON_FRACTION;
    }

    size_t stride = (inputs + 1u) & ~1u;
    const int32_t *bias = take(reader, head.outputs * sizeof *bias);
    const int16_t *weights = bias ? take(reader, head.outputs * stride * sizeof *weights) : NULL;
    if (!weights)
        return WIRE_REASON_LENGTH;
    if (!within(shift, WIRE_SHIFT_MIN, WIRE_SHIFT_MAX))
        return WIRE_REASON_FRACTION;
    if (stride != inputs)
        for (unsigned row = 0; row < head.outputs; row++)
            if (weights[row * stride + inputs] != 0)
                return WIRE_REASON_PADDING;

    *layer = (struct image_layer){
        .weights = weights,
        .bias = bias,
        .inputs = (uint8_t)inputs,
        .outputs = (uint8_t)head.outputs,
        .stride = (uint8_t)stride,
        .activation = head.activation,
        .shift = (int8_t)shift,
        .out_fraction = head.out_fraction,
    };
    layer->narrow = is_narrow(layer);
    return WIRE_REASON_NONE;
}

static enum wire_reason open_header(struct image_header *head, const uint8_t *bytes, size_t length)
{
    if (length < sizeof *head + CRC_SIZE)
        return WIRE_REASON_LENGTH;
    memcpy(head, bytes, sizeof *head);
    if (head->magic != WIRE_IMAGE_MAGIC)
        return WIRE_REASON_MAGIC;
    if (head->version != WIRE_IMAGE_VERSION)
        return WIRE_REASON_VERSION;
    if (head->length != length || length % 4 != 0 || length > WIRE_IMAGE_MAX)
        return WIRE_REASON_LENGTH;
    uint32_t crc;
    memcpy(&crc, bytes + length - CRC_SIZE, CRC_SIZE);
    if (crc != crc32(bytes, length - CRC_SIZE))
        return WIRE_REASON_CRC;
    if (head->flags != 0 || !valid_name(head->name))
        return WIRE_REASON_PADDING;
    if (!within(head->layers, 1, WIRE_LAYERS_MAX) || !within(head->inputs, 1, WIRE_UNITS_MAX) ||
        !within(head->outputs, 1, WIRE_UNITS_MAX) || !within(head->vectors, 1, WIRE_VECTORS_MAX) ||
        head->led_output >= head->outputs)
        return WIRE_REASON_SIZES;
    return WIRE_REASON_NONE;
}

enum wire_reason image_open(struct image *image, const void *bytes, size_t length, uint16_t *detail)
{
    struct image_header head;
    *detail = 0;
    if ((uintptr_t)bytes % 4 != 0)
        return WIRE_REASON_ALIGNMENT;
    enum wire_reason reason = open_header(&head, bytes, length);
    if (reason != WIRE_REASON_NONE)
        return reason;

    struct reader reader = {.bytes = bytes, .offset = sizeof head, .end = length - CRC_SIZE};
    const int8_t *fractions = take(&reader, padded(head.inputs));
    if (!fractions)
        return WIRE_REASON_LENGTH;
    if (!all_zero((const uint8_t *)fractions + head.inputs, padded(head.inputs) - head.inputs))
        return WIRE_REASON_PADDING;
    for (unsigned i = 0; i < head.inputs; i++)
        if (!within(fractions[i], WIRE_FRACTION_MIN, WIRE_FRACTION_MAX)) {
            *detail = (uint16_t)i;
            return WIRE_REASON_FRACTION;
        }

    unsigned inputs = head.inputs;
    for (unsigned i = 0; i < head.layers; i++) {
        reason = open_layer(&image->layers[i], &reader, inputs);
        if (reason != WIRE_REASON_NONE) {
            *detail = (uint16_t)i;
            return reason;
        }
        inputs = image->layers[i].outputs;
    }
    if (inputs != head.outputs) {
        *detail = head.layers;
        return WIRE_REASON_SIZES;
    }

    size_t vectors_size = (size_t)head.vectors * (head.inputs + head.outputs) * sizeof(int16_t);
    const int16_t *vectors = take(&reader, padded(vectors_size));
    if (!vectors)
        return WIRE_REASON_LENGTH;
    if (!all_zero((const uint8_t *)vectors + vectors_size, padded(vectors_size) - vectors_size))
        return WIRE_REASON_PADDING;
    if (reader.offset != reader.end)
        return WIRE_REASON_LENGTH;

    image->bytes = bytes;
    image->length = (uint32_t)length;
    memcpy(&image->crc, image->bytes + length - CRC_SIZE, CRC_SIZE);
    image->name = (const char *)bytes + offsetof(struct image_header, name);
    image->input_fraction = fractions;
    image->vectors = vectors;
    image->led_threshold = head.led_threshold;
    image->led_output = (uint8_t)head.led_output;
    image->inputs = (uint8_t)head.inputs;
    image->outputs = (uint8_t)head.outputs;
    image->layer_count = (uint8_t)head.layers;
    image->vector_count = (uint8_t)head.vectors;
    return WIRE_REASON_NONE;
}

enum wire_reason image_self_test(const struct image *image, uint16_t *detail)
{
    const int16_t *vector = image->vectors;
    for (unsigned i = 0; i < image->vector_count; i++) {
        int16_t outputs[WIRE_UNITS_MAX];
        infer(image, vector, outputs);
        if (memcmp(outputs, vector + image->inputs, image->outputs * sizeof *outputs) != 0) {
            *detail = (uint16_t)i;
            return WIRE_REASON_SELF_TEST;
        }
        vector += image->inputs + image->outputs;
    }
    return WIRE_REASON_NONE;
}
