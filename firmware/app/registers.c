#include "app/registers.h"

#include "port/port.h"

/* -------------------------------------------------------------------------------------------------- guards */

/* MODBUS_OK where the bus may do that; else REASON says why not. */
static enum modbus_exception ask(struct parts *parts, enum trust_deed deed)
{
    if (deed == TRUST_RUN && trust_lets_run(&parts->trust))
        return MODBUS_OK;
    const enum wire_reason reason = trust_refuses(&parts->trust, deed);
    return reason == WIRE_REASON_NONE ? MODBUS_OK : refusal_answer(&parts->refusal, reason);
}

static enum trust_deed deed_of_command(uint16_t command)
{
    switch (command) {
    case WIRE_COMMAND_NONE:
    case WIRE_COMMAND_VERIFY:
    case WIRE_COMMAND_TRAIN:
    case WIRE_COMMAND_RESUME:
    case WIRE_COMMAND_STOP:
        return TRUST_CHANGE;
    default:
        return TRUST_COMMAND;
    }
}

/* While an order is on its way nothing else is commanded that could be in its way. */
static enum modbus_exception guard_command(struct parts *parts, uint16_t command)
{
    const enum modbus_exception exception = ask(parts, deed_of_command(command));
    if (!exception && command != WIRE_COMMAND_NONE && parts->trust.checking)
        return MODBUS_DEVICE_BUSY;
    return exception;
}

/* Every way in which the bus writes registers comes here. What is named nowhere may be written by anybody: what waits
 * for a command, or is asked for to be read. ORDER has its own guard: the signature. */
static enum modbus_exception guard(struct parts *parts, uint32_t row, uint16_t address, const uint16_t *value)
{
    switch (row & UINT16_MAX) {
    case WIRE_HOLDING_INPUTS:
    case WIRE_HOLDING_INPUTS_FLOAT:
        return ask(parts, TRUST_RUN);
    case WIRE_HOLDING_ADDRESS:
        return ask(parts, TRUST_CHANGE);
    case WIRE_HOLDING_COMMAND: /* its arguments alone change what a later one means */
        return guard_command(parts, address == WIRE_HOLDING_COMMAND ? *value : WIRE_COMMAND_NONE);
    case WIRE_HOLDING_SESSION_HASH:
        return ask(parts, TRUST_SESSION);
    case WIRE_HOLDING_STAGE: /* what comes to all nodes has BLOCK, which says whose it is */
        return trust_hears(&parts->trust) ? MODBUS_OK
                                          : refusal_answer(&parts->refusal, WIRE_REASON_BROADCAST);
    default:
        return MODBUS_OK;
    }
}

/* Function 8 could silence the node until somebody ends that: so it is a command, unlike its restart, which restarts
 * nothing but the conversation. */
static enum modbus_exception listen_only(void *context)
{
    return ask(((struct registers *)context)->parts, TRUST_COMMAND);
}

/* --------------------------------------------------------------------------------------------------- bits */

/* Coils and discrete inputs are few: each table begins at 0, and is one area. */
static enum modbus_exception read_bits(void *context, enum wire_table table, uint16_t address, uint16_t count,
                                       uint8_t *packed)
{
    const struct parts *parts = ((const struct registers *)context)->parts;
    const bool coils = table == WIRE_TABLE_COIL;
    if ((uint32_t)address + count > (coils ? NEURON_COILS : STATUS_DISCRETES))
        return MODBUS_ILLEGAL_ADDRESS;
    const unsigned all = coils ? parts->neuron.coils : status_bits(&parts->status);
    const unsigned bits = (all >> address) & ((1u << count) - 1u);
    packed[0] = (uint8_t)bits;
    if (count > 8)
        packed[1] = (uint8_t)(bits >> 8);
    return MODBUS_OK;
}

static enum modbus_exception write_coils(void *context, uint16_t address, uint16_t count,
                                         const uint8_t *packed)
{
    struct parts *parts = ((struct registers *)context)->parts;
    if ((uint32_t)address + count > NEURON_COILS)
        return MODBUS_ILLEGAL_ADDRESS;
    const enum modbus_exception exception = ask(parts, TRUST_RUN);
    if (exception)
        return exception;
    neuron_write_coils(&parts->neuron, ((1u << count) - 1u) << address, (unsigned)packed[0] << address);
    return MODBUS_OK;
}

/* -------------------------------------------------------------------------------------------------- search */

static bool calls(void *context, const uint8_t *pdu, size_t size)
{
    return search_calls(&((struct registers *)context)->parts->search, pdu, size);
}

/* ---------------------------------------------------------------------------------------------------- rows */

static uint32_t key(enum wire_table table, uint16_t address)
{
    return (uint32_t)table << 16 | address;
}

