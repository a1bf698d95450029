#include "app/orders.h"

#include <string.h>

#include "app/words.h"
#include "crypto/crypto.h"
#include "port/port.h"

/* Whom nobody can give orders but by installing a key: there is none, or what was kept is damaged. */
static bool ownerless(const struct trust *trust)
{
    return !trust->keyed || trust->rotten;
}

/* A key is to be installed, the first one or another. */
static bool names_key(const struct order *order)
{
    static const uint8_t none[WIRE_KEY_BYTES];
    return order->command == WIRE_COMMAND_KEY && memcmp(order->arguments, none, sizeof none) != 0;
}

/* --------------------------------------------------------------------------------------------------- taking */

static bool is_for_us(const struct orders *orders, const struct order *order)
{
    if (order->scope == WIRE_SCOPE_UID)
        return !orders->trust->broadcast && memcmp(order->uid, port_uid(), WIRE_UID_BYTES) == 0;
    return order->group == orders->commands->settings->in_force.group;
}

/* Why nobody needs to look at the signature. */
static enum wire_reason refuses(const struct orders *orders, const struct order *order)
{
    const struct trust *trust = orders->trust;
    const bool installs = names_key(order);
    if (!is_for_us(orders, order))
        return WIRE_REASON_TARGET;
    if (trust->outdated)
        return WIRE_REASON_FLOOR;
    if (trust->rotten && !installs)
        return WIRE_REASON_ROTTEN_TRUST;
    if (ownerless(trust) && !installs)
        return WIRE_REASON_SIGNATURE; /* of no key */
    if (ownerless(trust) && !port_present())
        return WIRE_REASON_PRESENCE;
    return order->counter > trust->counter ? WIRE_REASON_NONE : WIRE_REASON_COUNTER;
}

/* The flash is at work for somebody else, or a training has what the command wants: both pass. */
static bool is_busy(const struct orders *orders, enum wire_command command)
{
    const struct commands *commands = orders->commands;
    const bool stages =
        command == WIRE_COMMAND_INSTALL || command == WIRE_COMMAND_TRIAL || command == WIRE_COMMAND_ROLLBACK;
    return orders->step != ORDERS_IDLE || commands_saving(commands) ||
           (stages && trainer_active(commands->trainer));
}

static bool is_again(const struct orders_taken *taken, const uint8_t *bytes, uint16_t size)
{
    return size == taken->size && memcmp(bytes, taken->bytes, size) == 0;
}

static enum modbus_exception take(struct orders *orders, const uint8_t *bytes, uint16_t size)
{
    if (!crypto_present())
        return refusal_answer(orders->refusal, WIRE_REASON_CRYPTO); /* no signature can be checked */
    if (is_again(&orders->last, bytes, size))
        return MODBUS_OK;
    if (is_again(&orders->owned, bytes, size)) {
        if (orders->step != ORDERS_IDLE)
            return MODBUS_DEVICE_BUSY;
        orders->last = orders->owned;
        return MODBUS_OK;
    }
    struct order order;
    enum wire_reason reason = order_parse(bytes, size, &order);
    if (reason == WIRE_REASON_NONE)
        reason = refuses(orders, &order);
    if (reason != WIRE_REASON_NONE)
        return refusal_answer(orders->refusal, reason);
    if (is_busy(orders, order.command))
        return MODBUS_DEVICE_BUSY;
    orders->last = (struct orders_taken){.size = size, .result = WIRE_ORDER_RESULT_CHECKING};
    memcpy(orders->last.bytes, bytes, size);
    order_parse(orders->last.bytes, size, &orders->order);
    orders->step = ORDERS_CHECK;
    orders->genuine = false;
    orders->trust->checking = true;
    return MODBUS_OK;
}

/* --------------------------------------------------------------------------------------------------- checking */

/* Beside all else: nothing but arithmetic. What it reads stays as it is until the order has ended. */
static void check(void *context)
{
    struct orders *orders = context;
    const struct order *order = &orders->order;
    const bool first = ownerless(orders->trust), installs = names_key(order);
    const uint8_t *key = first ? order->arguments : orders->trust->kept.key;
    uint8_t message[ORDER_MESSAGE_MAX];
    const size_t size = order_message(orders->last.bytes, order, message);
    orders->found = WIRE_REASON_ORDER;
    if (first && !crypto_key_good(key))
        return; /* anybody could sign by it */
    orders->found = WIRE_REASON_SIGNATURE;
    if (!crypto_verify(order->signature, key, message, size))
        return;
    const bool good = first || !installs || crypto_key_good(order->arguments);
    orders->found = good ? WIRE_REASON_NONE : WIRE_REASON_ORDER;
}

