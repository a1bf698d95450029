#include "app/models.h"

#include <string.h>

#include "app/sectors.h"
#include "core/crc.h"
#include "crypto/crypto.h"

/* The faults of a record that was kept: damaged, refused by image_open or its self-test, or made for another board. */
#define BAD_RECORD                                                                                           \
    (((2u << WIRE_REASON_SELF_TEST) - (1u << WIRE_REASON_MAGIC)) | 1u << WIRE_REASON_ROTTEN_MODEL |          \
     1u << WIRE_REASON_ROTTEN_RUNNING | 1u << WIRE_REASON_SENSES | 1u << WIRE_REASON_DECIDES)

/* An image ends with its own CRC-32. */
static uint32_t image_crc(const uint8_t *image, size_t length)
{
    uint32_t crc;
    memcpy(&crc, image + length - sizeof crc, sizeof crc);
    return crc;
}

/* ------------------------------------------------------------------------------------------------- running */

/* Whether an opened image can run here: the board has the channels of its inputs, and its self-test passes. */
static enum wire_reason runs_here(const struct image *model, uint16_t *detail)
{
    for (unsigned i = 0; model->senses && i < model->inputs; i++)
        if (senses_channels(model->sources + i, 1) & ~port_channels()) {
            *detail = (uint16_t)i;
            return WIRE_REASON_SENSES;
        }
    return image_self_test(model, detail);
}

const struct store_record *models_previous(const struct models *models)
{
    static const struct store_record none;
    if (!models->on_trial)
        return &models->store.previous;
    return models->returns ? &models->store.active : &none;
}

uint32_t models_previous_crc(const struct models *models)
{
    const struct store_record *record = models_previous(models);
    return record->payload ? image_crc(record->payload, record->length) : 0;
}

static void hash_of(const uint8_t *image, uint32_t length, uint8_t hash[WIRE_HASH_BYTES])
{
    memset(hash, 0, WIRE_HASH_BYTES);
    if (image)
        crypto_hash(image, length, hash);
}

/* What runs, and what would come back, has changed. */
static void hash_models(struct models *models)
{
    const struct image *model = neuron_model(models->neuron);
    const struct store_record *record = models_previous(models);
    hash_of(model ? model->bytes : NULL, model ? model->length : 0, models->running_hash);
    hash_of(record->payload, record->length, models->previous_hash);
}

/* Run the model that the store calls active. False when it is refused. */
static bool run_active(struct models *models)
{
    const struct store_record *active = &models->store.active;
    struct image model;
    uint16_t detail;
    enum wire_reason reason = image_open(&model, active->payload, active->length, &detail);
    if (reason == WIRE_REASON_NONE)
        reason = runs_here(&model, &detail);
    if (reason != WIRE_REASON_NONE) {
        refusal_fault(models->refusal, reason, detail);
        return false;
    }
    if (models->on_trial)
        neuron_move(models->neuron, &model);
    else
        neuron_run(models->neuron, &model);
    models->checked = models->check_crc = 0;
    return true;
}

/* How a trial ends: EVENT_DETAIL. */
enum trial_end { TRIAL_RETURNED = 0, TRIAL_BEGAN = 1, TRIAL_KEPT = 2 };

static void tell_trial(struct models *models, enum trial_end what)
{
    models->on_trial = what == TRIAL_BEGAN;
    events_add(models->refusal->events, WIRE_EVENT_KIND_TRIAL, (uint16_t)what, models->staged.crc, NULL, 0);
}

/* The active record is no good: run the one before it, or none. */
static void run_previous(struct models *models)
{
    models->fallback = true;
    store_skip_active(&models->store);
    if (!models->store.active.payload || !run_active(models))
        neuron_stop(models->neuron);
}

void models_boot(struct models *models, struct neuron *neuron, struct trainer *trainer,
                 const struct trust *trust, struct refusal *refusal, struct wear *wear)
{
    const struct store_flash flash = sectors_flash(PORT_MODEL_A);
    models->neuron = neuron;
    models->trainer = trainer;
    models->trust = trust;
    models->refusal = refusal;
    models->wear = wear;
    models->committing = models->verified = models->on_trial = models->lent = false;
    store_boot(&models->store, &flash);
    models->fallback = models->store.rotten;
    if (models->store.unsettled)
        refusal_fault(refusal, WIRE_REASON_SUPPLY, 0);
    if (models->store.rotten)
        refusal_fault(refusal, WIRE_REASON_ROTTEN_MODEL, 0);
    if (models->store.active.payload && !run_active(models))
        run_previous(models);
    hash_models(models);
}

