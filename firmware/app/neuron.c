#include "app/neuron.h"

#include <math.h>
#include <string.h>

#include "app/words.h"
#include "core/fixed.h"
#include "core/infer.h"
#include "port/port.h"

#define BLINK_MS 250u

#define ACKNOWLEDGE (1u << WIRE_COIL_ACKNOWLEDGE)

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

static void set_clipped(struct neuron *neuron, uint64_t clipped)
{
    if (clipped == neuron->clipped)
        return;
    neuron->clipped = clipped;
    neuron->news = true;
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
    set_clipped(neuron, clipped);
    neuron->integers &= ~bits_of(first, count);
    neuron->unknown &= ~bits_of(first, count);
}

/* ---------------------------------------------------------------------------------------------- deciding */

static bool held(const struct neuron *neuron)
{
    return coil(neuron, WIRE_COIL_HOLD);
}

bool neuron_takes_windows(const struct neuron *neuron)
{
    return neuron->senses && !coil(neuron, WIRE_COIL_OVERRIDE);
}

static void tell(struct neuron *neuron, enum wire_event_kind kind, bool begins)
{
    const uint32_t value = kind == WIRE_EVENT_KIND_DECISION ? neuron->inferences : 0;
    events_add(neuron->events, kind, begins, value, neuron->inputs, neuron->valid ? neuron->model.inputs : 0);
}

void neuron_tell(struct neuron *neuron)
{
    if (!neuron->news)
        return;
    neuron->news = false;
    if (neuron->lit != neuron->lit_told)
        tell(neuron, WIRE_EVENT_KIND_DECISION, neuron->lit);
    neuron->lit_told = neuron->lit;
    const bool clips = neuron_clipped(neuron);
    if (clips != neuron->clips_told)
        tell(neuron, WIRE_EVENT_KIND_CLIPPED, clips);
    neuron->clips_told = clips;
}

static void follow_decision(struct neuron *neuron)
{
    const bool lit = neuron->decision.plain ? neuron->decision.condition : neuron->decision.on;
    if (lit == neuron->lit)
        return;
    neuron->lit = lit;
    neuron->news = true;
}

static void decide(struct neuron *neuron)
{
    neuron->due = false;
    if (!neuron->valid)
        return;
    infer(&neuron->model, neuron->inputs, neuron->outputs);
    neuron->inferences++;
    struct decision *decision = &neuron->decision;
    if (!decision->plain)
        decision_take(decision, &neuron->model, neuron->outputs,
                      neuron->senses ? neuron->now : port_millis());
    else
        decision->condition = infer_led(&neuron->model, neuron->outputs);
    follow_decision(neuron);
}

static void inputs_changed(struct neuron *neuron)
{
    if (held(neuron))
        neuron->due = true;
    else
        decide(neuron);
}

static void bus_changed_inputs(struct neuron *neuron)
{
    if (!neuron_takes_windows(neuron))
        inputs_changed(neuron);
}

void neuron_sense(struct neuron *neuron, const int16_t *inputs, uint64_t clipped, uint32_t now)
{
    for (unsigned i = 0; i < neuron->model.inputs; i++)
        if (neuron->sensed >> i & 1u)
            neuron->inputs[i] = inputs[i];
    neuron->integers |= neuron->sensed;
    neuron->unknown = 0;
    set_clipped(neuron, (neuron->clipped & ~neuron->sensed) | clipped);
    neuron->now = now;
    inputs_changed(neuron);
}

void neuron_tick(struct neuron *neuron, uint32_t now)
{
    neuron->now = now;
    decision_tick(&neuron->decision, now);
    if (!held(neuron))
        follow_decision(neuron);
}

/* ------------------------------------------------------------------------------------------------ models */

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

/* The inputs that come from channels. */
static uint64_t sensed_by(const struct image *model)
{
    uint64_t sensed = 0;
    for (unsigned i = 0; model && model->senses && i < model->inputs; i++)
        if (!senses_of_bus(&model->sources[i]))
            sensed |= bits_of(i, 1);
    return sensed;
}

