/* What a simulated node and the simulated bus say to each other over a socket: the events of the hardware.
 *
 * Each message is a type, a size and that many bytes. The bus is the parent process, every node a child. */
#ifndef NEURON485_PORT_NATIVE_WIRE_H
#define NEURON485_PORT_NATIVE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port/port.h"

#define WIRE_PAYLOAD_MAX 512u

enum wire_event {
    /* bus -> node */
    WIRE_BYTES,   /* characters have arrived */
    WIRE_DAMAGED, /* the same, unreadable: spoken at another baud rate, or a collision */
    WIRE_SILENCE, /* the line has been silent for silence_us */
    WIRE_SENT,    /* the last stop bit has left */
    /* node -> bus */
    WIRE_LINE,      /* struct port_line: how the node speaks from now on */
    WIRE_DIRECTION, /* struct wire_direction: levels of RE and SE */
    WIRE_TRANSMIT,  /* characters to send */
    WIRE_LED,       /* one byte: lit or not */
    WIRE_FAULT,     /* text: the node broke a rule of the bus */
};

struct wire_direction {
    bool listening, driving;
};

struct wire_message {
    uint8_t type; /* enum wire_event */
    uint16_t size;
    _Alignas(8) uint8_t payload[WIRE_PAYLOAD_MAX];
};

/* Write all of it. False when the other side has gone or takes no more. */
bool wire_write(int fd, const uint8_t *bytes, size_t size);

/* Send or receive one message. False when the other side has gone. */
bool wire_put(int fd, enum wire_event type, const void *payload, size_t size);
bool wire_get(int fd, struct wire_message *message);

/* How a node process leaves to be started again, as by its reset vector. */
#define WIRE_EXIT_RESET 75

/* How the simulation is run, from the command line. */
struct options {
    const char *link;  /* symbolic link to the pty, or NULL */
    const char *flash; /* file that keeps the flash, or NULL */
    int tcp;           /* TCP port on 127.0.0.1, 0: any free one, -1: none */
    bool pace;         /* characters take their time */
    bool until_eof;    /* end when standard input is closed */
    uint8_t nodes[32]; /* their default addresses */
    unsigned node_count;
};

/* Run the bus. Returns only in a child process, as node `*index` with its end of the wire. */
int bus_run(const struct options *options, unsigned *index);

/* Microseconds of a clock that never goes back. */
uint64_t clock_us(void);

#endif
