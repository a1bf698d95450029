#include "core/modbus.h"

#include <string.h>

#include "core/crc.h"

enum function {
    READ_COILS = 1,
    READ_DISCRETE = 2,
    READ_HOLDING = 3,
    READ_INPUT = 4,
    WRITE_COIL = 5,
    WRITE_REGISTER = 6,
    DIAGNOSTICS = 8,
    WRITE_COILS = 15,
    WRITE_REGISTERS = 16,
    REPORT_SERVER_ID = 17,
    MASK_WRITE = 22,
    READ_WRITE_REGISTERS = 23,
    ENCAPSULATED = 43,
};

enum diagnostic {
    DIAGNOSTIC_ECHO = 0,
    DIAGNOSTIC_RESTART = 1,
    DIAGNOSTIC_REGISTER = 2,
    DIAGNOSTIC_LISTEN_ONLY = 4,
    DIAGNOSTIC_CLEAR = 10,
    DIAGNOSTIC_FIRST_COUNTER = 11,
    DIAGNOSTIC_LAST_COUNTER = 18,
    DIAGNOSTIC_CLEAR_OVERRUN = 20,
};

#define COIL_ON 0xFF00u
#define COIL_OFF 0x0000u
#define EXCEPTION_FLAG 0x80u
#define MEI_DEVICE_IDENTIFICATION 14u

/* One request on its way: PDUs are the frames without address and CRC. */
struct exchange {
    const uint8_t *request; /* PDU, function code first */
    size_t request_size;
    uint8_t *reply; /* PDU, function code already there */
    size_t reply_size;
    bool silent; /* nothing may be answered */
};

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static bool in_range(uint32_t address, uint32_t count)
{
    return address + count <= 0x10000u;
}

static void put_registers(uint8_t *bytes, const uint16_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put16(bytes + 2 * i, values[i]);
}

static void get_registers(uint16_t *values, const uint8_t *bytes, size_t count)
{
    for (const uint16_t *end = values + count; values != end; values++, bytes += 2)
        *values = get16(bytes);
}

/* The reply of the single writes: the request itself. */
static enum modbus_exception echo(struct exchange *x)
{
    memcpy(x->reply, x->request, x->request_size);
    x->reply_size = x->request_size;
    return MODBUS_OK;
}

static enum modbus_exception read_bits(struct modbus_server *server, struct exchange *x)
{
    if (x->request_size != 5)
        return MODBUS_ILLEGAL_VALUE;
    uint16_t address = get16(x->request + 1), count = get16(x->request + 3);
    if (count < 1 || count > MODBUS_READ_BITS_MAX)
        return MODBUS_ILLEGAL_VALUE;
    if (!in_range(address, count))
        return MODBUS_ILLEGAL_ADDRESS;
    size_t bytes = (count + 7u) / 8;
    memset(x->reply + 2, 0, bytes);
    x->reply[1] = (uint8_t)bytes;
    x->reply_size = 2 + bytes;
    enum wire_table table = x->request[0] == READ_COILS ? WIRE_TABLE_COIL : WIRE_TABLE_DISCRETE;
    return server->data.read_bits(server->data.context, table, address, count, x->reply + 2);
}

/* Put `count` registers into the reply, as functions 3, 4 and 23 answer them. */
static enum modbus_exception reply_registers(struct modbus_server *server, struct exchange *x,
                                             enum wire_table table, uint16_t address, uint16_t count)
{
    uint16_t values[MODBUS_READ_REGISTERS_MAX];
    enum modbus_exception exception =
        server->data.read_registers(server->data.context, table, address, count, values);
    if (exception)
        return exception;
    put_registers(x->reply + 2, values, count);
    x->reply[1] = (uint8_t)(2 * count);
    x->reply_size = 2 + 2 * (size_t)count;
    return MODBUS_OK;
}

static enum modbus_exception read_registers(struct modbus_server *server, struct exchange *x)
{
    if (x->request_size != 5)
        return MODBUS_ILLEGAL_VALUE;
    uint16_t address = get16(x->request + 1), count = get16(x->request + 3);
    if (count < 1 || count > MODBUS_READ_REGISTERS_MAX)
        return MODBUS_ILLEGAL_VALUE;
    if (!in_range(address, count))
        return MODBUS_ILLEGAL_ADDRESS;
    enum wire_table table = x->request[0] == READ_HOLDING ? WIRE_TABLE_HOLDING : WIRE_TABLE_INPUT;
    return reply_registers(server, x, table, address, count);
}

