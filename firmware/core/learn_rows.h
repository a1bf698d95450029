/* A layer's sums, and the way back through them: a part of learn.c, which says what `real` is.
 *
 * w: (outputs, inputs), x: (inputs), delta: (outputs). Rows, one an output, are taken two at a time: they share
 * the loads of x, and neither waits for the other. Where float64 is made by calls, that gains nothing, and is left
 * out for the flash's sake. Each number keeps its own order of operations, that of learn.h. */
#ifndef NEURON485_CORE_LEARN_ROWS_H
#define NEURON485_CORE_LEARN_ROWS_H

#if defined __ARM_FP && !defined LEARN_FLOAT32
#define IN_PAIRS ((__ARM_FP & 8) != 0)
#else
#define IN_PAIRS true
#endif

/* z = w x + bias; without biases NULL */
static void sum_rows(real *restrict z, const real *restrict w, const real *restrict bias,
                     const real *restrict x, unsigned inputs, unsigned outputs)
{
    unsigned j = 0;
    for (; IN_PAIRS && j + 1 < outputs; j += 2, w += 2 * inputs) {
        real first = 0, second = 0;
        for (unsigned i = 0; i < inputs; i++) {
            first += w[i] * x[i];
            second += w[inputs + i] * x[i];
        }
        z[j] = bias ? first + bias[j] : first;
        z[j + 1] = bias ? second + bias[j + 1] : second;
    }
    for (; j < outputs; j++, w += inputs) {
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
    for (; IN_PAIRS && outputs > 1; outputs -= 2, w += 2 * inputs, delta += 2)
        for (unsigned i = 0; i < inputs; i++)
            back[i] = (back[i] + w[i] * delta[0]) + w[inputs + i] * delta[1];
    for (; outputs > 0; outputs--, w += inputs, delta++)
        for (unsigned i = 0; i < inputs; i++)
            back[i] += w[i] * *delta;
}

/* gradient += delta x */
static void accumulate(real *restrict gradient, const real *restrict x, const real *restrict delta,
                       unsigned inputs, unsigned outputs)
{
    for (; IN_PAIRS && outputs > 1; outputs -= 2, gradient += 2 * inputs, delta += 2)
        for (unsigned i = 0; i < inputs; i++) {
            gradient[i] += delta[0] * x[i];
            gradient[inputs + i] += delta[1] * x[i];
        }
    for (; outputs > 0; outputs--, gradient += inputs, delta++)
        for (unsigned i = 0; i < inputs; i++)
            gradient[i] += *delta * x[i];
}

/* w -= rate (delta x) */
static void step_at_once(real *restrict w, const real *restrict x, const real *restrict delta, real rate,
                         unsigned inputs, unsigned outputs)
{
    for (; IN_PAIRS && outputs > 1; outputs -= 2, w += 2 * inputs, delta += 2)
        for (unsigned i = 0; i < inputs; i++) {
            w[i] -= rate * (delta[0] * x[i]);
            w[inputs + i] -= rate * (delta[1] * x[i]);
        }
    for (; outputs > 0; outputs--, w += inputs, delta++)
        for (unsigned i = 0; i < inputs; i++)
            w[i] -= rate * (*delta * x[i]);
}

#endif
