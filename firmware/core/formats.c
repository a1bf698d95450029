#include "core/formats.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/fixed.h"
#include "core/image.h"

_Static_assert(FLT_EVAL_METHOD == 0, "each operation rounds to its own type, as it is written");

static double parameter(const struct formats_layer *layer, size_t index)
{
    return layer->wide ? ((const double *)layer->parameters)[index]
                       : (double)((const float *)layer->parameters)[index];
}

static double weight(const struct formats_layer *layer, unsigned output, unsigned input)
{
    return parameter(layer, layer->first + output * layer->inputs + input);
}

static double bias(const struct formats_layer *layer, unsigned output)
{
    double sum =
        layer->bias ? parameter(layer, layer->first + (size_t)layer->outputs * layer->inputs + output) : 0.0;
    for (unsigned i = 0; layer->offset && i < layer->inputs; i++)
        sum += weight(layer, output, i) * (double)layer->offset[i];
    return sum;
}

/* Half up, still a float: it may be too large for any integer. */
static double rounded(double value, int fraction)
{
    return floor(ldexp(value, fraction) + 0.5);
}

/* Integers of `bits` bits beside the sign. */
struct integer {
    double low, high;
    int bits;
};
static const struct integer value_size = {INT16_MIN, INT16_MAX, 15}, bias_size = {-INT32_MAX, INT32_MAX, 31};

/* `fraction`, or the finest scale below it at which the rounded value is such an integer. What is smaller by a
 * whole bit is one for sure, so at most three scales are tried. */
static int held(double value, int fraction, const struct integer *size)
{
    int exponent;
    if (!isfinite(value))
        return INT16_MIN;
    (void)frexp(value, &exponent); /* |value| is below 2^exponent */
    if (value == 0 || fraction + exponent < size->bits)
        return fraction;
    if (fraction > size->bits + 1 - exponent)
        fraction = size->bits + 1 - exponent;
    while (!(rounded(value, fraction) >= size->low && rounded(value, fraction) <= size->high))
        fraction--;
    return fraction;
}

/* The finest scale that holds low..high as the node converts them; below WIRE_FRACTION_MIN there is none. */
static int range_fraction(float low, float high)
{
    return held((double)high, held((double)low, WIRE_FRACTION_MAX, &value_size), &value_size);
}

/* An input gets an offset where that makes its scale finer by so many bits. */
#define OFFSET_BITS 2

bool formats_of_input(const double range[2], struct formats_span *span, float *offset, unsigned i)
{
    const float low = (float)range[0], high = (float)range[1], middle = (float)((range[0] + range[1]) * 0.5);
    int fraction = range_fraction(low, high);
    const int around = range_fraction(low - middle, high - middle);
    *offset = 0.0F;
    if (around - fraction >= OFFSET_BITS) {
        fraction = around;
        *offset = middle;
    }
    if (fraction < WIRE_FRACTION_MIN)
        return false;
    span->fraction[i] = (int8_t)fraction;
    span->low[i] = fixed_from_float(low - *offset, fraction);
    span->high[i] = fixed_from_float(high - *offset, fraction);
    return true;
}

int32_t formats_weight(const struct formats_layer *layer, const struct formats_span *before, int acc_scale,
                       unsigned output, unsigned input)
{
    return (int32_t)rounded(weight(layer, output, input), acc_scale - before->fraction[input]);
}

int32_t formats_bias(const struct formats_layer *layer, int acc_scale, unsigned output)
{
    return (int32_t)rounded(bias(layer, output), acc_scale);
}

/* `fraction`, or the finest scale below it at which a row's weights and bias are integers of their size. */
static int row_held(const struct formats_layer *layer, const struct formats_span *before, int fraction,
                    unsigned output)
{
    fraction = held(bias(layer, output), fraction, &bias_size);
    for (unsigned i = 0; i < layer->inputs; i++) {
        const int inner = before->fraction[i];
        fraction = held(weight(layer, output, i), fraction - inner, &value_size) + inner;
    }
    return fraction;
}

