/* The native port: a node as a process of Linux or macOS. Its flash is a file, its RS485 a socket to the
 * simulated bus (bus.c), its lamp a line that the bus prints. Events arrive in port_idle, where a board would
 * sleep. */
#define _DEFAULT_SOURCE
#include "port/port.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/link.h"
#include "port/native/converter.h"
#include "port/native/events.h"

#define FLASH_SIZE (PORT_SECTORS * PORT_SECTOR_SIZE)
#define ERASE_US 250000u /* typical for 16 KiB, STM32F407 data sheet, table 41 */
#define HELP                                                                                                 \
    "A simulated node. usage: %s [--nodes 1,2,..] [--link PATH] [--tcp PORT] [--flash FILE] [--pace] "       \
    "[--signal FILE] [--once] [--fast] [--hops] [--until-eof]\n"

static struct {
    struct options options;
    uint8_t address;
    int events; /* the socket to the bus */
    struct link *link;
    struct event_direction direction;
    bool transmitting;
    bool turn; /* the line has been silent since the last character: a reply may begin */
    bool lit, lit_known;
    uint8_t uid[WIRE_UID_BYTES];
    uint8_t *flash;
    uint32_t *kept; /* PORT_KEPT_WORDS a node, in memory that the bus keeps too */
    uint64_t start_us, erase_end_us;
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

/* -------------------------------------------------------------------------------------------------- flash */

static _Noreturn void flash_unusable(const char *path, const char *why)
{
    char text[400];
    const int size = snprintf(text, sizeof text, "flash file %.300s: %s", path, why);
    events_put(port.events, EVENT_FAULT, text, (size_t)size);
    exit(2);
}

/* The sectors, then the mark by which the file is known: so the sectors begin with a page, as mmap wants. */
#define FLASH_MARK "neuron485 flash\n"
#define FLASH_MARK_SIZE (sizeof FLASH_MARK - 1)

/* Make the file, whole or not at all: under another name, which is its own only once all is written. */
static void make_flash_file(const char *path)
{
    char part[PATH_MAX];
    uint8_t blank[FLASH_SIZE + FLASH_MARK_SIZE];
    memset(blank, 0xFF, FLASH_SIZE);
    memcpy(blank + FLASH_SIZE, FLASH_MARK, FLASH_MARK_SIZE);
    if (snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid()) >= (int)sizeof part)
        flash_unusable(path, "its name is too long");
    const int fd = open(part, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        flash_unusable(path, strerror(errno));
    /* Unlike a rename, a link takes no other's place: two that start at once share what the first has made. */
    const bool made =
        events_write(fd, blank, sizeof blank) && fsync(fd) == 0 && (link(part, path) == 0 || errno == EEXIST);
    const int why = errno;
    close(fd);
    unlink(part);
    if (!made)
        flash_unusable(path, strerror(why));
}

/* Its own file only; whatever else there may be stays as it is. */
static void check_flash_file(const char *path, int fd)
{
    struct stat status;
    char mark[FLASH_MARK_SIZE];
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        flash_unusable(path, "it is no file; choose another name");
    if (status.st_size != FLASH_SIZE + FLASH_MARK_SIZE ||
        pread(fd, mark, sizeof mark, FLASH_SIZE) != sizeof mark || memcmp(mark, FLASH_MARK, sizeof mark) != 0)
        flash_unusable(path, "it is not the flash of a simulated node of this version; choose another name");
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        flash_unusable(path, "another simulated node is using it");
}

/* One file a node; with several nodes their address is added to the name. */
static int open_flash_file(void)
{
    char path[PATH_MAX];
    const struct options *options = &port.options;
    const bool alone = options->node_count == 1;
    if (snprintf(path, sizeof path, alone ? "%s" : "%s.%u", options->flash, port.address) >= (int)sizeof path)
        flash_unusable(options->flash, "its name is too long");
    int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT) {
        make_flash_file(path);
        fd = open(path, O_RDWR);
    }
    if (fd < 0)
        flash_unusable(path, strerror(errno));
    check_flash_file(path, fd);
    return fd;
}

/* Without a file the flash of all nodes is memory that the bus keeps too: it outlives their restarts. */
static void share_flash(void)
{
    const size_t size = (size_t)FLASH_SIZE * port.options.node_count;
    port.flash = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (port.flash != MAP_FAILED)
        memset(port.flash, 0xFF, size);
}

static void share_kept(void)
{
    const size_t size = sizeof *port.kept * PORT_KEPT_WORDS * port.options.node_count;
    port.kept = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (port.kept == MAP_FAILED) {
        perror("error: no memory for the simulated nodes");
        exit(2);
    }
}

static void open_flash(unsigned index)
{
    if (port.options.flash)
        port.flash = mmap(NULL, FLASH_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, open_flash_file(), 0);
    if (port.flash == MAP_FAILED)
        flash_unusable(port.options.flash ? port.options.flash : "(none)", strerror(errno));
    if (!port.options.flash)
        port.flash += (size_t)FLASH_SIZE * index;
}

const uint8_t *port_flash_sector(enum port_sector sector)
{
    return port.flash + sector * PORT_SECTOR_SIZE;
}

bool port_supply_good(void)
{
    return true;
}

void port_flash_program(enum port_sector sector, uint32_t offset, uint32_t word)
{
    uint8_t *cell = port.flash + sector * PORT_SECTOR_SIZE + offset;
    uint32_t kept;
    memcpy(&kept, cell, sizeof kept);
    kept &= word; /* NOR flash: programming only clears bits */
    memcpy(cell, &kept, sizeof kept);
}

void port_flash_erase(enum port_sector sector)
{
    memset(port.flash + sector * PORT_SECTOR_SIZE, 0xFF, PORT_SECTOR_SIZE);
    port.erase_end_us = clock_us() + (port.options.pace ? ERASE_US : 0);
}

bool port_flash_busy(void)
{
    return clock_us() < port.erase_end_us;
}

/* -------------------------------------------------------------------------------------------------- board */

void port_init(int argc, char **argv)
{
    unsigned index;
    parse_options(&port.options, argc, argv);
    if (!port.options.flash)
        share_flash();
    share_kept();
    converter_open(&port.options);
    port.events = bus_run(&port.options, &index); /* the parent stays in there; each node comes out of it */
    port.address = port.options.nodes[index];
    port.direction = (struct event_direction){.listening = true};
    port.start_us = clock_us();
    memcpy(port.uid, "simulated", 9);
    port.uid[WIRE_UID_BYTES - 1] = port.address;
    converter_start(port.events);
    open_flash(index);
    port.kept += PORT_KEPT_WORDS * index;
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
    static const struct port_start start = {.cause = WIRE_START_POWER};
    return &start;
}

uint8_t *port_arena(void)
{
    static _Alignas(8) uint8_t arena[WIRE_ARENA_BYTES];
    return arena;
}

uint32_t *port_kept(void)
{
    return port.kept;
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

_Noreturn void port_reset(void)
{
    exit(EVENT_EXIT_RESET);
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
