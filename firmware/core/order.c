#include "core/order.h"

#include <stdbool.h>
#include <string.h>

enum {
    AT_VERSION = 0,
    AT_COMMAND = 1,
    AT_SCOPE = 2,
    AT_SIZE = 3,
    AT_TARGET = 4,
    AT_COUNTER = AT_TARGET + WIRE_UID_BYTES,
    AT_RESERVED = AT_COUNTER + 4,
    AT_HASH = AT_RESERVED + 4,
};
_Static_assert(AT_HASH + WIRE_HASH_BYTES == ORDER_HEADER, "the arguments follow the hash");
_Static_assert(ORDER_HEADER + WIRE_ARGUMENTS_MAX + WIRE_SIGNATURE_BYTES == WIRE_ORDER_MAX, "all of an order");

#define COILS (WIRE_COIL_ACKNOWLEDGE + 1u)

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | (uint32_t)get16(bytes + 2) << 16;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* Whether `count` words from `address` on lie in the row of `size` at `start`. */
static bool in_row(unsigned address, unsigned count, unsigned start, unsigned size)
{
    return address >= start && address + count <= start + size;
}

static bool fits_length(uint32_t length)
{
    return length >= 1 && length <= WIRE_IMAGE_MAX;
}

static bool fits_write(const uint8_t *arguments, unsigned size)
{
    if (size < ORDER_WRITE_WORDS + 2)
        return false;
    const unsigned address = get16(arguments), count = (size - ORDER_WRITE_WORDS) / 2;
    if (in_row(address, count, WIRE_HOLDING_INPUTS, WIRE_HOLDING_INPUTS_SIZE))
        return true;
    return in_row(address, count, WIRE_HOLDING_INPUTS_FLOAT, WIRE_HOLDING_INPUTS_FLOAT_SIZE) &&
           (address - WIRE_HOLDING_INPUTS_FLOAT) % 2 == 0 && count % 2 == 0;
}

static bool fits_coils(const uint8_t *arguments)
{
    const unsigned first = get16(arguments), count = get16(arguments + ORDER_COILS_COUNT);
    return count >= 1 && count <= COILS && first <= COILS - count &&
           get16(arguments + ORDER_COILS_BITS) >> count == 0;
}

static bool fits_key(const uint8_t *arguments)
{
    const unsigned flags = get16(arguments + ORDER_KEY_FLAGS);
    return flags == 0 || (flags == ORDER_FLAG_GUARDS && !all_zero(arguments, WIRE_KEY_BYTES));
}

/* Whether the command is one that orders give, and its arguments are in their form. */
static bool fits_command(unsigned command, const uint8_t *arguments, unsigned size)
{
    switch (command) {
    case WIRE_COMMAND_COMMIT:
    case WIRE_COMMAND_CONFIRM:
    case WIRE_COMMAND_REVERT:
    case WIRE_COMMAND_ROLLBACK:
    case WIRE_COMMAND_RESTART:
        return size == 0;
    case WIRE_COMMAND_INSTALL:
        return size == 4 && fits_length(get32(arguments));
    case WIRE_COMMAND_TRIAL:
        return size == ORDER_TRIAL_SECONDS + 2 && fits_length(get32(arguments)) &&
               get16(arguments + ORDER_TRIAL_SECONDS) != 0;
    case WIRE_COMMAND_SAVE_SETTINGS:
        return size == 2 * ORDER_SETTINGS_WORDS;
    case WIRE_COMMAND_WRITE:
        return fits_write(arguments, size);
    case WIRE_COMMAND_COILS:
        return size == ORDER_COILS_BITS + 2 && fits_coils(arguments);
    case WIRE_COMMAND_KEY:
        return size == ORDER_KEY_FLAGS + 2 && fits_key(arguments);
    case WIRE_COMMAND_FLOOR:
        return size == ORDER_FLOOR_FIRMWARE + 2;
    case WIRE_COMMAND_ARM:
        return size == ORDER_ARM_SECONDS + 2 && !all_zero(arguments, WIRE_HASH_BYTES);
    default:
        return false;
    }
}

static bool means_image(unsigned command)
{
    return command == WIRE_COMMAND_COMMIT || command == WIRE_COMMAND_CONFIRM ||
           command == WIRE_COMMAND_REVERT || command == WIRE_COMMAND_ROLLBACK ||
           command == WIRE_COMMAND_INSTALL || command == WIRE_COMMAND_TRIAL || command == WIRE_COMMAND_ARM;
}

static bool fits_target(unsigned scope, const uint8_t *target)
{
    return scope == WIRE_SCOPE_UID ||
           (scope == WIRE_SCOPE_GROUP && get16(target) != 0 && all_zero(target + 2, WIRE_UID_BYTES - 2));
}

enum wire_reason order_parse(const uint8_t *bytes, size_t size, struct order *order)
{
    if (size < ORDER_HEADER + WIRE_SIGNATURE_BYTES || size > WIRE_ORDER_MAX ||
        bytes[AT_VERSION] != WIRE_ORDER_VERSION)
        return WIRE_REASON_ORDER;
    const unsigned command = bytes[AT_COMMAND], scope = bytes[AT_SCOPE], arguments = bytes[AT_SIZE];
    if (arguments % 2 != 0 || size != ORDER_HEADER + arguments + WIRE_SIGNATURE_BYTES)
        return WIRE_REASON_ORDER;
    const uint32_t counter = get32(bytes + AT_COUNTER);
    if (!fits_target(scope, bytes + AT_TARGET) || counter == 0 || get32(bytes + AT_RESERVED) != 0)
        return WIRE_REASON_ORDER;
    if (!fits_command(command, bytes + ORDER_HEADER, arguments) ||
        means_image(command) == all_zero(bytes + AT_HASH, WIRE_HASH_BYTES))
        return WIRE_REASON_ORDER;

    const bool group = scope == WIRE_SCOPE_GROUP;
    *order = (struct order){
        .command = (enum wire_command)command,
        .scope = (enum wire_scope)scope,
        .size = (uint16_t)arguments,
        .group = group ? get16(bytes + AT_TARGET) : 0,
        .counter = counter,
        .uid = group ? NULL : bytes + AT_TARGET,
        .hash = bytes + AT_HASH,
        .arguments = bytes + ORDER_HEADER,
        .signature = bytes + ORDER_HEADER + arguments,
    };
    return WIRE_REASON_NONE;
}

size_t order_message(const uint8_t *bytes, const struct order *order, uint8_t *out)
{
    const size_t domain = sizeof WIRE_ORDER_DOMAIN, size = ORDER_HEADER + order->size;
    memcpy(out, WIRE_ORDER_DOMAIN, domain);
    memcpy(out + domain, bytes, size);
    return domain + size;
}

uint16_t order_u16(const struct order *order, size_t at)
{
    return get16(order->arguments + at);
}

uint32_t order_u32(const struct order *order, size_t at)
{
    return get32(order->arguments + at);
}

uint16_t order_word(const struct order *order, size_t at, size_t index)
{
    const uint8_t *word = order->arguments + at + 2 * index;
    return (uint16_t)(word[0] << 8 | word[1]);
}
