/* The node as the bus sees it. Every access lies within one area of a table, or is refused with exception 02;
 * a value of more than one register is written whole or not at all. */
#include <math.h>
#include <string.h>

#include "app/node.h"
#include "core/fixed.h"
#include "port/port.h"

#define COILS 3u
#define DISCRETES 7u
#define IDENTITY_WORDS (WIRE_INPUT_FAULT_FILE + WIRE_INPUT_FAULT_FILE_SIZE - WIRE_INPUT_WIRE_VERSION)
#define COMMAND_WORDS (WIRE_HOLDING_CRC + WIRE_HOLDING_CRC_SIZE - WIRE_HOLDING_COMMAND)
#define RESULT_WORDS (WIRE_HOLDING_RESULTS + WIRE_HOLDING_RESULTS_SIZE - WIRE_HOLDING_RESULT_BITS)
#define PROGRESS_WORDS                                                                                       \
    (WIRE_INPUT_TRAIN_PARAMETERS + WIRE_INPUT_TRAIN_PARAMETERS_SIZE - WIRE_INPUT_TRAIN_STATE)
#define FRACTION_WORDS (WIRE_INPUT_OUTPUT_FRACTION + 1u - WIRE_INPUT_INPUT_FRACTION)

_Static_assert(WIRE_COIL_IDENTIFY == COILS - 1 && WIRE_DISCRETE_DECISION == DISCRETES - 1,
               "the last of each");

/* The offset of [address, address + count) in the area of `size` registers at `start`, or -1. */
static int32_t offset_in(uint16_t address, uint16_t count, uint32_t start, uint32_t size)
{
    return address >= start && (uint32_t)address + count <= start + size ? (int32_t)(address - start) : -1;
}

static uint16_t high(uint32_t value)
{
    return (uint16_t)(value >> 16);
}

static uint16_t low(uint32_t value)
{
    return (uint16_t)value;
}

static uint32_t join(const uint16_t *words)
{
    return (uint32_t)words[0] << 16 | words[1];
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Two bytes a register, first byte high: the bytes travel as they stand. */
static void bytes_to_words(uint16_t *words, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        words[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
}

static void words_to_bytes(uint8_t *bytes, const uint16_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (uint8_t)(words[i] >> 8);
        bytes[2 * i + 1] = (uint8_t)words[i];
    }
}

/* --------------------------------------------------------------------------------------------------- bits */

static uint8_t discretes(const struct node *node)
{
    const struct {
        unsigned number;
        bool set;
    } bits[] = {
        {WIRE_DISCRETE_LED, node_lamp(node)},
        {WIRE_DISCRETE_MODEL_VALID, node->model_valid},
        {WIRE_DISCRETE_TRAINING, trainer_active(&node->trainer)},
        {WIRE_DISCRETE_FAULT, node->fault},
        {WIRE_DISCRETE_BUSY, node_state(node) != WIRE_STATE_IDLE},
        {WIRE_DISCRETE_STAGED, node->verified},
        {WIRE_DISCRETE_DECISION, node->decision},
    };
    unsigned packed = 0;
    for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++)
        packed |= (unsigned)bits[i].set << bits[i].number;
    return (uint8_t)packed;
}

static enum modbus_exception read_bits(void *context, enum wire_table table, uint16_t address, uint16_t count,
                                       uint8_t *packed)
{
    struct node *node = context;
    const bool coils = table == WIRE_TABLE_COIL;
    if (offset_in(address, count, 0, coils ? COILS : DISCRETES) < 0)
        return MODBUS_ILLEGAL_ADDRESS;
    const unsigned bits = coils ? node->coils : discretes(node);
    packed[0] = (uint8_t)((bits >> address) & ((1u << count) - 1u));
    return MODBUS_OK;
}

static void inputs_changed(struct node *node)
{
    if (!((node->coils >> WIRE_COIL_HOLD) & 1u))
        node_infer(node);
}

