/* What the node makes of what its model says: the condition that lights the LED, through the model's decision stage
 * (core/decide.h), and how it stands.
 *
 * A model of the bus whose decision is the condition as it is goes past the stage: a master waits for its answer. */
#ifndef NEURON485_APP_DECISION_H
#define NEURON485_APP_DECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/decide.h"
#include "core/image.h"

struct decision {
    bool condition; /* what the model said last */
    bool plain;     /* it lights the LED as it is: nothing below is looked at */
    bool on;        /* what comes of it lights the LED */
    struct decide_config config;
    struct decide_state state;
};

/* A model begins, or NULL: none. */
void decision_begin(struct decision *decision, const struct image *model);

/* It gave these outputs at `now`, ms; they wrap, and never go back under one model. Not where it is plain. */
void decision_take(struct decision *decision, const struct image *model, const int16_t *outputs,
                   uint32_t now);

/* Time passes. Likewise. */
void decision_tick(struct decision *decision, uint32_t now);

/* End a latch, unless what latched it is still on. */
void decision_acknowledge(struct decision *decision);

/* It stays on until it is acknowledged. */
bool decision_latched(const struct decision *decision);

/* The model has not said anything yet. */
bool decision_waiting(const struct decision *decision);

#endif
