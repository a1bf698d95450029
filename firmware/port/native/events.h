/* What a simulated node and the simulated bus say to each other over a socket: the events of the hardware.
 *
 * Each message is a type, a size and that many bytes. The bus is the parent process, every node a child. */
#ifndef NEURON485_PORT_NATIVE_EVENTS_H
#define NEURON485_PORT_NATIVE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port/port.h"

#define EVENT_PAYLOAD_MAX 2048u

enum event {
    /* bus -> node */
    EVENT_BYTES,   /* characters have arrived */
    EVENT_DAMAGED, /* the same, unreadable: spoken at another baud rate, or a collision */
    EVENT_SILENCE, /* the line has been silent for silence_us; one byte: whether the bus waits for EVENT_TURN */
    EVENT_SENT,    /* the last stop bit has left */
    /* node -> bus */
    EVENT_LINE,      /* struct port_line: how the node speaks from now on */
    EVENT_DIRECTION, /* struct event_direction: levels of RE and SE */
    EVENT_TRANSMIT,  /* characters to send */
    EVENT_TURN,      /* what it sends after that silence, if anything, has been said */
    EVENT_UID,       /* WIRE_UID_BYTES, of a fresh node */
    EVENT_LED,       /* one byte: lit or not */
    EVENT_FAULT,     /* text: the node broke a rule of the bus */
    EVENT_NOTE,      /* text: what people should know */
    EVENT_HOP,       /* text: a window that was decided, as JSON */
    EVENT_PLAYING,   /* one byte: a signal that ends has begun; or has ended, and all of it was decided */
};

struct event_direction {
    bool listening, driving;
};

struct event_message {
    uint8_t type; /* enum event */
    uint16_t size;
    _Alignas(8) uint8_t payload[EVENT_PAYLOAD_MAX];
};

/* Write all of it. False when the other side has gone or takes no more. */
bool events_write(int fd, const uint8_t *bytes, size_t size);

/* Send or receive one message. False when the other side has gone. */
bool events_put(int fd, enum event type, const void *payload, size_t size);
bool events_get(int fd, struct event_message *message);

/* How a node process leaves to be started again, as by its reset vector, and how it leaves when its power fails. */
#define EVENT_EXIT_RESET 75
#define EVENT_EXIT_POWER 76

/* How the simulation is run, from the command line. */
struct options {
    const char *link;   /* symbolic link to the pty, or NULL */
    const char *flash;  /* file that keeps the flash, or NULL */
    const char *signal; /* file that the channels see, or NULL: they are quiet */
    bool once;          /* the signal is played once, not again and again */
    bool fast;          /* once, as fast as the node decides; the simulation ends with it */
    bool hops;          /* tell every window that is decided */
    int tcp;            /* TCP port on 127.0.0.1, 0: any free one, -1: none */
    bool present;       /* someone is at all of the boards */
    bool fresh;         /* all nodes have the default address, and UIDs as if of different chips */
    bool pace;          /* characters take their time */
    bool until_eof;     /* take commands from standard input, and end when it is closed */
    uint8_t nodes[32];  /* their default addresses; of fresh ones, their numbers */
    unsigned node_count;
};

/* Run the bus. Returns only in a child process, as node `*index` with its end of the socket. */
int bus_run(const struct options *options, unsigned *index);

/* Microseconds of a clock that never goes back. */
uint64_t clock_us(void);

#endif