static enum modbus_exception write_coils(void *context, uint16_t address, uint16_t count,
                                         const uint8_t *packed)
{
    struct node *node = context;
    if (offset_in(address, count, 0, COILS) < 0)
        return MODBUS_ILLEGAL_ADDRESS;
    const unsigned mask = ((1u << count) - 1u) << address;
    node->coils = (uint8_t)((node->coils & ~mask) | (((unsigned)packed[0] << address) & mask));
    inputs_changed(node); /* they may have, while HOLD was set */
    return MODBUS_OK;
}

/* ----------------------------------------------------------------------------------------- read registers */

struct identity {
    uint16_t words[IDENTITY_WORDS];
};

static void put16(struct identity *identity, uint16_t address, unsigned value)
{
    identity->words[address - WIRE_INPUT_WIRE_VERSION] = (uint16_t)value;
}

static void put32(struct identity *identity, uint16_t address, uint32_t value)
{
    put16(identity, address, high(value));
    put16(identity, (uint16_t)(address + 1), low(value));
}

static void put_bytes(struct identity *identity, uint16_t address, const void *bytes, size_t words)
{
    bytes_to_words(&identity->words[address - WIRE_INPUT_WIRE_VERSION], bytes, words);
}

static void identify(const struct node *node, struct identity *out)
{
    const struct image *model = &node->model;
    const struct port_start *start = port_start();
    *out = (struct identity){0};
    put16(out, WIRE_INPUT_WIRE_VERSION, WIRE_VERSION);
    put16(out, WIRE_INPUT_FIRMWARE_VERSION, WIRE_FIRMWARE_MAJOR << 8 | WIRE_FIRMWARE_MINOR);
    put_bytes(out, WIRE_INPUT_UID, port_uid(), WIRE_INPUT_UID_SIZE);
    put16(out, WIRE_INPUT_STATE, node_state(node));
    put16(out, WIRE_INPUT_REASON, node->reason);
    put16(out, WIRE_INPUT_DETAIL, node->detail);
    if (node->model_valid) {
        put32(out, WIRE_INPUT_SEQUENCE, node->models.active.sequence);
        put32(out, WIRE_INPUT_MODEL_CRC, model->crc);
        put32(out, WIRE_INPUT_MODEL_LENGTH, model->length);
        put16(out, WIRE_INPUT_MODEL_LAYERS, model->layer_count);
        put16(out, WIRE_INPUT_MODEL_INPUTS, model->inputs);
        put16(out, WIRE_INPUT_MODEL_OUTPUTS, model->outputs);
        put16(out, WIRE_INPUT_MODEL_VECTORS, model->vector_count);
        put_bytes(out, WIRE_INPUT_MODEL_NAME, model->name, WIRE_INPUT_MODEL_NAME_SIZE);
    }
    put32(out, WIRE_INPUT_PREVIOUS_SEQUENCE, node->models.previous.sequence);
    put32(out, WIRE_INPUT_PREVIOUS_CRC, node_previous_crc(node));
    put32(out, WIRE_INPUT_STAGED_CRC, node->verified ? node->staged.crc : 0);
    put32(out, WIRE_INPUT_UPTIME, port_millis());
    put32(out, WIRE_INPUT_INFERENCES, node->inferences);
    put16(out, WIRE_INPUT_START_CAUSE, start->cause);
    put16(out, WIRE_INPUT_FAULT_LINE, start->line);
    put32(out, WIRE_INPUT_FAULT_PC, start->pc);
    put_bytes(out, WIRE_INPUT_FAULT_FILE, start->file, WIRE_INPUT_FAULT_FILE_SIZE);
}

/* Registers of a row of floats, from the `offset`th register of the row. */
static void floats_to_words(uint16_t *words, const float *row, uint32_t offset, uint16_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t bits = float_bits(row[(offset + i) / 2]);
        words[i] = (offset + i) % 2 == 0 ? high(bits) : low(bits);
    }
}