static enum modbus_exception write_coil(struct modbus_server *server, struct exchange *x)
{
    if (x->request_size != 5)
        return MODBUS_ILLEGAL_VALUE;
    uint16_t value = get16(x->request + 3);
    if (value != COIL_ON && value != COIL_OFF)
        return MODBUS_ILLEGAL_VALUE;
    uint8_t bit = value == COIL_ON;
    enum modbus_exception exception =
        server->data.write_coils(server->data.context, get16(x->request + 1), 1, &bit);
    return exception ? exception : echo(x);
}

static enum modbus_exception write_register(struct modbus_server *server, struct exchange *x)
{
    if (x->request_size != 5)
        return MODBUS_ILLEGAL_VALUE;
    uint16_t value = get16(x->request + 3);
    enum modbus_exception exception =
        server->data.write_registers(server->data.context, get16(x->request + 1), 1, &value);
    return exception ? exception : echo(x);
}

/* Functions 15 and 16: check the shape that they share, execute, answer address and quantity. */
static enum modbus_exception write_many(struct modbus_server *server, struct exchange *x)
{
    bool coils = x->request[0] == WRITE_COILS;
    if (x->request_size < 6)
        return MODBUS_ILLEGAL_VALUE;
    uint16_t address = get16(x->request + 1), count = get16(x->request + 3);
    size_t bytes = x->request_size - 6;
    if (count < 1 || count > (coils ? MODBUS_WRITE_BITS_MAX : MODBUS_WRITE_REGISTERS_MAX) ||
        x->request[5] != bytes)
        return MODBUS_ILLEGAL_VALUE;
    if (coils ? count > 8 * bytes || count + 8u <= 8 * bytes : bytes % 2 != 0 || count != bytes / 2)
        return MODBUS_ILLEGAL_VALUE;
    if (!in_range(address, count))
        return MODBUS_ILLEGAL_ADDRESS;

    enum modbus_exception exception;
    if (coils) {
        exception = server->data.write_coils(server->data.context, address, count, x->request + 6);
    } else {
        uint16_t values[MODBUS_WRITE_REGISTERS_MAX];
        get_registers(values, x->request + 6, count);
        exception = server->data.write_registers(server->data.context, address, count, values);
    }
    memcpy(x->reply + 1, x->request + 1, 4);
    x->reply_size = 5;
    return exception;
}

static enum modbus_exception mask_write(struct modbus_server *server, struct exchange *x)
{
    if (x->request_size != 7)
        return MODBUS_ILLEGAL_VALUE;
    uint16_t address = get16(x->request + 1), value;
    uint16_t and_mask = get16(x->request + 3), or_mask = get16(x->request + 5);
    enum modbus_exception exception =
        server->data.read_registers(server->data.context, WIRE_TABLE_HOLDING, address, 1, &value);
    if (exception)
        return exception;
    value = (uint16_t)((value & and_mask) | (or_mask & ~and_mask));
    exception = server->data.write_registers(server->data.context, address, 1, &value);
    return exception ? exception : echo(x);
}

static enum modbus_exception read_write_registers(struct modbus_server *server, struct exchange *x)
{
    if (x->request_size < 10)
        return MODBUS_ILLEGAL_VALUE;
    uint16_t read_address = get16(x->request + 1), read_count = get16(x->request + 3);
    uint16_t write_address = get16(x->request + 5), write_count = get16(x->request + 7);
    size_t bytes = x->request_size - 10;
    if (read_count < 1 || read_count > MODBUS_READ_REGISTERS_MAX || write_count < 1 ||
        write_count > MODBUS_FC23_WRITE_REGISTERS_MAX || x->request[9] != bytes || bytes % 2 != 0 ||
        write_count != bytes / 2)
        return MODBUS_ILLEGAL_VALUE;
    if (!in_range(read_address, read_count) || !in_range(write_address, write_count))
        return MODBUS_ILLEGAL_ADDRESS;

    /* A read that cannot succeed must not let the write happen. */
    uint16_t values[MODBUS_READ_REGISTERS_MAX];
    enum modbus_exception exception = server->data.read_registers(server->data.context, WIRE_TABLE_HOLDING,
                                                                  read_address, read_count, values);
    if (exception)
        return exception;
    get_registers(values, x->request + 10, write_count);
    exception = server->data.write_registers(server->data.context, write_address, write_count, values);
    if (exception)
        return exception;
    return reply_registers(server, x, WIRE_TABLE_HOLDING, read_address, read_count);
}

