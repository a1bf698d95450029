/* Bytes into image_open, image_self_test and infer. The first byte of an input says what is put right in the
 * rest, so that most inputs get past magic, length and CRC: 7 nothing, 6 only the CRC, 5 all of it as of format 1,
 * others as of the newest, with whatever flags it knows. */
#include <stdlib.h>
#include <string.h>

#include "core/crc.h"
#include "core/image.h"
#include "core/infer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void seal(uint8_t *bytes, size_t size)
{
    const uint32_t crc = crc32(bytes, size - sizeof crc);
    memcpy(bytes + size - sizeof crc, &crc, sizeof crc);
}

#define FLAGS                                                                                                \
    (WIRE_FLAG_RANGES | WIRE_FLAG_OFFSETS | WIRE_FLAG_OUTPUT_FRACTIONS | WIRE_FLAG_NAMES |                   \
     WIRE_FLAG_LED_CLASS | WIRE_FLAG_SENSES | WIRE_FLAG_DECIDES)

static void put_right(uint8_t *bytes, size_t size, unsigned what)
{
    struct {
        uint32_t magic;
        uint16_t version, flags;
        uint32_t length;
    } head;
    if (what == 7 || size < sizeof head + sizeof(uint32_t))
        return;
    memcpy(&head, bytes, sizeof head);
    head.magic = WIRE_IMAGE_MAGIC;
    head.version = what == 5 ? WIRE_IMAGE_VERSION_OLDEST : WIRE_IMAGE_VERSION;
    head.flags &= what == 5 ? 0 : FLAGS;
    head.length = (uint32_t)size;
    if (what != 6)
        memcpy(bytes, &head, sizeof head);
    seal(bytes, size);
}

static void require_inside(const struct image *image, const void *part, size_t size)
{
    const uint8_t *start = part;
    require(start >= image->bytes && start + size <= image->bytes + image->length - sizeof(uint32_t));
}

static void require_sound_senses(const struct image *image)
{
    const unsigned window = image->senses->window;
    require_inside(image, image->senses, sizeof *image->senses);
    require_inside(image, image->sources, image->inputs * sizeof *image->sources);
    require(window >= WIRE_WINDOW_MIN && window <= WIRE_WINDOW_MAX && (window & (window - 1)) == 0);
    require(image->senses->rate >= WIRE_RATE_MIN && image->senses->rate <= WIRE_RATE_MAX);
    require(image->senses->hop >= 1);
    for (unsigned i = 0; i < image->inputs; i++) {
        const struct senses_source *source = &image->sources[i];
        require(source->channel < WIRE_CHANNELS || source->channel == WIRE_CHANNEL_BUS);
        require(source->feature <= WIRE_FEATURE_FREQUENCY && source->shift <= WIRE_FEATURE_SHIFT_MAX);
        require(source->band_high < window / 2 && source->band_high - source->band_low < WIRE_BAND_BINS_MAX);
    }
    const uint32_t channels = senses_channels(image->sources, image->inputs);
    require(channels != 0 && channels < 1u << WIRE_CHANNELS);
}

static void require_sound_decision(const struct image *image)
{
    const struct decide_config *decision = &image->decision;
    require(decision->votes >= 1 && decision->votes <= decision->of && decision->of <= WIRE_VOTES_MAX);
    require(decision->on_delay <= WIRE_DELAY_MAX && decision->off_delay <= WIRE_DELAY_MAX &&
            decision->hold <= WIRE_DELAY_MAX);
    require(decision->threshold_off <= image->led_threshold);
    require(!image->led_class || decision->threshold_off == image->led_threshold);
}

/* What image_open promises of an image that it accepts. */
static void require_sound(const struct image *image)
{
    require(image->layer_count >= 1 && image->layer_count <= WIRE_LAYERS_MAX);
    require(image->led_output < image->outputs || (image->led_class && image->led_output < 2));
    unsigned inputs = image->inputs;
    for (unsigned i = 0; i < image->layer_count; i++) {
        const struct image_layer *layer = &image->layers[i];
        require(layer->inputs == inputs && layer->stride == (inputs + 1) / 2 * 2);
        require(layer->outputs >= 1 && layer->outputs <= WIRE_UNITS_MAX);
        require(layer->shift >= WIRE_SHIFT_MIN && layer->shift <= WIRE_SHIFT_MAX);
        require_inside(image, layer->bias, layer->outputs * sizeof *layer->bias);
        require_inside(image, layer->weights,
                       (size_t)layer->outputs * layer->stride * sizeof *layer->weights);
        inputs = layer->outputs;
    }
    require(inputs == image->outputs);
    require_inside(image, image->input_fraction, image->inputs);
    if (image->input_offset)
        require_inside(image, image->input_offset, image->inputs * sizeof *image->input_offset);
    if (image->input_range)
        require_inside(image, image->input_range, image->inputs * 2 * sizeof *image->input_range);
    if (image->output_fraction)
        require_inside(image, image->output_fraction, image->outputs);
    if (image->senses)
        require_sound_senses(image);
    require_sound_decision(image);
    require_inside(image, image->vectors,
                   image->vector_count * (size_t)(image->inputs + image->outputs) * sizeof *image->vectors);
}

/* Give each self-test vector the outputs that this machine computes: then the test must pass. */
static void require_honest_vectors_pass(const struct image *image, uint8_t *bytes, size_t size)
{
    uint8_t *vector = bytes + ((const uint8_t *)image->vectors - image->bytes);
    const size_t inputs_size = image->inputs * sizeof(int16_t),
                 outputs_size = image->outputs * sizeof(int16_t);
    for (unsigned i = 0; i < image->vector_count; i++, vector += inputs_size + outputs_size) {
        int16_t inputs[WIRE_UNITS_MAX], outputs[WIRE_UNITS_MAX];
        memcpy(inputs, vector, inputs_size);
        infer(image, inputs, outputs);
        (void)infer_led(image, outputs);
        require(infer_class(image, outputs) < (image->outputs == 1 ? 2 : image->outputs));
        memcpy(vector + inputs_size, outputs, outputs_size);
    }
    seal(bytes, size);
    struct image again;
    uint16_t detail;
    require(image_open(&again, bytes, size, &detail) == WIRE_REASON_NONE);
    const enum wire_reason reason = image_self_test(&again, &detail);
    require(reason == WIRE_REASON_NONE || (image->senses && detail >= WIRE_WINDOW_TEST));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const unsigned what = *data++ & 7u;
    size--;
    if (what != 7)
        size -= size % 4;
    uint8_t *bytes = malloc(size + !size);
    require(bytes != NULL);
    memcpy(bytes, data, size);
    put_right(bytes, size, what);
    struct image image;
    uint16_t detail;
    if (image_open(&image, bytes, size, &detail) == WIRE_REASON_NONE) {
        require_sound(&image);
        const enum wire_reason reason = image_self_test(&image, &detail);
        require(reason == WIRE_REASON_NONE || reason == WIRE_REASON_SELF_TEST);
        require_honest_vectors_pass(&image, bytes, size);
    }
    free(bytes);
    return 0;
}