static int8_t out_fraction(const struct node *node)
{
    return node->model_valid ? node->model.layers[node->model.layer_count - 1].out_fraction : 0;
}

static void outputs_float(const struct node *node, uint16_t *words, uint32_t offset, uint16_t count)
{
    float row[WIRE_UNITS_MAX];
    for (unsigned i = 0; i < WIRE_UNITS_MAX; i++)
        row[i] = fixed_to_float(node->outputs[i], out_fraction(node));
    floats_to_words(words, row, offset, count);
}

static void training_progress(const struct trainer *trainer, uint16_t words[PROGRESS_WORDS])
{
    uint64_t loss;
    memcpy(&loss, &trainer->loss, sizeof loss);
    const uint32_t values[] = {trainer->epoch, (uint32_t)(loss >> 32), (uint32_t)loss, trainer->chain,
                               trainer->parameters};
    words[0] = (uint16_t)trainer->state;
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        words[1 + 2 * i] = high(values[i]);
        words[2 + 2 * i] = low(values[i]);
    }
}

static enum modbus_exception read_input(struct node *node, uint16_t address, uint16_t count, uint16_t *values)
{
    const size_t size = count * sizeof *values;
    int32_t offset;

    if ((offset = offset_in(address, count, WIRE_INPUT_OUTPUTS, WIRE_INPUT_OUTPUTS_SIZE)) >= 0) {
        memcpy(values, node->outputs + offset, size);
    } else if ((offset = offset_in(address, count, WIRE_INPUT_OUTPUTS_FLOAT,
                                   WIRE_INPUT_OUTPUTS_FLOAT_SIZE)) >= 0) {
        outputs_float(node, values, (uint32_t)offset, count);
    } else if ((offset = offset_in(address, count, WIRE_INPUT_WIRE_VERSION, IDENTITY_WORDS)) >= 0) {
        struct identity now;
        identify(node, &now);
        memcpy(values, now.words + offset, size);
    } else if ((offset = offset_in(address, count, WIRE_INPUT_INPUT_FRACTION, FRACTION_WORDS)) >= 0) {
        uint16_t words[FRACTION_WORDS] = {0};
        for (unsigned i = 0; node->model_valid && i < node->model.inputs; i++)
            words[i] = (uint16_t)node->model.input_fraction[i];
        words[WIRE_INPUT_OUTPUT_FRACTION - WIRE_INPUT_INPUT_FRACTION] = (uint16_t)out_fraction(node);
        memcpy(values, words + offset, size);
    } else if ((offset = offset_in(address, count, WIRE_INPUT_TRAIN_STATE, PROGRESS_WORDS)) >= 0) {
        uint16_t words[PROGRESS_WORDS];
        training_progress(&node->trainer, words);
        memcpy(values, words + offset, size);
    } else if (node->model_valid &&
               (offset = offset_in(address, count, WIRE_INPUT_IMAGE, node->model.length / 2)) >= 0) {
        bytes_to_words(values, node->model.bytes + 2 * offset, count);
    } else {
        return MODBUS_ILLEGAL_ADDRESS;
    }
    return MODBUS_OK;
}

static void command_to_words(const struct node_command *command, uint16_t words[COMMAND_WORDS])
{
    words[0] = command->code;
    words[1] = high(command->length);
    words[2] = low(command->length);
    words[3] = high(command->crc);
    words[4] = low(command->crc);
}

