#include "core/senses.h"

#include <string.h>

/* As in an image. */
struct decides {
    int16_t threshold_off;
    uint8_t votes, of;
    uint32_t on_delay, off_delay, hold;
    uint8_t latch, before;
    uint16_t reserved;
};
_Static_assert(sizeof(struct decides) == 20, "a decision is 20 bytes");

/* ----------------------------------------------------------------------------------------------------- senses */

static bool empty(const struct senses_source *source)
{
    return source->feature == 0 && source->band_low == 0 && source->band_high == 0 && source->shift == 0 &&
           source->reserved == 0 && source->multiply == 0 && source->offset == 0 && source->expected == 0;
}

/* Whether it is written in its one form, of a channel and a feature that are known. */
static enum wire_reason form(const struct senses_source *source)
{
    if (senses_of_bus(source))
        return empty(source) ? WIRE_REASON_NONE : WIRE_REASON_PADDING;
    if (source->reserved != 0 ||
        (source->feature != WIRE_FEATURE_BAND && (source->band_low != 0 || source->band_high != 0)))
        return WIRE_REASON_PADDING;
    return source->channel < WIRE_CHANNELS && source->feature <= WIRE_FEATURE_FREQUENCY ? WIRE_REASON_NONE
                                                                                        : WIRE_REASON_SENSES;
}

static bool band_fits(const struct senses_source *source, unsigned window)
{
    return source->band_low >= 1 && source->band_low <= source->band_high && source->band_high < window / 2 &&
           source->band_high < source->band_low + WIRE_BAND_BINS_MAX;
}

/* Whether the channel has that feature, over such a window. */
static bool fits(const struct senses_source *source, unsigned window)
{
    if (source->feature == WIRE_FEATURE_BAND && !band_fits(source, window))
        return false;
    const bool analog = source->channel < WIRE_ANALOG;
    return source->shift <= WIRE_FEATURE_SHIFT_MAX && analog == (source->feature <= WIRE_FEATURE_BAND);
}

static bool sampling_fits(const struct senses *senses)
{
    return senses->rate >= WIRE_RATE_MIN && senses->rate <= WIRE_RATE_MAX && senses->hop >= 1 &&
           senses->window >= WIRE_WINDOW_MIN && senses->window <= WIRE_WINDOW_MAX &&
           (senses->window & (senses->window - 1)) == 0;
}

enum wire_reason senses_open(const struct senses **senses, const struct senses_source **sources,
                             struct reader *reader, unsigned inputs, uint16_t *detail)
{
    const struct senses *head = reader_take(reader, sizeof *head);
    if (!head)
        return WIRE_REASON_LENGTH;
    const struct senses copy = *head;
    struct reader forms = *reader, each = *reader;
    *senses = head;
    *sources = reader_take(reader, inputs * sizeof **sources);
    if (!*sources)
        return WIRE_REASON_LENGTH;
    if (copy.reserved != 0)
        return WIRE_REASON_PADDING;
    bool any = false;
    for (unsigned i = 0; i < inputs; i++) {
        const struct senses_source *source = reader_take(&forms, sizeof *source);
        *detail = (uint16_t)i;
        if (!source)
            return WIRE_REASON_LENGTH;
        const enum wire_reason reason = form(source);
        if (reason != WIRE_REASON_NONE)
            return reason;
        any = any || !senses_of_bus(source);
    }
    *detail = (uint16_t)inputs;
    if (!any || !sampling_fits(&copy))
        return WIRE_REASON_SENSES;
    for (unsigned i = 0; i < inputs; i++) {
        const struct senses_source *source = reader_take(&each, sizeof *source);
        *detail = (uint16_t)i;
        if (!source)
            return WIRE_REASON_LENGTH;
        if (!senses_of_bus(source) && !fits(source, copy.window))
            return WIRE_REASON_SENSES;
    }
    *detail = 0;
    return WIRE_REASON_NONE;
}

uint32_t senses_channels(const struct senses_source *sources, unsigned inputs)
{
    uint32_t channels = 0;
    for (unsigned i = 0; i < inputs; i++)
        if (!senses_of_bus(&sources[i]))
            channels |= 1u << sources[i].channel;
    return channels;
}

uint32_t senses_numerator(const struct senses_source *source, const struct features_window *window,
                          const struct features *found)
{
    if (source->feature == WIRE_FEATURE_BAND)
        return features_band(window, found->value[WIRE_FEATURE_MEAN], source->band_low, source->band_high);
    return found->value[source->feature];
}

/* ------------------------------------------------------------------------------------------------ self-test */

static uint32_t seeded_numerator(const struct senses *senses, const struct senses_source *source)
{
    uint16_t samples[WIRE_WINDOW_MAX];
    const struct features_window window = {
        .part = {samples, samples},
        .count = {senses->window, 0},
        .stride = 1,
        .mask = source->channel < WIRE_ANALOG ? 0 : 1,
    };
    struct features found;
    features_seeded(senses->seed, source->channel, senses->window, samples);
    features_measure(&window, 1u << source->feature, senses->rate, &found);
    return senses_numerator(source, &window, &found);
}

enum wire_reason senses_self_test(const struct senses *senses, const struct senses_source *sources,
                                  unsigned inputs, uint16_t *detail)
{
    for (unsigned i = 0; i < inputs; i++)
        if (!senses_of_bus(&sources[i]) && seeded_numerator(senses, &sources[i]) != sources[i].expected) {
            *detail = (uint16_t)(WIRE_WINDOW_TEST + i);
            return WIRE_REASON_SELF_TEST;
        }
    return WIRE_REASON_NONE;
}

/* ------------------------------------------------------------------------------------------------- decision */

enum wire_reason senses_open_decision(struct decide_config *decision, struct reader *reader, int16_t on,
                                      bool led_class)
{
    struct decides said;
    const void *part = reader_take(reader, sizeof said);
    if (!part)
        return WIRE_REASON_LENGTH;
    memcpy(&said, part, sizeof said);
    if (said.reserved != 0 || said.latch > 1 || said.before > 1)
        return WIRE_REASON_PADDING;
    if (said.threshold_off > on || (led_class && said.threshold_off != on) || said.votes < 1 ||
        said.votes > said.of || said.of > WIRE_VOTES_MAX || said.on_delay > WIRE_DELAY_MAX ||
        said.off_delay > WIRE_DELAY_MAX || said.hold > WIRE_DELAY_MAX)
        return WIRE_REASON_DECIDES;
    *decision = (struct decide_config){
        .threshold_off = said.threshold_off,
        .votes = said.votes,
        .of = said.of,
        .on_delay = said.on_delay,
        .off_delay = said.off_delay,
        .hold = said.hold,
        .latch = said.latch != 0,
        .before = said.before != 0,
    };
    return WIRE_REASON_NONE;
}
