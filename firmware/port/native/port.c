/* The native port: a node as a process of Linux or macOS. Its flash is a file, its RS485 a socket to the
 * simulated bus (bus.c), its lamp a line that the bus prints. Events arrive in port_idle, where a board would
 * sleep. */
#define _DEFAULT_SOURCE
#include "port/port.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/link.h"
#include "core/pcg32.h"
#include "port/native/converter.h"
#include "port/native/events.h"
#include "port/native/flash.h"
#include "port/native/power.h"

#define HELP                                                                                                 \
    "A simulated node. usage: %s [--nodes 1,2,..] [--link PATH] [--tcp PORT] [--flash FILE] [--pace] "       \
    "[--present] [--fresh] [--signal FILE] [--once] [--fast] [--hops] [--until-eof]\n"

static struct {
    struct options options;
    uint8_t address;
    int events; /* the socket to the bus */
    struct link *link;
    struct event_direction direction;
    bool transmitting;
    bool turn;  /* the line has been silent since the last character: a reply may begin */
    bool asked; /* the bus waits to hear that this node has had its turn */
    bool lit, lit_known;
    uint8_t uid[WIRE_UID_BYTES];
    struct port_part firmware;
    uint64_t start_us;
} port;

/* ------------------------------------------------------------------------------------------------ options */

static _Noreturn void usage(const char *program)
{
    fprintf(stderr, HELP, program);
    exit(2);
}

static void parse_nodes(struct options *options, char *list, const char *program)
{
    options->node_count = 0;
    for (char *item = strtok(list, ","); item; item = strtok(NULL, ",")) {
        char *end;
        long address = strtol(item, &end, 10);
        if (*end || address < WIRE_ADDRESS_MIN || address > WIRE_ADDRESS_MAX ||
            options->node_count == sizeof options->nodes)
            usage(program);
        options->nodes[options->node_count++] = (uint8_t)address;
    }
    if (options->node_count == 0)
        usage(program);
}

static void parse_options(struct options *options, int argc, char **argv)
{
    *options = (struct options){.tcp = -1, .nodes = {WIRE_DEFAULT_ADDRESS}, .node_count = 1};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--pace") == 0) {
            options->pace = true;
        } else if (strcmp(name, "--present") == 0) {
            options->present = true;
        } else if (strcmp(name, "--fresh") == 0) {
            options->fresh = true;
        } else if (strcmp(name, "--until-eof") == 0) {
            options->until_eof = true;
        } else if (strcmp(name, "--once") == 0) {
            options->once = true;
        } else if (strcmp(name, "--fast") == 0) {
            options->fast = true;
        } else if (strcmp(name, "--hops") == 0) {
            options->hops = true;
        } else if (i + 1 == argc) {
            usage(argv[0]);
        } else if (strcmp(name, "--link") == 0) {
            options->link = argv[++i];
        } else if (strcmp(name, "--flash") == 0) {
            options->flash = argv[++i];
        } else if (strcmp(name, "--signal") == 0) {
            options->signal = argv[++i];
        } else if (strcmp(name, "--tcp") == 0) {
            char *end;
            const long number = strtol(argv[++i], &end, 10);
            if (*end || number < 0 || number > 65535)
                usage(argv[0]);
            options->tcp = (int)number;
        } else if (strcmp(name, "--nodes") == 0) {
            parse_nodes(options, argv[++i], argv[0]);
        } else {
            usage(argv[0]);
        }
    }
    if ((options->once || options->fast) && !options->signal)
        usage(argv[0]);
}

/* -------------------------------------------------------------------------------------------------- board */

/* The program's own file; it may have been started by a name that is none, which leaves the firmware unknown. */
static void find_firmware(const char *path)
{
    struct stat status;
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) != 0)
        return;
    const size_t size = (size_t)status.st_size;
    const uint8_t *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes != MAP_FAILED)
        port.firmware = (struct port_part){bytes, size};
}

/* A fresh node's is as random as the maker's lots and wafers are, but the same at each start. */
static void make_uid(uint8_t name)
{
    struct pcg32 random;
    memcpy(port.uid, "simulated", 9);
    port.uid[WIRE_UID_BYTES - 1] = name;
    if (!port.options.fresh)
        return;
    pcg32_seed(&random, name, 485);
    for (unsigned i = 0; i < WIRE_UID_BYTES; i++)
        port.uid[i] = (uint8_t)pcg32_below(&random, 256);
    events_put(port.events, EVENT_UID, port.uid, sizeof port.uid);
}

