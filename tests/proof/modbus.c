/* Any bytes of any size as a frame, to a server in any state, whose data answer anything that their contract
 * allows. Once for each size, the frame ending where its buffer ends, so that a byte read behind it is an
 * alarm; and once for each quantity, so that a register replied but never read is one. */
#include "core/modbus.h"

#include <limits.h>

#include "tests/proof/any.h"

static uint8_t received[MODBUS_FRAME_MAX], reply[MODBUS_FRAME_MAX], uid[WIRE_UID_BYTES];
static bool for_each_size;

enum { READ_HOLDING = 3, READ_INPUT = 4, MASK_WRITE = 22, READ_WRITE_REGISTERS = 23 };

#define READ_FRAME 8u
#define READ_WRITE_FRAME 15u /* that writes one register */

static enum modbus_exception any_exception(void)
{
    static const enum modbus_exception known[] = {MODBUS_OK,
                                                  MODBUS_ILLEGAL_FUNCTION,
                                                  MODBUS_ILLEGAL_ADDRESS,
                                                  MODBUS_ILLEGAL_VALUE,
                                                  MODBUS_DEVICE_FAILURE,
                                                  MODBUS_DEVICE_BUSY};
    return known[any_between(0, sizeof known / sizeof *known - 1)];
}

static enum modbus_exception read_bits(void *context, enum wire_table table, uint16_t address, uint16_t count,
                                       uint8_t *packed)
{
    //@ check bits_in_limits: 1 <= count <= MODBUS_READ_BITS_MAX;
    Frama_C_make_unknown((char *)packed, (count + 7u) / 8);
    return any_exception();
}

static enum modbus_exception write_coils(void *context, uint16_t address, uint16_t count,
                                         const uint8_t *packed)
{
    //@ check coils_in_limits: 1 <= count <= MODBUS_WRITE_BITS_MAX;
    if (for_each_size)
        //@ check coils_given: \initialized(packed + (0 .. (count + 7) / 8 - 1));
        ;
    return any_exception();
}

/* Eva keeps which registers are filled only where it knows their number. */
static enum modbus_exception read_registers(void *context, enum wire_table table, uint16_t address,
                                            uint16_t count, uint16_t *values)
{
    //@ check registers_in_limits: 1 <= count <= MODBUS_READ_REGISTERS_MAX;
    Frama_C_make_unknown((char *)values,
                         (for_each_size ? MODBUS_READ_REGISTERS_MAX : count) * sizeof *values);
    return any_exception();
}

static enum modbus_exception read_register(void *context, enum wire_table table, uint16_t address,
                                           uint16_t count, uint16_t *values)
{
    //@ check one_register: count == 1;
    Frama_C_make_unknown((char *)values, sizeof *values);
    return any_exception();
}

static enum modbus_exception write_registers(void *context, uint16_t address, uint16_t count,
                                             const uint16_t *values)
{
    //@ check written_in_limits: 1 <= count <= MODBUS_WRITE_REGISTERS_MAX;
    if (for_each_size)
        //@ check registers_given: \initialized(values + (0 .. count - 1));
        ;
    return any_exception();
}

static enum modbus_exception listen_only(void *context)
{
    return any_exception();
}

static bool calls(void *context, const uint8_t *pdu, size_t size)
{
    //@ check called_in_limits: 1 <= size <= MODBUS_FRAME_MAX - 3;
    if (for_each_size)
        //@ check called_given: \initialized(pdu + (0 .. size - 1));
        ;
    return any_bool();
}

static struct modbus_server any_server(void)
{
    struct modbus_server server;
    Frama_C_make_unknown((char *)&server.counters, sizeof server.counters);
    server.data = (struct modbus_data){
        .read_bits = read_bits,
        .write_coils = write_coils,
        .read_registers = read_registers,
        .write_registers = write_registers,
        .listen_only = any_bool() ? listen_only : NULL,
        .uid = uid,
        .calls = any_bool() ? calls : NULL,
    };
    server.address = (uint8_t)any_between(0, UINT8_MAX);
    server.listen_only = any_bool();
    return server;
}

static void serve_functions(struct modbus_server *server, size_t size, uint8_t first, uint8_t last)
{
    uint8_t *frame = received + MODBUS_FRAME_MAX - size;
    frame[1] = (uint8_t)any_between(first, last);
    size_t answered = modbus_serve(server, frame, size, reply);
    //@ check reply_fits: answered <= MODBUS_FRAME_MAX;
}

static void serve_each_size(void)
{
    struct modbus_server server = any_server();
    for_each_size = true;
    size_t size = any_between(0, MODBUS_FRAME_MAX);
    //@ split size;
    if (size < MODBUS_FRAME_MIN) {
        modbus_serve(&server, received + MODBUS_FRAME_MAX - size, size, reply);
        return;
    }
    serve_functions(&server, size, 0, MASK_WRITE - 1);
    serve_functions(&server, size, MASK_WRITE + 1, UINT8_MAX);
    server.data.read_registers = read_register;
    serve_functions(&server, size, MASK_WRITE, MASK_WRITE);
}

/* Whatever else the frame says: what is written is read from it in serve_each_size. */
static void serve_each_quantity(void)
{
    struct modbus_server server = any_server();
    for_each_size = false;
    uint8_t quantity = any_between(0, MODBUS_READ_REGISTERS_MAX);
    //@ split quantity;
    received[4] = 0;
    received[5] = quantity;
    received[1] = any_between(READ_HOLDING, READ_INPUT);
    modbus_serve(&server, received, READ_FRAME, reply);
    received[1] = READ_WRITE_REGISTERS;
    modbus_serve(&server, received, READ_WRITE_FRAME, reply);
}

int main(void)
{
    Frama_C_make_unknown((char *)received, sizeof received);
    Frama_C_make_unknown((char *)reply, sizeof reply);
    Frama_C_make_unknown((char *)uid, sizeof uid);
    serve_each_size();
    serve_each_quantity();
    struct modbus_server server = any_server();
    modbus_serve(&server, NULL, any_between(MODBUS_FRAME_MAX + 1, UINT_MAX), reply);
    return 0;
}
