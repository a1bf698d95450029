/* core/order as a filter: bytes on stdin, what order_parse makes of them on stdout. See tests/test_order.py.
 *
 *     question: u32 size | bytes
 *     answer:   u32 reason; of an order also u32 command, scope, size, group, counter | UID or zeros
 *               | u32 where hash, arguments and signature begin | u32 size of the message | message
 *               | of each byte of the arguments where they lie within: u32 order_u16, order_word, order_u32
 *
 * Every order lies in a block of its own and exact size, and begins at an odd address. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/order.h"

static void put(const void *bytes, size_t size)
{
    if (fwrite(bytes, 1, size, stdout) != size)
        abort();
}

static void put32(size_t value)
{
    const uint32_t word = (uint32_t)value;
    put(&word, sizeof word);
}

static void put_numbers(const struct order *order)
{
    for (size_t at = 0; at + 2 <= order->size; at++) {
        put32(order_u16(order, at));
        put32(order_word(order, at % 2, at / 2));
        if (at + 4 <= order->size)
            put32(order_u32(order, at));
    }
}

static void put_order(const uint8_t *bytes, const struct order *order)
{
    static const uint8_t no_uid[WIRE_UID_BYTES];
    uint8_t *message = malloc(ORDER_MESSAGE_MAX);
    if (!message)
        abort();
    put32(order->command);
    put32(order->scope);
    put32(order->size);
    put32(order->group);
    put32(order->counter);
    put(order->uid ? order->uid : no_uid, WIRE_UID_BYTES);
    put32((size_t)(order->hash - bytes));
    put32((size_t)(order->arguments - bytes));
    put32((size_t)(order->signature - bytes));
    const size_t size = order_message(bytes, order, message);
    put32(size);
    put(message, size);
    put_numbers(order);
    free(message);
}

int main(void)
{
    uint32_t size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        uint8_t *block = malloc(size + 1u);
        if (!block || fread(block + 1, 1, size, stdin) != size)
            abort();
        struct order order;
        const enum wire_reason reason = order_parse(block + 1, size, &order);
        put32(reason);
        if (reason == WIRE_REASON_NONE)
            put_order(block + 1, &order);
        free(block);
    }
    return 0;
}
