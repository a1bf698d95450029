/* sampler_on_scan and sampler_on_loss, alone in their object, so that a linker can put them into RAM. */
#include "app/sampler.h"

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

/* Nobody knows what the levels were meanwhile. */
PART_OF_IT void forget_levels(struct sampler *sampler)
{
    for (struct sampler_pin *pin = sampler->pins; pin < sampler->pins + WIRE_DIGITAL; pin++) {
        pin->other = 0;
        pin->counted = SAMPLER_NO_RISE;
    }
}

void sampler_on_loss(struct sampler *sampler, uint32_t missed)
{
    const uint32_t end = sampler->end;
    uint32_t place = 0, held = 0;
    if (missed < sampler->capacity) {
        volatile uint16_t *ring = sampler->ring; /* else the compiler calls memset */
        place = GET(sampler->place);
        for (uint32_t words = missed * sampler->width; words > 0; words--) {
            ring[place++] = WIRE_SAMPLE_MISSING;
            if (place == end)
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
        sampler_on_loss(sampler, missed);
    const uint32_t capacity = sampler->capacity, held = GET(sampler->held), whole = GET(sampler->whole);
    const uint64_t number = get_number(sampler);
    uint32_t place = GET(sampler->place);
    for (uint32_t left = sampler->channels & SAMPLER_ANALOG; left; left >>= 1, analog++)
        if (left & 1u)
            sampler->ring[place++] = *analog;
    if (sampler->channels > SAMPLER_ANALOG)
        sampler->ring[place++] = (uint16_t)settle(sampler, levels, number);
    SET(sampler->place, place == sampler->end ? 0 : place);
    SET(sampler->held, held < capacity ? held + 1 : held);
    SET(sampler->whole, whole < capacity ? whole + 1 : whole);
    set_number(sampler->number, number + 1);
}
