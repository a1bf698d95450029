#include "app/node.h"

#include <string.h>

#include "core/fixed.h"
#include "core/infer.h"
#include "port/port.h"

#define BLINK_MS 250u

/* -------------------------------------------------------------------------------------------------- flash */

static void program_model(void *context, unsigned sector, uint32_t offset, uint32_t word)
{
    (void)context;
    port_flash_program(PORT_MODEL_A + sector, offset, word);
}

static void erase_model(void *context, unsigned sector)
{
    (void)context;
    port_flash_erase(PORT_MODEL_A + sector);
}

static void program_settings(void *context, unsigned sector, uint32_t offset, uint32_t word)
{
    (void)context;
    port_flash_program(PORT_SETTINGS_A + sector, offset, word);
}

static void erase_settings(void *context, unsigned sector)
{
    (void)context;
    port_flash_erase(PORT_SETTINGS_A + sector);
}

static bool flash_busy(void *context)
{
    (void)context;
    return port_flash_busy();
}

/* --------------------------------------------------------------------------------------------------- boot */

static void boot_settings(struct node *node)
{
    const struct store_flash flash = {
        .sector = {port_flash_sector(PORT_SETTINGS_A), port_flash_sector(PORT_SETTINGS_B)},
        .size = PORT_SECTOR_SIZE,
        .program = program_settings,
        .erase = erase_settings,
        .busy = flash_busy,
    };
    store_boot(&node->settings_store, &flash);
    node->settings = settings_default();
    const struct store_record *kept = &node->settings_store.active;
    struct settings stored;
    if (kept->payload && kept->length == sizeof stored) {
        memcpy(&stored, kept->payload, sizeof stored);
        if (settings_valid(&stored))
            node->settings = stored;
    }
    settings_to_words(&node->settings, node->settings_words);
}

/* Run the model that the store calls active. False when it is refused. */
static bool run_active(struct node *node)
{
    const struct store_record *active = &node->models.active;
    struct image model;
    uint16_t detail;
    enum wire_reason reason = image_open(&model, active->payload, active->length, &detail);
    if (reason == WIRE_REASON_NONE)
        reason = image_self_test(&model, &detail);
    if (reason != WIRE_REASON_NONE) {
        node_refuse(node, reason, detail);
        node->fault = true;
        return false;
    }
    node->model = model;
    node->model_valid = true;
    for (unsigned i = 0; i < WIRE_UNITS_MAX; i++)
        node_set_input(node, i, node->inputs_float[i]); /* the same values at the new scales */
    node_infer(node);
    return true;
}

/* The newest model that this firmware accepts; a refused one is kept, reported, and not run. */
static void boot_model(struct node *node)
{
    const struct store_flash flash = {
        .sector = {port_flash_sector(PORT_MODEL_A), port_flash_sector(PORT_MODEL_B)},
        .size = PORT_SECTOR_SIZE,
        .program = program_model,
        .erase = erase_model,
        .busy = flash_busy,
    };
    store_boot(&node->models, &flash);
    if (!node->models.active.payload || run_active(node))
        return;
    store_skip_active(&node->models);
    if (node->models.active.payload)
        run_active(node);
}

static void open_line(struct node *node)
{
    const struct port_line line = settings_line(&node->settings);
    node->server.address = node->settings.address;
    port_rs485_open(&line, &node->link);
}

void node_boot(struct node *node)
{
    boot_settings(node);
    boot_model(node);
    trainer_init(&node->trainer, port_arena());
    node->server.data = node_registers(node);
    open_line(node);
}

/* -------------------------------------------------------------------------------------------------- serve */

size_t node_serve(struct node *node, const uint8_t *request, size_t size, uint8_t *reply)
{
    const uint16_t overruns = node->link.overruns;
    node->server.counters.overruns += (uint16_t)(overruns - node->overruns);
    node->overruns = overruns;
    return modbus_serve(&node->server, request, size, reply);
}

void node_listen(struct node *node)
{
    size_t size;
    const uint8_t *request = link_receive(&node->link, &size);
    if (!request)
        return;
    size = node_serve(node, request, size, node->link.reply);
    link_done(&node->link);
    if (size > 0)
        link_send(&node->link, size);
}