static void end(struct orders *orders, enum wire_reason reason)
{
    const struct order *order = &orders->order;
    const bool done = reason == WIRE_REASON_NONE;
    orders->step = ORDERS_IDLE;
    orders->trust->checking = false;
    orders->last.reason = reason;
    orders->last.result = done ? WIRE_ORDER_RESULT_DONE : WIRE_ORDER_RESULT_REFUSED;
    if (orders->genuine)
        orders->owned = orders->last;
    if (orders->refusal->reason != reason)
        refusal_note(orders->refusal, reason, 0);
    if (done)
        events_add(orders->events, WIRE_EVENT_KIND_ORDER, (uint16_t)order->command, order->counter, NULL, 0);
}

/* What the order changes of what is kept; answers whether it may. */
static enum wire_reason change(const struct orders *orders, struct trust_record *record)
{
    const struct order *order = &orders->order;
    if (order->command == WIRE_COMMAND_KEY) {
        memcpy(record->key, order->arguments, WIRE_KEY_BYTES);
        record->flags = order_u16(order, ORDER_KEY_FLAGS);
        return WIRE_REASON_NONE;
    }
    const uint32_t release = order_u32(order, 0);
    const uint16_t firmware = order_u16(order, ORDER_FLOOR_FIRMWARE);
    if (release > record->release_floor)
        record->release_floor = release;
    if (firmware > record->firmware_floor)
        record->firmware_floor = firmware;
    return trust_outdates(record) ? WIRE_REASON_FLOOR : WIRE_REASON_NONE;
}

/* It is the owner's order: from now on its counter is used up. */
static void accept(struct orders *orders)
{
    const enum wire_command command = orders->order.command;
    const bool changes = command == WIRE_COMMAND_KEY || command == WIRE_COMMAND_FLOOR;
    struct trust_record record = orders->trust->kept;
    orders->genuine = true;
    if (changes)
        orders->found = change(orders, &record);
    const bool keeps = changes && orders->found == WIRE_REASON_NONE;
    trust_count(orders->trust, orders->order.counter, keeps ? &record : NULL);
    orders->step = ORDERS_KEEP;
}

/* ----------------------------------------------------------------------------------------------------- deeds */

static enum modbus_exception save_settings(const struct orders *orders)
{
    uint16_t words[SETTINGS_WORDS];
    for (unsigned i = 0; i < SETTINGS_WORDS; i++)
        words[i] = order_word(&orders->order, 0, i);
    return settings_save_words(orders->commands->settings, words);
}

/* As the bus writes them, by the rows that the neuron exports. */
static enum modbus_exception write_inputs(const struct orders *orders)
{
    const struct order *order = &orders->order;
    const uint16_t address = order_u16(order, 0);
    const uint16_t count = (uint16_t)((order->size - ORDER_WRITE_WORDS) / 2);
    uint16_t words[WIRE_ARGUMENTS_MAX / 2];
    for (unsigned i = 0; i < count; i++)
        words[i] = order_word(order, ORDER_WRITE_WORDS, i);
    const struct row *row = neuron_rows;
    while (address - row->start >= row->size) /* order_parse has seen that it is one of them */
        row++;
    return row->write(orders->neuron, (uint32_t)(address - row->start), count, words);
}

static enum modbus_exception write_coils(const struct orders *orders)
{
    const struct order *order = &orders->order;
    const unsigned first = order_u16(order, 0), count = order_u16(order, ORDER_COILS_COUNT);
    neuron_write_coils(orders->neuron, ((1u << count) - 1u) << first,
                       (unsigned)order_u16(order, ORDER_COILS_BITS) << first);
    return MODBUS_OK;
}

static enum modbus_exception arm(const struct orders *orders)
{
    const struct order *order = &orders->order;
    const enum wire_reason reason =
        session_arm(orders->session, order->hash, order->arguments, order_u16(order, ORDER_ARM_SECONDS));
    return reason == WIRE_REASON_NONE ? MODBUS_OK : refusal_answer(orders->refusal, reason);
}

