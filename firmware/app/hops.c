#include "app/hops.h"

#include <string.h>

#include "app/words.h"
#include "core/features.h"
#include "port/port.h"

/* ----------------------------------------------------------------------------------------------------- begin */

/* Since the first scan of all, ms; wraps. */
static uint32_t time_of(uint64_t number, uint32_t rate)
{
    return (uint32_t)(number * 1000u / rate);
}

/* Let time pass up to the newest scan. */
static void tick(struct hops *hops)
{
    const uint64_t head = sampler_head(hops->sampler);
    if (head > 0)
        neuron_tick(hops->neuron, time_of(head - 1, neuron_model(hops->neuron)->senses->rate));
}

/* Another model runs, or none. */
static void begin(struct hops *hops)
{
    const struct image *model = neuron_model(hops->neuron);
    const bool senses = hops->neuron->senses;
    hops->models = hops->neuron->models;
    hops->decided = hops->missed = 0;
    hops->measuring.begun = false;
    memset(&hops->last, 0, sizeof hops->last);
    memset(hops->wanted, 0, sizeof hops->wanted);
    for (unsigned i = 0; senses && i < model->inputs; i++)
        if (!senses_of_bus(&model->sources[i]))
            hops->wanted[model->sources[i].channel] |= 1u << model->sources[i].feature;
    hops->first = sampler_model(hops->sampler, senses ? senses_channels(model->sources, model->inputs) : 0,
                                senses ? model->senses->rate : 0);
    if (senses)
        tick(hops); /* at another rate it is another time */
}

/* --------------------------------------------------------------------------------------------------- measure */

enum measured { MEASURED, NOT_TO_BE_HAD, INTERRUPTED };

/* Go on to a channel that the model wants, from `channel` on, and measure what is quick of it. False where the ring does
 * not have its window. */
static bool take_channel(struct hops *hops, unsigned channel)
{
    struct hops_measuring *at = &hops->measuring;
    const struct senses *senses = neuron_model(hops->neuron)->senses;
    while (channel < WIRE_CHANNELS && !hops->wanted[channel])
        channel++;
    at->channel = channel;
    at->input = at->bin = 0;
    if (channel == WIRE_CHANNELS)
        return true;
    if (!sampler_window(hops->sampler, hops->first, senses->window, channel, &at->window))
        return false;
    features_measure(&at->window, hops->wanted[channel], senses->rate, &at->found);
    return true;
}

static void take_input(struct hops_measuring *at, const struct senses_source *source, uint32_t numerator)
{
    bool clipped;
    at->features[at->input] = numerator;
    at->inputs[at->input] =
        features_input(numerator, source->multiply, source->shift, source->offset, &clipped);
    at->clipped |= (uint64_t)clipped << at->input;
    at->input++;
    at->bin = 0;
    at->energy = 0;
}

/* The next input of the channel, or a bin of it. */
static void take_piece(struct hops_measuring *at, const struct senses_source *source)
{
    if (source->channel != at->channel)
        at->input++;
    else if (source->feature != WIRE_FEATURE_BAND)
        take_input(at, source, at->found.value[source->feature]);
    else {
        const unsigned bin = source->band_low + at->bin++;
        at->energy += features_energy(&at->window, at->found.value[WIRE_FEATURE_MEAN], bin);
        if (bin == source->band_high)
            take_input(at, source, features_root(at->energy));
    }
}

/* NOT_TO_BE_HAD where the ring does not have the window whole, from the beginning of the work to its end. */
static enum measured measure(struct hops *hops)
{
    struct hops_measuring *at = &hops->measuring;
    const struct image *model = neuron_model(hops->neuron);
    bool there = true;
    if (!at->begun) {
        *at = (struct hops_measuring){.begun = true, .held = sampler_holds(hops->sampler, hops->first)};
        there = take_channel(hops, 0);
    }
    while (there && at->channel < WIRE_CHANNELS) {
        if (link_waits(hops->link))
            return INTERRUPTED;
        if (at->input < model->inputs)
            take_piece(at, &model->sources[at->input]);
        else
            there = take_channel(hops, at->channel + 1);
    }
    at->begun = false;
    return there && sampler_holds(hops->sampler, hops->first) ? MEASURED : NOT_TO_BE_HAD;
}

/* ----------------------------------------------------------------------------------------------------- decide */

