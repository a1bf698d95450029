#include "app/sampler.h"

#include "core/features.h"
#include "port/port.h"

#define ANALOG_MASK ((1u << WIRE_ANALOG) - 1u)
#define NO_RISE UINT32_MAX

/* -------------------------------------------------------------------------------------------- the interrupt */

/* The interrupt is alone with its variables: nothing cuts in on it. */
#define GET(variable) atomic_load_explicit(&(variable), memory_order_relaxed)
#define SET(variable, value) atomic_store_explicit(&(variable), value, memory_order_relaxed)

/* What it calls must stand where it stands. */
#define PART_OF_IT static inline __attribute__((always_inline))

PART_OF_IT uint64_t get_number(const struct sampler *sampler)
{
    return (uint64_t)GET(sampler->number[0]) << 32 | GET(sampler->number[1]);
}

PART_OF_IT void set_number(_Atomic uint32_t *halves, uint64_t number)
{
    SET(halves[0], (uint32_t)(number >> 32));
    SET(halves[1], (uint32_t)number);
}

PART_OF_IT void rise(struct sampler_pin *pin, uint64_t now, uint32_t rate)
{
    const uint64_t scans = now - pin->since;
    SET(pin->edges, GET(pin->edges) + 1);
    set_number(pin->last, now);
    if (++pin->counted == 0) {
        pin->since = now;
    } else if (scans >= rate) {
        SET(pin->periods, pin->counted);
        SET(pin->scans, scans < UINT32_MAX ? (uint32_t)scans : UINT32_MAX);
        pin->since = now;
        pin->counted = 0;
    }
}

/* Raw levels -> those that count. */
PART_OF_IT uint32_t settle(struct sampler *sampler, uint32_t raw, uint64_t now)
{
    const uint32_t debounce = GET(sampler->debounce);
    raw &= sampler->channels >> WIRE_ANALOG;
    uint32_t levels = sampler->fresh ? raw : GET(sampler->levels);
    sampler->fresh = false;
    struct sampler_pin *pin = sampler->pins;
    for (uint32_t bit = 1; bit < 1u << WIRE_DIGITAL; bit <<= 1, pin++) {
        if (((raw ^ levels) & bit) == 0) {
            pin->other = 0;
        } else if (pin->other++ >= debounce) {
            pin->other = 0;
            levels ^= bit;
            if (levels & bit)
                rise(pin, now, sampler->rate);
        }
    }
    SET(sampler->levels, levels);
    return levels;
}

/* What the levels were meanwhile nobody knows. */
PART_OF_IT void forget_levels(struct sampler *sampler)
{
    for (struct sampler_pin *pin = sampler->pins; pin < sampler->pins + WIRE_DIGITAL; pin++) {
        pin->other = 0;
        pin->counted = NO_RISE;
    }
}

PART_OF_IT void lose(struct sampler *sampler, uint32_t missed)
{
    uint32_t place = 0, held = 0;
    if (missed < sampler->capacity) {
        volatile uint16_t *ring = sampler->ring; /* else the compiler calls memset */
        place = GET(sampler->place);
        for (uint32_t words = missed * sampler->width; words > 0; words--) {
            ring[place++] = WIRE_SAMPLE_MISSING;
            if (place == sampler->end)
                place = 0;
        }
        held = GET(sampler->held) + missed;
        if (held > sampler->capacity)
            held = sampler->capacity;
    }
    SET(sampler->place, place);
    SET(sampler->held, held);
    SET(sampler->whole, 0);
    SET(sampler->lost, GET(sampler->lost) + missed);
    set_number(sampler->number, get_number(sampler) + missed);
    forget_levels(sampler);
}

void sampler_on_scan(struct sampler *sampler, const uint16_t *analog, unsigned levels, uint32_t missed)
{
    if (missed)
        lose(sampler, missed);
    const uint32_t capacity = sampler->capacity, held = GET(sampler->held), whole = GET(sampler->whole);
    const uint64_t number = get_number(sampler);
    uint32_t place = GET(sampler->place);
    for (uint32_t left = sampler->channels & ANALOG_MASK; left; left >>= 1, analog++)
        if (left & 1u)
            sampler->ring[place++] = *analog;
    if (sampler->channels > ANALOG_MASK)
        sampler->ring[place++] = (uint16_t)settle(sampler, levels, number);
    SET(sampler->place, place == sampler->end ? 0 : place);
    SET(sampler->held, held < capacity ? held + 1 : held);
    SET(sampler->whole, whole < capacity ? whole + 1 : whole);
    set_number(sampler->number, number + 1);
}

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
    sampler->width = ones(channels & ANALOG_MASK) + (channels > ANALOG_MASK);
    sampler->capacity = channels ? WIRE_SAMPLE_WORDS / sampler->width : 0;
    sampler->end = sampler->capacity * sampler->width;
    sampler->fresh = true;
    sampler->debounce = debounce_scans(sampler);
    sampler->place = sampler->held = sampler->whole = sampler->levels = 0;
    forget_levels(sampler);
    for (unsigned i = 0; i < WIRE_DIGITAL; i++)
        sampler->pins[i].periods = 0;
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
