/* The settings of the line, the communication watchdog, the digital channels, and who may change the node: those in force,
 * those that the bus has written, and those that are kept over a loss of power. SAVE_SETTINGS brings the written ones into
 * the flash, and from there in force; an order brings its own.
 *
 * What is written but not saved stays readable until it is written again: a master that writes all of them before
 * its SAVE_SETTINGS, in one frame, saves its own wishes only. None can be written while others are being saved. */
#ifndef NEURON485_APP_SETTINGS_H
#define NEURON485_APP_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/refusal.h"
#include "app/rows.h"
#include "app/wear.h"
#include "core/store.h"
#include "core/wire.h"
#include "port/port.h"

/* As kept in the flash. Firmware before the watchdog kept the line's settings only, and firmware before groups all
 * before them; what they kept stays in force, with the defaults for the rest. */
struct settings_record {
    uint32_t baud;        /* WIRE_BAUD_MIN..MAX */
    uint8_t address;      /* WIRE_ADDRESS_MIN..MAX */
    uint8_t format;       /* enum wire_format */
    uint8_t gap;          /* enum wire_gap */
    uint8_t reserved;     /* 0 */
    uint16_t watchdog;    /* 0.1 s, 0: off */
    uint16_t debounce;    /* ms, 0..WIRE_DEBOUNCE_MAX */
    uint8_t watchdog_for; /* enum wire_watchdog_for */
    uint8_t safe;         /* enum wire_safe */
    uint8_t broadcasts;   /* 1: commands and settings are taken by broadcast too; 0 */
    uint8_t reserved2;    /* 0 */
    uint16_t group;       /* of orders, 0: none */
    uint16_t lock;        /* s, 0: off */
};
#define SETTINGS_LINE_ONLY 8u /* bytes */
_Static_assert(offsetof(struct settings_record, watchdog) == SETTINGS_LINE_ONLY, "kept by older firmware");
#define SETTINGS_NO_GROUP 16u /* bytes; broadcasts was a reserved 0 */
_Static_assert(offsetof(struct settings_record, group) == SETTINGS_NO_GROUP, "kept by older firmware");
_Static_assert(sizeof(struct settings_record) == 20, "kept as 20 bytes");

#define SETTINGS_WORDS (WIRE_HOLDING_BROADCASTS + 1u - WIRE_HOLDING_ADDRESS)

struct settings {
    struct refusal *refusal;
    struct wear *wear;
    struct settings_record in_force;
    struct settings_record next; /* on their way into the flash; in force once they are there */
    struct store store;
    uint16_t words[SETTINGS_WORDS]; /* WIRE_HOLDING_ADDRESS ... _BROADCASTS, as last written by the bus */
    bool fallback; /* the newest that were kept are damaged: the next save writes whatever it is */
    bool saving;
    bool changed; /* in force, but the line is still spoken the old way */
};

/* Those that were kept, or the standard's defaults with the port's own address: 19200 baud, 8E1. What is wrong
 * with the kept ones, and why a save fails later, goes to `refusal`. */
void settings_boot(struct settings *settings, struct refusal *refusal, struct wear *wear);

/* How the line is to be spoken. */
struct port_line settings_line(const struct settings *settings);

/* Begin to keep what the bus has written. Settings that are in force already are kept already. */
enum modbus_exception settings_save(struct settings *settings);

/* Begin to keep these, whatever the bus has written; where they are not refused, they stand as written then. */
enum modbus_exception settings_save_words(struct settings *settings, const uint16_t words[SETTINGS_WORDS]);

/* Whether the line is to be opened anew since this was last asked. */
bool settings_take_change(struct settings *settings);

/* Do one small piece of the store's work, one word or the start of an erase. True while there is more. */
bool settings_step(struct settings *settings);

#define SETTINGS_ROWS 4u
extern const struct row settings_rows[SETTINGS_ROWS];

#endif
