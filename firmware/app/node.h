/* The node: a model store, a Modbus server and a neuron, brought together.
 *
 * app/node.c is the node's life; app/registers.c is how the bus sees it; app/commands.c is what the bus may
 * ask. */
#ifndef NEURON485_APP_NODE_H
#define NEURON485_APP_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/link.h"
#include "app/settings.h"
#include "app/trainer.h"
#include "core/image.h"
#include "core/modbus.h"
#include "core/store.h"
#include "core/wire.h"

/* The command's registers, WIRE_HOLDING_COMMAND ... _CRC. */
struct node_command {
    uint16_t code;   /* enum wire_command */
    uint32_t length; /* bytes of the staged image */
    uint32_t crc;    /* CRC-32 of the image that the command is about */
};

struct node {
    struct link link;
    struct modbus_server server;
    uint16_t overruns;                       /* of the link, as far as the server has counted them */
    struct settings settings;                /* in force */
    struct settings next;                    /* being kept; in force once it is */
    uint16_t settings_words[SETTINGS_WORDS]; /* as last written by the bus */
    bool saving;                             /* `next` is on its way into the flash */
    bool reopen;  /* settings have changed: speak the new way when the line is quiet */
    bool restart; /* start again when the line is quiet */

    struct store models;
    struct store settings_store;
    bool committing; /* the staged image is on its way into the flash */
    bool fault;      /* a stored model was refused at start, or the flash failed */
    uint16_t reason; /* enum wire_reason of the last refusal */
    uint16_t detail; /* and where */

    bool model_valid;
    struct image model; /* running, in place, from the flash */
    float inputs_float[WIRE_UNITS_MAX];
    int16_t inputs[WIRE_UNITS_MAX];  /* at the model's scales; those of no model have fraction 0 */
    int16_t outputs[WIRE_UNITS_MAX]; /* at the model's scale */
    bool decision;                   /* the model's LED output is above its threshold */
    uint32_t inferences;

    struct trainer trainer;

    uint8_t coils; /* bit n: coil n */
    struct node_command command;
    bool verified; /* `staged` is a good image */
    struct image staged;
    _Alignas(4) uint8_t stage[WIRE_IMAGE_MAX];
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

/* ------------------------------------------------------------------------- between the files of the node */

/* Set input `index` in its own unit (not NaN); it is quantised at the model's scale at once. */
void node_set_input(struct node *node, unsigned index, float value);

/* Fraction bits of input `index`; 0 where the model has no such input. */
int node_input_fraction(const struct node *node, unsigned index);

/* Outputs and decision from the inputs. */
void node_infer(struct node *node);

/* Whether the lamp is to be lit: the neuron's decision, or what a coil asks for. */
bool node_lamp(const struct node *node);

/* CRC-32 of the image that a rollback brings back, 0: none. */
uint32_t node_previous_crc(const struct node *node);

/* Remember why something was refused. */
void node_refuse(struct node *node, enum wire_reason reason, uint16_t detail);

enum wire_state node_state(const struct node *node);

/* The registers, for the Modbus server; context is the node. */
struct modbus_data node_registers(struct node *node);

/* Take the image in the stage, of `length` bytes and that CRC-32, if it can run here and computes what its
 * maker computed; node->verified keeps the answer, and node->reason why not. */
bool node_check_stage(struct node *node, uint32_t length, uint32_t crc);

/* Do what `command` asks. Answers MODBUS_OK or an exception, with the reason in node->reason. */
enum modbus_exception node_execute(struct node *node, const struct node_command *command);

#endif