static void show(const struct hops *hops)
{
    const struct hops_window *last = &hops->last;
    const struct image *model = neuron_model(hops->neuron);
    port_decided(&(struct port_window){
        .sample = last->sample,
        .inputs = model->inputs,
        .outputs = model->outputs,
        .features = last->features,
        .input = last->inputs,
        .output = last->outputs,
        .decision = last->bits >> WIRE_DISCRETE_DECISION & 1u,
        .lit = last->bits >> WIRE_DISCRETE_LED & 1u,
    });
}

static void decide(struct hops *hops, uint64_t sample, uint32_t rate)
{
    const struct hops_measuring *measured = &hops->measuring;
    struct hops_window *last = &hops->last;
    const struct neuron *neuron = hops->neuron;
    hops->decided++;
    neuron_sense(hops->neuron, measured->inputs, measured->clipped, time_of(sample, rate));
    neuron_tell(hops->neuron);
    last->sample = (uint32_t)sample;
    last->bits = (uint16_t)status_bits(hops->status);
    memcpy(last->features, measured->features, sizeof last->features);
    memcpy(last->inputs, neuron->inputs, sizeof last->inputs);
    memcpy(last->outputs, neuron->outputs, sizeof last->outputs);
    show(hops);
}

/* This window and those behind it, so many in all, are not decided. */
static void skip(struct hops *hops, uint32_t windows, uint32_t distance)
{
    hops->first += (uint64_t)windows * distance;
    hops->missed += (uint16_t)windows;
    hops->skipped += windows;
}

/* The window is there, or was: it is measured, as far as the bus lets us, or not to be had. */
static void hop(struct hops *hops, uint64_t sample, const struct senses *senses)
{
    const enum measured measured = measure(hops);
    if (measured == INTERRUPTED)
        return;
    if (measured == MEASURED) {
        hops->first += senses->hop;
        decide(hops, sample, senses->rate);
    } else if (hops->measuring.held && !sampler_holds(hops->sampler, hops->first)) {
        /* Its scans left the ring while they were measured. So would those of the windows right behind it, and none
         * would ever be decided: only the newest is in time. */
        const uint64_t later = sampler_head(hops->sampler) - sample - 1;
        skip(hops, (uint32_t)(later / senses->hop), senses->hop);
    } else {
        skip(hops, 1, senses->hop);
    }
}

void hops_follow(struct hops *hops)
{
    const struct neuron *neuron = hops->neuron;
    if (hops->models != neuron->models)
        begin(hops);
    if (!neuron->senses && !neuron->decision.plain)
        neuron_tick(hops->neuron, port_millis());
    events_add_losses(hops->events, &hops->losses, WIRE_EVENT_KIND_LATE, hops->skipped);
}

bool hops_step(struct hops *hops)
{
    if (hops->models != hops->neuron->models)
        return false; /* it has not been followed yet */
    const struct senses *senses = neuron_model(hops->neuron)->senses;
    const uint64_t head = sampler_head(hops->sampler), last = hops->first + senses->window - 1;
    if (head > last && neuron_takes_windows(hops->neuron)) {
        hop(hops, last, senses);
        return true;
    }
    hops->measuring.begun = false;
    if (head > last) /* they go by unseen */
        hops->first += ((head - last - 1) / senses->hop + 1) * senses->hop;
    tick(hops);
    return false;
}

/* -------------------------------------------------------------------------------------------------- registers */

#define AT(name) (WIRE_INPUT_##name - WIRE_INPUT_WINDOWS)
#define WORDS (AT(WINDOW_VALUES) + WIRE_INPUT_WINDOW_VALUES_SIZE)
_Static_assert(WIRE_INPUT_WINDOW_VALUES_SIZE == 4 * WIRE_UNITS_MAX,
               "room for each value of the largest model");

static enum modbus_exception read_window(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct hops *hops = part;
    uint16_t words[WORDS] = {0}, *next = words + AT(WINDOW_VALUES);
    if (hops->neuron->senses && hops->models == hops->neuron->models) { /* those of this very model */
        const struct image *model = neuron_model(hops->neuron);
        words_put32(words + AT(WINDOWS), hops->decided);
        words_put32(words + AT(WINDOW_SAMPLE), hops->last.sample);
        words[AT(WINDOW_BITS)] = hops->last.bits;
        words[AT(WINDOWS_MISSED)] = hops->missed;
        for (unsigned i = 0; i < model->inputs; i++, next += 2)
            words_put32(next, hops->last.features[i]);
        memcpy(next, hops->last.inputs, model->inputs * sizeof *next);
        memcpy(next + model->inputs, hops->last.outputs, model->outputs * sizeof *next);
    }
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

const struct row hops_rows[] = {
    {WIRE_TABLE_INPUT, WIRE_INPUT_WINDOWS, WORDS, read_window, NULL},
};
