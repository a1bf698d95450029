/* A node: its parts, a Modbus server before them, and the rounds of the main loop. */
#ifndef NEURON485_APP_NODE_H
#define NEURON485_APP_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/parts.h"
#include "app/registers.h"
#include "core/modbus.h"

/* All zero before node_boot; it stays where it is, as parts point at each other. */
struct node {
    struct parts parts;
    struct registers registers;
    struct modbus_server server;
    uint16_t overruns; /* of the link, as far as the server has counted them */
    uint32_t watched;  /* port_millis when it last looked after what may wait for a quiet bus */
};

/* Settings and model from the flash, then listen. */
void node_boot(struct node *node);

/* Serve one frame if one has come. */
void node_listen(struct node *node);

/* Do one small piece of what is to be done while the line is quiet. True while there is more. */
bool node_work(struct node *node);

/* The lamp follows the neuron. */
void node_show(struct node *node);

/* Serve one request frame without the link: answers the size of `reply` (MODBUS_FRAME_MAX bytes), or 0. */
size_t node_serve(struct node *node, const uint8_t *request, size_t size, uint8_t *reply);

#endif