static enum modbus_exception execute(const struct orders *orders)
{
    const struct order *order = &orders->order;
    const struct commands *commands = orders->commands;
    const struct models_meant meant = {.hash = order->hash};
    switch (order->command) {
    case WIRE_COMMAND_COMMIT:
        return models_commit(commands->models, &meant);
    case WIRE_COMMAND_ROLLBACK:
        return models_rollback(commands->models, &meant);
    case WIRE_COMMAND_INSTALL:
        return models_install(commands->models, order_u32(order, 0), &meant);
    case WIRE_COMMAND_TRIAL:
        return trial_begin(commands->trial, order_u32(order, 0), &meant,
                           order_u16(order, ORDER_TRIAL_SECONDS));
    case WIRE_COMMAND_CONFIRM:
        return trial_confirm(commands->trial, &meant);
    case WIRE_COMMAND_REVERT:
        return trial_revert(commands->trial, &meant);
    case WIRE_COMMAND_SAVE_SETTINGS:
        return save_settings(orders);
    case WIRE_COMMAND_RESTART:
        return commands_restart(orders->commands);
    case WIRE_COMMAND_WRITE:
        return write_inputs(orders);
    case WIRE_COMMAND_COILS:
        return write_coils(orders);
    case WIRE_COMMAND_ARM:
        return arm(orders);
    default:
        return MODBUS_OK; /* KEY and FLOOR: kept along with the counter */
    }
}

/* False: not now, but soon. */
static bool carry_out(struct orders *orders)
{
    struct refusal *refusal = orders->refusal;
    refusal_note(refusal, WIRE_REASON_NONE, 0);
    const enum modbus_exception exception = execute(orders);
    if (exception == MODBUS_DEVICE_BUSY)
        return false;
    enum wire_reason reason = exception ? (enum wire_reason)refusal->reason : WIRE_REASON_NONE;
    if (exception && reason == WIRE_REASON_NONE)
        reason = WIRE_REASON_ORDER; /* values that the register does not take */
    end(orders, reason);
    return true;
}

/* The counter is where it is to be, or cannot be written. */
static void go_on(struct orders *orders)
{
    enum wire_reason reason = orders->found;
    if (orders->trust->failed != WIRE_REASON_NONE)
        reason = orders->trust->failed;
    orders->step = ORDERS_DO;
    if (reason != WIRE_REASON_NONE)
        end(orders, reason);
}

bool orders_step(struct orders *orders, void (*meanwhile)(void *served), void *served)
{
    switch (orders->step) {
    case ORDERS_CHECK:
        port_aside(check, orders, meanwhile, served);
        if (orders->found == WIRE_REASON_NONE)
            accept(orders);
        else
            end(orders, orders->found);
        return true;
    case ORDERS_KEEP:
        if (orders->trust->saving)
            return false;
        go_on(orders);
        return true;
    case ORDERS_DO:
        return carry_out(orders);
    default:
        return false;
    }
}

/* ----------------------------------------------------------------------------------------------- registers */

#define AT(name) (WIRE_INPUT_##name - WIRE_INPUT_ORDER_COUNTER)
#define WORDS (AT(ORDER_REASON) + 1u)

static enum modbus_exception read_result(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct orders *orders = part;
    uint16_t words[WORDS];
    words_put32(words + AT(ORDER_COUNTER), orders->trust->counter);
    words[AT(ORDER_RESULT)] = (uint16_t)orders->last.result;
    words[AT(ORDER_REASON)] = (uint16_t)orders->last.reason;
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception read_order(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    words_from_bytes(values, ((const struct orders *)part)->last.bytes + 2 * offset, count);
    return MODBUS_OK;
}

static enum modbus_exception write_order(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    uint8_t bytes[WIRE_ORDER_MAX];
    if (offset != 0)
        return MODBUS_ILLEGAL_ADDRESS;
    words_to_bytes(bytes, values, count);
    return take(part, bytes, (uint16_t)(2 * count));
}

const struct row orders_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_ORDER, WIRE_HOLDING_ORDER_SIZE, read_order, write_order},
    {WIRE_TABLE_INPUT, WIRE_INPUT_ORDER_COUNTER, WORDS, read_result, NULL},
};
