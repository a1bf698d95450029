#include "app/neuron.h"

#include <math.h>
#include <string.h>

#include "app/words.h"
#include "core/fixed.h"
#include "core/infer.h"
#include "port/port.h"

#define BLINK_MS 250u

_Static_assert(WIRE_COIL_ACKNOWLEDGE == NEURON_COILS - 1, "the last coil");

static bool coil(const struct neuron *neuron, unsigned number)
{
    return (neuron->coils >> number) & 1u;
}

/* ------------------------------------------------------------------------------------------------- running */

/* The bits of `count` inputs, 1..WIRE_UNITS_MAX. */
static uint64_t bits_of(unsigned first, unsigned count)
{
    return UINT64_MAX >> (64u - count) << first;
}

/* In its own units. */
static float input_float(const struct neuron *neuron, unsigned index)
{
    if (neuron->integers >> index & 1u)
        return neuron->offsets[index] + fixed_to_float(neuron->inputs[index], neuron->fractions[index]);
    return neuron->inputs_float[index];
}

/* Take `count` inputs from their floats. One copy of it is enough. */
static __attribute__((noinline)) void scale_inputs(struct neuron *neuron, unsigned first, unsigned count)
{
    uint64_t clipped = neuron->clipped & ~bits_of(first, count);
    for (unsigned i = first; i < first + count; i++) {
        const float value = neuron->inputs_float[i] - neuron->offsets[i];
        const int fraction = neuron->fractions[i];
        const int16_t q = fixed_from_float(value, fraction);
        neuron->inputs[i] = q;
        if ((q == INT16_MAX || q == INT16_MIN) && fixed_clips(value, fraction))
            clipped |= bits_of(i, 1);
    }
    neuron->clipped = clipped;
    neuron->integers &= ~bits_of(first, count);
}

static void decide(struct neuron *neuron)
{
    if (!neuron->valid)
        return;
    infer(&neuron->model, neuron->inputs, neuron->outputs);
    neuron->decision = infer_led(&neuron->model, neuron->outputs);
    neuron->inferences++;
}

static void inputs_changed(struct neuron *neuron)
{
    if (!coil(neuron, WIRE_COIL_HOLD))
        decide(neuron);
}

/* Those of the model, or 0. */
static void take_scales(struct neuron *neuron, const struct image *model)
{
    memset(neuron->fractions, 0, sizeof neuron->fractions);
    memset(neuron->offsets, 0, sizeof neuron->offsets);
    memset(neuron->output_fractions, 0, sizeof neuron->output_fractions);
    if (!model)
        return;
    memcpy(neuron->fractions, model->input_fraction, model->inputs * sizeof *neuron->fractions);
    if (model->input_offset)
        memcpy(neuron->offsets, model->input_offset, model->inputs * sizeof *neuron->offsets);
    if (model->output_fraction)
        memcpy(neuron->output_fractions, model->output_fraction,
               model->outputs * sizeof *neuron->output_fractions);
    else
        memset(neuron->output_fractions, model->layers[model->layer_count - 1].out_fraction, model->outputs);
}

/* Another model, or NULL: the same values at the new scales, and no outputs yet. */
static __attribute__((cold)) void change_model(struct neuron *neuron, const struct image *model)
{
    for (unsigned i = 0; i < WIRE_UNITS_MAX; i++)
        neuron->inputs_float[i] = input_float(neuron, i); /* at the old scales */
    neuron->valid = model != NULL;
    if (model)
        neuron->model = *model;
    take_scales(neuron, model);
    scale_inputs(neuron, 0, WIRE_UNITS_MAX);
    memset(neuron->outputs, 0, sizeof neuron->outputs);
    events_add(neuron->events, WIRE_EVENT_KIND_MODEL, model != NULL, model ? model->crc : 0, NULL, 0);
}

void neuron_run(struct neuron *neuron, const struct image *model)
{
    change_model(neuron, model);
    decide(neuron);
}

void neuron_stop(struct neuron *neuron)
{
    change_model(neuron, NULL);
    neuron->decision = false;
}

const struct image *neuron_model(const struct neuron *neuron)
{
    return neuron->valid ? &neuron->model : NULL;
}

bool neuron_clipped(const struct neuron *neuron)
{
    return neuron->valid && (neuron->clipped << (64u - neuron->model.inputs)) != 0;
}

bool neuron_out_of_range(const struct neuron *neuron)
{
    const int16_t *ends = neuron->valid ? neuron->model.input_range : NULL;
    if (neuron_clipped(neuron))
        return true;
    for (unsigned i = 0; ends && i < neuron->model.inputs; i++, ends += 2)
        if (neuron->inputs[i] < ends[0] || neuron->inputs[i] > ends[1])
            return true;
    return false;
}

/* ---------------------------------------------------------------------------------------------------- lamp */

bool neuron_lamp(const struct neuron *neuron)
{
    if (coil(neuron, WIRE_COIL_LAMP_TEST))
        return true;
    if (coil(neuron, WIRE_COIL_IDENTIFY))
        return port_millis() / BLINK_MS % 2 == 0;
    return neuron->decision;
}

void neuron_write_coils(struct neuron *neuron, unsigned mask, unsigned bits)
{
    mask &= ~(1u << WIRE_COIL_ACKNOWLEDGE); /* an order, which nothing keeps */
    neuron->coils = (uint8_t)((neuron->coils & ~mask) | (bits & mask));
    inputs_changed(neuron); /* they may have, while HOLD was set */
}

/* --------------------------------------------------------------------------------------------------- reads */

