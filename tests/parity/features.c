/* core/features as a filter: questions on stdin, an answer to each on stdout. See tests/test_features.py.
 *
 *     question: struct asked, then by what
 *         'W' u16 where each window parts in two, u16 samples, a row a window -> u32 numerators, a row a window
 *         'I' u32 numerators, i32 multiply, i32 shift, i32 offset             -> i16 input and clipped, a row each
 *         'S' nothing; seed in `rate`, channel in `low`                       -> u16 samples
 *
 * The samples of each part lie `stride` words apart in a block of their own and exact size, so that the sanitizers see
 * a step beyond its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/features.h"

struct asked {
    uint32_t what, size, rows, stride, mask, wanted, rate, low, high;
};

static void *take(size_t count, size_t size)
{
    void *data = malloc(count * size);
    if (!data || fread(data, size, count, stdin) != count)
        abort();
    return data;
}

static uint16_t *spread(const uint16_t *samples, uint32_t count, uint32_t stride)
{
    uint16_t *part = malloc(count ? sizeof *part * ((count - 1) * stride + 1) : 1);
    if (!part)
        abort();
    for (uint32_t i = 0; i < count; i++)
        part[i * stride] = samples[i];
    return part;
}

static void windows(const struct asked *asked)
{
    uint16_t *parts = take(asked->rows, sizeof *parts);
    uint16_t *samples = take((size_t)asked->rows * asked->size, sizeof *samples);
    for (uint32_t row = 0; row < asked->rows; row++) {
        const uint16_t *from = samples + (size_t)row * asked->size;
        const uint32_t older = parts[row], newer = asked->size - older;
        uint16_t *const first = spread(from, older, asked->stride);
        uint16_t *const second = spread(from + older, newer, asked->stride);
        const struct features_window window = {
            {first, second}, {older, newer}, asked->stride, (uint16_t)asked->mask};
        struct features out;
        features_measure(&window, asked->wanted, asked->rate, &out);
        if (asked->low)
            out.value[WIRE_FEATURE_BAND] =
                features_band(&window, out.value[WIRE_FEATURE_MEAN], asked->low, asked->high);
        fwrite(&out, sizeof out, 1, stdout);
        free(first);
        free(second);
    }
    free(parts);
    free(samples);
}

static void inputs(const struct asked *asked)
{
    uint32_t *numerators = take(asked->rows, sizeof *numerators);
    int32_t *multiply = take(asked->rows, sizeof *multiply);
    int32_t *shift = take(asked->rows, sizeof *shift);
    int32_t *offset = take(asked->rows, sizeof *offset);
    for (uint32_t row = 0; row < asked->rows; row++) {
        bool clipped;
        const int16_t input =
            features_input(numerators[row], multiply[row], (unsigned)shift[row], offset[row], &clipped);
        const int16_t answer[] = {input, clipped};
        fwrite(answer, sizeof answer, 1, stdout);
    }
    free(numerators);
    free(multiply);
    free(shift);
    free(offset);
}

static void seeded(const struct asked *asked)
{
    uint16_t *samples = malloc(asked->size * sizeof *samples);
    if (!samples)
        abort();
    features_seeded(asked->rate, asked->low, asked->size, samples);
    fwrite(samples, sizeof *samples, asked->size, stdout);
    free(samples);
}

int main(void)
{
    struct asked asked;
    while (fread(&asked, sizeof asked, 1, stdin) == 1)
        switch (asked.what) {
        case 'W':
            windows(&asked);
            break;
        case 'I':
            inputs(&asked);
            break;
        case 'S':
            seeded(&asked);
            break;
        default:
            abort();
        }
    return 0;
}
