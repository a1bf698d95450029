#include "app/sampler.h"

#include "core/features.h"
#include "port/port.h"

/* ------------------------------------------------------------------------------------------- what is sampled */

static uint32_t ones(uint32_t bits)
{
    uint32_t count = 0;
    for (; bits; bits &= bits - 1)
        count++;
    return count;
}

static uint32_t debounce_scans(const struct sampler *sampler)
{
    return (sampler->debounce_ms * sampler->rate + 999) / 1000;
}

/* Bring in force what is asked for, if it is something else. */
static void take(struct sampler *sampler)
{
    const uint32_t channels = sampler->bus_channels | sampler->model_channels;
    const uint32_t wanted = sampler->model_channels ? sampler->model_rate : sampler->bus_rate;
    const uint32_t rate = channels ? wanted : 0;
    if (channels == sampler->channels && rate == sampler->rate)
        return;
    port_sample(0, 0, sampler);
    sampler->channels = channels;
    sampler->rate = rate;
    sampler->width = ones(channels & SAMPLER_ANALOG) + (channels > SAMPLER_ANALOG);
    sampler->capacity = channels ? WIRE_SAMPLE_WORDS / sampler->width : 0;
    sampler->end = sampler->capacity * sampler->width;
    sampler->fresh = true;
    sampler->debounce = debounce_scans(sampler);
    sampler->place = sampler->held = sampler->whole = sampler->levels = 0;
    for (struct sampler_pin *pin = sampler->pins; pin < sampler->pins + WIRE_DIGITAL; pin++) {
        pin->other = 0;
        pin->periods = 0;
        pin->counted = SAMPLER_NO_RISE;
    }
    if (channels)
        port_sample(channels, rate, sampler);
}

void sampler_boot(struct sampler *sampler)
{
    sampler->bus_rate = WIRE_DEFAULT_RATE;
}

void sampler_bus(struct sampler *sampler, uint32_t channels, uint32_t rate)
{
    sampler->bus_channels = channels;
    sampler->bus_rate = rate;
    take(sampler);
}

uint64_t sampler_model(struct sampler *sampler, uint32_t channels, uint32_t rate)
{
    sampler->model_channels = channels;
    sampler->model_rate = rate;
    take(sampler);
    return sampler_head(sampler);
}

void sampler_debounce(struct sampler *sampler, uint32_t ms)
{
    sampler->debounce_ms = ms;
    sampler->debounce = debounce_scans(sampler);
}

/* --------------------------------------------------------------------------------------------------- reading */

/* The ring at one instant. */
struct view {
    uint64_t head;
    uint32_t place, held, whole;
};

uint64_t sampler_head(const struct sampler *sampler)
{
    uint32_t high, low;
    do {
        high = sampler->number[0];
        low = sampler->number[1];
    } while (high != sampler->number[0]);
    return (uint64_t)high << 32 | low;
}

static struct view look(const struct sampler *sampler)
{
    struct view view;
    do {
        view.head = sampler_head(sampler);
        view.place = sampler->place;
        view.held = sampler->held;
        view.whole = sampler->whole;
    } while (view.head != sampler_head(sampler)); /* there was a scan in between */
    return view;
}

/* Where in the ring the scan stands that is `back` scans before the next one, 0..capacity. */
static uint32_t place_of(const struct sampler *sampler, const struct view *view, uint32_t back)
{
    const uint32_t words = back * sampler->width;
    return view->place >= words ? view->place - words : view->place + sampler->end - words;
}

bool sampler_holds(const struct sampler *sampler, uint64_t number)
{
    const struct view view = look(sampler);
    return view.head - number - 1 < view.held; /* unsigned: a number to come is far behind */
}

/* None of the window's scans is missing. */
static bool is_whole(const struct features_window *window)
{
    for (unsigned part = 0; part < 2; part++)
        for (uint32_t i = 0; i < window->count[part]; i++)
            if (window->part[part][i * window->stride] == WIRE_SAMPLE_MISSING)
                return false;
    return true;
}

bool sampler_window(const struct sampler *sampler, uint64_t first, uint32_t count, unsigned channel,
                    struct features_window *window)
{
    const struct view view = look(sampler);
    const uint64_t back = view.head - first;
    if (!(sampler->channels >> channel & 1u) || back > view.held || back < count)
        return false;
    const bool analog = channel < WIRE_ANALOG;
    const uint32_t before = analog ? ones(sampler->channels & ((1u << channel) - 1u)) : sampler->width - 1;
    const uint32_t place = place_of(sampler, &view, (uint32_t)back);
    const uint32_t ahead = (sampler->end - place) / sampler->width, there = count < ahead ? count : ahead;
    *window = (struct features_window){
        .part = {sampler->ring + place + before, sampler->ring + before},
        .count = {there, count - there},
        .stride = sampler->width,
        .mask = (uint16_t)(analog ? 0u : 1u << (channel - WIRE_ANALOG)),
    };
    return back <= view.whole || is_whole(window);
}

uint32_t sampler_copy(const struct sampler *sampler, uint32_t from, uint16_t *words, uint32_t size,
                      uint32_t *first, uint32_t *head)
{
    const uint32_t most = sampler->width ? size / sampler->width : 0;
    for (;;) {
        const struct view view = look(sampler);
        uint32_t back = (uint32_t)view.head - from;
        if (back > UINT32_MAX / 2)
            back = 0; /* it is still to come */
        if (back > view.held)
            back = view.held;
        const uint32_t count = (back < most ? back : most) * sampler->width;
        uint32_t place = place_of(sampler, &view, back);
        for (uint32_t i = 0; i < count; i++) {
            if (place == sampler->end)
                place = 0;
            words[i] = sampler->ring[place++];
        }
        *first = (uint32_t)view.head - back;
        *head = (uint32_t)view.head;
        atomic_thread_fence(memory_order_acquire);
        if (count == 0 || sampler_holds(sampler, view.head - back))
            return count;
    }
}

void sampler_now(const struct sampler *sampler, uint16_t *analog)
{
    uint16_t frame[WIRE_ANALOG + 1];
    uint32_t first, head, taken = 0;
    const uint32_t size =
        sampler_copy(sampler, (uint32_t)sampler_head(sampler) - 1, frame, sampler->width, &first, &head);
    for (unsigned i = 0; i < WIRE_ANALOG; i++)
        analog[i] = size && (sampler->channels >> i & 1u) ? frame[taken++] : WIRE_SAMPLE_MISSING;
}

uint32_t sampler_frequency(const struct sampler *sampler, unsigned digital)
{
    const struct sampler_pin *pin = &sampler->pins[digital];
    uint64_t head, last;
    uint32_t periods, scans;
    do {
        head = sampler_head(sampler);
        periods = pin->periods;
        scans = pin->scans;
        last = (uint64_t)pin->last[0] << 32 | pin->last[1];
    } while (head != sampler_head(sampler));
    if (periods == 0)
        return 0;
    const uint64_t second = (uint64_t)sampler->rate << 8;
    const uint64_t counted = periods * second / scans, possible = second / (head - last);
    return (uint32_t)(counted < possible ? counted : possible);
}
