/* The losses of a sample: a part of learn.c, which says what `real` is.
 *
 * z: the last layer's sums, a: their activations, y: the targets, each (outputs). Each answers the loss and puts its
 * gradient in place of z, in the order of operations of learn.h. */
#ifndef NEURON485_CORE_LEARN_LOSSES_H
#define NEURON485_CORE_LEARN_LOSSES_H

/* Cross-entropy of sigmoid outputs, not yet divided by their number. */
static real cross(real *restrict z, const real *restrict y, unsigned outputs)
{
    real loss = 0;
    for (unsigned j = 0; j < outputs; j++) {
        const real e = LEARN(exp)(-magnitude(z[j]));
        loss += ((z[j] > 0 ? z[j] : 0) - z[j] * y[j]) + LEARN(log1p)(e);
        z[j] = (z[j] < 0 ? e : 1) / (1 + e) - y[j];
    }
    return loss;
}

/* Cross-entropy of classes; e: room for exp(z - the largest). */
static real softmax(real *restrict z, real *restrict e, const real *restrict y, unsigned outputs)
{
    real largest = z[0], sum = 0, targets = 0, loss = 0;
    for (unsigned j = 1; j < outputs; j++)
        largest = z[j] > largest ? z[j] : largest;
    for (unsigned j = 0; j < outputs; j++) {
        z[j] -= largest;
        e[j] = LEARN(exp)(z[j]);
        sum += e[j];
        targets += y[j];
    }
    const real share = targets / sum, log_sum = LEARN(log)(sum);
    for (unsigned j = 0; j < outputs; j++) {
        loss += y[j] * (log_sum - z[j]);
        z[j] = e[j] * share - y[j];
    }
    return loss;
}

/* Squared errors, not yet divided either, their gradient at a; slope: of an error's loss, over the error. */
static real squares(real *restrict z, const real *restrict a, const real *restrict y, real slope,
                    unsigned outputs)
{
    real loss = 0;
    for (unsigned j = 0; j < outputs; j++) {
        const real error = a[j] - y[j];
        loss += error * error;
        z[j] = slope * error;
    }
    return loss;
}

#endif
