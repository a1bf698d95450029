/* The virtual converter.
 *
 * By the clock: scan n of a sampling is due n + 1 periods after it began. A process that comes late hands over all that
 * are due, in order, with the numbers they would have had: lost are only those that the ring could not hold anyway.
 * Fast: time is what the converter makes of it. The next scan comes when the main loop has nothing more to do, so that
 * every window that is due has been decided: no clock has a say in what the node decides. */
#include "port/native/converter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/sampler.h"
#include "port/native/signal.h"

#define ROUND_MS 50
#define SCANS_A_ROUND 64u /* that are late, handed over between two rounds of an idle main loop */

static struct {
    const struct options *options;
    struct signal signal;
    int events;
    struct sampler *sampler; /* NULL: nothing is sampled */
    uint32_t rate;
    uint32_t held;       /* scans that the ring holds */
    uint64_t started_us; /* of this sampling */
    uint64_t next;       /* scan of this sampling */
    uint64_t end;        /* as many scans has it, 0: it does not end */
    uint32_t missed;     /* scans since the last that was handed over */
    uint32_t told_rate;
    bool told_end;
} converter;

void converter_open(const struct options *options)
{
    converter.options = options;
    if (!options->signal)
        return;
    const char *wrong = signal_open(&converter.signal, options->signal);
    if (!wrong)
        return;
    fprintf(stderr, "signal %s: %s\n", options->signal, wrong);
    exit(2);
}

void converter_start(int events)
{
    converter.events = events;
}

uint32_t port_channels(void)
{
    return (1u << WIRE_CHANNELS) - 1;
}

/* Typical of the chip, by its data sheet: 760 mV at 25 C and 2.5 mV a degree; a reference of 1.21 V. */
const uint16_t *port_calibration(void)
{
    static const uint16_t words[WIRE_CALIBRATION] = {959, 1207, 1502};
    return words;
}

/* ------------------------------------------------------------------------------------------------ sampling */

static void tell_playing(bool playing)
{
    const uint8_t payload = playing;
    events_put(converter.events, EVENT_PLAYING, &payload, sizeof payload);
}

static void tell_rates(uint32_t rate)
{
    const struct signal *signal = &converter.signal;
    char text[160];
    if (signal->scans == 0 || rate == converter.told_rate || signal->rate == rate ||
        (signal->made_up && signal->rate % rate == 0))
        return;
    converter.told_rate = rate;
    const int size =
        snprintf(text, sizeof text,
                 "it samples %u times a second and the signal has %u scans: each sample takes the "
                 "newest of them",
                 (unsigned)rate, (unsigned)signal->rate);
    events_put(converter.events, EVENT_NOTE, text, (size_t)size);
}

void port_sample(uint32_t channels, uint32_t rate, struct sampler *sampler)
{
    converter.sampler = channels ? sampler : NULL;
    if (!channels)
        return;
    converter.rate = rate;
    converter.held = sampler->capacity;
    converter.started_us = clock_us();
    converter.next = 0;
    converter.missed = 0;
    converter.end =
        converter.options->once || converter.options->fast ? signal_length(&converter.signal, rate) : 0;
    converter.told_end = false;
    if (converter.end > 0)
        tell_playing(true);
    tell_rates(rate);
}

static bool ended(void)
{
    return converter.end > 0 && converter.next >= converter.end;
}

static void scan(void)
{
    struct signal_scan made;
    if (!signal_at(&converter.signal, converter.next++, converter.rate, &made)) {
        converter.missed++;
        return;
    }
    sampler_on_scan(converter.sampler, made.analog, made.levels, converter.missed);
    converter.missed = 0;
}

static uint64_t due(void)
{
    const uint64_t scans = (clock_us() - converter.started_us) * converter.rate / 1000000u;
    return converter.end > 0 && scans > converter.end ? converter.end : scans;
}

static int until_next(void)
{
    const uint64_t at =
        converter.started_us + ((converter.next + 1) * 1000000u + converter.rate - 1) / converter.rate;
    const uint64_t now = clock_us();
    const uint64_t ms = at <= now ? 0 : (at - now + 999) / 1000;
    return ms < ROUND_MS ? (int)ms : ROUND_MS;
}

/* While the loop has something to do, one at a time: it decides a window a round. */
static int scan_due(bool more)
{
    const uint64_t now = due();
    if (now - converter.next > converter.held) {
        const uint64_t lost = now - converter.next - converter.held;
        converter.missed =
            lost > UINT32_MAX - converter.missed ? UINT32_MAX : converter.missed + (uint32_t)lost;
        converter.next += lost;
    }
    for (unsigned i = more ? 1 : SCANS_A_ROUND; i > 0 && converter.next < now; i--)
        scan();
    return converter.next < now ? 0 : until_next();
}

int converter_idle(bool more)
{
    if (!converter.sampler || converter.told_end)
        return ROUND_MS;
    if (ended()) {
        if (!more) {
            converter.told_end = true;
            tell_playing(false);
        }
        return more ? 0 : ROUND_MS;
    }
    if (!converter.options->fast)
        return scan_due(more);
    if (!more)
        scan();
    return 0;
}

/* ------------------------------------------------------------------------------------------------- windows */

struct text {
    char bytes[EVENT_PAYLOAD_MAX];
    size_t size;
};

/* The longest: 64 features of 10 digits, 64 inputs and outputs of 6 characters, each with a comma. */
_Static_assert(EVENT_PAYLOAD_MAX > WIRE_UNITS_MAX * (11 + 7 + 7) + 128, "a window fits into a message");

static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text->size +=
        (size_t)vsnprintf(text->bytes + text->size, sizeof text->bytes - text->size, format, arguments);
    va_end(arguments);
}

void port_decided(const struct port_window *window)
{
    struct text text = {.size = 0};
    if (!converter.options->hops)
        return;
    put(&text, "{\"sample\":%u,\"features\":[", (unsigned)window->sample);
    for (unsigned i = 0; i < window->inputs; i++)
        put(&text, i ? ",%u" : "%u", (unsigned)window->features[i]);
    put(&text, "],\"inputs\":[");
    for (unsigned i = 0; i < window->inputs; i++)
        put(&text, i ? ",%d" : "%d", window->input[i]);
    put(&text, "],\"outputs\":[");
    for (unsigned i = 0; i < window->outputs; i++)
        put(&text, i ? ",%d" : "%d", window->output[i]);
    put(&text, "],\"decision\":%s,\"led\":%s}", window->decision ? "true" : "false",
        window->lit ? "true" : "false");
    events_put(converter.events, EVENT_HOP, text.bytes, text.size);
}