/* The first row begins with the first register of all. */
_Static_assert(WIRE_HOLDING_INPUTS == 0 && WIRE_TABLE_INPUT == WIRE_TABLE_HOLDING + 1,
               "no register before it");
#define FIRST_PAGE ((uint32_t)WIRE_TABLE_HOLDING << 8)

/* The last row that does not begin behind the register `at`. */
static const struct registers_row *find(const struct registers *registers, uint32_t at)
{
    const struct registers_row *row = &registers->rows[registers->last[(at >> 8) - FIRST_PAGE]];
    while (row->start > at)
        row--;
    return row;
}

/* Row by row, as far as they follow each other without a gap. */
static enum modbus_exception read_across(const struct registers *registers, const struct registers_row *row,
                                         uint32_t at, uint32_t count, uint16_t *values)
{
    const struct registers_row *end = registers->rows + REGISTERS_ROWS;
    for (; row < end && at - row->start < row->row->size; row++) {
        const uint32_t offset = at - row->start, room = row->row->size - offset;
        const uint16_t here = (uint16_t)(count < room ? count : room);
        const enum modbus_exception exception = row->row->read(row->part, offset, here, values);
        count -= here;
        if (exception || count == 0)
            return exception;
        at += here;
        values += here;
    }
    return MODBUS_ILLEGAL_ADDRESS;
}

static enum modbus_exception read_registers(void *context, enum wire_table table, uint16_t address,
                                            uint16_t count, uint16_t *values)
{
    const uint32_t at = key(table, address);
    const struct registers_row *row = find(context, at);
    const uint32_t offset = at - row->start;
    if (offset + count <= row->row->size)
        return row->row->read(row->part, offset, count, values);
    return read_across(context, row, at, count, values);
}

static enum modbus_exception write_registers(void *context, uint16_t address, uint16_t count,
                                             const uint16_t *values)
{
    struct registers *registers = context;
    const uint32_t at = key(WIRE_TABLE_HOLDING, address);
    const struct registers_row *row = find(registers, at);
    const uint32_t offset = at - row->start;
    if (offset + count > row->row->size || !row->row->write)
        return MODBUS_ILLEGAL_ADDRESS;
    enum modbus_exception exception = guard(registers->parts, row->start, address, values);
    if (!exception)
        exception = row->row->write(row->part, offset, count, values);
    registers->busy |= exception == MODBUS_DEVICE_BUSY;
    return exception;
}

/* ---------------------------------------------------------------------------------------------------- join */

static void sort_rows(struct registers *registers, struct parts *parts)
{
    const struct {
        void *part;
        const struct row *rows;
        unsigned count;
    } all[] = {
        {NULL, identity_rows, IDENTITY_ROWS},
        {&parts->fingerprint, fingerprint_rows, FINGERPRINT_ROWS},
        {&parts->refusal, refusal_rows, REFUSAL_ROWS},
        {&parts->events, events_rows, EVENTS_ROWS},
        {&parts->sampling, sampling_rows, SAMPLING_ROWS},
        {&parts->neuron, neuron_rows, NEURON_ROWS},
        {&parts->settings, settings_rows, SETTINGS_ROWS},
        {&parts->trainer, trainer_rows, TRAINER_ROWS},
        {&parts->models, models_rows, MODELS_ROWS},
        {&parts->trial, trial_rows, TRIAL_ROWS},
        {&parts->session, session_rows, SESSION_ROWS},
        {&parts->commands, commands_rows, COMMANDS_ROWS},
        {&parts->status, status_rows, STATUS_ROWS},
        {&parts->hops, hops_rows, HOPS_ROWS},
        {&parts->trust, trust_rows, TRUST_ROWS},
        {&parts->orders, orders_rows, ORDERS_ROWS},
        {&parts->search, search_rows, SEARCH_ROWS},
    };
    unsigned joined = 0;
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct row *row = all[i].rows; row < all[i].rows + all[i].count; row++) {
            const uint32_t start = key(row->table, row->start);
            unsigned place = joined++;
            for (; place > 0 && registers->rows[place - 1].start > start; place--)
                registers->rows[place] = registers->rows[place - 1];
            registers->rows[place] = (struct registers_row){start, row, all[i].part};
        }
}

struct modbus_data registers_join(struct registers *registers, struct parts *parts)
{
    registers->parts = parts;
    sort_rows(registers, parts);
    for (uint32_t page = 0, last = 0; page < REGISTERS_PAGES; page++) {
        while (last + 1 < REGISTERS_ROWS && registers->rows[last + 1].start >> 8 <= FIRST_PAGE + page)
            last++;
        registers->last[page] = (uint8_t)last;
    }
    return (struct modbus_data){
        .context = registers,
        .read_bits = read_bits,
        .write_coils = write_coils,
        .read_registers = read_registers,
        .write_registers = write_registers,
        .listen_only = listen_only,
        .uid = port_uid(),
        .calls = calls,
    };
}
