/* The simulated RS485 bus: one pair of wires with a master (a pty, a TCP port, or both) and some nodes.
 *
 * It keeps the time of the line, tells every node what it hears, and watches the transceivers: a node that
 * sends with its driver off or its receiver on, that leaves its driver on, or that drives while another does,
 * ends the simulation with a message and exit status 3. Standard output, a line each: `bus PATH`, `tcp
 * HOST:PORT`, `node NAME BAUD FORMAT`, `address NAME ADDRESS` where it is another than its name, `led NAME
 * on|off`, `hop NAME JSON` for a window that was decided, `ended NAME` with its signal, `note TEXT`, and `fault
 * TEXT`. A node's name is the address that it was started with. */
#define _GNU_SOURCE
#define _DARWIN_C_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "port/native/master.h"
#include "port/native/events.h"
#include "port/native/waiting.h"

#define EXIT_FAULT 3
#define NODES_MAX 32
#define BURST_MAX 512u
#define FOREVER UINT64_MAX
#define REARM_US 100000u /* the longest wait */
#define LINGER_US 3000000u

struct member {
    pid_t process;
    int events;      /* the socket to the node */
    uint8_t address; /* the name it goes by here; line.address is the one in force */
    struct port_line line;
    struct event_direction direction;
    uint64_t silent_at; /* when its silence has passed, FOREVER: already told */
    uint64_t sent_at;   /* when its last stop bit leaves, FOREVER: nothing is leaving */
    uint8_t reply[EVENT_PAYLOAD_MAX];
    size_t reply_size;
    bool ended; /* its signal has */
};

/* What the master has said and the line has not yet carried, when characters take their time. */
struct burst {
    uint8_t bytes[BURST_MAX];
    size_t size;
    uint64_t due;
    bool serial; /* came over the pty, which has a baud rate */
};

static struct {
    const struct options *options;
    struct master master;
    struct member members[NODES_MAX];
    unsigned count;
    struct burst burst;
    uint32_t told_baud; /* the mismatch that was last noted */
    uint64_t heard_at;  /* the master's last word, 0: none */
    bool replied;       /* the last word was a node's */
} bus;

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

static _Noreturn void leave(int status)
{
    for (unsigned i = 0; i < bus.count; i++)
        if (bus.members[i].process > 0)
            kill(bus.members[i].process, SIGKILL);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    master_close(&bus.master);
    exit(status);
}

static _Noreturn void fault(const struct member *member, const char *text)
{
    say("fault node %u: %s", member->address, text);
    fprintf(stderr, "node %u: %s\n", member->address, text);
    leave(EXIT_FAULT);
}

static _Noreturn void cannot(const char *what)
{
    fprintf(stderr, errno ? "%s: %s\n" : "%s\n", what, strerror(errno));
    leave(2);
}

/* --------------------------------------------------------------------------------------------------- time */

static uint64_t duration_us(const struct port_line *line, size_t size)
{
    const unsigned bits = line->format == WIRE_FORMAT_F8N1 ? 10 : 11;
    return bus.options->pace ? (uint64_t)size * bits * 1000000u / line->baud : 0;
}

/* -------------------------------------------------------------------------------------------------- nodes */

static void tell(const struct member *member, enum event type, const void *payload, size_t size)
{
    events_put(member->events, type, payload, size); /* a node that has gone is noticed when it is read */
}

/* Every node but the sender hears these characters; from then on it waits for silence. */
static void carry(const uint8_t *bytes, size_t size, const struct member *sender, uint32_t baud)
{
    for (unsigned i = 0; i < bus.count; i++) {
        struct member *member = &bus.members[i];
        if (member == sender)
            continue;
        const bool readable = baud == 0 || baud == member->line.baud;
        if (!readable && bus.told_baud != baud) {
            bus.told_baud = baud;
            say("note the host speaks at %u baud, node %u listens at %u", baud, member->line.address,
                member->line.baud);
        }
        tell(member, readable ? EVENT_BYTES : EVENT_DAMAGED, bytes, size);
        member->silent_at = clock_us() + member->line.silence_us;
    }
}

/* The reply is heard once the node has let go of the bus: a node that does not is caught before its reply is.
 */
static void deliver(struct member *member)
{
    carry(member->reply, member->reply_size, member, member->line.baud);
    bus.replied = true;
    master_write(&bus.master, member->reply, member->reply_size);
    member->reply_size = 0;
}

static void transmit(struct member *member, const struct event_message *message)
{
    if (!member->direction.driving)
        fault(member, "it sends with its driver off (SE low)");
    if (member->direction.listening)
        fault(member, "it sends with its receiver on (RE low) and hears itself");
    for (unsigned i = 0; i < bus.count; i++)
        if (&bus.members[i] != member && bus.members[i].direction.driving)
            fault(member, "it drives the bus while another node does");
    memcpy(member->reply, message->payload, message->size);
    member->reply_size = message->size;
    member->sent_at = clock_us() + duration_us(&member->line, message->size);
}

