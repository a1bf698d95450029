/* The master's side of the simulated bus: a pty, as if the host's serial port, and a TCP port. */
#ifndef NEURON485_PORT_NATIVE_MASTER_H
#define NEURON485_PORT_NATIVE_MASTER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PTY_NAME_MAX 128u

struct master {
    int pty;          /* our end */
    int slave;        /* the master's end, kept open so that it may come and go */
    int listener;     /* -1: no TCP */
    int client;       /* the newest TCP client, -1: none */
    const char *link; /* the symbolic link that we made, or NULL */
    int lock;         /* of the link, held while we live, -1: none */
    char lock_name[PATH_MAX];
    char pty_name[PTY_NAME_MAX];
    unsigned tcp_port;
};

/* Open the pty, with a symbolic link to it unless `link` is NULL, and the TCP port on 127.0.0.1 (0: any free
 * one, -1: none). A link that a killed simulation has left is replaced, anything else stays. Answers NULL, or
 * what could not be done, with errno set, or 0 where the text says all. */
const char *master_open(struct master *master, const char *link, int tcp);

/* Remove the symbolic link and its lock. */
void master_close(struct master *master);

/* A TCP client has knocked. */
void master_accept(struct master *master);

/* The baud rate that was set on the pty; 0 where the system has no name for it. */
uint32_t master_baud(const struct master *master);

/* Make the pty ready for a client that sets parity. */
void master_rearm(const struct master *master);

/* Send to both. What nobody reads is lost, as on a wire. */
void master_write(const struct master *master, const uint8_t *bytes, size_t size);

#endif
