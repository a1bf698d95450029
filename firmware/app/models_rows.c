/* What the registers of models.h say of the models, and the stage as the bus writes it. */
#include <string.h>

#include "app/models.h"
#include "app/words.h"

#define AT(name) (WIRE_INPUT_##name - WIRE_INPUT_MODEL_CRC)
#define IDENTITY_WORDS (AT(STAGED_CRC) + WIRE_INPUT_STAGED_CRC_SIZE)

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
    words_put32(words + AT(PREVIOUS_SEQUENCE), models_previous(models)->sequence);
    words_put32(words + AT(PREVIOUS_CRC), models_previous_crc(models));
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
    const struct image *model = neuron_model(models->neuron);
    uint16_t words[HASHES_WORDS] = {0};
    uint8_t hash[WIRE_HASH_BYTES];
    words_put32(words + HASHES_AT(MODEL_RELEASE), model ? model->release : 0);
    words_from_bytes(words + HASHES_AT(MODEL_HASH), models->running_hash, WIRE_INPUT_MODEL_HASH_SIZE);
    if (models->verified && offset < HASHES_AT(PREVIOUS_HASH) && offset + count > HASHES_AT(STAGED_HASH)) {
        models_staged_hash(models, hash);
        words_from_bytes(words + HASHES_AT(STAGED_HASH), hash, WIRE_INPUT_STAGED_HASH_SIZE);
    }
    if (models_previous(models)->payload) /* an erase takes it */
        words_from_bytes(words + HASHES_AT(PREVIOUS_HASH), models->previous_hash,
                         WIRE_INPUT_PREVIOUS_HASH_SIZE);
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
