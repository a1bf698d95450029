/* Any decision that the contract allows, any calls in any order, any clock. */
#include "core/decide.h"

#include "core/wire.h"
#include "tests/proof/any.h"

int main(void)
{
    struct decide_config config = {
        .threshold_off = (int16_t)any_between(0, UINT16_MAX),
        .of = (uint8_t)any_between(1, WIRE_VOTES_MAX),
        .on_delay = any_between(0, WIRE_DELAY_MAX),
        .off_delay = any_between(0, WIRE_DELAY_MAX),
        .hold = any_between(0, WIRE_DELAY_MAX),
        .latch = any_bool(),
        .before = any_bool(),
    };
    config.votes = (uint8_t)any_between(1, config.of);
    struct decide_state state;
    decide_begin(&state, &config);
    while (any_bool()) {
        const uint32_t now = any_between(0, UINT32_MAX);
        const int16_t output = (int16_t)any_between(0, UINT16_MAX), on = (int16_t)any_between(0, UINT16_MAX);
        if (any_bool())
            decide_step(&state, &config, decide_hysteresis(state.condition, output, on, config.threshold_off),
                        now);
        else if (any_bool())
            decide_tick(&state, &config, now);
        else
            decide_acknowledge(&state);
    }
    return decide_on(&state);
}