/* Another model, or NULL: the same values at the new scales, 0 where it senses, and no outputs yet. */
static __attribute__((cold)) void change_model(struct neuron *neuron, const struct image *model)
{
    const uint64_t sensed = sensed_by(model);
    for (unsigned i = 0; i < WIRE_UNITS_MAX; i++)
        neuron->inputs_float[i] = sensed >> i & 1u ? 0 : input_float(neuron, i); /* at the old scales */
    neuron->models++;
    neuron->valid = model != NULL;
    if (model)
        neuron->model = *model;
    neuron->sensed = sensed;
    neuron->senses = sensed != 0;
    neuron->due = false;
    neuron->news = true; /* other inputs may count for CLIPPED */
    take_scales(neuron, model);
    scale_inputs(neuron, 0, WIRE_UNITS_MAX);
    neuron->unknown = sensed;
    set_clipped(neuron, neuron->clipped & ~sensed); /* their 0 was cut, maybe, but nothing was measured */
    memset(neuron->outputs, 0, sizeof neuron->outputs);
    decision_begin(&neuron->decision, model);
    events_add(neuron->events, WIRE_EVENT_KIND_MODEL, model != NULL, model ? model->crc : 0, NULL, 0);
}

void neuron_run(struct neuron *neuron, const struct image *model)
{
    neuron_tell(neuron);
    change_model(neuron, model);
    if (neuron->senses)
        follow_decision(neuron); /* until the first window */
    else
        decide(neuron);
}

void neuron_move(struct neuron *neuron, const struct image *model)
{
    neuron->model = *model;
}

void neuron_stop(struct neuron *neuron)
{
    neuron_tell(neuron);
    change_model(neuron, NULL);
    follow_decision(neuron);
}

void neuron_boot(struct neuron *neuron, struct refusal *refusal, struct events *events)
{
    *neuron = (struct neuron){.refusal = refusal, .events = events};
    decision_begin(&neuron->decision, NULL);
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
        if (!(neuron->unknown >> i & 1u) && (neuron->inputs[i] < ends[0] || neuron->inputs[i] > ends[1]))
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
    return neuron->safe ? neuron->safe_lit : neuron->lit;
}

void neuron_safe(struct neuron *neuron, bool safe, bool lit)
{
    neuron->safe = safe;
    neuron->safe_lit = lit;
}

void neuron_write_coils(struct neuron *neuron, unsigned mask, unsigned bits)
{
    const bool overridden = coil(neuron, WIRE_COIL_OVERRIDE), acknowledged = bits & mask & ACKNOWLEDGE;
    mask &= ~ACKNOWLEDGE; /* an order, which nothing keeps */
    neuron->coils = (uint8_t)((neuron->coils & ~mask) | (bits & mask));
    if (coil(neuron, WIRE_COIL_OVERRIDE) != overridden)
        events_add(neuron->events, WIRE_EVENT_KIND_OVERRIDE, !overridden, 0, NULL, 0);
    if (acknowledged)
        decision_acknowledge(&neuron->decision);
    if (held(neuron))
        return;
    if (neuron->due)
        decide(neuron);
    follow_decision(neuron);
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

/* Whether the bus may write these inputs of a model that senses; REASON says why not. */
static bool may_write(const struct neuron *neuron, unsigned first, unsigned count)
{
    if (!neuron_takes_windows(neuron) || !(neuron->sensed & bits_of(first, count)))
        return true;
    while (!(neuron->sensed >> first & 1u))
        first++;
    refusal_note(neuron->refusal, WIRE_REASON_SENSED, (uint16_t)first);
    return false;
}

static enum modbus_exception write_inputs(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    struct neuron *neuron = part;
    if (neuron->senses && !may_write(neuron, offset, count))
        return MODBUS_DEVICE_FAILURE;
    if (neuron->clipped)
        set_clipped(neuron, neuron->clipped & ~bits_of(offset, count));
    neuron->integers |= bits_of(offset, count);
    neuron->unknown &= ~bits_of(offset, count);
    memcpy(neuron->inputs + offset, values, count * sizeof *values);
    bus_changed_inputs(neuron);
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
    if (neuron->senses && !may_write(neuron, offset / 2, count / 2))
        return MODBUS_DEVICE_FAILURE;
    for (uint16_t i = 0; i < count; i += 2)
        neuron->inputs_float[(offset + i) / 2] = words_get_float(values + i);
    scale_inputs(neuron, offset / 2, count / 2);
    bus_changed_inputs(neuron);
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
