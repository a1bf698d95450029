#include "core/features.h"

#include "core/fixed.h"
#include "core/pcg32.h"

#define TABLES_WAVE
#include "core/tables.h"

#define WANTS(feature) (wanted & 1u << WIRE_FEATURE_##feature)
#define QUARTER (1 << (WAVE_BITS - 2))

/* The root, rounded down, of less than 2^52. */
static uint32_t isqrt(uint64_t value)
{
    uint32_t root = 0;
    for (uint32_t bit = 1u << 25; bit; bit >>= 1)
        if ((uint64_t)(root | bit) * (root | bit) <= value)
            root |= bit;
    return root;
}

static uint32_t size(const struct features_window *window)
{
    return window->count[0] + window->count[1];
}

static uint32_t last(const struct features_window *window)
{
    const unsigned part = window->count[1] != 0;
    return window->part[part][(window->count[part] - 1) * window->stride];
}

/* How often the samples pass from below `threshold` to at least it, or back: the sign of their difference changes. */
static uint32_t crossings(const struct features_window *window, int32_t threshold)
{
    uint32_t crossed = 0;
    int32_t s1 = *window->part[0] - threshold;
    for (unsigned part = 0; part < 2; part++) {
        const uint16_t *sample = window->part[part];
        uint32_t left = window->count[part];
        for (; left > 1; left -= 2, sample += 2 * window->stride) {
            const int32_t s2 = *sample - threshold;
            crossed += (uint32_t)(s1 ^ s2) >> 31;
            s1 = sample[window->stride] - threshold;
            crossed += (uint32_t)(s1 ^ s2) >> 31;
        }
        if (left) {
            const int32_t s2 = *sample - threshold;
            crossed += (uint32_t)(s1 ^ s2) >> 31;
            s1 = s2;
        }
    }
    return crossed;
}

static void measure_analog(const struct features_window *window, uint32_t wanted, struct features *out)
{
    const uint32_t count = size(window);
    uint32_t sum = 0, least = UINT16_MAX, largest = 0;
    uint64_t squares = 0;
    for (unsigned part = 0; part < 2; part++) {
        const uint16_t *sample = window->part[part];
        for (uint32_t left = window->count[part]; left; left--, sample += window->stride) {
            const uint32_t r = *sample;
            sum += r;
            squares += r * r;
            least = r < least ? r : least;
            largest = r > largest ? r : largest;
        }
    }
    out->value[WIRE_FEATURE_MEAN] = sum;
    if (WANTS(LAST))
        out->value[WIRE_FEATURE_LAST] = last(window);
    if (WANTS(MIN))
        out->value[WIRE_FEATURE_MIN] = least;
    if (WANTS(MAX))
        out->value[WIRE_FEATURE_MAX] = largest;
    if (WANTS(P2P))
        out->value[WIRE_FEATURE_P2P] = largest - least;
    if (WANTS(STD))
        out->value[WIRE_FEATURE_STD] = isqrt(count * squares - (uint64_t)sum * sum);
    if (WANTS(RMS))
        out->value[WIRE_FEATURE_RMS] = isqrt(count * squares);
    if (WANTS(CROSSINGS)) /* r * N < S is r < S / N rounded up */
        out->value[WIRE_FEATURE_CROSSINGS] = crossings(window, (int32_t)((sum + count - 1) / count));
}

static void measure_digital(const struct features_window *window, uint32_t wanted, uint32_t rate,
                            struct features *out)
{
    uint32_t edges = 0, first = 0, newest = 0, index = 0;
    bool level = true; /* so that the first sample is no edge */
    for (unsigned part = 0; part < 2; part++) {
        const uint16_t *sample = window->part[part];
        for (uint32_t left = window->count[part]; left; left--, sample += window->stride, index++) {
            const bool before = level;
            level = (*sample & window->mask) != 0;
            if (level && !before) {
                newest = index;
                if (!edges++)
                    first = index;
            }
        }
    }
    if (WANTS(LEVEL))
        out->value[WIRE_FEATURE_LEVEL] = level;
    if (WANTS(COUNT))
        out->value[WIRE_FEATURE_COUNT] = edges;
    if (WANTS(FREQUENCY) && edges > 1)
        out->value[WIRE_FEATURE_FREQUENCY] = (edges - 1) * rate * 256 / (newest - first);
}