static void change_direction(struct member *member, struct event_direction direction)
{
    const bool released = member->direction.driving && !direction.driving;
    if (direction.driving && direction.listening)
        fault(member, "its driver is on (SE high) while its receiver is (RE low)");
    member->direction = direction;
    if (released && member->reply_size > 0)
        deliver(member);
}

static const char *format_name(enum wire_format format)
{
    static const char *const names[] = {"8E1", "8O1", "8N1", "8N2"};
    return names[format];
}

static void start_node(struct member *member);

static bool restart_node(struct member *member)
{
    int status;
    close(member->events);
    if (waitpid(member->process, &status, 0) != member->process)
        status = 0;
    member->process = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EVENT_EXIT_RESET)
        fault(member, "its process has ended");
    start_node(member);
    return member->process == 0; /* true in the new node */
}

/* True in a new node process that has come to be meanwhile. */
static bool handle_node(struct member *member)
{
    struct event_message message;
    struct event_direction direction;
    const uint8_t told = member->line.address;
    if (!events_get(member->events, &message))
        return restart_node(member);
    switch (message.type) {
    case EVENT_LINE:
        memcpy(&member->line, message.payload, sizeof member->line);
        if (member->line.address != told)
            say("address %u %u", member->address, member->line.address);
        say("node %u %u %s", member->address, member->line.baud, format_name(member->line.format));
        break;
    case EVENT_DIRECTION:
        memcpy(&direction, message.payload, sizeof direction);
        change_direction(member, direction);
        break;
    case EVENT_TRANSMIT:
        transmit(member, &message);
        break;
    case EVENT_LED:
        say("led %u %s", member->address, message.payload[0] ? "on" : "off");
        break;
    case EVENT_HOP:
        say("hop %u %.*s", member->address, (int)message.size, (const char *)message.payload);
        break;
    case EVENT_NOTE:
        say("note node %u: %.*s", member->address, (int)message.size, (const char *)message.payload);
        break;
    case EVENT_PLAYING:
        member->ended = !message.payload[0];
        if (member->ended)
            say("ended %u", member->address);
        break;
    default:
        message.payload[message.size < EVENT_PAYLOAD_MAX ? message.size : EVENT_PAYLOAD_MAX - 1] = 0;
        fault(member, (const char *)message.payload);
    }
    return false;
}

/* In the child, process is 0 and events is the node's end. */
static void start_node(struct member *member)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        cannot("no socket");
    member->process = fork();
    if (member->process < 0)
        cannot("no process");
    if (member->process == 0) {
        signal(SIGINT, SIG_IGN); /* Ctrl-C is for the bus, which ends its nodes */
#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        /* What stays open here would keep the other nodes from noticing the end of the bus. */
        const struct master *master = &bus.master;
        const int others[] = {ends[0],          master->pty,    master->slave,
                              master->listener, master->client, master->lock};
        for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
            if (others[i] >= 0)
                close(others[i]);
        for (unsigned i = 0; i < bus.count; i++)
            if (&bus.members[i] != member)
                close(bus.members[i].events);
        member->events = ends[1];
        return;
    }
    close(ends[1]);
    member->events = ends[0];
    member->direction = (struct event_direction){.listening = true};
    member->line = (struct port_line){
        .baud = WIRE_DEFAULT_BAUD,
        .silence_us = 2006,
        .address = member->line.address ? member->line.address : member->address,
    };
    member->silent_at = member->sent_at = FOREVER;
    member->ended = false;
    member->reply_size = 0;
}

/* ------------------------------------------------------------------------------------------------- rounds */

static bool driven(void)
{
    for (unsigned i = 0; i < bus.count; i++)
        if (bus.members[i].direction.driving)
            return true;
    return false;
}

/* Take what the master says now. It is carried at once, or when its characters have had their time. */
static bool read_master(int fd, bool serial)
{
    struct burst *burst = &bus.burst;
    const ssize_t size = read(fd, burst->bytes, sizeof burst->bytes);
    if (size <= 0)
        return size < 0 && (errno == EAGAIN || errno == EINTR || errno == EIO);
    burst->size = (size_t)size;
    burst->serial = serial;
    bus.heard_at = clock_us();
    burst->due = bus.heard_at + duration_us(&bus.members[0].line, burst->size);
    return true;
}

static void end_silences(uint64_t now)
{
    for (unsigned i = 0; i < bus.count; i++)
        if (bus.members[i].silent_at <= now) {
            bus.members[i].silent_at = FOREVER;
            tell(&bus.members[i], EVENT_SILENCE, NULL, 0);
        }
}