/* -------------------------------------------------------------------------------------------------- infer */

int node_input_fraction(const struct node *node, unsigned index)
{
    return node->model_valid && index < node->model.inputs ? node->model.input_fraction[index] : 0;
}

void node_set_input(struct node *node, unsigned index, float value)
{
    node->inputs_float[index] = value;
    node->inputs[index] = fixed_from_float(value, node_input_fraction(node, index));
}

void node_infer(struct node *node)
{
    if (!node->model_valid)
        return;
    memset(node->outputs, 0, sizeof node->outputs);
    infer(&node->model, node->inputs, node->outputs);
    node->decision = infer_led(&node->model, node->outputs);
    node->inferences++;
}

/* --------------------------------------------------------------------------------------------------- work */

enum wire_state node_state(const struct node *node)
{
    if (store_erasing(&node->models) || store_erasing(&node->settings_store))
        return WIRE_STATE_ERASING;
    if (node->committing || node->saving)
        return WIRE_STATE_COMMITTING;
    return node->trainer.state == WIRE_TRAINING_RUNNING ? WIRE_STATE_TRAINING : WIRE_STATE_IDLE;
}

void node_refuse(struct node *node, enum wire_reason reason, uint16_t detail)
{
    node->reason = (uint16_t)reason;
    node->detail = detail;
}

static void flash_failed(struct node *node)
{
    node_refuse(node, WIRE_REASON_FLASH, 0);
    node->fault = true;
}

static void end_commit(struct node *node)
{
    node->committing = false;
    node->verified = false;
    if (node->models.result != STORE_OK)
        flash_failed(node);
    else
        run_active(node);
}

static void end_saving(struct node *node)
{
    node->saving = false;
    if (node->settings_store.result != STORE_OK) {
        flash_failed(node);
        return;
    }
    node->settings = node->next;
    node->reopen = true;
}

/* One sample; at the end of the training its image goes into the stage, and is taken as any staged image is.
 */
static bool train(struct node *node)
{
    if (trainer_step(&node->trainer))
        return true;
    if (!trainer_learnt(&node->trainer) || node->committing)
        return false;
    enum wire_reason reason;
    uint16_t detail;
    const size_t length = trainer_finish(&node->trainer, node->stage, sizeof node->stage, &reason, &detail);
    uint32_t crc = 0;
    if (length > 0) {
        memcpy(&crc, node->stage + length - sizeof crc, sizeof crc); /* an image ends with it */
        node_check_stage(node, (uint32_t)length, crc);
    } else {
        node_refuse(node, reason, detail);
    }
    return false;
}

/* There is one flash: a store that has begun goes on before the other begins. */
static bool step_stores(struct node *node)
{
    struct store *models = &node->models, *settings = &node->settings_store;
    if (settings->step != STORE_STEP_IDLE)
        return store_step(settings);
    return store_step(models) || store_step(settings);
}

bool node_work(struct node *node)
{
    const bool training = train(node);
    if (!link_quiet(&node->link))
        return training; /* the bus comes first: no stall of the flash may fall into a frame */
    if (node->restart)
        port_reset();
    if (node->reopen) {
        node->reopen = false;
        open_line(node);
    }
    const bool more = step_stores(node);
    if (node->committing && node->models.result != STORE_BUSY)
        end_commit(node);
    if (node->saving && node->settings_store.result != STORE_BUSY)
        end_saving(node);
    return more || training || node->reopen;
}

/* --------------------------------------------------------------------------------------------------- lamp */

static bool coil(const struct node *node, unsigned number)
{
    return (node->coils >> number) & 1u;
}

bool node_lamp(const struct node *node)
{
    if (coil(node, WIRE_COIL_LAMP_TEST))
        return true;
    if (coil(node, WIRE_COIL_IDENTIFY))
        return port_millis() / BLINK_MS % 2 == 0;
    return node->decision;
}

void node_show(struct node *node)
{
    port_led(node_lamp(node));
}
