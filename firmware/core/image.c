#include "core/image.h"

#include <stdbool.h>
#include <string.h>

#include "core/crc.h"
#include "core/infer.h"
#include "core/reader.h"

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
#define FLOAT_EXPONENT 0x7F800000u
_Static_assert(sizeof(float) == sizeof(uint32_t), "float32");

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static size_t padded(size_t size)
{
    return (size + 3u) & ~(size_t)3;
}

static bool valid_name(const char *name)
{
    bool ended = false;
    for (unsigned i = 0; i < WIRE_NAME_BYTES; i++)
        if (name[i] == '\0')
            ended = true;
        else if (ended || name[i] < 0x20 || name[i] > 0x7E)
            return false;
    return true;
}

static bool within(int value, int low, int high)
{
    return value >= low && value <= high;
}

int image_lowest(uint8_t activation)
{
    return activation == WIRE_ACTIVATION_IDENTITY || activation == WIRE_ACTIVATION_TANH ? INT16_MIN : 0;
}

bool image_narrow(int32_t bias, const int16_t *weights, unsigned count, int lowest)
{
    uint32_t positive = 0, negative = 0;
    for (unsigned i = 0; i < count; i++) {
        const int weight = weights[i];
        positive += (uint32_t)(weight > 0 ? weight : 0);
        negative += (uint32_t)(weight < 0 ? -weight : 0);
    }
    const int64_t low = bias + (int64_t)positive * lowest - (int64_t)negative * INT16_MAX;
    const int64_t high = bias + (int64_t)positive * INT16_MAX - (int64_t)negative * lowest;
    return low >= INT32_MIN && high <= INT32_MAX;
}

static enum wire_reason open_layer_header(struct image_layer *layer, int *shift, struct reader *reader,
                                          unsigned inputs)
{
    struct layer_header head;
    const void *part = reader_take(reader, sizeof head);
    if (!part)
        return WIRE_REASON_LENGTH;
    memcpy(&head, part, sizeof head);
    if (head.inputs != inputs || head.outputs < 1 || head.outputs > WIRE_UNITS_MAX)
        return WIRE_REASON_SIZES;
    if (head.activation > WIRE_ACTIVATION_TANH)
        return WIRE_REASON_ACTIVATION;
    if (head.reserved != 0)
        return WIRE_REASON_PADDING;
    if (!within(head.out_fraction, WIRE_FRACTION_MIN, WIRE_FRACTION_MAX))
        return WIRE_REASON_FRACTION;

    *shift = head.acc_fraction - head.out_fraction;
    if (head.activation == WIRE_ACTIVATION_STEP) {
        *shift = 0;
        if (head.out_fraction != WIRE_STEP_OUT_FRACTION)
            return WIRE_REASON_FRACTION;
    } else if (head.activation == WIRE_ACTIVATION_SIGMOID || head.activation == WIRE_ACTIVATION_TANH) {
        bool is_tanh = head.activation == WIRE_ACTIVATION_TANH;
        *shift = head.acc_fraction - (is_tanh ? WIRE_TANH_IN_FRACTION : WIRE_SIGMOID_IN_FRACTION);
        if (head.out_fraction != WIRE_UNIT_OUT_FRACTION)
            return WIRE_REASON_FRACTION;
    }

    layer->inputs = (uint8_t)inputs;
    layer->outputs = (uint8_t)head.outputs;
    layer->activation = head.activation;
    layer->out_fraction = head.out_fraction;
    return WIRE_REASON_NONE;
}

