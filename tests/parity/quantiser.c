/* core/quantise as a filter: a record in, an image out. Twin of tests/test_quantise_parity.py.
 *
 * in:  struct wanted, then float64 or float32 parameters, float64 ranges, float32 vectors, each at its
 * natural size out: u32 reason, u32 detail, u32 length, then the image */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/quantise.h"

struct wanted {
    uint32_t layers, bias, wide, vectors, led_output, parameters;
    double led_threshold;
    uint16_t units[WIRE_LAYERS_MAX + 1];
    uint8_t activation[WIRE_LAYERS_MAX];
    char name[WIRE_NAME_BYTES];
    uint8_t led_class, shared_outputs;
    uint8_t padding[4];
};

static void *take(size_t count, size_t size)
{
    void *data = malloc(count * size);
    if (!data || fread(data, size, count, stdin) != count)
        exit(1);
    return data;
}

int main(void)
{
    static _Alignas(4) uint8_t image[WIRE_IMAGE_MAX];
    struct wanted wanted;
    while (fread(&wanted, sizeof wanted, 1, stdin) == 1) {
        struct quantise_model model = {
            .layers = (uint8_t)wanted.layers,
            .bias = wanted.bias,
            .wide = wanted.wide,
            .vector_count = (uint16_t)wanted.vectors,
            .led_output = (uint16_t)wanted.led_output,
            .led_threshold = wanted.led_threshold,
            .led_class = wanted.led_class,
            .shared_outputs = wanted.shared_outputs,
        };
        memcpy(model.units, wanted.units, sizeof model.units);
        memcpy(model.activation, wanted.activation, sizeof model.activation);
        memcpy(model.name, wanted.name, sizeof model.name);
        void *parameters = take(wanted.parameters, wanted.wide ? sizeof(double) : sizeof(float));
        void *ranges = take(wanted.units[0], 2 * sizeof(double));
        void *vectors = take((size_t)wanted.vectors * wanted.units[0], sizeof(float));
        model.parameters = parameters;
        model.ranges = ranges;
        model.vectors = vectors;

        enum wire_reason reason;
        uint16_t detail;
        const uint32_t length = (uint32_t)quantise(&model, image, sizeof image, &reason, &detail);
        const uint32_t answer[] = {(uint32_t)reason, detail, length};
        fwrite(answer, sizeof answer, 1, stdout);
        fwrite(image, 1, length, stdout);
        fflush(stdout);
        free(parameters);
        free(ranges);
        free(vectors);
    }
    return 0;
}