/* Whether 32 bits do for all rows at accumulators that are `coarser` bits coarser. */
static bool is_narrow(const struct formats_layer *layer, const struct formats_span *before,
                      const struct formats_rows *rows, int coarser)
{
    for (unsigned j = 0; j < layer->outputs; j++) {
        int16_t row[WIRE_UNITS_MAX];
        const int fraction = rows->acc[j] - coarser;
        for (unsigned i = 0; i < layer->inputs; i++)
            row[i] = (int16_t)formats_weight(layer, before, fraction, j, i);
        if (!image_narrow(formats_bias(layer, fraction, j), row, layer->inputs, before->lowest))
            return false;
    }
    return true;
}

static void acc_limits(uint8_t activation, int *lowest, int *highest)
{
    *lowest = WIRE_FRACTION_MIN + WIRE_SHIFT_MIN;
    *highest = WIRE_FRACTION_MAX + WIRE_SHIFT_MAX;
    if (activation == WIRE_ACTIVATION_STEP) {
        *lowest = INT8_MIN;
        *highest = INT8_MAX;
    } else if (activation == WIRE_ACTIVATION_SIGMOID || activation == WIRE_ACTIVATION_TANH) {
        const int in = activation == WIRE_ACTIVATION_TANH ? WIRE_TANH_IN_FRACTION : WIRE_SIGMOID_IN_FRACTION;
        *lowest = in + WIRE_SHIFT_MIN;
        *highest = in + WIRE_SHIFT_MAX;
    }
}

/* The finest accumulator scales, a row's own or one of all, that hold weights and biases; all of them a bit coarser if
 * 32 bits do then. False: none does. */
static bool acc_fractions(const struct formats_layer *layer, const struct formats_span *before,
                          struct formats_rows *rows)
{
    int lowest, highest, least = INT16_MAX;
    acc_limits(layer->activation, &lowest, &highest);
    for (unsigned j = 0; j < layer->outputs; j++) {
        const int fraction = row_held(layer, before, layer->own || j == 0 ? highest : least, j);
        least = fraction < least ? fraction : least;
        if (least < lowest)
            return false;
        rows->acc[j] = (int8_t)fraction;
    }
    for (unsigned j = 0; j < layer->outputs && !layer->own; j++)
        rows->acc[j] = (int8_t)least;
    if (least > lowest && !is_narrow(layer, before, rows, 0) && is_narrow(layer, before, rows, 1))
        for (unsigned j = 0; j < layer->outputs; j++)
            rows->acc[j]--;
    return true;
}

/* fixed_rescale before it saturates. */
static int64_t unsaturated(int64_t acc, int shift)
{
    return shift > 0 ? (acc + ((int64_t)1 << (shift - 1))) >> shift : acc * ((int64_t)1 << -shift);
}

struct formats_interval formats_interval(const struct formats_layer *layer, const struct formats_span *before,
                                         int acc_scale, unsigned output)
{
    struct formats_interval acc;
    acc.low = acc.high = formats_bias(layer, acc_scale, output);
    for (unsigned i = 0; i < layer->inputs; i++) {
        const int64_t w = formats_weight(layer, before, acc_scale, output, i);
        const int64_t ends[] = {w * before->low[i], w * before->high[i]};
        acc.low += ends[0] < ends[1] ? ends[0] : ends[1];
        acc.high += ends[0] < ends[1] ? ends[1] : ends[0];
    }
    return acc;
}

/* Whether no accumulator of the interval saturates. What is below 0 becomes 0 in a relu, saturated or not. */
static bool holds(const struct formats_interval *acc, int shift, bool relu)
{
    return unsaturated(relu && acc->low < 0 ? 0 : acc->low, shift) >= INT16_MIN &&
           unsaturated(acc->high, shift) <= INT16_MAX;
}

/* The finest output scale at which no accumulator of the interval saturates; below WIRE_FRACTION_MIN: none. */
static int out_fraction(const struct formats_interval *acc, bool relu, int acc_scale)
{
    const int finest =
        acc_scale - WIRE_SHIFT_MIN < WIRE_FRACTION_MAX ? acc_scale - WIRE_SHIFT_MIN : WIRE_FRACTION_MAX;
    const int coarsest =
        acc_scale - WIRE_SHIFT_MAX > WIRE_FRACTION_MIN ? acc_scale - WIRE_SHIFT_MAX : WIRE_FRACTION_MIN;
    int fraction = finest;
    while (fraction >= coarsest && !holds(acc, acc_scale - fraction, relu))
        fraction--;
    return fraction >= coarsest ? fraction : WIRE_FRACTION_MIN - 1;
}

