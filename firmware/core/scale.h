/* What was learnt from standardised values becomes a model of raw ones. Twin of host/core/scale.py, bit for bit.
 *
 * A column of values is standardised as (value - mean) / deviation. Of a layer w x + b
 *
 *     outputs    w = w deviation      b = b deviation + mean                            of the output's column
 *     inputs     w = w / deviation    b = b - (0 + w0 mean0 + w1 mean1 + ...)           of the inputs' columns
 *
 * in plain float64, inputs in order, with the w that there are by then. A network's inputs are those of its first layer,
 * its outputs those of its last, which is linear; where that is the same layer, the outputs come first. */
#ifndef NEURON485_CORE_SCALE_H
#define NEURON485_CORE_SCALE_H

#include <stdbool.h>

/* Of a column. deviation: above 0; an infinite one takes nothing of its input. */
struct scale {
    double mean, deviation;
};

/* layer: weights (outputs, inputs), then, where it has them, biases (outputs); without them every mean is 0. */
void scale_outputs(double *layer, unsigned inputs, unsigned outputs, bool bias, const struct scale *columns);
void scale_inputs(double *layer, unsigned inputs, unsigned outputs, bool bias, const struct scale *columns);

#endif