static enum modbus_exception read_holding(struct node *node, uint16_t address, uint16_t count,
                                          uint16_t *values)
{
    const size_t size = count * sizeof *values;
    int32_t offset;

    if ((offset = offset_in(address, count, WIRE_HOLDING_INPUTS, WIRE_HOLDING_INPUTS_SIZE)) >= 0) {
        memcpy(values, node->inputs + offset, size);
    } else if ((offset = offset_in(address, count, WIRE_HOLDING_INPUTS_FLOAT,
                                   WIRE_HOLDING_INPUTS_FLOAT_SIZE)) >= 0) {
        floats_to_words(values, node->inputs_float, (uint32_t)offset, count);
    } else if ((offset = offset_in(address, count, WIRE_HOLDING_ADDRESS, SETTINGS_WORDS)) >= 0) {
        memcpy(values, node->settings_words + offset, size);
    } else if ((offset = offset_in(address, count, WIRE_HOLDING_COMMAND, COMMAND_WORDS)) >= 0) {
        uint16_t words[COMMAND_WORDS];
        command_to_words(&node->command, words);
        memcpy(values, words + offset, size);
    } else if ((offset = offset_in(address, count, WIRE_HOLDING_RESULT_BITS, RESULT_WORDS)) >= 0) {
        uint16_t words[RESULT_WORDS] = {discretes(node)};
        memcpy(words + 1, node->outputs, sizeof node->outputs);
        memcpy(values, words + offset, size);
    } else if ((offset = offset_in(address, count, WIRE_HOLDING_RESULTS_FLOAT,
                                   WIRE_HOLDING_RESULTS_FLOAT_SIZE)) >= 0) {
        outputs_float(node, values, (uint32_t)offset, count);
    } else if ((offset = offset_in(address, count, WIRE_HOLDING_TRAIN_LAYERS, TRAINER_WORDS)) >= 0) {
        memcpy(values, node->trainer.words + offset, size);
    } else if ((offset = offset_in(address, count, WIRE_HOLDING_ARENA, WIRE_HOLDING_ARENA_SIZE)) >= 0) {
        bytes_to_words(values, node->trainer.arena + 2 * offset, count);
    } else if ((offset = offset_in(address, count, WIRE_HOLDING_STAGE, WIRE_HOLDING_STAGE_SIZE)) >= 0) {
        bytes_to_words(values, node->stage + 2 * offset, count);
    } else {
        return MODBUS_ILLEGAL_ADDRESS;
    }
    return MODBUS_OK;
}

static enum modbus_exception read_registers(void *context, enum wire_table table, uint16_t address,
                                            uint16_t count, uint16_t *values)
{
    return table == WIRE_TABLE_HOLDING ? read_holding(context, address, count, values)
                                       : read_input(context, address, count, values);
}

/* ---------------------------------------------------------------------------------------- write registers */

static enum modbus_exception write_inputs(struct node *node, uint32_t offset, uint16_t count,
                                          const uint16_t *values)
{
    for (uint32_t i = offset; i < offset + count; i++) {
        const int16_t q = (int16_t)values[i - offset];
        node_set_input(node, i, fixed_to_float(q, node_input_fraction(node, i)));
    }
    inputs_changed(node);
    return MODBUS_OK;
}

static enum modbus_exception write_inputs_float(struct node *node, uint32_t offset, uint16_t count,
                                                const uint16_t *values)
{
    if (offset % 2 != 0 || count % 2 != 0)
        return MODBUS_ILLEGAL_ADDRESS; /* half a value */
    for (uint16_t i = 0; i < count; i += 2)
        if (isnan(bits_float(join(values + i))))
            return MODBUS_ILLEGAL_VALUE;
    for (uint16_t i = 0; i < count; i += 2)
        node_set_input(node, (offset + i) / 2, bits_float(join(values + i)));
    inputs_changed(node);
    return MODBUS_OK;
}

/* Whether [offset, offset + count) begins or ends between the two registers of the value at `pair`. */
static bool splits(uint32_t offset, uint16_t count, uint32_t pair)
{
    return offset == pair + 1 || offset + count == pair + 1;
}

