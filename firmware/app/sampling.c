#include "app/sampling.h"

#include <string.h>

#include "app/words.h"
#include "port/port.h"

void sampling_step(struct sampling *sampling)
{
    events_add_losses(sampling->events, &sampling->losses, WIRE_EVENT_KIND_GAP, sampling->sampler->lost);
}

/* --------------------------------------------------------------------------------------------------- asking */

enum { RATE, CHANNELS, FROM };
#define ASKED_WORDS (FROM + WIRE_HOLDING_SAMPLE_FROM_SIZE)
_Static_assert(WIRE_HOLDING_SAMPLE_CHANNELS - WIRE_HOLDING_SAMPLE_RATE == CHANNELS &&
                   WIRE_HOLDING_SAMPLE_FROM - WIRE_HOLDING_SAMPLE_RATE == FROM &&
                   WIRE_HOLDING_SAMPLES_HEAD - WIRE_HOLDING_SAMPLE_RATE == ASKED_WORDS,
               "the order on the wire");

static void to_words(const struct sampling *sampling, uint16_t words[ASKED_WORDS])
{
    words[RATE] = (uint16_t)sampling->sampler->bus_rate;
    words[CHANNELS] = (uint16_t)sampling->sampler->bus_channels;
    words_put32(words + FROM, sampling->from);
}

static enum modbus_exception read_asked(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    uint16_t words[ASKED_WORDS];
    to_words(part, words);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

/* A rate that stays as it was is not asked for anew, though the running model has another. */
static bool allowed(const struct sampler *sampler, uint32_t channels, uint32_t rate)
{
    const bool fixed = sampler->model_channels && rate != sampler->bus_rate && rate != sampler->model_rate;
    return !fixed && rate >= WIRE_RATE_MIN && rate <= WIRE_RATE_MAX && (channels & ~port_channels()) == 0;
}

static enum modbus_exception write_asked(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    struct sampling *sampling = part;
    uint16_t words[ASKED_WORDS];
    if (words_split(offset, count, FROM, WIRE_HOLDING_SAMPLE_FROM_SIZE))
        return MODBUS_ILLEGAL_ADDRESS;
    to_words(sampling, words);
    memcpy(words + offset, values, count * sizeof *values);
    if (!allowed(sampling->sampler, words[CHANNELS], words[RATE]))
        return refusal_answer(sampling->refusal, WIRE_REASON_SAMPLING);
    sampling->from = words_get32(words + FROM);
    sampler_bus(sampling->sampler, words[CHANNELS], words[RATE]);
    return MODBUS_OK;
}

/* ---------------------------------------------------------------------------------------------------- scans */

#define SCANS_AT(name) (WIRE_HOLDING_##name - WIRE_HOLDING_SAMPLES_HEAD)
#define SCANS_WORDS (SCANS_AT(SAMPLES) + WIRE_HOLDING_SAMPLES_SIZE)

static enum modbus_exception read_scans(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct sampling *sampling = part;
    uint16_t words[SCANS_WORDS];
    uint32_t first, head;
    uint16_t *samples = words + SCANS_AT(SAMPLES);
    uint32_t size =
        sampler_copy(sampling->sampler, sampling->from, samples, WIRE_HOLDING_SAMPLES_SIZE, &first, &head);
    while (size < WIRE_HOLDING_SAMPLES_SIZE)
        samples[size++] = WIRE_SAMPLE_MISSING;
    words_put32(words + SCANS_AT(SAMPLES_HEAD), head);
    words_put32(words + SCANS_AT(SAMPLES_FIRST), first);
    words[SCANS_AT(SAMPLES_CHANNELS)] = (uint16_t)sampling->sampler->channels;
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

/* ------------------------------------------------------------------------------------------------------ now */

#define NOW_AT(name) (WIRE_INPUT_##name - WIRE_INPUT_CHANNELS)
#define NOW_WORDS (NOW_AT(CALIBRATION) + WIRE_INPUT_CALIBRATION_SIZE)

static enum modbus_exception read_now(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct sampler *sampler = ((const struct sampling *)part)->sampler;
    uint16_t words[NOW_WORDS];
    words[NOW_AT(CHANNELS)] = (uint16_t)port_channels();
    words[NOW_AT(SAMPLING_RATE)] = (uint16_t)sampler->rate;
    words[NOW_AT(SAMPLING_CHANNELS)] = (uint16_t)sampler->channels;
    words_put32(words + NOW_AT(SCANS_LOST), sampler->lost);
    sampler_now(sampler, words + NOW_AT(CHANNEL_NOW));
    words[NOW_AT(LEVELS)] = (uint16_t)sampler->levels;
    for (unsigned i = 0; i < WIRE_DIGITAL; i++) {
        words_put32(words + NOW_AT(EDGES) + 2 * i, sampler->pins[i].edges);
        words_put32(words + NOW_AT(FREQUENCY) + 2 * i, sampler_frequency(sampler, i));
    }
    memcpy(words + NOW_AT(CALIBRATION), port_calibration(), WIRE_CALIBRATION * sizeof *words);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

const struct row sampling_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_SAMPLE_RATE, ASKED_WORDS, read_asked, write_asked},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_SAMPLES_HEAD, SCANS_WORDS, read_scans, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_CHANNELS, NOW_WORDS, read_now, NULL},
};
