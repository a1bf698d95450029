/* core/decide as a filter: configurations with their calls on stdin, what each call leaves on stdout. See
 * tests/test_decide.py.
 *
 *     question: i32 threshold on, off, u32 votes, of, on_delay, off_delay, hold, latch, before, calls
 *               | calls: u32 call, i32 output, u32 now
 *     answer:   a call: u8 decision, condition, latched */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/decide.h"

enum call { STEP, TICK, ACKNOWLEDGE };

struct asked {
    int32_t on, off;
    uint32_t votes, of, on_delay, off_delay, hold, latch, before, calls;
};

struct call_asked {
    uint32_t call;
    int32_t output;
    uint32_t now;
};

static bool done(struct decide_state *state, const struct decide_config *config, const struct asked *asked,
                 const struct call_asked *call)
{
    switch (call->call) {
    case STEP:
        return decide_step(state, config,
                           decide_hysteresis(state->condition, (int16_t)call->output, (int16_t)asked->on,
                                             config->threshold_off),
                           call->now);
    case TICK:
        return decide_tick(state, config, call->now);
    default:
        return decide_acknowledge(state);
    }
}

int main(void)
{
    struct asked asked;
    while (fread(&asked, sizeof asked, 1, stdin) == 1) {
        const struct decide_config config = {
            .threshold_off = (int16_t)asked.off,
            .votes = (uint8_t)asked.votes,
            .of = (uint8_t)asked.of,
            .on_delay = asked.on_delay,
            .off_delay = asked.off_delay,
            .hold = asked.hold,
            .latch = asked.latch,
            .before = asked.before,
        };
        struct decide_state state;
        decide_begin(&state, &config);
        for (uint32_t i = 0; i < asked.calls; i++) {
            struct call_asked call;
            if (fread(&call, sizeof call, 1, stdin) != 1)
                abort();
            const uint8_t answer[] = {done(&state, &config, &asked, &call), state.condition, state.latched};
            if (answer[0] != decide_on(&state))
                abort();
            fwrite(answer, sizeof answer, 1, stdout);
        }
    }
    return 0;
}