/* What a shift costs the row that it costs most: its error there against that at the row's own shift. */
static double worst_of_shift(const struct formats_rows *rows, unsigned outputs, double reach, int shift)
{
    double worst = 0.0;
    for (unsigned j = 0; j < outputs; j++) {
        const int out = rows->out[j], own = rows->acc[j] - out;
        const int taken = rows->acc[j] - shift < out ? rows->acc[j] - shift : out;
        const double ratio =
            (ldexp(1.0, out - taken) + ldexp(reach, out - taken - shift)) / (1.0 + ldexp(reach, -own));
        worst = ratio > worst ? ratio : worst;
    }
    return worst;
}

/* The shift from accumulator to output that costs no row much, as host/models/formats.py weighs it. */
static int common_shift(const struct formats_layer *layer, const struct formats_span *before,
                        const struct formats_rows *rows)
{
    int least = INT16_MAX, acc = INT16_MAX, out = INT16_MAX;
    double reach = 0.0, cost = HUGE_VAL;
    for (unsigned i = 0; i < layer->inputs; i++) {
        const int32_t low = before->low[i] < 0 ? -before->low[i] : before->low[i];
        const int32_t high = before->high[i] < 0 ? -before->high[i] : before->high[i];
        reach = fmax(reach, low > high ? low : high);
    }
    for (unsigned j = 0; j < layer->outputs; j++) {
        const int own = rows->acc[j] - rows->out[j];
        least = own < least ? own : least;
        acc = rows->acc[j] < acc ? rows->acc[j] : acc;
        out = rows->out[j] < out ? rows->out[j] : out;
    }
    int best = least;
    for (int shift = least; shift <= acc - out && least < acc - out; shift++) {
        const double worst = worst_of_shift(rows, layer->outputs, reach, shift);
        if (worst < cost) {
            cost = worst;
            best = shift;
        }
    }
    return best;
}

/* The scales of an identity or a relu: from the finest of its accumulators to those taken, and of its outputs. False:
 * none. */
static bool linear_scales(const struct formats_layer *layer, const struct formats_span *before,
                          struct formats_rows *rows)
{
    const bool relu = layer->activation == WIRE_ACTIVATION_RELU;
    int least = INT8_MAX;
    for (unsigned j = 0; j < layer->outputs; j++) {
        const struct formats_interval acc = formats_interval(layer, before, rows->acc[j], j);
        const int out = out_fraction(&acc, relu, rows->acc[j]);
        least = out < least ? out : least;
        rows->out[j] = (int8_t)out;
    }
    if (least < WIRE_FRACTION_MIN)
        return false;
    for (unsigned j = 0; j < layer->outputs && !layer->own; j++)
        rows->out[j] = (int8_t)least;
    const int shift = common_shift(layer, before, rows);
    for (unsigned j = 0; j < layer->outputs; j++) {
        int out = rows->acc[j] - shift < rows->out[j] ? rows->acc[j] - shift : rows->out[j];
        for (; out + shift < rows->acc[j]; out--) { /* coarser weights may reach a little farther */
            const struct formats_interval acc = formats_interval(layer, before, out + shift, j);
            if (holds(&acc, shift, relu))
                break;
        }
        if (out < WIRE_FRACTION_MIN)
            return false;
        rows->out[j] = (int8_t)out;
        rows->acc[j] = (int8_t)(out + shift);
    }
    return true;
}

bool formats_of_rows(const struct formats_layer *layer, const struct formats_span *before,
                     struct formats_rows *rows)
{
    if (!acc_fractions(layer, before, rows))
        return false;
    if (layer->activation == WIRE_ACTIVATION_IDENTITY || layer->activation == WIRE_ACTIVATION_RELU)
        return linear_scales(layer, before, rows);
    const bool step = layer->activation == WIRE_ACTIVATION_STEP;
    memset(rows->out, step ? WIRE_STEP_OUT_FRACTION : WIRE_UNIT_OUT_FRACTION, layer->outputs);
    return true;
}
