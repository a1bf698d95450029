/* What a window of samples is made into: integers, then the inputs of a model. Twin of host/core/features.py, bit for
 * bit: it says what each feature is, what its numerator is to be divided by, and why nothing overflows. */
#ifndef NEURON485_CORE_FEATURES_H
#define NEURON485_CORE_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/wire.h"

/* One channel of N = 2^k samples, k = 1..10, as they stand in a ring of scans: in two parts, the older first; only the
 * newer may be empty. Analog values beyond 4095, of a ring that goes round meanwhile, make any numerators. */
struct features_window {
    const uint16_t *part[2]; /* the channel's word in the first scan of each part */
    uint32_t count[2];       /* scans of each; together N */
    uint32_t stride;         /* words from one scan to the next */
    uint16_t mask; /* 0: an analog value, 0..4095; else the bit of this channel in a word of levels */
};

/* Numerators, below 2^31, by enum wire_feature. */
struct features {
    uint32_t value[WIRE_FEATURE_FREQUENCY + 1];
};

/* The features of `wanted`, a bit for each, and MEAN always of an analog channel; the others are 0, BAND among them.
 * rate: samples a second, 1..10000, for FREQUENCY. */
void features_measure(const struct features_window *window, uint32_t wanted, uint32_t rate,
                      struct features *out);

/* The numerator of BAND, of bins low..high, 1 <= low <= high <= N/2 - 1, at most WIRE_BAND_BINS_MAX. sum: MEAN's of the
 * same window. */
uint32_t features_band(const struct features_window *window, uint32_t sum, unsigned low, unsigned high);

/* The same bin by bin: its numerator is the root of the sum of the energies of all bins, rounded down. */
uint64_t features_energy(const struct features_window *window, uint32_t sum, unsigned index);
uint32_t features_root(uint64_t energy);

/* A numerator as an input of a model: offset + numerator * multiply * 2^-shift, rounded half up, saturated; whether it
 * had to be goes to *clipped. numerator < 2^31, shift 0..62. */
int16_t features_input(uint32_t numerator, int32_t multiply, unsigned shift, int32_t offset, bool *clipped);

/* `count` samples of a self-test: raw values of an analog channel, levels 0 and 1 of a digital one. */
void features_seeded(uint32_t seed, unsigned channel, uint32_t count, uint16_t *window);

#endif
