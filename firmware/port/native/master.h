/* The master's side of the simulated bus: a pty, as if the host's serial port, and a TCP port. */
#ifndef NEURON485_PORT_NATIVE_MASTER_H
#define NEURON485_PORT_NATIVE_MASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct master {
    int pty;          /* our end */
    int slave;        /* the master's end, kept open so that it may come and go */
    int listener;     /* -1: no TCP */
    int client;       /* the newest TCP client, -1: none */
    const char *link; /* the symbolic link that we made, or NULL */
    char pty_name[128];
    unsigned tcp_port;
};

/* Open the pty, with a symbolic link to it unless `link` is NULL, and the TCP port on 127.0.0.1 (0: any free
 * one, -1: none). Answers NULL, or what could not be done, with errno set. */
const char *master_open(struct master *master, const char *link, int tcp);

/* Remove the symbolic link. */
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
