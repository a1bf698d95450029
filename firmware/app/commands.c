/* What the bus may ask of a node: take a staged image, keep it, go back, keep settings, restart. */
#include <string.h>

#include "app/node.h"
#include "core/crc.h"

static enum modbus_exception refuse(struct node *node, enum wire_reason reason, uint16_t detail)
{
    node_refuse(node, reason, detail);
    return MODBUS_DEVICE_FAILURE;
}

bool node_check_stage(struct node *node, uint32_t length, uint32_t crc)
{
    uint16_t detail = 0;
    enum wire_reason reason = WIRE_REASON_LENGTH;
    if (length <= sizeof node->stage)
        reason = image_open(&node->staged, node->stage, length, &detail);
    if (reason == WIRE_REASON_NONE && node->staged.crc != crc)
        reason = WIRE_REASON_CRC;
    if (reason == WIRE_REASON_NONE)
        reason = image_self_test(&node->staged, &detail);
    node->verified = reason == WIRE_REASON_NONE;
    node_refuse(node, reason, detail);
    return node->verified;
}

/* Is what stands in the stage the image that is meant, and can it run here? */
static enum modbus_exception verify(struct node *node, uint32_t length, uint32_t crc)
{
    return node_check_stage(node, length, crc) ? MODBUS_OK : MODBUS_DEVICE_FAILURE;
}

static bool stage_taken(const struct node *node)
{
    return node->committing || trainer_active(&node->trainer);
}

static enum modbus_exception start_commit(struct node *node)
{
    const uint32_t length = node->staged.length;
    if (store_commit(&node->models, node->stage, length, crc32(node->stage, length)) != STORE_OK)
        return MODBUS_DEVICE_BUSY;
    node->committing = true;
    return MODBUS_OK;
}

/* Already running: a repeated command, whose first reply was lost, has nothing left to do. */
static bool runs(const struct node *node, uint32_t crc)
{
    return node->model_valid && node->model.crc == crc;
}

static enum modbus_exception commit(struct node *node, uint32_t crc)
{
    if (node->committing)
        return node->staged.crc == crc ? MODBUS_OK : MODBUS_DEVICE_BUSY;
    if (node->verified && node->staged.crc == crc)
        return start_commit(node);
    return runs(node, crc) ? MODBUS_OK : refuse(node, WIRE_REASON_NOT_VERIFIED, 0);
}

uint32_t node_previous_crc(const struct node *node)
{
    const struct store_record *previous = &node->models.previous;
    uint32_t crc = 0;
    if (previous->payload)
        memcpy(&crc, previous->payload + previous->length - sizeof crc,
               sizeof crc); /* an image ends with it */
    return crc;
}

/* The previous model takes the way of any other: staged, verified, committed under a new sequence number. */
static enum modbus_exception rollback(struct node *node, uint32_t crc)
{
    if (node->committing)
        return node->staged.crc == crc ? MODBUS_OK : MODBUS_DEVICE_BUSY;
    if (runs(node, crc))
        return MODBUS_OK;
    if (stage_taken(node))
        return MODBUS_DEVICE_BUSY;
    const struct store_record *previous = &node->models.previous;
    if (!previous->payload || previous->length > sizeof node->stage || node_previous_crc(node) != crc)
        return refuse(node, WIRE_REASON_NO_PREVIOUS, 0);
    memcpy(node->stage, previous->payload, previous->length);
    enum modbus_exception exception = verify(node, previous->length, crc);
    return exception ? exception : start_commit(node);
}

static enum modbus_exception save_settings(struct node *node)
{
    struct settings asked;
    if (node->saving)
        return MODBUS_DEVICE_BUSY;
    if (!settings_from_words(&asked, node->settings_words))
        return refuse(node, WIRE_REASON_SETTINGS, 0);
    if (memcmp(&asked, &node->settings, sizeof asked) == 0)
        return MODBUS_OK;
    node->next = asked;
    store_commit(&node->settings_store, &node->next, sizeof node->next,
                 crc32(&node->next, sizeof node->next));
    node->saving = true;
    return MODBUS_OK;
}

/* A repeated TRAIN finds the training under way, and changes nothing. */
static enum modbus_exception train(struct node *node)
{
    if (trainer_active(&node->trainer))
        return MODBUS_OK;
    if (node->committing)
        return MODBUS_DEVICE_BUSY;
    node->verified = false;
    enum wire_reason reason = trainer_start(&node->trainer);
    if (reason != WIRE_REASON_NONE)
        return refuse(node, reason, 0);
    node_refuse(node, WIRE_REASON_NONE, 0);
    return MODBUS_OK;
}

enum modbus_exception node_execute(struct node *node, const struct node_command *command)
{
    switch (command->code) {
    case WIRE_COMMAND_NONE:
        return MODBUS_OK;
    case WIRE_COMMAND_VERIFY:
        return stage_taken(node) ? MODBUS_DEVICE_BUSY : verify(node, command->length, command->crc);
    case WIRE_COMMAND_COMMIT:
        return commit(node, command->crc);
    case WIRE_COMMAND_ROLLBACK:
        return rollback(node, command->crc);
    case WIRE_COMMAND_SAVE_SETTINGS:
        return save_settings(node);
    case WIRE_COMMAND_RESTART:
        if (node->committing || node->saving)
            return MODBUS_DEVICE_BUSY;
        node->restart = true;
        return MODBUS_OK;
    case WIRE_COMMAND_TRAIN:
        return train(node);
    case WIRE_COMMAND_RESUME:
        trainer_resume(&node->trainer);
        return MODBUS_OK;
    case WIRE_COMMAND_STOP:
        if (trainer_active(&node->trainer))
            node->trainer.state = WIRE_TRAINING_STOPPED;
        return MODBUS_OK;
    default:
        node_refuse(node, WIRE_REASON_COMMAND, 0);
        return MODBUS_ILLEGAL_VALUE;
    }
}
