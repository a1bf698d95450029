/* A layer's sums, and the way back through them: a part of learn.c, which says what `real` is.
 *
 * w: (outputs, inputs), x: (inputs), delta: (outputs). Rows, one an output, are taken two at a time: they share
 * the loads of x, and neither waits for the other. Each number keeps its own order of operations, that of
 * learn.h. */
#ifndef NEURON485_CORE_LEARN_ROWS_H
#define NEURON485_CORE_LEARN_ROWS_H

/* z = w x + bias; without biases NULL */
static void sum_rows(real *restrict z, const real *restrict w, const real *restrict bias,
                     const real *restrict x, unsigned inputs, unsigned outputs)
{
    unsigned j = 0;
    for (; j + 1 < outputs; j += 2, w += 2 * inputs) {
        real first = 0, second = 0;
        for (unsigned i = 0; i < inputs; i++) {
            first += w[i] * x[i];
            second += w[inputs + i] * x[i];
        }
        z[j] = bias ? first + bias[j] : first;
        z[j + 1] = bias ? second + bias[j + 1] : second;
    }
    if (j < outputs) {
        real last = 0;
        for (unsigned i = 0; i < inputs; i++)
            last += w[i] * x[i];
        z[j] = bias ? last + bias[j] : last;
    }
}

/* back = 0 + delta w */
static void pass_back(real *restrict back, const real *restrict w, const real *restrict delta,
                      unsigned inputs, unsigned outputs)
{
    for (unsigned i = 0; i < inputs; i++)
        back[i] = 0;
    for (; outputs > 1; outputs -= 2, w += 2 * inputs, delta += 2)
        for (unsigned i = 0; i < inputs; i++)
            back[i] = (back[i] + w[i] * delta[0]) + w[inputs + i] * delta[1];
    for (unsigned i = 0; outputs && i < inputs; i++)
        back[i] += w[i] * *delta;
}

/* gradient += delta x */
static void accumulate(real *restrict gradient, const real *restrict x, const real *restrict delta,
                       unsigned inputs, unsigned outputs)
{
    for (; outputs > 1; outputs -= 2, gradient += 2 * inputs, delta += 2)
        for (unsigned i = 0; i < inputs; i++) {
            gradient[i] += delta[0] * x[i];
            gradient[inputs + i] += delta[1] * x[i];
        }
    for (unsigned i = 0; outputs && i < inputs; i++)
        gradient[i] += *delta * x[i];
}

/* w -= rate (delta x) */
static void step_at_once(real *restrict w, const real *restrict x, const real *restrict delta, real rate,
                         unsigned inputs, unsigned outputs)
{
    for (; outputs > 1; outputs -= 2, w += 2 * inputs, delta += 2)
        for (unsigned i = 0; i < inputs; i++) {
            w[i] -= rate * (delta[0] * x[i]);
            w[inputs + i] -= rate * (delta[1] * x[i]);
        }
    for (unsigned i = 0; outputs && i < inputs; i++)
        w[i] -= rate * (*delta * x[i]);
}

/* w -= rate (delta x + l2 w) */
static void step_with_decay(real *restrict w, const real *restrict x, const real *restrict delta, real rate,
                            real l2, unsigned inputs, unsigned outputs)
{
    for (; outputs > 0; outputs--, w += inputs, delta++)
        for (unsigned i = 0; i < inputs; i++)
            w[i] -= rate * (*delta * x[i] + l2 * w[i]);
}

#endif