static enum wire_reason open_weights(struct image_layer *layer, struct reader *reader, int shift, int lowest)
{
    //@ split layer->inputs;
    layer->stride = (uint8_t)((layer->inputs + 1u) & ~1u);
    const unsigned inputs = layer->inputs, outputs = layer->outputs, stride = layer->stride;
    struct reader biases = *reader;
    layer->bias = reader_take(reader, outputs * sizeof *layer->bias);
    struct reader rows = *reader;
    layer->weights = layer->bias ? reader_take(reader, outputs * stride * sizeof *layer->weights) : NULL;
    if (!layer->weights)
        return WIRE_REASON_LENGTH;
    if (!within(shift, WIRE_SHIFT_MIN, WIRE_SHIFT_MAX))
        return WIRE_REASON_FRACTION;
    layer->shift = (int8_t)shift;
    /* Beside the sums: whether infer.c can do the shift in 32 bits. */
    layer->narrow = layer->activation == WIRE_ACTIVATION_STEP || within(shift, 2, 32);
    for (unsigned i = 0; i < outputs; i++) {
        const int32_t *bias = reader_take(&biases, sizeof *bias);
        const int16_t *row = reader_take(&rows, stride * sizeof *row);
        if (!bias || !row)
            return WIRE_REASON_LENGTH;
        if (stride != inputs && row[inputs] != 0)
            return WIRE_REASON_PADDING;
        layer->narrow = layer->narrow && image_narrow(*bias, row, stride, lowest);
    }
    return WIRE_REASON_NONE;
}

/* What a layer hands on: how many values, and how low they go. */
struct passed {
    unsigned count;
    int lowest;
};

/* inputs: of this layer, then of the next. */
static enum wire_reason open_layer(struct image_layer *opened, struct reader *reader, struct passed *inputs)
{
    struct image_layer layer;
    int shift;
    enum wire_reason reason = open_layer_header(&layer, &shift, reader, inputs->count);
    if (reason != WIRE_REASON_NONE)
        return reason;
    reason = open_weights(&layer, reader, shift, inputs->lowest);
    if (reason != WIRE_REASON_NONE)
        return reason;
    *opened = layer;
    inputs->count = layer.outputs;
    inputs->lowest = image_lowest(layer.activation);
    return WIRE_REASON_NONE;
}

#define FLAGS                                                                                                \
    ((unsigned)(WIRE_FLAG_RANGES | WIRE_FLAG_OFFSETS | WIRE_FLAG_OUTPUT_FRACTIONS | WIRE_FLAG_NAMES |        \
                WIRE_FLAG_LED_CLASS | WIRE_FLAG_SENSES | WIRE_FLAG_DECIDES | WIRE_FLAG_RELEASE))

static bool has(const struct image_header *head, enum wire_flag flag)
{
    return (head->flags & flag) != 0;
}

/* How many classes so many outputs can tell apart. */
static unsigned classes(unsigned outputs)
{
    return outputs == 1 ? 2 : outputs;
}

static enum wire_reason open_header(struct image_header *head, uint32_t *crc, const uint8_t *bytes,
                                    size_t length)
{
    if (length < sizeof *head + CRC_SIZE)
        return WIRE_REASON_LENGTH;
    memcpy(head, bytes, sizeof *head);
    if (head->magic != WIRE_IMAGE_MAGIC)
        return WIRE_REASON_MAGIC;
    if (head->version < WIRE_IMAGE_VERSION_OLDEST || head->version > WIRE_IMAGE_VERSION)
        return WIRE_REASON_VERSION;
    if (head->length != length || length % 4 != 0 || length > WIRE_IMAGE_MAX)
        return WIRE_REASON_LENGTH;
    memcpy(crc, bytes + length - CRC_SIZE, CRC_SIZE);
    if (*crc != crc32(bytes, length - CRC_SIZE))
        return WIRE_REASON_CRC;
    if ((head->flags & ~(head->version == WIRE_IMAGE_VERSION_OLDEST ? 0u : FLAGS)) != 0 ||
        !valid_name(head->name))
        return WIRE_REASON_PADDING;
    if (head->layers < 1 || head->layers > WIRE_LAYERS_MAX || head->inputs < 1 ||
        head->inputs > WIRE_UNITS_MAX || head->outputs < 1 || head->outputs > WIRE_UNITS_MAX ||
        head->vectors < 1 || head->vectors > WIRE_VECTORS_MAX)
        return WIRE_REASON_SIZES;
    const bool led_class = has(head, WIRE_FLAG_LED_CLASS);
    if (head->led_output >= (led_class ? classes(head->outputs) : head->outputs))
        return WIRE_REASON_SIZES;
    /* Several outputs are compared with each other. */
    return led_class && head->outputs > 1 && head->led_threshold != 0 ? WIRE_REASON_PADDING
                                                                      : WIRE_REASON_NONE;
}

