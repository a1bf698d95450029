#include "app/models.h"

#include <string.h>

#include "app/sectors.h"
#include "app/words.h"
#include "core/crc.h"

/* The faults of a record that was kept: damaged, refused by image_open or its self-test, or made for another board. */
#define BAD_RECORD                                                                                           \
    (((2u << WIRE_REASON_SELF_TEST) - (1u << WIRE_REASON_MAGIC)) | 1u << WIRE_REASON_ROTTEN_MODEL |          \
     1u << WIRE_REASON_ROTTEN_RUNNING | 1u << WIRE_REASON_SENSES | 1u << WIRE_REASON_DECIDES)
#define AT(name) (WIRE_INPUT_##name - WIRE_INPUT_MODEL_CRC)
#define IDENTITY_WORDS (AT(STAGED_CRC) + WIRE_INPUT_STAGED_CRC_SIZE)

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
                 struct refusal *refusal, struct wear *wear)
{
    const struct store_flash flash = sectors_flash(PORT_MODEL_A);
    models->neuron = neuron;
    models->trainer = trainer;
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

bool models_staged_is(const struct models *models, const struct models_meant *meant)
{
    return is_meant(meant, models->staged.crc, models->staged_hash);
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

/* Is what stands in the stage the image that is meant, and can it run here? */
static enum modbus_exception check_stage(struct models *models, uint32_t length,
                                         const struct models_meant *meant)
{
    uint16_t detail = 0;
    enum wire_reason reason = WIRE_REASON_LENGTH;
    if (length <= sizeof models->stage)
        reason = image_open(&models->staged, models->stage, length, &detail);
    if (reason == WIRE_REASON_NONE && !models_staged_is(models, meant))
        reason = meant->hash ? WIRE_REASON_HASH : WIRE_REASON_CRC;
    if (reason == WIRE_REASON_NONE)
        reason = runs_here(&models->staged, &detail);
    models->verified = reason == WIRE_REASON_NONE;
    refusal_note(models->refusal, reason, detail);
    return models->verified ? MODBUS_OK : MODBUS_DEVICE_FAILURE;
}

enum modbus_exception models_verify(struct models *models, uint32_t length, const struct models_meant *meant)
{
    const enum modbus_exception exception = models_take_stage(models);
    return exception ? exception : check_stage(models, length, meant);
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
        check_stage(models, (uint32_t)length,
                    &(struct models_meant){.crc = image_crc(models->stage, length)});
    else
        refusal_note(models->refusal, reason, detail);
}

/* -------------------------------------------------------------------------------------------------- commit */

static enum modbus_exception start_commit(struct models *models)
{
    const enum modbus_exception exception =
        wear_commit(models->wear, &models->store, models->stage, models->staged.length);
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

/* What ROLLBACK, or the end of the trial, brings back; its payload is NULL where there is none. */
static const struct store_record *previous(const struct models *models)
{
    static const struct store_record none;
    if (!models->on_trial)
        return &models->store.previous;
    return models->returns ? &models->store.active : &none;
}

static uint32_t previous_crc(const struct models *models)
{
    const struct store_record *record = previous(models);
    return record->payload ? image_crc(record->payload, record->length) : 0;
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
    const struct store_record *record = previous(models);
    if (!record->payload || record->length > sizeof models->stage ||
        !is_meant(meant, previous_crc(models), models->previous_hash))
        return refusal_answer(models->refusal, WIRE_REASON_NO_PREVIOUS);
    exception = wear_allows(models->wear);
    if (exception)
        return exception;
    models->lent = false;
    memcpy(models->stage, record->payload, record->length);
    exception = check_stage(models, record->length, meant);
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
}

/* --------------------------------------------------------------------------------------------------- trial */

void models_try(struct models *models)
{
    models->returns = neuron_model(models->neuron) != NULL;
    models->verified = models->lent = false;
    tell_trial(models, TRIAL_BEGAN);
    neuron_run(models->neuron, &models->staged);
    models->checked = models->check_crc = 0;
}

enum modbus_exception models_keep(struct models *models)
{
    const struct store_record *active = &models->store.active;
    if (!active->payload || !is_staged(models, active->payload, active->length) || !run_active(models))
        return start_commit(models);
    tell_trial(models, TRIAL_KEPT); /* the very bytes that ran before */
    return MODBUS_OK;
}

void models_return(struct models *models)
{
    tell_trial(models, TRIAL_RETURNED);
    if (!models->returns)
        neuron_stop(models->neuron);
    else if (!run_active(models))
        run_previous(models);
}

/* --------------------------------------------------------------------------------------------------- steps */

bool models_step(struct models *models)
{
    const bool more = store_step(&models->store);
    if (models->committing && models->store.result != STORE_BUSY)
        end_commit(models);
    return more;
}

/* ----------------------------------------------------------------------------------------------- registers */

/* Of the running model; on trial the one that it would get. */
static uint32_t sequence(const struct models *models)
{
    return models->on_trial ? models->store.sequence + 1 : models->store.active.sequence;
}

/* MODEL_CRC ... STAGED_CRC: the running model, the previous and the staged one. */
static enum modbus_exception read_identity(const void *part, uint32_t offset, uint16_t count,
                                           uint16_t *values)
{
    const struct models *models = part;
    const struct image *model = neuron_model(models->neuron);
    uint16_t words[IDENTITY_WORDS] = {0};
    if (model) {
        words_put32(words + AT(SEQUENCE), sequence(models));
        words_put32(words + AT(MODEL_CRC), model->crc);
        words_put32(words + AT(MODEL_LENGTH), model->length);
        words[AT(MODEL_LAYERS)] = model->layer_count;
        words[AT(MODEL_INPUTS)] = model->inputs;
        words[AT(MODEL_OUTPUTS)] = model->outputs;
        words[AT(MODEL_VECTORS)] = model->vector_count;
        words_from_bytes(words + AT(MODEL_NAME), model->name, WIRE_INPUT_MODEL_NAME_SIZE);
    }
    words_put32(words + AT(PREVIOUS_SEQUENCE), previous(models)->sequence);
    words_put32(words + AT(PREVIOUS_CRC), previous_crc(models));
    words_put32(words + AT(STAGED_CRC), models->verified ? models->staged.crc : 0);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

#define WHOSE_AT(name) (WIRE_HOLDING_##name - WIRE_HOLDING_RESULT_SEQUENCE)
#define WHOSE_WORDS (WHOSE_AT(RESULT_CRC) + WIRE_HOLDING_RESULT_CRC_SIZE)

/* RESULT_SEQUENCE and RESULT_CRC: the model whose results stand behind them. */
static enum modbus_exception read_whose(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct models *models = part;
    const struct image *model = neuron_model(models->neuron);
    uint16_t words[WHOSE_WORDS] = {0};
    if (model) {
        words_put32(words + WHOSE_AT(RESULT_SEQUENCE), sequence(models));
        words_put32(words + WHOSE_AT(RESULT_CRC), model->crc);
    }
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

#define HASHES_AT(name) (WIRE_INPUT_##name - WIRE_INPUT_MODEL_RELEASE)
#define HASHES_WORDS (HASHES_AT(PREVIOUS_HASH) + WIRE_INPUT_PREVIOUS_HASH_SIZE)

/* MODEL_RELEASE ... PREVIOUS_HASH. */
static enum modbus_exception read_hashes(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct models *models = part;
    uint16_t words[HASHES_WORDS] = {0};
    words_from_bytes(words + HASHES_AT(MODEL_HASH), models->running_hash, WIRE_INPUT_MODEL_HASH_SIZE);
    if (models->verified)
        words_from_bytes(words + HASHES_AT(STAGED_HASH), models->staged_hash, WIRE_INPUT_STAGED_HASH_SIZE);
    words_from_bytes(words + HASHES_AT(PREVIOUS_HASH), models->previous_hash, WIRE_INPUT_PREVIOUS_HASH_SIZE);
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

/* Readable as far as there is one. */
static enum modbus_exception read_image(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct models *models = part;
    const struct image *model = neuron_model(models->neuron);
    if (!model || offset + count > model->length / 2)
        return MODBUS_ILLEGAL_ADDRESS;
    words_from_bytes(values, model->bytes + 2 * offset, count);
    return MODBUS_OK;
}

static enum modbus_exception read_stage(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct models *models = part;
    words_from_bytes(values, models->stage + 2 * offset, count);
    return MODBUS_OK;
}

static enum modbus_exception write_stage(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    struct models *models = part;
    const enum modbus_exception exception = models_take_stage(models);
    if (!exception)
        words_to_bytes(models->stage + 2 * offset, values, count);
    return exception;
}

_Static_assert(2 * WIRE_HOLDING_STAGE_SIZE == WIRE_IMAGE_MAX && 2 * WIRE_INPUT_IMAGE_SIZE == WIRE_IMAGE_MAX,
               "two bytes a register");

const struct row models_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_RESULT_SEQUENCE, WHOSE_WORDS, read_whose, NULL},
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_STAGE, WIRE_HOLDING_STAGE_SIZE, read_stage, write_stage},
    {WIRE_TABLE_INPUT, WIRE_INPUT_MODEL_CRC, IDENTITY_WORDS, read_identity, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_IMAGE, WIRE_INPUT_IMAGE_SIZE, read_image, NULL},
    {WIRE_TABLE_INPUT, WIRE_INPUT_MODEL_RELEASE, HASHES_WORDS, read_hashes, NULL},
};
