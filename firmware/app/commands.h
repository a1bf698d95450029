/* What the bus may ask a node to do: the registers COMMAND ... SECONDS, and which part gets which
 * command. */
#ifndef NEURON485_APP_COMMANDS_H
#define NEURON485_APP_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/models.h"
#include "app/refusal.h"
#include "app/rows.h"
#include "app/settings.h"
#include "app/trainer.h"
#include "app/trial.h"
#include "app/trust.h"

#define COMMANDS_WORDS (WIRE_HOLDING_SECONDS + 1 - WIRE_HOLDING_COMMAND)

struct commands {
    const struct trust *trust;

    /* whom to command */
    struct refusal *refusal;
    struct models *models;
    struct trial *trial;
    struct settings *settings;
    struct trainer *trainer;

    uint16_t words[COMMANDS_WORDS]; /* of the last command that was not refused */
    bool restart;                   /* asked for: due when the line is quiet */
};

/* Something of what was commanded is on its way into the flash. */
bool commands_saving(const struct commands *commands);

/* Restart when the line is quiet; MODBUS_DEVICE_BUSY while the flash is at work. */
enum modbus_exception commands_restart(struct commands *commands);

#define COMMANDS_ROWS 1u
extern const struct row commands_rows[COMMANDS_ROWS];

#endif