void models_check(struct models *models, uint32_t bytes)
{
    const struct image *model = neuron_model(models->neuron);
    if (!model || models->committing)
        return;
    const uint32_t left = model->length - (uint32_t)sizeof model->crc - models->checked;
    const uint32_t size = left < bytes ? left : bytes;
    models->check_crc = crc32_more(models->check_crc, model->bytes + models->checked, size);
    models->checked += size;
    if (size < left)
        return;
    const bool good = models->check_crc == model->crc && image_crc(model->bytes, model->length) == model->crc;
    models->checked = models->check_crc = 0;
    if (good)
        return;
    refusal_fault(models->refusal, WIRE_REASON_ROTTEN_RUNNING, 0);
    if (models->on_trial)
        models_return(models);
    else
        run_previous(models);
    hash_models(models);
}

static bool is_meant(const struct models_meant *meant, uint32_t crc, const uint8_t *hash)
{
    return meant->hash ? memcmp(meant->hash, hash, WIRE_HASH_BYTES) == 0 : meant->crc == crc;
}

bool models_runs(const struct models *models, const struct models_meant *meant)
{
    const struct image *model = neuron_model(models->neuron);
    return model && is_meant(meant, model->crc, models->running_hash);
}

void models_staged_hash(const struct models *models, uint8_t hash[WIRE_HASH_BYTES])
{
    if (models->hashed)
        memcpy(hash, models->staged_hash, WIRE_HASH_BYTES);
    else
        hash_of(models->stage, models->staged.length, hash);
}

static void hash_staged(struct models *models)
{
    if (!models->hashed)
        hash_of(models->stage, models->staged.length, models->staged_hash);
    models->hashed = true;
}

bool models_staged_is(const struct models *models, const struct models_meant *meant)
{
    uint8_t hash[WIRE_HASH_BYTES];
    if (!meant->hash)
        return meant->crc == models->staged.crc;
    models_staged_hash(models, hash);
    return memcmp(meant->hash, hash, sizeof hash) == 0;
}

/* --------------------------------------------------------------------------------------------------- stage */

/* It is being copied into the flash, waits for what is learnt, or is on trial. */
static enum modbus_exception stage_taken(const struct models *models)
{
    if (models->committing || trainer_active(models->trainer))
        return MODBUS_DEVICE_BUSY;
    return models->on_trial ? refusal_answer(models->refusal, WIRE_REASON_TRIAL) : MODBUS_OK;
}

enum modbus_exception models_take_stage(struct models *models)
{
    const enum modbus_exception exception = stage_taken(models);
    if (!exception)
        models->verified = models->lent = false;
    return exception;
}

enum modbus_exception models_lend(struct models *models)
{
    const enum modbus_exception exception = models_take_stage(models);
    models->lent = !exception;
    return exception;
}

/* Is what stands in the stage the image that is meant, and can it run here? hash: of what stands there; NULL: nobody has
 * it yet. */
static enum modbus_exception check_stage(struct models *models, uint32_t length,
                                         const struct models_meant *meant, const uint8_t *hash)
{
    uint16_t detail = 0;
    enum wire_reason reason = WIRE_REASON_LENGTH;
    if (length <= sizeof models->stage)
        reason = image_open(&models->staged, models->stage, length, &detail);
    models->hashed = hash != NULL;
    if (hash)
        memcpy(models->staged_hash, hash, WIRE_HASH_BYTES);
    else if (reason == WIRE_REASON_NONE && meant->hash)
        hash_staged(models);
    if (reason == WIRE_REASON_NONE && !models_staged_is(models, meant))
        reason = meant->hash ? WIRE_REASON_HASH : WIRE_REASON_CRC;
    if (reason == WIRE_REASON_NONE && !trust_allows_release(models->trust, models->staged.release))
        reason = WIRE_REASON_FLOOR;
    if (reason == WIRE_REASON_NONE)
        reason = runs_here(&models->staged, &detail);
    models->verified = reason == WIRE_REASON_NONE;
    refusal_note(models->refusal, reason, detail);
    return models->verified ? MODBUS_OK : MODBUS_DEVICE_FAILURE;
}

enum modbus_exception models_verify(struct models *models, uint32_t length, const struct models_meant *meant)
{
    const enum modbus_exception exception = models_take_stage(models);
    return exception ? exception : check_stage(models, length, meant, NULL);
}

enum modbus_exception models_accept(struct models *models, uint32_t length,
                                    const uint8_t hash[WIRE_HASH_BYTES])
{
    return check_stage(models, length, &(struct models_meant){.hash = hash}, hash);
}

void models_take_learnt(struct models *models)
{
    if (!trainer_learnt(models->trainer) || models->committing)
        return;
    enum wire_reason reason;
    uint16_t detail;
    const size_t length =
        trainer_finish(models->trainer, models->stage, sizeof models->stage, &reason, &detail);
    if (length > 0)
        check_stage(models, (uint32_t)length, &(struct models_meant){.crc = image_crc(models->stage, length)},
                    NULL);
    else
        refusal_note(models->refusal, reason, detail);
}

/* -------------------------------------------------------------------------------------------------- commit */

