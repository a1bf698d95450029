#include "app/decision.h"

#include "core/infer.h"

static bool plain(const struct image *model)
{
    const struct decide_config *config = &model->decision;
    return !model->senses && config->threshold_off == model->led_threshold && config->votes == config->of &&
           config->of == 1 && (config->on_delay | config->off_delay | config->hold) == 0 && !config->latch;
}

void decision_begin(struct decision *decision, const struct image *model)
{
    *decision = (struct decision){.plain = !model || plain(model)};
    if (!model)
        return;
    decision->config = model->decision;
    decide_begin(&decision->state, &decision->config);
    decision->on = decision->condition = decide_on(&decision->state);
}

static bool condition(const struct decision *decision, const struct image *model, const int16_t *outputs)
{
    if (model->led_class)
        return infer_led(model, outputs);
    return decide_hysteresis(decision->condition, outputs[model->led_output], model->led_threshold,
                             decision->config.threshold_off);
}

void decision_take(struct decision *decision, const struct image *model, const int16_t *outputs, uint32_t now)
{
    decision->condition = condition(decision, model, outputs);
    decision->on = decide_step(&decision->state, &decision->config, decision->condition, now);
}

void decision_tick(struct decision *decision, uint32_t now)
{
    decision->on = decide_tick(&decision->state, &decision->config, now);
}

void decision_acknowledge(struct decision *decision)
{
    if (!decision->plain)
        decision->on = decide_acknowledge(&decision->state);
}

bool decision_latched(const struct decision *decision)
{
    return decision->state.latched;
}

bool decision_waiting(const struct decision *decision)
{
    return !decision->plain && !decision->state.begun;
}
