#include "app/trial.h"

#include "port/port.h"

#define SECOND_MS 1000u

static enum modbus_exception refuse(struct trial *trial)
{
    return refusal_answer(trial->refusal, WIRE_REASON_TRIAL);
}

/* It is on trial, and neither being kept. */
static bool may_end(const struct trial *trial)
{
    return trial->models->on_trial && !trial->models->committing;
}

/* Milliseconds that are left; 0: it is over, or there is none. */
static uint32_t left(const struct trial *trial)
{
    const uint32_t lasts = trial->seconds * SECOND_MS, been = port_millis() - trial->began;
    return may_end(trial) && been < lasts ? lasts - been : 0;
}

enum modbus_exception trial_go(struct trial *trial, uint16_t seconds)
{
    enum modbus_exception exception = models_allowed(trial->models);
    if (!exception && !seconds)
        exception = wear_allows(trial->models->wear);
    if (exception)
        return exception;
    models_try(trial->models);
    trial->began = port_millis();
    trial->seconds = seconds;
    return seconds ? MODBUS_OK : models_keep(trial->models);
}

enum modbus_exception trial_begin(struct trial *trial, uint32_t length, const struct models_meant *meant,
                                  uint16_t seconds)
{
    if (seconds == 0) {
        refusal_note(trial->refusal, WIRE_REASON_COMMAND, 0);
        return MODBUS_ILLEGAL_VALUE;
    }
    if (trial->models->on_trial && models_staged_is(trial->models, meant))
        return MODBUS_OK;
    const enum modbus_exception exception = models_verify(trial->models, length, meant);
    return exception ? exception : trial_go(trial, seconds);
}

enum modbus_exception trial_confirm(struct trial *trial, const struct models_meant *meant)
{
    struct models *models = trial->models;
    if (!models->on_trial)
        return models_runs(models, meant) ? MODBUS_OK : refuse(trial);
    if (!models_staged_is(models, meant))
        return refuse(trial);
    return models->committing ? MODBUS_OK : models_keep(models);
}

enum modbus_exception trial_revert(struct trial *trial, const struct models_meant *meant)
{
    struct models *models = trial->models;
    if (!models->on_trial)
        return models_runs(models, meant) ? refuse(trial) : MODBUS_OK;
    if (!models_staged_is(models, meant))
        return refuse(trial);
    if (models->committing)
        return MODBUS_DEVICE_BUSY;
    models_return(models);
    return MODBUS_OK;
}

void trial_step(struct trial *trial, bool lost)
{
    if (may_end(trial) && (lost || left(trial) == 0))
        models_return(trial->models);
}

static enum modbus_exception read_left(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    (void)offset; /* a row of one */
    (void)count;
    *values = (uint16_t)((left(part) + SECOND_MS - 1) / SECOND_MS);
    return MODBUS_OK;
}

const struct row trial_rows[] = {
    {WIRE_TABLE_INPUT, WIRE_INPUT_TRIAL_LEFT, 1, read_left, NULL},
};