static enum modbus_exception read_inputs(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct neuron *neuron = part;
    memcpy(values, neuron->inputs + offset, count * sizeof *values);
    return MODBUS_OK;
}

/* Half a float at each end of the registers asked for is one too. */
typedef float float_of(const struct neuron *neuron, unsigned index);

static inline enum modbus_exception read_floats(const struct neuron *neuron, float_of *value_of,
                                                uint32_t offset, uint16_t count, uint16_t *values)
{
    const uint32_t end = offset + count;
    for (uint32_t i = offset; i < end;) {
        const uint32_t bits = words_float_bits(value_of(neuron, i / 2));
        if (i % 2 == 0) {
            *values++ = (uint16_t)(bits >> 16);
            i++;
        }
        if (i < end) {
            *values++ = (uint16_t)bits;
            i++;
        }
    }
    return MODBUS_OK;
}

static enum modbus_exception read_inputs_float(const void *part, uint32_t offset, uint16_t count,
                                               uint16_t *values)
{
    return read_floats(part, input_float, offset, count, values);
}

static enum modbus_exception read_outputs(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct neuron *neuron = part;
    memcpy(values, neuron->outputs + offset, count * sizeof *values);
    return MODBUS_OK;
}

static float output_float(const struct neuron *neuron, unsigned index)
{
    return fixed_to_float(neuron->outputs[index], neuron->output_fractions[index]);
}

static enum modbus_exception read_outputs_float(const void *part, uint32_t offset, uint16_t count,
                                                uint16_t *values)
{
    return read_floats(part, output_float, offset, count, values);
}

static enum modbus_exception read_class(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct neuron *neuron = part;
    (void)offset; /* a row of one */
    (void)count;
    *values = (uint16_t)(neuron->valid ? infer_class(&neuron->model, neuron->outputs) : 0);
    return MODBUS_OK;
}

static enum modbus_exception read_fractions(const int8_t *fractions, uint16_t count, uint16_t *values)
{
    for (uint16_t i = 0; i < count; i++)
        values[i] = (uint16_t)fractions[i];
    return MODBUS_OK;
}

static enum modbus_exception read_input_fractions(const void *part, uint32_t offset, uint16_t count,
                                                  uint16_t *values)
{
    return read_fractions(((const struct neuron *)part)->fractions + offset, count, values);
}

static enum modbus_exception read_output_fractions(const void *part, uint32_t offset, uint16_t count,
                                                   uint16_t *values)
{
    return read_fractions(((const struct neuron *)part)->output_fractions + offset, count, values);
}

static float input_offset(const struct neuron *neuron, unsigned index)
{
    return neuron->offsets[index];
}

static enum modbus_exception read_input_offsets(const void *part, uint32_t offset, uint16_t count,
                                                uint16_t *values)
{
    return read_floats(part, input_offset, offset, count, values);
}

static enum modbus_exception read_inferences(const void *part, uint32_t offset, uint16_t count,
                                             uint16_t *values)
{
    const struct neuron *neuron = part;
    words_read32(values, neuron->inferences, offset, count);
    return MODBUS_OK;
}

/* -------------------------------------------------------------------------------------------------- writes */

static enum modbus_exception write_inputs(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    struct neuron *neuron = part;
    neuron->clipped &= ~bits_of(offset, count);
    neuron->integers |= bits_of(offset, count);
    memcpy(neuron->inputs + offset, values, count * sizeof *values);
    inputs_changed(neuron);
    return MODBUS_OK;
}

static enum modbus_exception write_inputs_float(void *part, uint32_t offset, uint16_t count,
                                                const uint16_t *values)
{
    struct neuron *neuron = part;
    if (offset % 2 != 0 || count % 2 != 0)
        return MODBUS_ILLEGAL_ADDRESS; /* half a value */
    for (uint16_t i = 0; i < count; i += 2)
        if (isnan(words_get_float(values + i)))
            return MODBUS_ILLEGAL_VALUE;
    for (uint16_t i = 0; i < count; i += 2)
        neuron->inputs_float[(offset + i) / 2] = words_get_float(values + i);
    scale_inputs(neuron, offset / 2, count / 2);
    inputs_changed(neuron);
    return MODBUS_OK;
}

const struct row neuron_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_INPUTS, WIRE_HOLDING_INPUTS_SIZE, read_inputs, write_inputs},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_INPUTS_FLOAT, WIRE_HOLDING_INPUTS_FLOAT_SIZE, read_inputs_float,
     write_inputs_float},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_RESULT_CLASS, 1, read_class, NULL},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_RESULTS, WIRE_HOLDING_RESULTS_SIZE, read_outputs, NULL},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_RESULTS_FLOAT, WIRE_HOLDING_RESULTS_FLOAT_SIZE, read_outputs_float,
     NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_OUTPUTS, WIRE_INPUT_OUTPUTS_SIZE, read_outputs, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_CLASS, 1, read_class, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_OUTPUTS_FLOAT, WIRE_INPUT_OUTPUTS_FLOAT_SIZE, read_outputs_float, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_INFERENCES, WIRE_INPUT_INFERENCES_SIZE, read_inferences, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_INPUT_FRACTION, WIRE_INPUT_INPUT_FRACTION_SIZE, read_input_fractions, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_OUTPUT_FRACTION, WIRE_INPUT_OUTPUT_FRACTION_SIZE, read_output_fractions,
     NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_INPUT_OFFSET, WIRE_INPUT_INPUT_OFFSET_SIZE, read_input_offsets, NULL},
};