static void clear_counters(struct modbus_server *server)
{
    memset(&server->counters, 0, sizeof server->counters);
}

/* The sub-functions whose data must be 0; an unknown one is refused before its data is looked at. */
static bool diagnostic_known(uint16_t function)
{
    return function == DIAGNOSTIC_REGISTER || function == DIAGNOSTIC_LISTEN_ONLY ||
           (function >= DIAGNOSTIC_CLEAR && function <= DIAGNOSTIC_LAST_COUNTER) ||
           function == DIAGNOSTIC_CLEAR_OVERRUN;
}

static enum modbus_exception diagnostics(struct modbus_server *server, struct exchange *x)
{
    if (x->request_size < 5)
        return MODBUS_ILLEGAL_VALUE;
    uint16_t function = get16(x->request + 1), data = get16(x->request + 3);
    if (function == DIAGNOSTIC_ECHO)
        return echo(x);
    if (function == DIAGNOSTIC_RESTART) {
        if (x->request_size != 5 || (data != COIL_ON && data != COIL_OFF))
            return MODBUS_ILLEGAL_VALUE;
        server->listen_only = false;
        clear_counters(server);
        return echo(x);
    }
    if (!diagnostic_known(function))
        return MODBUS_ILLEGAL_FUNCTION;
    if (x->request_size != 5 || data != 0)
        return MODBUS_ILLEGAL_VALUE;

    const struct modbus_counters *counters = &server->counters;
    const uint16_t values[] = {counters->bus_messages,    counters->bus_errors,   counters->exceptions,
                               counters->server_messages, counters->no_responses, counters->naks,
                               counters->busies,          counters->overruns};
    if (function == DIAGNOSTIC_LISTEN_ONLY && server->data.listen_only) {
        const enum modbus_exception exception = server->data.listen_only(server->data.context);
        if (exception)
            return exception;
    }
    echo(x);
    if (function >= DIAGNOSTIC_FIRST_COUNTER && function <= DIAGNOSTIC_LAST_COUNTER) {
        put16(x->reply + 3, values[function - DIAGNOSTIC_FIRST_COUNTER]);
        return MODBUS_OK;
    }
    switch (function) {
    case DIAGNOSTIC_LISTEN_ONLY:
        server->listen_only = true;
        x->silent = true;
        return MODBUS_OK;
    case DIAGNOSTIC_CLEAR:
        clear_counters(server);
        return MODBUS_OK;
    case DIAGNOSTIC_CLEAR_OVERRUN:
        server->counters.overruns = 0;
        return MODBUS_OK;
    default:
        put16(x->reply + 3, 0); /* DIAGNOSTIC_REGISTER: this server defines no diagnostic bits */
        return MODBUS_OK;
    }
}

static enum modbus_exception report_server_id(struct modbus_server *server, struct exchange *x)
{
    if (x->request_size != 1)
        return MODBUS_ILLEGAL_VALUE;
    const size_t name = sizeof WIRE_PRODUCT_CODE - 1;
    uint8_t *out = x->reply + 2;
    memcpy(out, WIRE_PRODUCT_CODE, name);
    out[name] = 0xFF; /* run indicator: on */
    memcpy(out + name + 1, server->data.uid, WIRE_UID_BYTES);
    x->reply[1] = (uint8_t)(name + 1 + WIRE_UID_BYTES);
    x->reply_size = 2u + x->reply[1];
    return MODBUS_OK;
}

#define TEXT(value) #value
#define VERSION_TEXT(major, minor) "V" TEXT(major) "." TEXT(minor)

/* Function 43/14: objects 0 to 2, as a stream (code 1) or one alone (code 4); conformity level 0x81. */
static enum modbus_exception device_identification(struct exchange *x)
{
    static const char *const objects[] = {WIRE_VENDOR_NAME, WIRE_PRODUCT_CODE,
                                          VERSION_TEXT(WIRE_FIRMWARE_MAJOR, WIRE_FIRMWARE_MINOR)};
    const size_t object_count = sizeof objects / sizeof *objects;
    if (x->request_size < 2 || x->request[1] != MEI_DEVICE_IDENTIFICATION)
        return MODBUS_ILLEGAL_FUNCTION;
    if (x->request_size != 4)
        return MODBUS_ILLEGAL_VALUE;
    uint8_t code = x->request[2], first = x->request[3];
    bool single = code == 4;
    if (code < 1 || code > 4)
        return MODBUS_ILLEGAL_VALUE;
    if (first >= object_count) {
        if (single)
            return MODBUS_ILLEGAL_ADDRESS;
        first = 0; /* V1.1b3, 6.21: an unknown object in a stream starts it again */
    }
    size_t last = single ? first : object_count - 1;
    uint8_t *out = x->reply + 1;
    const uint8_t head[] = {MEI_DEVICE_IDENTIFICATION, code, 0x81, 0, 0, (uint8_t)(last - first + 1)};
    memcpy(out, head, sizeof head);
    out += sizeof head;
    for (size_t i = 0; i < object_count; i++) {
        if (i < first || i > last)
            continue;
        size_t size = strlen(objects[i]);
        *out++ = (uint8_t)i;
        *out++ = (uint8_t)size;
        memcpy(out, objects[i], size);
        out += size;
    }
    x->reply_size = (size_t)(out - x->reply);
    return MODBUS_OK;
}

