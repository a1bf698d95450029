#include "app/orders.h"

#include <string.h>

#include "app/words.h"

/* ----------------------------------------------------------------------------------------------- registers */

#define AT(name) (WIRE_INPUT_##name - WIRE_INPUT_ORDER_COUNTER)
#define WORDS (AT(ORDER_REASON) + 1u)

static enum modbus_exception read_result(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    const struct orders *orders = part;
    uint16_t words[WORDS];
    words_put32(words + AT(ORDER_COUNTER), orders->trust->counter);
    words[AT(ORDER_RESULT)] = (uint16_t)orders->result;
    words[AT(ORDER_REASON)] = (uint16_t)orders->reason;
    memcpy(values, words + offset, count * sizeof *values);
    return MODBUS_OK;
}

static enum modbus_exception read_order(const void *part, uint32_t offset, uint16_t count, uint16_t *values)
{
    words_from_bytes(values, ((const struct orders *)part)->bytes + 2 * offset, count);
    return MODBUS_OK;
}

static enum modbus_exception write_order(void *part, uint32_t offset, uint16_t count, const uint16_t *values)
{
    struct orders *orders = part;
    (void)offset;
    (void)count;
    (void)values;
    return refusal_answer(orders->refusal, WIRE_REASON_CRYPTO); /* no signature can be checked */
}

const struct row orders_rows[] = {
    {WIRE_TABLE_HOLDING, WIRE_HOLDING_ORDER, WIRE_HOLDING_ORDER_SIZE, read_order, write_order},
    {WIRE_TABLE_INPUT, WIRE_INPUT_ORDER_COUNTER, WORDS, read_result, NULL},
};