static void carry_burst(void)
{
    struct burst *burst = &bus.burst;
    /* What the master says after a reply begins a frame, however late this round has come. */
    if (bus.replied)
        end_silences(bus.heard_at);
    bus.replied = false;
    carry(burst->bytes, burst->size, NULL, burst->serial ? master_baud(&bus.master) : 0);
    burst->size = 0;
    master_rearm(&bus.master);
}

static uint64_t next_event(void)
{
    uint64_t next = bus.burst.size > 0 ? bus.burst.due : FOREVER;
    for (unsigned i = 0; i < bus.count; i++) {
        const struct member *member = &bus.members[i];
        if (member->sent_at < next)
            next = member->sent_at;
        if (member->silent_at < next)
            next = member->silent_at;
    }
    return next;
}

/* A fast simulation is over with its signals, once a master that has just been at work has had its answers. */
static bool over(void)
{
    for (unsigned i = 0; i < bus.count; i++)
        if (!bus.members[i].ended)
            return false;
    return bus.options->fast && clock_us() - bus.heard_at >= LINGER_US;
}

/* `heard`: the master has spoken in this round, so no silence has passed, however late the round came. */
static void run_due(bool heard)
{
    const uint64_t now = clock_us();
    if (bus.burst.size > 0 && bus.burst.due <= now)
        carry_burst();
    for (unsigned i = 0; i < bus.count; i++) {
        struct member *member = &bus.members[i];
        if (member->sent_at <= now) {
            member->sent_at = FOREVER;
            tell(member, EVENT_SENT, NULL, 0);
        }
    }
    if (!heard && bus.burst.size == 0)
        end_silences(now);
}

/* Until something can be read, or the next event is due. */
static void wait_for(struct waiting *waiting)
{
    const uint64_t next = next_event(), now = clock_us();
    uint64_t timeout = REARM_US;
    if (next != FOREVER)
        timeout = next <= now ? 0 : next - now;
    if (waiting_end(waiting, timeout))
        master_rearm(&bus.master);
}

/* One round of the bus. True in a new node process. */
static bool round_of_the_bus(unsigned *index)
{
    struct master *master = &bus.master;
    struct waiting waiting;
    waiting_begin(&waiting);
    /* Nobody listens to the master while a node drives: its characters wait in the pty. */
    const bool deaf = bus.burst.size > 0 || driven();
    waiting_for(&waiting, bus.options->until_eof ? 0 : -1);
    waiting_for(&waiting, master->listener);
    waiting_for(&waiting, deaf ? -1 : master->pty);
    waiting_for(&waiting, deaf ? -1 : master->client);
    for (unsigned i = 0; i < bus.count; i++)
        waiting_for(&waiting, bus.members[i].events);
    wait_for(&waiting);

    char ignored[64];
    if (bus.options->until_eof && waiting_readable(&waiting, 0) && read(0, ignored, sizeof ignored) <= 0)
        leave(0);
    bool heard = false;
    if (waiting_readable(&waiting, master->pty)) {
        read_master(master->pty, true);
        heard = bus.burst.size > 0;
    }
    if (!heard && waiting_readable(&waiting, master->client)) {
        if (!read_master(master->client, false)) {
            close(master->client);
            master->client = -1;
        }
        heard = bus.burst.size > 0;
    }
    if (waiting_readable(&waiting, master->listener))
        master_accept(master);
    for (unsigned i = 0; i < bus.count; i++)
        if (waiting_readable(&waiting, bus.members[i].events) && handle_node(&bus.members[i])) {
            *index = i;
            return true;
        }
    run_due(heard);
    return false;
}

int bus_run(const struct options *options, unsigned *index)
{
    struct sigaction action = {.sa_handler = on_signal};
    bus.options = options;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
#ifdef __linux__
    prctl(PR_SET_TIMERSLACK, 1UL); /* 50 us otherwise, more than the silence at 1 Mbit/s */
#endif
    const char *wrong = master_open(&bus.master, options->link, options->tcp);
    if (wrong)
        cannot(wrong);
    say("bus %s", options->link ? options->link : bus.master.pty_name);
    if (options->tcp >= 0)
        say("tcp 127.0.0.1:%u", bus.master.tcp_port);
    for (unsigned i = 0; i < options->node_count; i++) {
        struct member *member = &bus.members[i];
        member->address = options->nodes[i];
        start_node(member);
        if (member->process == 0) {
            *index = i;
            return member->events;
        }
        bus.count++;
    }
    while (!stopping && !over())
        if (round_of_the_bus(index))
            return bus.members[*index].events;
    leave(0);
}
