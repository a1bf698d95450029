/* Where a model's inputs come from: the bus, or features of the board's own channels; and what becomes of its word. Twin
 * of host/core/senses.py, which draws both parts of an image. */
#ifndef NEURON485_CORE_SENSES_H
#define NEURON485_CORE_SENSES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/decide.h"
#include "core/features.h"
#include "core/reader.h"
#include "core/wire.h"

/* One input: q = saturated(offset + round_half_up(numerator * multiply * 2^-shift)). Lies in the image. */
struct senses_source {
    uint8_t channel; /* 0..WIRE_CHANNELS-1; WIRE_CHANNEL_BUS: of the bus, and all else 0 */
    uint8_t feature; /* enum wire_feature, one that the channel has */
    uint16_t band_low,
        band_high;    /* bins of WIRE_FEATURE_BAND, 1..window/2-1, at most WIRE_BAND_BINS_MAX; else 0 */
    uint8_t shift;    /* 0..WIRE_FEATURE_SHIFT_MAX */
    uint8_t reserved; /* 0 */
    int32_t multiply, offset;
    uint32_t expected; /* the numerator over the seeded window of this channel */
};
_Static_assert(sizeof(struct senses_source) == 20, "a source is 20 bytes");

static inline bool senses_of_bus(const struct senses_source *source)
{
    return source->channel == WIRE_CHANNEL_BUS;
}

/* Lies in the image. */
struct senses {
    uint16_t rate;   /* scans a second, WIRE_RATE_MIN..MAX */
    uint16_t window; /* scans of a window, 2^k, WIRE_WINDOW_MIN..MAX */
    uint16_t hop;    /* scans from one window to the next, from 1 */
    uint16_t reserved;
    uint32_t seed; /* of the self-test's windows, one a channel */
};
_Static_assert(sizeof(struct senses) == 12, "the senses are 12 bytes, and the sources");

/* Take the senses of `inputs` inputs, 1..WIRE_UNITS_MAX: at least one comes from a channel. `sources`: (inputs). Errors
 * are those of image_open; *detail is 0 and stays it, unless it is an input, or SENSES of the whole: `inputs`. */
enum wire_reason senses_open(const struct senses **senses, const struct senses_source **sources,
                             struct reader *reader, unsigned inputs, uint16_t *detail) __attribute__((cold));

/* Take how a condition becomes a decision. on: the threshold above which the LED's output is on; led_class: a class
 * lights it, and there is no other threshold. */
enum wire_reason senses_open_decision(struct decide_config *decision, struct reader *reader, int16_t on,
                                      bool led_class) __attribute__((cold));

/* The channels that the sources need, channel n in bit n. */
uint32_t senses_channels(const struct senses_source *sources, unsigned inputs);

/* What a window of the source's channel gives. found: what was measured of it, the source's feature among them. */
uint32_t senses_numerator(const struct senses_source *source, const struct features_window *window,
                          const struct features *found);

/* Measure the seeded windows on this machine: NONE, or SELF_TEST with WIRE_WINDOW_TEST and the first input that differs.
 * Takes 2 KiB of stack for a window. */
enum wire_reason senses_self_test(const struct senses *senses, const struct senses_source *sources,
                                  unsigned inputs, uint16_t *detail);

#endif