static enum modbus_exception write_settings(struct node *node, uint32_t offset, uint16_t count,
                                            const uint16_t *values)
{
    if (splits(offset, count, WIRE_HOLDING_BAUD - WIRE_HOLDING_ADDRESS))
        return MODBUS_ILLEGAL_ADDRESS;
    memcpy(node->settings_words + offset, values, count * sizeof *values);
    return MODBUS_OK;
}

/* A refused command leaves its registers as they were; a written COMMAND is carried out when all of them
 * stand. */
static enum modbus_exception write_command(struct node *node, uint32_t offset, uint16_t count,
                                           const uint16_t *values)
{
    if (splits(offset, count, WIRE_HOLDING_LENGTH - WIRE_HOLDING_COMMAND) ||
        splits(offset, count, WIRE_HOLDING_CRC - WIRE_HOLDING_COMMAND))
        return MODBUS_ILLEGAL_ADDRESS;
    uint16_t words[COMMAND_WORDS];
    command_to_words(&node->command, words);
    memcpy(words + offset, values, count * sizeof *values);
    const struct node_command command = {.code = words[0], .length = join(words + 1), .crc = join(words + 3)};
    if (offset == 0) {
        enum modbus_exception exception = node_execute(node, &command);
        if (exception)
            return exception;
    }
    node->command = command;
    return MODBUS_OK;
}

static enum modbus_exception write_stage(struct node *node, uint32_t offset, uint16_t count,
                                         const uint16_t *values)
{
    if (node->committing || trainer_active(&node->trainer))
        return MODBUS_DEVICE_BUSY; /* it is being copied into the flash, or waits for what is learnt */
    words_to_bytes(node->stage + 2 * offset, values, count);
    node->verified = false;
    return MODBUS_OK;
}

static enum modbus_exception write_training(struct node *node, uint32_t offset, uint16_t count,
                                            const uint16_t *values)
{
    if (trainer_splits(offset, count))
        return MODBUS_ILLEGAL_ADDRESS;
    memcpy(node->trainer.words + offset, values, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception write_arena(struct node *node, uint32_t offset, uint16_t count,
                                         const uint16_t *values)
{
    if (trainer_active(&node->trainer))
        return MODBUS_DEVICE_BUSY;
    words_to_bytes(node->trainer.arena + 2 * offset, values, count);
    return MODBUS_OK;
}

static enum modbus_exception write_registers(void *context, uint16_t address, uint16_t count,
                                             const uint16_t *values)
{
    static const struct {
        uint32_t start, size;
        enum modbus_exception (*write)(struct node *, uint32_t offset, uint16_t count, const uint16_t *);
    } areas[] = {
        {WIRE_HOLDING_INPUTS, WIRE_HOLDING_INPUTS_SIZE, write_inputs},
        {WIRE_HOLDING_INPUTS_FLOAT, WIRE_HOLDING_INPUTS_FLOAT_SIZE, write_inputs_float},
        {WIRE_HOLDING_ADDRESS, SETTINGS_WORDS, write_settings},
        {WIRE_HOLDING_COMMAND, COMMAND_WORDS, write_command},
        {WIRE_HOLDING_STAGE, WIRE_HOLDING_STAGE_SIZE, write_stage},
        {WIRE_HOLDING_TRAIN_LAYERS, TRAINER_WORDS, write_training},
        {WIRE_HOLDING_ARENA, WIRE_HOLDING_ARENA_SIZE, write_arena},
    };
    for (unsigned i = 0; i < sizeof areas / sizeof *areas; i++) {
        const int32_t offset = offset_in(address, count, areas[i].start, areas[i].size);
        if (offset >= 0)
            return areas[i].write(context, (uint32_t)offset, count, values);
    }
    return MODBUS_ILLEGAL_ADDRESS;
}

struct modbus_data node_registers(struct node *node)
{
    return (struct modbus_data){
        .context = node,
        .read_bits = read_bits,
        .write_coils = write_coils,
        .read_registers = read_registers,
        .write_registers = write_registers,
        .uid = port_uid(),
    };
}
