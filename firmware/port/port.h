/* The board contract: all that the application needs of the hardware. A port is a folder, chosen at link
 * time.
 *
 * A port calls link_on_byte, link_on_silence and link_on_sent (app/link.h) and sampler_on_scan (app/sampler.h),
 * from interrupts or as if from them. */
#ifndef NEURON485_PORT_H
#define NEURON485_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

struct link;
struct sampler;

/* ----------------------------------------------------------------------------------------------- the board */

/* Bring the board up: clocks, pins, lamp test, watchdog. A board ignores the arguments of main. */
void port_init(int argc, char **argv);

/* End of a round of the main loop: feed the watchdog and, unless there is `more` to do, sleep until an
 * interrupt. */
void port_idle(bool more);

/* Milliseconds since start; wraps. */
uint32_t port_millis(void);

/* The chip's unique identity, WIRE_UID_BYTES. */
const uint8_t *port_uid(void);

/* Address of a node that was never given one, WIRE_ADDRESS_MIN..MAX. */
uint8_t port_default_address(void);

/* Why the board last started. file: NUL padded; line and pc: 0 where they say nothing. */
struct port_start {
    enum wire_start cause;
    uint16_t line;
    uint32_t pc;
    char file[WIRE_FAULT_FILE_BYTES];
};
const struct port_start *port_start(void);

/* Memory for training, WIRE_ARENA_BYTES, aligned to 8. */
uint8_t *port_arena(void);

/* Words that outlive a reset, but not a loss of power: zero after that. */
#define PORT_KEPT_WORDS 4u
uint32_t *port_kept(void);

/* Whether the crystal sets the pace, as it should; else an internal oscillator does. */
bool port_on_crystal(void);

/* The lamp LEDR. */
void port_led(bool lit);

/* Whether someone is at the board: at power-on, or at a reset by its pin, the board's own pin for it was held. Any other
 * start says no. */
bool port_present(void);

/* What runs, part by part, in the order of its addresses, from part 0 on; size 0: there are no more. The bytes stay as
 * they are. */
struct port_part {
    const uint8_t *bytes;
    size_t size;
};
struct port_part port_firmware(unsigned part);

/* Run work(context), which takes long, and come back when it is done. Until then meanwhile(served) is called again and
 * again, as if from the main loop: soon after a frame has ended, and at least every millisecond but for what meanwhile
 * takes itself. The work never goes on before a meanwhile has come back, but may be interrupted by one anywhere; it only
 * computes, and calls nothing of the port. Never nested: meanwhile runs nothing aside. */
void port_aside(void (*work)(void *context), void *context, void (*meanwhile)(void *served), void *served);

/* Start again from the reset vector. */
_Noreturn void port_reset(void);

/* --------------------------------------------------------------------------------------------------- RS485 */

/* How the line is spoken. */
struct port_line {
    uint32_t baud;           /* WIRE_BAUD_MIN..MAX */
    enum wire_format format; /* 8E1 8O1 8N1 8N2 */
    uint32_t silence_us;     /* after this long without a byte, link_on_silence is called once */
    uint8_t address;         /* whom a port answers for, with exception 06, while an erase stalls all else */
};

/* Speak so from now on, listening, with events to `link`. Called again when the settings change. */
void port_rs485_open(const struct port_line *line, struct link *link);

/* RE: let the receiver hear the bus. SE: drive the bus. Levels at reset: listening, not driving. */
void port_rs485_receiver(bool listening);
void port_rs485_driver(bool driving);

/* Begin to send; link_on_sent is called when the last stop bit has left. The bytes stay as they are until
 * then. */
void port_rs485_transmit(const uint8_t *bytes, size_t size);

/* --------------------------------------------------------------------------------------------------- flash */

#define PORT_SECTOR_SIZE 16384u

enum port_sector {
    PORT_MODEL_A,
    PORT_MODEL_B,
    PORT_SETTINGS_A,
    PORT_SETTINGS_B,
    PORT_TRUST_A,
    PORT_TRUST_B,
    PORT_SECTORS
};

/* Where a sector is read, aligned to 4. */
const uint8_t *port_flash_sector(enum port_sector sector);

/* Whether the supply is high enough to program and erase: 2.9 V or more. */
bool port_supply_good(void);

/* Clear bits of a word: flash becomes flash & word. offset: multiple of 4. */
void port_flash_program(enum port_sector sector, uint32_t offset, uint32_t word);

/* Start to set a whole sector to ones; port_flash_busy tells when it has ended. A port whose processor stalls
 * meanwhile answers requests to the node with exception 06 until then. */
void port_flash_erase(enum port_sector sector);
bool port_flash_busy(void);

/* ------------------------------------------------------------------------------------------------ channels */

/* The channels that this board has, channel n in bit n: A0.. from 0 on, D0.. from WIRE_ANALOG on; 0: none. */
uint32_t port_channels(void);

/* Sample these channels of the board, `rate` times a second, WIRE_RATE_MIN..MAX: from now on sampler_on_scan is
 * called for every scan, and told how many were lost before it. Goes on while an erase stalls all else, where the
 * board can. sampler_on_loss is called instead where there may be no scan any more. channels 0: stop; once it has come
 * back, neither is called any more. A port may be asked to stop when it is stopped, and is stopped before it is asked
 * for anything else. */
void port_sample(uint32_t channels, uint32_t rate, struct sampler *sampler);

/* Raw values of the chip's own channels, WIRE_CALIBRATION of them, as its maker measured them at a reference of 3.3 V:
 * A6 at 30 C, A6 at 110 C, A7. 0: not known. */
const uint16_t *port_calibration(void);

/* A window that was decided: a simulated board shows it. */
struct port_window {
    uint32_t sample;          /* number of its last scan; wraps */
    unsigned inputs, outputs; /* of the model */
    const uint32_t
        *features;         /* (inputs): numerators as core/features.h has them; 0 for an input from the bus */
    const int16_t *input;  /* (inputs), q */
    const int16_t *output; /* (outputs), q */
    bool decision;         /* after the decision stage */
    bool lit;              /* the lamp */
};
void port_decided(const struct port_window *window);

#endif
