#include "tests/port/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/link.h"
#include "app/sampler.h"

struct memory memory;
uint8_t memory_decided[MEMORY_DECIDED_SIZE];
uint8_t memory_uid[WIRE_UID_BYTES] = "memory node";
uint8_t memory_address = WIRE_DEFAULT_ADDRESS;

/* Work that runs aside only computes: so nothing of the port is asked for by it. */
static void require(bool condition, const char *breach)
{
    if (memory.working)
        breach = "work that runs aside uses the port";
    else if (condition)
        return;
    fprintf(stderr, "board contract: %s\n", breach);
    abort();
}

void memory_start(uint8_t *flash, enum wire_start cause)
{
    const struct memory before = memory;
    memory =
        (struct memory){.flash = flash, .start.cause = cause, .listening = true, .channels = MEMORY_CHANNELS};
    memcpy(memory.touched, before.touched, sizeof memory.touched);
    if (cause != WIRE_START_POWER)
        memcpy(memory.kept, before.kept, sizeof memory.kept);
}

void memory_blank(uint8_t *flash)
{
    memset(flash, 0xFF, MEMORY_FLASH_SIZE);
}

/* ---------------------------------------------------------------------------------------------- the board */

uint32_t port_millis(void)
{
    return memory.millis;
}

const uint8_t *port_uid(void)
{
    return memory_uid;
}

uint8_t port_default_address(void)
{
    return memory_address;
}

const struct port_start *port_start(void)
{
    return &memory.start;
}

uint8_t *port_arena(void)
{
    static _Alignas(8) uint8_t arena[WIRE_ARENA_BYTES];
    return arena;
}

uint32_t *port_kept(void)
{
    return memory.kept;
}

bool port_on_crystal(void)
{
    return !memory.dead_crystal;
}

void port_led(bool lit)
{
    memory.lit = lit;
}

bool port_present(void)
{
    const enum wire_start cause = memory.start.cause;
    return memory.present && (cause == WIRE_START_POWER || cause == WIRE_START_PIN);
}

/* Not this program: every build of it has the same firmware. */
struct port_part port_firmware(unsigned part)
{
    static const uint8_t parts[2][7] = {"memory", "node"};
    return part < 2 ? (struct port_part){parts[part], strlen((const char *)parts[part])}
                    : (struct port_part){0};
}

void port_aside(void (*work)(void *context), void *context, void (*meanwhile)(void *served), void *served)
{
    require(!memory.aside, "aside within aside");
    memory.aside = true;
    meanwhile(served);
    memory.working = true;
    work(context);
    memory.aside = memory.working = false;
}

void port_reset(void)
{
    require(!memory.sending && !memory.driving, "reset while sending");
    memory_on_reset();
}

/* -------------------------------------------------------------------------------------------------- RS485 */

void port_rs485_open(const struct port_line *line, struct link *link)
{
    require(!memory.sending && !memory.driving && memory.listening, "line opened while it is in use");
    require(line->baud >= WIRE_BAUD_MIN && line->baud <= WIRE_BAUD_MAX, "baud rate out of range");
    require(line->silence_us > 0, "no silence between frames");
    require(line->address >= WIRE_ADDRESS_MIN && line->address <= WIRE_ADDRESS_MAX, "address out of range");
    memory.line = *line;
    memory.link = link;
    memory.opened++;
}

void port_rs485_receiver(bool listening)
{
    require(!listening || !memory.driving, "receiver on while the driver is");
    memory.listening = listening;
}

void port_rs485_driver(bool driving)
{
    require(!driving || !memory.listening, "driver on while the receiver is");
    require(driving || !memory.sending, "driver off before the last stop bit");
    memory.driving = driving;
}

void port_rs485_transmit(const uint8_t *bytes, size_t size)
{
    require(memory.driving && !memory.listening, "sending without the driver, or while listening");
    require(!memory.sending, "two frames at once");
    require(modbus_frame_valid(bytes, size), "what is sent is no frame");
    memory.sending = true;
    memory.sent_size = size;
    memcpy(memory.sent, bytes, size);
}

