/* The pair of wires: who hears what and when, who drives it, and what comes of it where several do.
 *
 * Two drivers at once are a fault, but for answers to WIRE_SEARCH_ADDRESS, where a collision is how a search learns that
 * there are several: all nodes that the call has reached have their turn before any of their answers is carried, however
 * late their processes come, and what is heard then is what the wires carry when all of them speak at once. */
#ifndef NEURON485_PORT_NATIVE_PAIR_H
#define NEURON485_PORT_NATIVE_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/modbus.h"
#include "port/native/events.h"
#include "port/native/master.h"

#define NODES_MAX 32
#define FOREVER UINT64_MAX

struct member {
    pid_t process;   /* 0: it has no power */
    int events;      /* the socket to the node */
    uint8_t address; /* the name it goes by here; line.address is the one in force */
    struct port_line line;
    struct event_direction direction;
    uint64_t silent_at; /* when its silence has passed, FOREVER: already told */
    uint64_t sent_at;   /* when its last stop bit leaves, FOREVER: nothing is leaving */
    uint8_t reply[EVENT_PAYLOAD_MAX];
    size_t reply_size;
    bool asked;      /* a call has reached it, and it has not had its turn yet */
    bool joined;     /* its reply answers the call, and is carried with those of the others */
    bool ended;      /* its signal has */
    uint64_t on_at;  /* when its power comes back, FOREVER: it is there */
    uint64_t off_us; /* how long it is gone when it fails */
};

struct pair {
    const struct options *options;
    struct master master;
    struct member members[NODES_MAX];
    unsigned count;
    uint32_t told_baud; /* the mismatch that was last noted */
    bool replied;       /* the last word was a node's */
    uint8_t said[MODBUS_FRAME_MAX];
    size_t
        said_size;   /* what the master has said since the last silence; more than `said` holds is no frame */
    bool said_ended; /* somebody has been told of the silence behind it */
};

/* Microseconds that so many characters take; 0 where the simulation keeps no pace. */
uint64_t pair_duration_us(const struct pair *pair, const struct port_line *line, size_t size);

/* The master's characters, at a baud rate, 0: none is known. Every node hears them, and then waits for silence. */
void pair_carry(struct pair *pair, const uint8_t *bytes, size_t size, uint32_t baud);

/* Tell the nodes whose silence has passed by now. */
void pair_end_silences(struct pair *pair, uint64_t now);

/* A node has begun to send, has set RE and SE, or has had its turn after a call. Each answers NULL, or the rule of the
 * bus that the node broke. */
const char *pair_transmit(struct pair *pair, struct member *member, const struct event_message *message);
const char *pair_direct(struct pair *pair, struct member *member, struct event_direction direction);
void pair_had_turn(struct pair *pair, struct member *member);

/* A node has no more to do with the wires: it starts, or its power has failed, in the middle of whatever it said. */
void pair_leave(struct pair *pair, struct member *member);

/* Somebody drives the wires, or may be about to answer a call. */
bool pair_taken(const struct pair *pair);

/* What node processes are told. One that has gone is noticed when it is read. */
void pair_tell(const struct member *member, enum event type, const void *payload, size_t size);

#endif
