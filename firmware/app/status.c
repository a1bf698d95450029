#include "app/status.h"

#include "port/port.h"

_Static_assert(WIRE_DISCRETE_WAITING == STATUS_DISCRETES - 1, "the last discrete input");

static enum wire_state state(const struct status *status)
{
    const struct models *models = status->models;
    const struct settings *settings = status->settings;
    const struct trust *trust = status->trust;
    if (store_erasing(&models->store) || store_erasing(&settings->store) || store_erasing(&trust->store))
        return WIRE_STATE_ERASING;
    if (models->committing || settings->saving)
        return WIRE_STATE_COMMITTING;
    if (trust->checking)
        return WIRE_STATE_CHECKING;
    return status->trainer->state == WIRE_TRAINING_RUNNING ? WIRE_STATE_TRAINING : WIRE_STATE_IDLE;
}

/* Whether there is something that people should know, whichever register says what. */
static bool attention(const struct status *status)
{
    return status->refusal->faults != 0 || port_start()->file[0] != 0 || status->link->missed != 0;
}

unsigned status_bits(const struct status *status)
{
    const struct neuron *neuron = status->neuron;
    return (unsigned)neuron_lamp(neuron) << WIRE_DISCRETE_LED |
           (unsigned)neuron->valid << WIRE_DISCRETE_MODEL_VALID |
           (unsigned)trainer_active(status->trainer) << WIRE_DISCRETE_TRAINING |
           (unsigned)(status->refusal->faults != 0) << WIRE_DISCRETE_FAULT |
           (unsigned)(state(status) != WIRE_STATE_IDLE) << WIRE_DISCRETE_BUSY |
           (unsigned)status->models->verified << WIRE_DISCRETE_STAGED |
           (unsigned)neuron->lit << WIRE_DISCRETE_DECISION |
           (unsigned)neuron_clipped(neuron) << WIRE_DISCRETE_CLIPPED |
           (unsigned)attention(status) << WIRE_DISCRETE_ATTENTION |
           (unsigned)(neuron->coils != 0) << WIRE_DISCRETE_HELD |
           (unsigned)neuron_out_of_range(neuron) << WIRE_DISCRETE_OUT_OF_RANGE |
           (unsigned)neuron->senses << WIRE_DISCRETE_SENSING |
           (unsigned)status->watch->lost << WIRE_DISCRETE_BUS_LOST |
           (unsigned)decision_latched(&neuron->decision) << WIRE_DISCRETE_LATCHED |
           (unsigned)neuron->decision.condition << WIRE_DISCRETE_CONDITION |
           (unsigned)decision_waiting(&neuron->decision) << WIRE_DISCRETE_WAITING;
}

static enum modbus_exception read_state(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    (void)offset; /* a row of one */
    (void)count;
    *values = (uint16_t)state(part);
    return MODBUS_OK;
}

static enum modbus_exception read_bits(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    (void)offset;
    (void)count;
    *values = (uint16_t)status_bits(part);
    return MODBUS_OK;
}

static enum modbus_exception read_missed(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    (void)offset;
    (void)count;
    *values = ((const struct status *)part)->link->missed;
    return MODBUS_OK;
}

const struct row status_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_RESULT_BITS, 1, read_bits, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_STATE, 1, read_state, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_MISSED, 1, read_missed, NULL},
};
