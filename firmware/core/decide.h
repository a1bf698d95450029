/* From what a model says to what the node does: hysteresis, n of the last m, delays, a minimum hold, a latch. Twin of
 * host/core/decide.py, bit for bit.
 *
 *     output -> hysteresis -> condition -> n of the last m -> vote -> on-delay, off-delay, hold -> value -> latch -> on
 *
 * Between two inferences the vote stands as it is, so that the decision is a function of time: a change comes at the
 * very millisecond at which its delay and the hold are over, and decide_tick only shows it before the next inference
 * does. What the node decides thus does not depend on when, or whether, its main loop comes round.
 *
 * Time is in ms, modulo 2^32. It never goes back, and calls are less than 2^31 ms apart. */
#ifndef NEURON485_CORE_DECIDE_H
#define NEURON485_CORE_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

struct decide_config {
    int16_t threshold_off; /* at the output's scale; at most the threshold above which it is on */
    uint8_t votes, of;     /* n of the last m conditions make it on; 1 <= votes <= of <= 32 */
    uint32_t on_delay; /* ms that the vote must stand before the value follows; below 2^31, here and below */
    uint32_t off_delay;
    uint32_t hold; /* ms for which the value stays as it is after a change */
    bool latch;    /* once on, on until acknowledged */
    bool before;   /* the decision until the first inference */
};

struct decide_state {
    uint32_t history; /* the last conditions, the newest in bit 0; those not yet seen are off */
    uint32_t since;   /* when the vote last changed, or the first came; not before `begun` */
    uint32_t changed; /* when the value last changed; while `holding` */
    bool begun;       /* there was an inference */
    bool condition;   /* of the last inference; before the first, config->before */
    bool vote, value;
    bool holding; /* the minimum hold after a change is not over */
    bool latched; /* the value has been on since the start or the last acknowledgement that counted */
};

/* Whether an output is on: above `on` yes, at most `off` no, between them as it was `before`. At the output's scale,
 * off <= on. */
bool decide_hysteresis(bool before, int16_t output, int16_t on, int16_t off);

/* No inference yet. */
void decide_begin(struct decide_state *state, const struct decide_config *config);

/* An inference at `now` gave this condition. Answers the decision. */
bool decide_step(struct decide_state *state, const struct decide_config *config, bool condition,
                 uint32_t now);

/* Time passes without one. Of a model whose time is that of its samples, `now` is not beyond the window that comes
 * next. Answers the decision. */
bool decide_tick(struct decide_state *state, const struct decide_config *config, uint32_t now);

/* End a latch, unless what latched it is still on. Answers the decision. */
bool decide_acknowledge(struct decide_state *state);

/* The decision as it stands. */
bool decide_on(const struct decide_state *state);

#endif
