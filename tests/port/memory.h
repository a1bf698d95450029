/* The board contract in memory, without an operating system: time that stands until it is moved, NOR flash in
 * RAM, an RS485 transceiver that is watched, channels that are scanned when the test says so. A program of the tests adds port_init and port_idle, where it
 * drives the node.
 *
 * A breach of the contract ends the program: a driver left on, a receiver that hears us, a word programmed
 * with bits that only an erase can set. */
#ifndef NEURON485_TESTS_PORT_MEMORY_H
#define NEURON485_TESTS_PORT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/modbus.h"
#include "port/port.h"

#define MEMORY_FLASH_SIZE (PORT_SECTORS * PORT_SECTOR_SIZE)
#define MEMORY_CHANNELS ((1u << WIRE_CHANNELS) - 1u) /* all of them */
#define MEMORY_DECIDED_SIZE 65536u

struct memory {
    uint8_t *flash;             /* MEMORY_FLASH_SIZE, aligned to 4; the caller's, survives the power */
    bool touched[PORT_SECTORS]; /* programmed or erased since the caller last cleared it; survives too */
    struct port_start start;
    uint32_t millis;
    bool lit;
    bool low;            /* the supply is below 2.9 V */
    bool worn;           /* the lowest bit of each word that is programmed stays as it was */
    uint32_t operations; /* of the flash since start: words programmed and erases */
    uint32_t cut_at;     /* the power goes in the middle of that one, counted from 1; 0: it stays */
    uint32_t landed;     /* the bits that a word under programming has taken by then; for an erase a seed */
    bool cut;            /* it is gone: memory_on_reset is told so */
    bool dead_crystal;
    bool present; /* the pin for it is held */
    bool aside;   /* something runs aside, */
    bool working; /* and it is its work that runs now */
    uint32_t kept[PORT_KEPT_WORDS];
    bool erasing; /* until it has been asked about once */
    struct port_line line;
    unsigned opened; /* how often */
    struct link *link;
    bool listening, driving, sending;
    uint8_t sent[MODBUS_FRAME_MAX]; /* the frame on its way, or the last one */
    size_t sent_size;
    uint32_t channels;      /* that the board has */
    uint32_t sampled, rate; /* as last asked for */
    struct sampler *sampler;
    size_t decided_size; /* bytes in memory_decided */
};

extern struct memory memory;

/* The windows that were decided, one behind the other, until the caller takes them. */
extern uint8_t memory_decided[MEMORY_DECIDED_SIZE];

/* What the chip says of itself, and the address that no setting has changed: a program may have others. */
extern uint8_t memory_uid[WIRE_UID_BYTES];
extern uint8_t memory_address;

/* Start: all as at reset, with this flash. What is kept stays, unless the power was lost. */
void memory_start(uint8_t *flash, enum wire_start cause);

/* The flash as it leaves the factory. */
void memory_blank(uint8_t *flash);

/* The last stop bit leaves. Answers the size of the frame in memory.sent, 0 when none was on its way. */
size_t memory_end_sending(void);

/* One scan, `missed` of them lost before it. analog: (WIRE_ANALOG) by channel. */
void memory_scan(const uint16_t *analog, unsigned levels, uint32_t missed);

/* Given by the program: the firmware asks for a reset. */
_Noreturn void memory_on_reset(void);

#endif
