#include "app/commands.h"

#include <string.h>

#include "app/words.h"

#define LENGTH (WIRE_HOLDING_LENGTH - WIRE_HOLDING_COMMAND)
#define CRC (WIRE_HOLDING_CRC - WIRE_HOLDING_COMMAND)
#define SECONDS (WIRE_HOLDING_SECONDS - WIRE_HOLDING_COMMAND)

/* A repeated TRAIN finds the training under way, and changes nothing. */
static enum modbus_exception train(struct commands *commands)
{
    if (trainer_active(commands->trainer))
        return MODBUS_OK;
    const enum modbus_exception exception = models_take_stage(commands->models);
    if (exception)
        return exception;
    const enum wire_reason reason = trainer_start(commands->trainer);
    refusal_note(commands->refusal, reason, 0);
    return reason == WIRE_REASON_NONE ? MODBUS_OK : MODBUS_DEVICE_FAILURE;
}

bool commands_saving(const struct commands *commands)
{
    return commands->models->committing || commands->settings->saving;
}

enum modbus_exception commands_restart(struct commands *commands)
{
    const struct trust *trust = commands->trust;
    if (commands_saving(commands) || trust->saving)
        return MODBUS_DEVICE_BUSY;
    /* A sector whose erase was cut off is erased again at every start. */
    if (store_erasing(&commands->models->store) || store_erasing(&commands->settings->store) ||
        store_erasing(&trust->store))
        return MODBUS_DEVICE_BUSY;
    commands->restart = true;
    return MODBUS_OK;
}

static enum modbus_exception execute(struct commands *commands, const uint16_t words[COMMANDS_WORDS])
{
    const uint32_t length = words_get32(words + LENGTH);
    const struct models_meant meant = {.crc = words_get32(words + CRC)};
    switch (words[0]) {
    case WIRE_COMMAND_NONE:
        return MODBUS_OK;
    case WIRE_COMMAND_VERIFY:
        return models_verify(commands->models, length, &meant);
    case WIRE_COMMAND_COMMIT:
        return models_commit(commands->models, &meant);
    case WIRE_COMMAND_INSTALL:
        return models_install(commands->models, length, &meant);
    case WIRE_COMMAND_ROLLBACK:
        return models_rollback(commands->models, &meant);
    case WIRE_COMMAND_TRIAL:
        return trial_begin(commands->trial, length, &meant, words[SECONDS]);
    case WIRE_COMMAND_CONFIRM:
        return trial_confirm(commands->trial, &meant);
    case WIRE_COMMAND_REVERT:
        return trial_revert(commands->trial, &meant);
    case WIRE_COMMAND_SAVE_SETTINGS:
        return settings_save(commands->settings);
    case WIRE_COMMAND_RESTART:
        return commands_restart(commands);
    case WIRE_COMMAND_TRAIN:
        return train(commands);
    case WIRE_COMMAND_RESUME:
        trainer_resume(commands->trainer);
        return MODBUS_OK;
    case WIRE_COMMAND_STOP:
        trainer_stop(commands->trainer);
        return MODBUS_OK;
    default:
        refusal_note(commands->refusal, WIRE_REASON_COMMAND, 0);
        return MODBUS_ILLEGAL_VALUE;
    }
}

static enum modbus_exception read_command(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct commands *commands = part;
    memcpy(values, commands->words + offset, count * sizeof *values);
    return MODBUS_OK;
}

/* A refused command leaves its registers as they were; a written COMMAND is carried out when all of them
 * stand. */
static enum modbus_exception write_command(void *part, uint32_t offset, uint16_t count,
                                           const uint16_t *values)
{
    struct commands *commands = part;
    if (words_split(offset, count, LENGTH, WIRE_HOLDING_LENGTH_SIZE) ||
        words_split(offset, count, CRC, WIRE_HOLDING_CRC_SIZE))
        return MODBUS_ILLEGAL_ADDRESS;
    uint16_t words[COMMANDS_WORDS];
    memcpy(words, commands->words, sizeof words);
    memcpy(words + offset, values, count * sizeof *values);
    if (offset == 0) {
        const enum modbus_exception exception = execute(commands, words);
        if (exception)
            return exception;
        if (words[0] != WIRE_COMMAND_NONE)
            refusal_note(commands->refusal, WIRE_REASON_NONE, 0);
    }
    memcpy(commands->words, words, sizeof words);
    return MODBUS_OK;
}

const struct row commands_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_COMMAND, COMMANDS_WORDS, read_command, write_command},
};