static enum wire_reason open_fractions(const int8_t **opened, struct reader *reader, unsigned count,
                                       uint16_t *detail)
{
    const int8_t *fractions;
    //@ split count;
    fractions = reader_take(reader, padded(count));
    if (!fractions)
        return WIRE_REASON_LENGTH;
    if (!all_zero((const uint8_t *)fractions + count, padded(count) - count))
        return WIRE_REASON_PADDING;
    for (unsigned i = 0; i < count; i++)
        if (!within(fractions[i], WIRE_FRACTION_MIN, WIRE_FRACTION_MAX)) {
            *detail = (uint16_t)i;
            return WIRE_REASON_FRACTION;
        }
    *opened = fractions;
    return WIRE_REASON_NONE;
}

/* Neither infinite nor NaN. */
static bool valid_offset(const void *word)
{
    return (*(const uint32_t *)word & FLOAT_EXPONENT) != FLOAT_EXPONENT;
}

static bool valid_range(const void *word)
{
    const int16_t *ends = word;
    return ends[0] <= ends[1];
}

/* Four bytes for each input. */
static enum wire_reason open_words(const void **opened, struct reader *reader, unsigned inputs,
                                   bool (*valid)(const void *word), uint16_t *detail)
{
    struct reader each = *reader;
    *opened = reader_take(reader, 4 * inputs);
    if (!*opened)
        return WIRE_REASON_LENGTH;
    for (unsigned i = 0; i < inputs; i++) {
        const void *word = reader_take(&each, 4);
        if (!word)
            return WIRE_REASON_LENGTH;
        if (!valid(word)) {
            *detail = (uint16_t)i;
            return WIRE_REASON_FRACTION;
        }
    }
    return WIRE_REASON_NONE;
}

/* What stands before the layers. */
static enum wire_reason open_scales(struct image *image, struct reader *reader,
                                    const struct image_header *head, uint16_t *detail)
{
    const void *offset = NULL, *range = NULL;
    image->output_fraction = NULL;
    enum wire_reason reason = open_fractions(&image->input_fraction, reader, head->inputs, detail);
    if (reason == WIRE_REASON_NONE && has(head, WIRE_FLAG_OFFSETS))
        reason = open_words(&offset, reader, head->inputs, valid_offset, detail);
    if (reason == WIRE_REASON_NONE && has(head, WIRE_FLAG_RANGES))
        reason = open_words(&range, reader, head->inputs, valid_range, detail);
    if (reason == WIRE_REASON_NONE && has(head, WIRE_FLAG_OUTPUT_FRACTIONS))
        reason = open_fractions(&image->output_fraction, reader, head->outputs, detail);
    image->input_offset = offset;
    image->input_range = range;
    return reason;
}

/* How its inputs come to be, and its decision. */
static enum wire_reason open_senses(struct image *image, struct reader *reader,
                                    const struct image_header *head, uint16_t *detail)
{
    enum wire_reason reason = WIRE_REASON_NONE;
    image->senses = NULL;
    image->sources = NULL;
    image->decision = (struct decide_config){.threshold_off = head->led_threshold, .votes = 1, .of = 1};
    if (has(head, WIRE_FLAG_SENSES))
        reason = senses_open(&image->senses, &image->sources, reader, head->inputs, detail);
    if (reason == WIRE_REASON_NONE && has(head, WIRE_FLAG_DECIDES))
        reason = senses_open_decision(&image->decision, reader, head->led_threshold,
                                      has(head, WIRE_FLAG_LED_CLASS));
    return reason;
}

static enum wire_reason open_release(struct image *image, struct reader *reader,
                                     const struct image_header *head)
{
    image->release = 0;
    if (!has(head, WIRE_FLAG_RELEASE))
        return WIRE_REASON_NONE;
    const uint32_t *release = reader_take(reader, sizeof *release);
    if (!release)
        return WIRE_REASON_LENGTH;
    image->release = *release;
    return image->release != 0 ? WIRE_REASON_NONE : WIRE_REASON_PADDING;
}

static enum wire_reason open_vectors(struct image *image, struct reader *reader, size_t size)
{
    const size_t words = padded(size) / 4;
    struct reader tail = *reader;
    image->vectors = reader_take(reader, 4 * words);
    if (!image->vectors || !reader_take(&tail, 4 * (words - 1)))
        return WIRE_REASON_LENGTH;
    const int16_t *last = reader_take(&tail, 4);
    if (!last)
        return WIRE_REASON_LENGTH;
    return size % 4 != 0 && last[1] != 0 ? WIRE_REASON_PADDING : WIRE_REASON_NONE;
}

