/* A Modbus RTU server as a pure function: request frame in, reply frame out. The receiver's timing lives
 * elsewhere.
 *
 * Functions 1 2 3 4 5 6 8 15 16 17 22 23 and 43/14, after "MODBUS Application Protocol V1.1b3" and "MODBUS
 * over Serial Line V1.02". A request is checked in the specification's order: function (exception 01),
 * quantity and format (03), address range (02), and only then executed; so a refused request has changed
 * nothing. Framing has a twin in host/core/modbus.py. */
#ifndef NEURON485_CORE_MODBUS_H
#define NEURON485_CORE_MODBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

#define MODBUS_FRAME_MIN 4u   /* address, function, CRC */
#define MODBUS_FRAME_MAX 256u /* Serial Line V1.02, 2.4 */
#define MODBUS_BROADCAST 0u

/* Largest quantities of the functions, Application Protocol V1.1b3, chapter 6. */
#define MODBUS_READ_BITS_MAX 2000u
#define MODBUS_WRITE_BITS_MAX 1968u
#define MODBUS_READ_REGISTERS_MAX 125u
#define MODBUS_WRITE_REGISTERS_MAX 123u
#define MODBUS_FC23_WRITE_REGISTERS_MAX 121u

enum modbus_exception {
    MODBUS_OK = 0,
    MODBUS_ILLEGAL_FUNCTION = 1,
    MODBUS_ILLEGAL_ADDRESS = 2,
    MODBUS_ILLEGAL_VALUE = 3,
    MODBUS_DEVICE_FAILURE = 4,
    MODBUS_DEVICE_BUSY = 6,
};

/* The data that a server serves. Each function answers MODBUS_OK or an exception, and in that case has
 * changed nothing. `count` is within the limits above; address + count does not pass 65536. */
struct modbus_data {
    void *context; /* handed back as the first argument */
    /* table: WIRE_TABLE_COIL or _DISCRETE; bits packed, lowest address in bit 0 of the first byte, rest zero.
     */
    enum modbus_exception (*read_bits)(void *, enum wire_table, uint16_t address, uint16_t count,
                                       uint8_t *packed);
    enum modbus_exception (*write_coils)(void *, uint16_t address, uint16_t count, const uint8_t *packed);
    /* table: WIRE_TABLE_HOLDING or _INPUT. */
    enum modbus_exception (*read_registers)(void *, enum wire_table, uint16_t address, uint16_t count,
                                            uint16_t *values);
    /* The whole range at once, or nothing. */
    enum modbus_exception (*write_registers)(void *, uint16_t address, uint16_t count,
                                             const uint16_t *values);
    /* Whether the server may go into listen-only mode; NULL: it may. */
    enum modbus_exception (*listen_only)(void *);
    const uint8_t *uid; /* WIRE_UID_BYTES, reported by function 17 */
    /* Whether a good frame to WIRE_SEARCH_ADDRESS is this server's too, under that address. pdu: `size` bytes, 1 to
     * MODBUS_FRAME_MAX - 3, function first. NULL: none ever is. */
    bool (*calls)(void *, const uint8_t *pdu, size_t size);
};

/* The diagnostic counters of function 8, sub-functions 11 to 18. They wrap at 65536. */
struct modbus_counters {
    uint16_t bus_messages;    /* frames with a good CRC, whoever they were for */
    uint16_t bus_errors;      /* frames with a bad CRC, size or character */
    uint16_t exceptions;      /* exception replies */
    uint16_t server_messages; /* requests for this node, broadcasts included */
    uint16_t no_responses;    /* of those, the ones without a reply */
    uint16_t naks;            /* not used by this server: always 0 */
    uint16_t busies;          /* exceptions 06 */
    uint16_t overruns;        /* characters that the receiver lost */
};

struct modbus_server {
    struct modbus_data data;
    uint8_t address;  /* WIRE_ADDRESS_MIN..MAX */
    bool listen_only; /* function 8, sub-function 4: hears all, does and says nothing until sub-function 1 */
    struct modbus_counters counters;
};

/* Whether these bytes are a frame: 4 to 256 of them, with the right CRC. */
bool modbus_frame_valid(const uint8_t *frame, size_t size);

/* Append the CRC to the `size` bytes of a frame; answers its new size. There must be room for two more. */
size_t modbus_frame_seal(uint8_t *frame, size_t size);

/* Serve one frame. Answers the size of `reply` (MODBUS_FRAME_MAX bytes), or 0 where nothing may be said: a
 * bad frame, another node's, a broadcast, listen-only mode. request and reply may not overlap. */
size_t modbus_serve(struct modbus_server *server, const uint8_t *request, size_t size, uint8_t *reply);

#endif
