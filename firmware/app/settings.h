/* The line settings that a node keeps over a loss of power. */
#ifndef NEURON485_APP_SETTINGS_H
#define NEURON485_APP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/wire.h"
#include "port/port.h"

/* As kept in the flash. */
struct settings {
    uint32_t baud;    /* WIRE_BAUD_MIN..MAX */
    uint8_t address;  /* WIRE_ADDRESS_MIN..MAX */
    uint8_t format;   /* enum wire_format */
    uint8_t gap;      /* enum wire_gap */
    uint8_t reserved; /* 0 */
};
_Static_assert(sizeof(struct settings) == 8, "kept as 8 bytes");

#define SETTINGS_WORDS (WIRE_HOLDING_GAP + 1u - WIRE_HOLDING_ADDRESS)

/* The standard's defaults: 19200 baud 8E1, with the port's own address. */
struct settings settings_default(void);

/* Every field in range. */
bool settings_valid(const struct settings *settings);

/* To and from the holding registers WIRE_HOLDING_ADDRESS ... _GAP. from_words answers false, and leaves
 * *settings, where a field is out of range. */
void settings_to_words(const struct settings *settings, uint16_t words[SETTINGS_WORDS]);
bool settings_from_words(struct settings *settings, const uint16_t words[SETTINGS_WORDS]);

/* How the line is spoken with these settings. */
struct port_line settings_line(const struct settings *settings);

#endif