void features_measure(const struct features_window *window, uint32_t wanted, uint32_t rate,
                      struct features *out)
{
    *out = (struct features){0};
    if (window->mask)
        measure_digital(window, wanted, rate, out);
    else
        measure_analog(window, wanted, out);
}

/* x plus the product of a Q30 number, |value| < 2^29, rounded half up: (factor * value + 2^29) >> 30. Of words that are
 * no samples it may wrap. */
static inline uint32_t add_q30(uint32_t x, int32_t factor, uint32_t value)
{
    const int32_t four = (int32_t)(value * 4);
    uint32_t sum;
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
    /* One instruction, which GCC has no other word for. */
    __asm__("smmlar %0, %1, %2, %3" : "=r"(sum) : "r"(factor), "r"(four), "r"(x));
#else
    sum = x + (uint32_t)(((int64_t)factor * four + ((int64_t)1 << 31)) >> 32);
#endif
    return sum;
}

static uint64_t square(uint32_t value)
{
    const int64_t number = (int32_t)value;
    return (uint64_t)(number * number);
}

/* The energy of the bin at index / 1024 of the rate, index 1..511. */
static uint64_t bin(const struct features_window *window, uint32_t mean, unsigned index)
{
    const int32_t cosine = index <= QUARTER ? wave_table[index] : -wave_table[2 * QUARTER - index];
    const int32_t sine = index <= QUARTER ? wave_table[QUARTER - index] : wave_table[index - QUARTER];
    uint32_t s1 = 0, s2 = 0;
    for (unsigned part = 0; part < 2; part++) {
        const uint16_t *sample = window->part[part];
        uint32_t left = window->count[part];
        for (; left > 1; left -= 2, sample += 2 * window->stride) {
            s2 = add_q30(*sample - mean - s2, 2 * cosine, s1);
            s1 = add_q30(sample[window->stride] - mean - s1, 2 * cosine, s2);
        }
        if (left) {
            const uint32_t s = add_q30(*sample - mean - s2, 2 * cosine, s1);
            s2 = s1;
            s1 = s;
        }
    }
    return square(s1 - add_q30(0, cosine, s2)) + square(add_q30(0, sine, s2));
}

uint64_t features_energy(const struct features_window *window, uint32_t sum, unsigned index)
{
    const uint32_t count = size(window);
    return bin(window, sum / count, index * ((1u << WAVE_BITS) / count));
}

uint32_t features_root(uint64_t energy)
{
    return isqrt(energy);
}

uint32_t features_band(const struct features_window *window, uint32_t sum, unsigned low, unsigned high)
{
    uint64_t energy = 0;
    for (unsigned index = low; index <= high; index++)
        energy += features_energy(window, sum, index);
    return features_root(energy);
}

int16_t features_input(uint32_t numerator, int32_t multiply, unsigned shift, int32_t offset, bool *clipped)
{
    const int64_t half = (int64_t)1 << shift >> 1;
    const int64_t value = offset + (((int64_t)numerator * multiply + half) >> shift);
    const int16_t input = fixed_saturate(value);
    *clipped = input != value;
    return input;
}

void features_seeded(uint32_t seed, unsigned channel, uint32_t count, uint16_t *window)
{
    struct pcg32 random;
    pcg32_seed(&random, seed, channel);
    const unsigned drop = channel < WIRE_ANALOG ? 20 : 31;
    for (uint32_t i = 0; i < count; i++)
        window[i] = (uint16_t)(pcg32_next(&random) >> drop);
}
