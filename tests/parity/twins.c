/* The C side of the twins, as a filter: records on stdin, an answer to each on stdout. See twins.py.
 *
 *     record: u32 what, i32 argument, u32 size, u32 extra size | bytes | extra bytes
 *     answer: u32 size | bytes
 *
 * Each array lies in a block of its own and exact size, so that the sanitizers see a step beyond its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc.h"
#include "core/fixed.h"
#include "core/image.h"
#include "core/infer.h"
#include "core/modbus.h"
#include "core/scale.h"

enum what {
    /* image, its offset from alignment; extra: int16 inputs, a row a sample
     * -> u32 reason, detail, whether opened; int16 outputs, a row a sample; u8 led a sample;
     * u8 class a sample */
    IMAGE = 'I',
    SATURATE = 'S', /* int64 -> int16 */
    RESCALE = 'R',  /* int64, shift -> int16 */
    TO_Q = 'q',     /* float, fraction -> int16 */
    TO_FLOAT = 'f', /* int16, fraction -> float */
    CLIPS = 'l',    /* float, fraction -> byte */
    TANH = 't',     /* int16 -> int16 */
    SIGMOID = 's',  /* int16 -> int16 */
    CRC32 = 'c',    /* bytes -> u32 */
    CRC16 = 'm',    /* bytes -> u16 */
    VALID = 'v',    /* frame -> u8 */
    SEAL = 'e',     /* frame without CRC -> frame */
    /* float64 layer, outputs, with biases where they are below 0; extra: struct scale of each column -> layer */
    OF_INPUTS = 'i',
    OF_OUTPUTS = 'o',
};

struct record {
    uint32_t what;
    int32_t argument;
    uint32_t size, extra_size;
};

static void *block(size_t size)
{
    void *bytes = malloc(size + !size);
    if (!bytes)
        abort();
    return bytes;
}

static void *take(size_t size)
{
    void *bytes = block(size);
    if (fread(bytes, 1, size, stdin) != size)
        abort();
    return bytes;
}

static void put(const void *bytes, size_t size)
{
    if (fwrite(bytes, 1, size, stdout) != size)
        abort();
}

static void answer(const void *bytes, size_t size)
{
    const uint32_t length = (uint32_t)size;
    put(&length, sizeof length);
    put(bytes, size);
}

/* leds: behind them as many classes. */
static void run(const struct image *image, const int16_t *x, size_t samples, int16_t *y, uint8_t *leds)
{
    for (size_t i = 0; i < samples; i++) {
        int16_t *inputs = block(image->inputs * sizeof *inputs);
        int16_t *outputs = block(image->outputs * sizeof *outputs);
        memcpy(inputs, x + i * image->inputs, image->inputs * sizeof *inputs);
        infer(image, inputs, outputs);
        memcpy(y + i * image->outputs, outputs, image->outputs * sizeof *outputs);
        leds[i] = infer_led(image, outputs);
        leds[samples + i] = (uint8_t)infer_class(image, outputs);
        free(inputs);
        free(outputs);
    }
}

static void answer_image(const struct record *record, const uint8_t *bytes, const int16_t *x)
{
    uint8_t *place = block(record->size + (size_t)record->argument);
    memcpy(place + record->argument, bytes, record->size);
    struct image image;
    uint16_t detail = 0xABCD;
    enum wire_reason reason = image_open(&image, place + record->argument, record->size, &detail);
    const bool opened = reason == WIRE_REASON_NONE;
    if (opened)
        reason = image_self_test(&image, &detail);
    const uint32_t head[] = {(uint32_t)reason, detail, opened};
    if (!opened) {
        answer(head, sizeof head);
    } else {
        const size_t samples = record->extra_size / (image.inputs * sizeof *x);
        const size_t y_size = samples * image.outputs * sizeof(int16_t);
        int16_t *y = block(y_size);
        uint8_t *leds = block(2 * samples);
        run(&image, x, samples, y, leds);
        const uint32_t size = (uint32_t)(sizeof head + y_size + 2 * samples);
        put(&size, sizeof size);
        put(head, sizeof head);
        put(y, y_size);
        put(leds, 2 * samples);
        free(y);
        free(leds);
    }
    free(place);
}

static void answer_int16(const struct record *record, const void *bytes)
{
    const int64_t *wide = bytes;
    const float *real = bytes;
    const int16_t *q = bytes;
    const enum what what = (enum what)record->what;
    const size_t item = what == SATURATE || what == RESCALE ? sizeof *wide
                        : what == TO_Q                      ? sizeof *real
                                                            : sizeof *q;
    const size_t count = record->size / item;
    int16_t *out = block(count * sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = what == SATURATE  ? fixed_saturate(wide[i])
                 : what == RESCALE ? fixed_rescale(wide[i], record->argument)
                 : what == TO_Q    ? fixed_from_float(real[i], record->argument)
                 : what == TANH    ? fixed_tanh(q[i])
                                   : fixed_sigmoid(q[i]);
    answer(out, count * sizeof *out);
    free(out);
}

static void answer_clips(const struct record *record, const float *real)
{
    const size_t count = record->size / sizeof *real;
    uint8_t *out = block(count);
    for (size_t i = 0; i < count; i++)
        out[i] = fixed_clips(real[i], record->argument);
    answer(out, count);
    free(out);
}

static void answer_float(const struct record *record, const int16_t *q)
{
    const size_t count = record->size / sizeof *q;
    float *out = block(count * sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = fixed_to_float(q[i], record->argument);
    answer(out, count * sizeof *out);
    free(out);
}

static void answer_sealed(const struct record *record, const uint8_t *bytes)
{
    uint8_t *frame = block(record->size + 2);
    memcpy(frame, bytes, record->size);
    answer(frame, modbus_frame_seal(frame, record->size));
    free(frame);
}

static void answer_layer(const struct record *record, double *layer, const struct scale *columns)
{
    const bool bias = record->argument < 0;
    const unsigned outputs = (unsigned)abs(record->argument);
    const unsigned inputs = (unsigned)(record->size / sizeof *layer / outputs) - bias;
    (record->what == OF_INPUTS ? scale_inputs : scale_outputs)(layer, inputs, outputs, bias, columns);
    answer(layer, record->size);
}

static void carry_out(const struct record *record, void *bytes, const void *extra)
{
    switch ((enum what)record->what) {
    case IMAGE:
        answer_image(record, bytes, extra);
        break;
    case CLIPS:
        answer_clips(record, bytes);
        break;
    case TO_FLOAT:
        answer_float(record, bytes);
        break;
    case CRC32:
        answer(&(uint32_t){crc32(bytes, record->size)}, sizeof(uint32_t));
        break;
    case CRC16:
        answer(&(uint16_t){crc16(bytes, record->size)}, sizeof(uint16_t));
        break;
    case VALID:
        answer(&(uint8_t){modbus_frame_valid(bytes, record->size)}, 1);
        break;
    case SEAL:
        answer_sealed(record, bytes);
        break;
    case OF_INPUTS:
    case OF_OUTPUTS:
        answer_layer(record, bytes, extra);
        break;
    default:
        answer_int16(record, bytes);
    }
}

int main(void)
{
    struct record record;
    while (fread(&record, sizeof record, 1, stdin) == 1) {
        void *bytes = take(record.size), *extra = take(record.extra_size);
        carry_out(&record, bytes, extra);
        free(bytes);
        free(extra);
    }
    return 0;
}