void port_init(int argc, char **argv)
{
    unsigned index;
    parse_options(&port.options, argc, argv);
    flash_share(&port.options);
    power_share(&port.options);
    find_firmware(argv[0]);
    converter_open(&port.options);
    port.events = bus_run(&port.options, &index); /* the parent stays in there; each node comes out of it */
    port.address = port.options.fresh ? WIRE_DEFAULT_ADDRESS : port.options.nodes[index];
    port.direction = (struct event_direction){.listening = true};
    port.start_us = clock_us();
    make_uid(port.options.nodes[index]);
    converter_start(port.events);
    flash_open(&port.options, index, port.events);
    power_open(index);
}

static _Noreturn void broke(const char *rule)
{
    events_put(port.events, EVENT_FAULT, rule, strlen(rule));
    exit(1);
}

static void handle(const struct event_message *message)
{
    switch (message->type) {
    case EVENT_BYTES:
    case EVENT_DAMAGED:
        port.turn = false;
        if (port.direction.listening)
            for (unsigned i = 0; i < message->size; i++)
                link_on_byte(port.link, message->payload[i], message->type == EVENT_DAMAGED);
        break;
    case EVENT_SILENCE:
        port.turn = true;
        port.asked = message->payload[0];
        link_on_silence(port.link);
        break;
    default:
        port.transmitting = false;
        link_on_sent(port.link);
        if (port.direction.driving)
            broke("the driver was left on after the last stop bit");
        break;
    }
}

void port_idle(bool more)
{
    struct pollfd waited = {.fd = port.events, .events = POLLIN};
    const bool waiting = more || port_flash_busy();
    const int until_scan = converter_idle(more);
    if (port.asked) {
        port.asked = false;
        events_put(port.events, EVENT_TURN, NULL, 0);
    }
    if (poll(&waited, 1, waiting ? 0 : until_scan) <= 0)
        return;
    struct event_message message;
    if (!events_get(port.events, &message))
        exit(0); /* the bus has gone */
    handle(&message);
}

uint32_t port_millis(void)
{
    return (uint32_t)((clock_us() - port.start_us) / 1000);
}

const uint8_t *port_uid(void)
{
    return port.uid;
}

uint8_t port_default_address(void)
{
    return port.address;
}

const struct port_start *port_start(void)
{
    static struct port_start start;
    start.cause = power_stayed() ? WIRE_START_SOFTWARE : WIRE_START_POWER;
    return &start;
}

uint8_t *port_arena(void)
{
    static _Alignas(8) uint8_t arena[WIRE_ARENA_BYTES];
    return arena;
}

uint32_t *port_kept(void)
{
    return power_kept();
}

bool port_on_crystal(void)
{
    return true;
}

void port_led(bool lit)
{
    if (port.lit_known && port.lit == lit)
        return;
    port.lit = lit;
    port.lit_known = true;
    const uint8_t level = lit;
    events_put(port.events, EVENT_LED, &level, 1);
}

bool port_present(void)
{
    return port.options.present && !power_stayed();
}

struct port_part port_firmware(unsigned part)
{
    return part == 0 ? port.firmware : (struct port_part){0};
}

/* This computer is done with it in less than a millisecond. */
void port_aside(void (*work)(void *context), void *context, void (*meanwhile)(void *served), void *served)
{
    (void)meanwhile;
    (void)served;
    work(context);
}

_Noreturn void port_reset(void)
{
    power_stays();
}

/* -------------------------------------------------------------------------------------------------- RS485 */

static void tell_direction(void)
{
    events_put(port.events, EVENT_DIRECTION, &port.direction, sizeof port.direction);
}

void port_rs485_open(const struct port_line *line, struct link *link)
{
    port.link = link;
    events_put(port.events, EVENT_LINE, line, sizeof *line);
}

void port_rs485_receiver(bool listening)
{
    port.direction.listening = listening;
    tell_direction();
}

void port_rs485_driver(bool driving)
{
    if (!driving && port.transmitting)
        broke("it let go of the bus before the last stop bit had left");
    port.direction.driving = driving;
    tell_direction();
}

void port_rs485_transmit(const uint8_t *bytes, size_t size)
{
    if (port.transmitting)
        broke("a reply was begun before the last one had left");
    if (!port.turn)
        broke("it talks out of turn: no request has ended");
    port.turn = false;
    port.transmitting = true;
    events_put(port.events, EVENT_TRANSMIT, bytes, size);
}
