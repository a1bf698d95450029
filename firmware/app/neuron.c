#include "app/neuron.h"

#include <math.h>
#include <string.h>

#include "app/words.h"
#include "core/fixed.h"
#include "core/infer.h"
#include "port/port.h"

#define BLINK_MS 250u

_Static_assert(WIRE_COIL_IDENTIFY == NEURON_COILS - 1, "the last coil");

static bool coil(const struct neuron *neuron, unsigned number)
{
    return (neuron->coils >> number) & 1u;
}

/* ------------------------------------------------------------------------------------------------- running */

static int8_t input_fraction(const struct neuron *neuron, unsigned index)
{
    return neuron->valid && index < neuron->model.inputs ? neuron->model.input_fraction[index] : 0;
}

static int8_t output_fraction(const struct neuron *neuron)
{
    return neuron->valid ? neuron->model.layers[neuron->model.layer_count - 1].out_fraction : 0;
}

static void set_input(struct neuron *neuron, unsigned index, float value)
{
    const int fraction = input_fraction(neuron, index);
    const uint64_t bit = UINT64_C(1) << index;
    const int16_t q = fixed_from_float(value, fraction);
    neuron->inputs_float[index] = value;
    neuron->inputs[index] = q;
    neuron->clipped &= ~bit;
    if ((q == INT16_MAX || q == INT16_MIN) && fixed_clips(value, fraction))
        neuron->clipped |= bit;
}

static void decide(struct neuron *neuron)
{
    if (!neuron->valid)
        return;
    memset(neuron->outputs, 0, sizeof neuron->outputs);
    infer(&neuron->model, neuron->inputs, neuron->outputs);
    neuron->decision = infer_led(&neuron->model, neuron->outputs);
    neuron->inferences++;
}

static void inputs_changed(struct neuron *neuron)
{
    if (!coil(neuron, WIRE_COIL_HOLD))
        decide(neuron);
}

/* The same values at the new scales. */
static void rescale_inputs(struct neuron *neuron)
{
    for (unsigned i = 0; i < WIRE_UNITS_MAX; i++)
        set_input(neuron, i, neuron->inputs_float[i]);
}

void neuron_run(struct neuron *neuron, const struct image *model)
{
    neuron->model = *model;
    neuron->valid = true;
    rescale_inputs(neuron);
    decide(neuron);
}

void neuron_stop(struct neuron *neuron)
{
    neuron->valid = false;
    rescale_inputs(neuron);
    memset(neuron->outputs, 0, sizeof neuron->outputs);
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

static enum modbus_exception read_inputs_float(const void *part, uint32_t offset, uint16_t count,
                                               uint16_t *values)
{
    const struct neuron *neuron = part;
    for (uint32_t i = offset; i < offset + count; i++)
        *values++ = words_half(words_float_bits(neuron->inputs_float[i / 2]), i);
    return MODBUS_OK;
}

static enum modbus_exception read_outputs(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct neuron *neuron = part;
    memcpy(values, neuron->outputs + offset, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception read_outputs_float(const void *part, uint32_t offset, uint16_t count,
                                                uint16_t *values)
{
    const struct neuron *neuron = part;
    const int8_t fraction = output_fraction(neuron);
    uint32_t bits = 0;
    for (uint32_t i = offset; i < offset + count; i++) {
        if (i == offset || i % 2 == 0)
            bits = words_float_bits(fixed_to_float(neuron->outputs[i / 2], fraction));
        *values++ = words_half(bits, i);
    }
    return MODBUS_OK;
}

static enum modbus_exception read_input_fractions(const void *part, uint32_t offset, uint16_t count,
                                                  uint16_t *values)
{
    const struct neuron *neuron = part;
    const int8_t *fraction = neuron->model.input_fraction;
    memset(values, 0, count * sizeof *values);
    for (uint32_t i = offset; neuron->valid && i < offset + count && i < neuron->model.inputs; i++)
        *values++ = (uint16_t)fraction[i];
    return MODBUS_OK;
}

static enum modbus_exception read_output_fraction(const void *part, uint32_t offset, uint16_t count,
                                                  uint16_t *values)
{
    (void)offset; /* a row of one */
    (void)count;
    *values = (uint16_t)output_fraction(part);
    return MODBUS_OK;
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
    neuron->clipped &= ~(UINT64_MAX >> (64u - count) << offset);
    for (uint32_t i = offset; i < offset + count; i++) {
        const int16_t q = (int16_t)*values++;
        neuron->inputs[i] = q;
        neuron->inputs_float[i] = fixed_to_float(q, input_fraction(neuron, i));
    }
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
        set_input(neuron, (offset + i) / 2, words_get_float(values + i));
    inputs_changed(neuron);
    return MODBUS_OK;
}

const struct row neuron_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_INPUTS, WIRE_HOLDING_INPUTS_SIZE, read_inputs, write_inputs},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_INPUTS_FLOAT, WIRE_HOLDING_INPUTS_FLOAT_SIZE, read_inputs_float,
     write_inputs_float},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_RESULTS, WIRE_HOLDING_RESULTS_SIZE, read_outputs, NULL},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_RESULTS_FLOAT, WIRE_HOLDING_RESULTS_FLOAT_SIZE, read_outputs_float,
     NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_OUTPUTS, WIRE_INPUT_OUTPUTS_SIZE, read_outputs, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_OUTPUTS_FLOAT, WIRE_INPUT_OUTPUTS_FLOAT_SIZE, read_outputs_float, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_INFERENCES, WIRE_INPUT_INFERENCES_SIZE, read_inferences, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_INPUT_FRACTION, WIRE_INPUT_INPUT_FRACTION_SIZE, read_input_fractions, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_OUTPUT_FRACTION, 1, read_output_fraction, NULL},
};
