/* order_parse on any bytes, each size from none to a byte too many, the order ending where its buffer ends; and of what
 * it takes, all that the node reads later on. */
#include "core/order.h"

#include "tests/proof/any.h"

static uint8_t bytes[WIRE_ORDER_MAX + 1];
static uint8_t message[ORDER_MESSAGE_MAX];

static void read_arguments(const struct order *order)
{
    if (order->size < 2)
        return;
    const size_t at = any_between(0, order->size - 2u);
    order_u16(order, at);
    order_word(order, at % 2, any_between(0, (order->size - 2u - at % 2) / 2));
    if (order->size >= 4)
        order_u32(order, any_between(0, order->size - 4u));
}

static int sum(const uint8_t *part, size_t size)
{
    int all = 0;
    for (size_t i = 0; i < size; i++)
        all ^= part[i];
    return all;
}

int main(void)
{
    struct order order;
    size_t size = any_between(0, sizeof bytes);
    //@ split size;
    Frama_C_make_unknown((char *)bytes, sizeof bytes);
    const uint8_t *first = bytes + sizeof bytes - size;
    if (order_parse(first, size, &order) != WIRE_REASON_NONE)
        return 0;
    //@ check whole: ORDER_HEADER + order.size + WIRE_SIGNATURE_BYTES == size;
    //@ check counted: order.counter >= 1;
    const size_t signed_size = order_message(first, &order, message);
    const size_t domain = sizeof WIRE_ORDER_DOMAIN;
    //@ check signed_part: signed_size == domain + ORDER_HEADER + order.size;
    read_arguments(&order);
    return sum(order.hash, WIRE_HASH_BYTES) ^ sum(order.signature, WIRE_SIGNATURE_BYTES) ^
           (order.uid ? sum(order.uid, WIRE_UID_BYTES) : 0);
}