/* The names, as far as they have been read: a group of none, of one for each that there is, or of one for all outputs. */
struct names {
    unsigned counts[3], group; /* counts: how many there are to be named in each */
    unsigned separators;       /* in this group so far */
    bool any, ended;           /* any: text in this group */
};

static bool group_fits(const struct names *names)
{
    if (names->group > 2)
        return false;
    if (!names->any && names->separators == 0)
        return true;
    const unsigned count = names->separators + 1;
    return count == names->counts[names->group] || (names->group == 1 && count == 1);
}

static bool read_name(struct names *names, uint8_t byte)
{
    if (byte == 0) {
        names->ended = true;
    } else if (names->ended) {
        return false;
    } else if (byte == WIRE_NAMES_GROUP) {
        if (!group_fits(names))
            return false;
        names->group++;
        names->separators = 0;
        names->any = false;
    } else if (byte == WIRE_NAMES_NEXT) {
        names->separators++;
    } else if (byte < ' ') {
        return false;
    } else {
        names->any = true;
    }
    return true;
}

/* All that is left. The text itself only the PC reads. */
static enum wire_reason open_names(struct reader *reader, unsigned inputs, unsigned outputs)
{
    struct names names = {.counts = {inputs, outputs, classes(outputs)}};
    while (!reader_at_end(reader)) {
        const uint8_t *bytes = reader_take(reader, 4);
        if (!bytes)
            return WIRE_REASON_LENGTH;
        if (names.ended || bytes[0] == 0)
            return WIRE_REASON_PADDING;
        for (unsigned i = 0; i < 4; i++)
            if (!read_name(&names, bytes[i]))
                return WIRE_REASON_PADDING;
    }
    return names.group == 2 && group_fits(&names) ? WIRE_REASON_NONE : WIRE_REASON_PADDING;
}

enum wire_reason image_open(struct image *image, const void *bytes, size_t length, uint16_t *detail)
{
    struct image_header head;
    *detail = 0;
    if ((uintptr_t)bytes % 4 != 0)
        return WIRE_REASON_ALIGNMENT;
    enum wire_reason reason = open_header(&head, &image->crc, bytes, length);
    if (reason != WIRE_REASON_NONE)
        return reason;

    image->bytes = bytes;
    struct reader reader = {.next = image->bytes + sizeof head, .end = image->bytes + length - CRC_SIZE};
    reason = open_scales(image, &reader, &head, detail);
    if (reason == WIRE_REASON_NONE)
        reason = open_senses(image, &reader, &head, detail);
    if (reason == WIRE_REASON_NONE)
        reason = open_release(image, &reader, &head);
    if (reason != WIRE_REASON_NONE)
        return reason;

    struct passed inputs = {head.inputs, INT16_MIN};
    for (unsigned i = 0; i < head.layers; i++) {
        *detail = (uint16_t)i;
        reason = open_layer(&image->layers[i], &reader, &inputs);
        if (reason != WIRE_REASON_NONE)
            return reason;
    }
    *detail = head.layers;
    if (inputs.count != head.outputs)
        return WIRE_REASON_SIZES;
    *detail = 0;

    reason =
        open_vectors(image, &reader, (size_t)head.vectors * (head.inputs + head.outputs) * sizeof(int16_t));
    if (reason == WIRE_REASON_NONE && has(&head, WIRE_FLAG_NAMES))
        reason = open_names(&reader, head.inputs, head.outputs);
    if (reason != WIRE_REASON_NONE)
        return reason;
    if (!reader_at_end(&reader))
        return WIRE_REASON_LENGTH;

    image->length = (uint32_t)length;
    image->name = (const char *)bytes + offsetof(struct image_header, name);
    image->led_threshold = head.led_threshold;
    image->led_output = (uint8_t)head.led_output;
    image->led_class = has(&head, WIRE_FLAG_LED_CLASS);
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
    return image->senses ? senses_self_test(image->senses, image->sources, image->inputs, detail)
                         : WIRE_REASON_NONE;
}
