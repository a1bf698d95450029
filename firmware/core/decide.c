#include "core/decide.h"

bool decide_hysteresis(bool before, int16_t output, int16_t on, int16_t off)
{
    return output > on || (before && output > off);
}

void decide_begin(struct decide_state *state, const struct decide_config *config)
{
    *state =
        (struct decide_state){.condition = config->before, .vote = config->before, .value = config->before};
}

bool decide_on(const struct decide_state *state)
{
    return state->value || state->latched;
}

bool decide_tick(struct decide_state *state, const struct decide_config *config, uint32_t now)
{
    const uint32_t stood = now - state->since, rested = now - state->changed;
    if (state->holding && rested < config->hold)
        return decide_on(state);

    const uint32_t delay = state->vote ? config->on_delay : config->off_delay;
    if (state->vote != state->value && stood >= delay) {
        uint32_t late = stood - delay;
        if (state->holding && rested - config->hold < late)
            late = rested - config->hold;
        state->value = state->vote;
        state->changed = now - late;
        state->holding = late < config->hold;
        state->latched = state->latched || (config->latch && state->value);
    } else
        state->holding = false;
    return decide_on(state);
}

static unsigned ones(uint32_t bits)
{
    unsigned count = 0;
    for (; bits; bits &= bits - 1)
        count++;
    return count;
}

bool decide_step(struct decide_state *state, const struct decide_config *config, bool condition, uint32_t now)
{
    decide_tick(state, config, now);
    state->condition = condition;
    state->history = state->history << 1 | (condition ? 1u : 0u);
    const bool vote = ones(state->history << (32 - config->of)) >= config->votes;
    if (vote != state->vote || !state->begun)
        state->since = now;
    state->vote = vote;
    state->begun = true;
    return decide_tick(state, config, now);
}

bool decide_acknowledge(struct decide_state *state)
{
    state->latched = state->latched && state->value;
    return decide_on(state);
}
