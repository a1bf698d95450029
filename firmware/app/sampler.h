/* The ring of scans: what the board's channels were, by number.
 *
 * A scan is what all sampled channels were at one instant. In the ring it is a frame of words: the analog channels,
 * ascending, raw; then, where a digital one is sampled, a word of the debounced levels, Dn in bit n. A scan that was
 * lost has its frame too, all WIRE_SAMPLE_MISSING; as many as the ring holds, or more, empty it instead. Numbers
 * begin with 0 at start and run on over every change of what is sampled; none is used twice.
 *
 * The port calls sampler_on_scan from an interrupt; the rest is for the main loop, which the interrupt cuts in on, and
 * never the other way round. sampler_on_scan and sampler_on_loss stand alone in scan.c and use neither the C library nor
 * constant tables, so that a port can run them where only RAM can be read. */
#ifndef NEURON485_APP_SAMPLER_H
#define NEURON485_APP_SAMPLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/wire.h"

struct features_window; /* core/features.h */

/* The analog ones of a mask of channels. */
#define SAMPLER_ANALOG ((1u << WIRE_ANALOG) - 1u)

/* A digital channel. */
#define SAMPLER_NO_RISE UINT32_MAX
struct sampler_pin {
    uint32_t other;           /* scans in a row with another level than the one that counts */
    uint32_t counted;         /* periods from `since` on; SAMPLER_NO_RISE: there was none */
    uint64_t since;           /* number of the scan of a rise */
    _Atomic uint32_t edges;   /* rises since start; wraps */
    _Atomic uint32_t periods; /* the last that were counted, over a second at least; 0: none yet */
    _Atomic uint32_t scans;   /* and how long they took */
    _Atomic uint32_t last[2]; /* number of the scan of the last rise, high half first */
};

/* What the interrupt writes while the main loop may read it is atomic. */
struct sampler {
    /* asked for */
    uint32_t bus_channels, bus_rate; /* by the bus; channels 0: nothing */
    uint32_t model_channels,
        model_rate; /* by the running model, whose rate goes first; 0: it does not sense */
    uint32_t debounce_ms;

    /* in force: changed only while the port is stopped */
    uint32_t channels; /* channel n in bit n; 0: nothing is sampled */
    uint32_t rate;     /* scans a second; 0: nothing is sampled */
    uint32_t width;    /* words of a scan */
    uint32_t capacity; /* scans that the ring holds */
    uint32_t end;      /* words of the ring that are used */
    bool fresh;        /* no level is known yet */

    _Atomic uint32_t debounce;  /* a level counts with so many scans behind the first that has it */
    _Atomic uint32_t number[2]; /* of the next scan, high half first */
    _Atomic uint32_t place;     /* of the next scan in the ring */
    _Atomic uint32_t held;      /* scans in the ring */
    _Atomic uint32_t whole;     /* of these, the newest ones of which none is missing */
    _Atomic uint32_t lost;      /* scans, since start; wraps */
    _Atomic uint32_t levels;    /* debounced, Dn in bit n; 0 where Dn is not sampled */
    struct sampler_pin pins[WIRE_DIGITAL];
    uint16_t ring[WIRE_SAMPLE_WORDS];
};

/* A scan has been made. analog: (WIRE_ANALOG) raw values by channel, of which those that are sampled count; levels:
 * raw, Dn in bit n; missed: scans that were lost since the one before. */
void sampler_on_scan(struct sampler *sampler, const uint16_t *analog, unsigned levels, uint32_t missed);

/* So many scans have been lost, and there is none yet to tell of that. */
void sampler_on_loss(struct sampler *sampler, uint32_t missed);

/* All zero before; nothing is sampled until somebody asks for it. */
void sampler_boot(struct sampler *sampler);

/* What the bus wants sampled, and how often where no model says so. channels: of port_channels(), 0: nothing; rate:
 * WIRE_RATE_MIN..MAX. A change of what is sampled, or how often, empties the ring; the numbers go on. */
void sampler_bus(struct sampler *sampler, uint32_t channels, uint32_t rate);

/* What the running model wants sampled, likewise; channels 0: it does not sense. Answers the number of the scan with
 * which its first window begins: the next one. */
uint64_t sampler_model(struct sampler *sampler, uint32_t channels, uint32_t rate);

/* A level counts when it has been the same for so long, 0..1000 ms; after a lost scan that time begins anew. */
void sampler_debounce(struct sampler *sampler, uint32_t ms);

/* Number of the next scan. */
uint64_t sampler_head(const struct sampler *sampler);

/* Whether the ring holds the scan of this number. To be asked once more when a window of it has been read: what was
 * read is good if its first scan is still there. */
bool sampler_holds(const struct sampler *sampler, uint64_t number);

/* `count` scans of one channel from the number `first` on, as they stand in the ring. False: they are not there yet,
 * or not any more, or one of them is missing, or the channel is not sampled. */
bool sampler_window(const struct sampler *sampler, uint64_t first, uint32_t count, unsigned channel,
                    struct features_window *window);

/* Copy whole scans, as many as there are and fit into `size` words, from the number whose low half is `from`; where the
 * ring no longer holds that, from the oldest that it does. Answers how many words; first, head: low halves of the
 * numbers of the first that was copied, and of the next scan. */
uint32_t sampler_copy(const struct sampler *sampler, uint32_t from, uint16_t *words, uint32_t size,
                      uint32_t *first, uint32_t *head);

/* The newest raw values, (WIRE_ANALOG) by channel; WIRE_SAMPLE_MISSING: there is none. */
void sampler_now(const struct sampler *sampler, uint16_t *analog);

/* Of a digital channel, 0..WIRE_DIGITAL - 1, in 1/256 Hz, rounded down: from whole periods that took a second or
 * longer, but no more than the time since the last rise still allows. 0: not known. */
uint32_t sampler_frequency(const struct sampler *sampler, unsigned digital);

#endif