enum modbus_exception models_allowed(struct models *models)
{
    return trust_allows_release(models->trust, models->staged.release)
               ? MODBUS_OK
               : refusal_answer(models->refusal, WIRE_REASON_FLOOR);
}

static enum modbus_exception start_commit(struct models *models)
{
    enum modbus_exception exception = models_allowed(models);
    if (!exception)
        exception = wear_commit(models->wear, &models->store, models->stage, models->staged.length);
    models->committing = !exception;
    return exception;
}

/* Not by its CRC-32 alone, which can be forged. */
static bool is_staged(const struct models *models, const void *bytes, uint32_t length)
{
    return !models->fallback && length == models->staged.length && memcmp(bytes, models->stage, length) == 0;
}

static bool staged_runs(const struct models *models)
{
    const struct image *model = neuron_model(models->neuron);
    return model && is_staged(models, model->bytes, model->length);
}

enum modbus_exception models_commit(struct models *models, const struct models_meant *meant)
{
    if (models->committing)
        return models_staged_is(models, meant) ? MODBUS_OK : MODBUS_DEVICE_BUSY;
    if (models->on_trial)
        return refusal_answer(models->refusal, WIRE_REASON_TRIAL);
    if (models->verified && models_staged_is(models, meant)) {
        models->lent = false;
        if (!staged_runs(models))
            return start_commit(models);
        models->verified = false;
    }
    return models_runs(models, meant) ? MODBUS_OK : refusal_answer(models->refusal, WIRE_REASON_NOT_VERIFIED);
}

enum modbus_exception models_install(struct models *models, uint32_t length, const struct models_meant *meant)
{
    /* While it is committed, the stage is taken: a repeated command is for models_commit to know. */
    const enum modbus_exception exception =
        models->committing ? MODBUS_OK : models_verify(models, length, meant);
    return exception ? exception : models_commit(models, meant);
}

enum modbus_exception models_rollback(struct models *models, const struct models_meant *meant)
{
    if (models->committing)
        return models_staged_is(models, meant) ? MODBUS_OK : MODBUS_DEVICE_BUSY;
    if (!models->on_trial && models_runs(models, meant))
        return MODBUS_OK;
    enum modbus_exception exception = stage_taken(models);
    if (exception)
        return exception;
    const struct store_record *record = models_previous(models);
    if (!record->payload || record->length > sizeof models->stage ||
        !is_meant(meant, models_previous_crc(models), models->previous_hash))
        return refusal_answer(models->refusal, WIRE_REASON_NO_PREVIOUS);
    exception = wear_allows(models->wear);
    if (exception)
        return exception;
    models->lent = false;
    memcpy(models->stage, record->payload, record->length);
    exception = check_stage(models, record->length, meant, NULL);
    if (!exception)
        exception = start_commit(models);
    models->verified = !exception;
    return exception;
}

/* The stage stands in the flash now, or could not be kept. */
static void end_commit(struct models *models)
{
    models->committing = false;
    models->verified = false;
    models->fallback &= models->store.result != STORE_OK;
    if (models->store.result != STORE_OK) {
        refusal_fault(models->refusal, WIRE_REASON_FLASH, 0);
        if (models->on_trial)
            models_return(models);
    } else if (!run_active(models)) {
        if (models->on_trial)
            tell_trial(models, TRIAL_RETURNED);
        run_previous(models);
    } else if (models->on_trial) {
        tell_trial(models, TRIAL_KEPT);
    }
    if (!models->fallback)
        refusal_mended(models->refusal, BAD_RECORD);
    hash_models(models);
}

/* --------------------------------------------------------------------------------------------------- trial */

void models_try(struct models *models)
{
    models->returns = neuron_model(models->neuron) != NULL;
    models->verified = models->lent = false;
    tell_trial(models, TRIAL_BEGAN);
    neuron_run(models->neuron, &models->staged);
    models->checked = models->check_crc = 0;
    memcpy(models->previous_hash, models->running_hash, WIRE_HASH_BYTES);
    hash_staged(models);
    memcpy(models->running_hash, models->staged_hash, WIRE_HASH_BYTES);
}

enum modbus_exception models_keep(struct models *models)
{
    const struct store_record *active = &models->store.active;
    if (!active->payload || !is_staged(models, active->payload, active->length) || !run_active(models))
        return start_commit(models);
    tell_trial(models, TRIAL_KEPT); /* the very bytes that ran before */
    hash_models(models);
    return MODBUS_OK;
}

void models_return(struct models *models)
{
    tell_trial(models, TRIAL_RETURNED);
    if (!models->returns)
        neuron_stop(models->neuron);
    else if (!run_active(models))
        run_previous(models);
    hash_models(models);
}

/* --------------------------------------------------------------------------------------------------- steps */

bool models_step(struct models *models)
{
    const bool more = store_step(&models->store);
    if (models->committing && models->store.result != STORE_BUSY)
        end_commit(models);
    return more;
}