static enum modbus_exception execute(struct modbus_server *server, struct exchange *x)
{
    switch (x->request[0]) {
    case READ_COILS:
    case READ_DISCRETE:
        return read_bits(server, x);
    case READ_HOLDING:
    case READ_INPUT:
        return read_registers(server, x);
    case WRITE_COIL:
        return write_coil(server, x);
    case WRITE_REGISTER:
        return write_register(server, x);
    case DIAGNOSTICS:
        return diagnostics(server, x);
    case WRITE_COILS:
    case WRITE_REGISTERS:
        return write_many(server, x);
    case REPORT_SERVER_ID:
        return report_server_id(server, x);
    case MASK_WRITE:
        return mask_write(server, x);
    case READ_WRITE_REGISTERS:
        return read_write_registers(server, x);
    case ENCAPSULATED:
        return device_identification(x);
    default:
        return MODBUS_ILLEGAL_FUNCTION;
    }
}

static bool broadcastable(uint8_t function)
{
    return function == WRITE_COIL || function == WRITE_REGISTER || function == WRITE_COILS ||
           function == WRITE_REGISTERS || function == MASK_WRITE;
}

static bool is_restart(const uint8_t *pdu, size_t size)
{
    return size == 5 && pdu[0] == DIAGNOSTICS && get16(pdu + 1) == DIAGNOSTIC_RESTART;
}

bool modbus_frame_valid(const uint8_t *frame, size_t size)
{
    return size >= MODBUS_FRAME_MIN && size <= MODBUS_FRAME_MAX && crc16(frame, size) == 0;
}

size_t modbus_frame_seal(uint8_t *frame, size_t size)
{
    uint16_t crc = crc16(frame, size);
    frame[size] = (uint8_t)crc;
    frame[size + 1] = (uint8_t)(crc >> 8);
    return size + 2;
}

/* Whether this is called by the address that many may share. */
static bool called(const struct modbus_server *server, const uint8_t *request, size_t size)
{
    return request[0] == WIRE_SEARCH_ADDRESS && server->data.calls &&
           server->data.calls(server->data.context, request + 1, size - 3);
}

size_t modbus_serve(struct modbus_server *server, const uint8_t *request, size_t size, uint8_t *reply)
{
    if (!modbus_frame_valid(request, size)) {
        server->counters.bus_errors++;
        return 0;
    }
    server->counters.bus_messages++;
    uint8_t address = request[0];
    if (address != server->address && address != MODBUS_BROADCAST && !called(server, request, size))
        return 0;
    server->counters.server_messages++;

    struct exchange x = {
        .request = request + 1,
        .request_size = size - 3,
        .reply = reply + 1,
        .silent = server->listen_only, /* even its end, and even an exception, are not answered */
    };
    bool broadcast = address == MODBUS_BROADCAST;
    if ((broadcast && !broadcastable(x.request[0])) ||
        (server->listen_only && !is_restart(x.request, x.request_size))) {
        server->counters.no_responses++;
        return 0;
    }
    x.reply[0] = x.request[0];
    enum modbus_exception exception = execute(server, &x);
    if (broadcast || x.silent) {
        server->counters.no_responses++;
        return 0;
    }
    if (exception) {
        server->counters.exceptions++;
        if (exception == MODBUS_DEVICE_BUSY)
            server->counters.busies++;
        x.reply[0] = (uint8_t)(x.request[0] | EXCEPTION_FLAG);
        x.reply[1] = (uint8_t)exception;
        x.reply_size = 2;
    }
    reply[0] = address;
    return modbus_frame_seal(reply, 1 + x.reply_size);
}