size_t memory_end_sending(void)
{
    if (!memory.sending)
        return 0;
    link_on_byte(memory.link, memory.sent[memory.sent_size - 1],
                 false); /* an echo that was still in the receiver */
    link_on_silence(memory.link);
    memory.sending = false;
    link_on_sent(memory.link);
    require(!memory.driving, "driver left on");
    require(memory.listening, "receiver left off");
    return memory.sent_size;
}

/* -------------------------------------------------------------------------------------------------- flash */

const uint8_t *port_flash_sector(enum port_sector sector)
{
    require(sector < PORT_SECTORS, "no such sector");
    return memory.flash + sector * PORT_SECTOR_SIZE;
}

bool port_supply_good(void)
{
    return !memory.low;
}

/* The next operation begins: whether the power goes meanwhile. */
static bool cut_comes(void)
{
    return ++memory.operations == memory.cut_at;
}

static _Noreturn void cut_power(void)
{
    memory.cut = true;
    memory_on_reset();
}

void port_flash_program(enum port_sector sector, uint32_t offset, uint32_t word)
{
    require(sector < PORT_SECTORS && offset % 4 == 0 && offset < PORT_SECTOR_SIZE,
            "programmed outside of the flash");
    require(!memory.low, "programmed below 2.9 V");
    require(!memory.erasing, "programmed during an erase");
    require(!memory.sending, "programmed while sending");
    uint8_t *place = memory.flash + sector * PORT_SECTOR_SIZE + offset;
    uint32_t old;
    memcpy(&old, place, sizeof old);
    require((old & word) == word, "programming cannot set bits");
    const bool cut = cut_comes();
    if (cut)
        word = old & (word | ~memory.landed);
    if (memory.worn)
        word |= old & 1u;
    memcpy(place, &word, sizeof word);
    memory.touched[sector] = true;
    if (cut)
        cut_power();
}

void port_flash_erase(enum port_sector sector)
{
    require(sector < PORT_SECTORS, "erased outside of the flash");
    require(!memory.low, "erased below 2.9 V");
    require(!memory.erasing, "two erases at once");
    require(!memory.sending, "erased while sending");
    uint8_t *bytes = memory.flash + sector * PORT_SECTOR_SIZE;
    memory.touched[sector] = true;
    if (cut_comes()) {
        uint32_t noise = memory.landed;
        for (uint32_t i = 0; i < PORT_SECTOR_SIZE; i++) {
            noise = noise * 1664525u + 1013904223u;
            bytes[i] |= (uint8_t)(noise >> 24);
        }
        cut_power();
    }
    memset(bytes, 0xFF, PORT_SECTOR_SIZE);
    memory.erasing = true;
}

bool port_flash_busy(void)
{
    const bool busy = memory.erasing;
    memory.erasing = false;
    return busy;
}

/* ----------------------------------------------------------------------------------------------- channels */

uint32_t port_channels(void)
{
    return memory.channels;
}

void port_sample(uint32_t channels, uint32_t rate, struct sampler *sampler)
{
    require((channels & ~memory.channels) == 0, "sampled what the board does not have");
    require(!channels || !memory.sampled, "sampled anew without a stop");
    require(!channels || (rate >= WIRE_RATE_MIN && rate <= WIRE_RATE_MAX), "sampled at a rate out of range");
    memory.sampled = channels;
    memory.rate = rate;
    memory.sampler = sampler;
}

void memory_scan(const uint16_t *analog, unsigned levels, uint32_t missed)
{
    require(memory.sampled, "a scan though nothing is sampled");
    sampler_on_scan(memory.sampler, analog, levels, missed);
}

const uint16_t *port_calibration(void)
{
    static const uint16_t calibration[WIRE_CALIBRATION] = {931, 1197, 1504};
    return calibration;
}

void port_decided(const struct port_window *window)
{
    const uint32_t head[] = {window->sample, window->inputs, window->outputs, window->decision, window->lit};
    const struct {
        const void *bytes;
        size_t size;
    } fields[] = {
        {head, sizeof head},
        {window->features, window->inputs * sizeof *window->features},
        {window->input, window->inputs * sizeof *window->input},
        {window->output, window->outputs * sizeof *window->output},
    };
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
        require(memory.decided_size + fields[i].size <= sizeof memory_decided, "too many windows, not taken");
        memcpy(memory_decided + memory.decided_size, fields[i].bytes, fields[i].size);
        memory.decided_size += fields[i].size;
    }
}
