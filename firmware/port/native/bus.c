/* The simulated RS485 bus: one pair of wires with a master (a pty, a TCP port, or both) and some nodes.
 *
 * It keeps the time of the line, tells every node what it hears, and watches the transceivers: a node that
 * sends with its driver off or its receiver on, that leaves its driver on, or that drives while another does,
 * ends the simulation with a message and exit status 3; but for the answers to a search, see pair.h. Standard output,
 * a line each: `bus PATH`, `tcp HOST:PORT`, `uid NAME UID` of a fresh node, `node NAME BAUD FORMAT`, `address NAME
 * ADDRESS` where it is another than before, `led NAME on|off`, `hop NAME JSON` for a window that was decided, `ended
 * NAME` with its signal, `cut NAME WORDS` once that command is in force (commands.h), `power NAME off|on`, `note
 * TEXT`, and `fault TEXT`. A node's name is the address that it was started with; of fresh nodes, which are all started
 * with the same, its number. */
#define _GNU_SOURCE
#define _DARWIN_C_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "port/native/commands.h"
#include "port/native/events.h"
#include "port/native/master.h"
#include "port/native/pair.h"
#include "port/native/power.h"
#include "port/native/say.h"
#include "port/native/waiting.h"

#define EXIT_FAULT 3
#define BURST_MAX 512u
#define REARM_US 100000u /* the longest wait */
#define LINGER_US 3000000u

/* What the master has said and the line has not yet carried, when characters take their time. */
struct burst {
    uint8_t bytes[BURST_MAX];
    size_t size;
    uint64_t due;
    bool serial; /* came over the pty, which has a baud rate */
};

static struct {
    const struct options *options;
    struct pair pair;
    struct burst burst;
    uint64_t heard_at; /* the master's last word, 0: none */
} bus;

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static _Noreturn void leave(int status)
{
    for (unsigned i = 0; i < bus.pair.count; i++)
        if (bus.pair.members[i].process > 0)
            kill(bus.pair.members[i].process, SIGKILL);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    master_close(&bus.pair.master);
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

/* -------------------------------------------------------------------------------------------------- nodes */

static const char *format_name(enum wire_format format)
{
    static const char *const names[] = {"8E1", "8O1", "8N1", "8N2"};
    return names[format];
}

static void start_node(struct member *member);

/* Its process has gone, or is about to. Answers its status. */
static int end_node(struct member *member)
{
    int status;
    close(member->events);
    member->events = -1;
    if (waitpid(member->process, &status, 0) != member->process)
        status = 0;
    member->process = 0;
    return status;
}

/* There is no process: what it has yet said is lost. */
static void without_power(struct member *member)
{
    pair_leave(&bus.pair, member);
    power_lost((unsigned)(member - bus.pair.members));
    member->on_at = clock_us() + member->off_us;
    say("power %u off", member->address);
    say("led %u off", member->address);
}

/* True in a new node process. */
static bool after_node(struct member *member)
{
    const int status = end_node(member);
    switch (WIFEXITED(status) ? WEXITSTATUS(status) : 0) {
    case EVENT_EXIT_RESET:
        start_node(member);
        return member->process == 0;
    case EVENT_EXIT_POWER:
        without_power(member);
        return false;
    default:
        fault(member, "its process has ended");
    }
}

static void obey(const struct command *command)
{
    unsigned index = 0;
    while (index < bus.pair.count && bus.pair.members[index].address != command->node)
        index++;
    if (index == bus.pair.count) {
        fprintf(stderr, "error: cut: there is no node %u\n", command->node);
        return;
    }
    struct member *member = &bus.pair.members[index];
    member->off_us = (uint64_t)command->off_ms * 1000u;
    power_cut_in(index, command->operations);
    if (command->operations == 0) {
        if (member->process > 0) {
            kill(member->process, SIGKILL);
            end_node(member);
        }
        without_power(member);
    }
    say("cut %u %u", command->node, command->operations);
}

/* Of those that are due. True in a new node process. */
static bool power_on(unsigned *index)
{
    for (unsigned i = 0; i < bus.pair.count; i++) {
        struct member *member = &bus.pair.members[i];
        if (member->on_at > clock_us())
            continue;
        say("power %u on", member->address);
        start_node(member);
        if (member->process == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* `broken`: a rule of the bus, or NULL. */
static void judge(const struct member *member, const char *broken)
{
    if (broken)
        fault(member, broken);
}

static void say_uid(const struct member *member, const struct event_message *message)
{
    char text[2 * WIRE_UID_BYTES + 1];
    for (unsigned i = 0; i < WIRE_UID_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", message->payload[i]);
    say("uid %u %s", member->address, text);
}

/* True in a new node process that has come to be meanwhile. */
static bool handle_node(struct member *member)
{
    struct event_message message;
    struct event_direction direction;
    const uint8_t told = member->line.address;
    if (!events_get(member->events, &message))
        return after_node(member);
    switch (message.type) {
    case EVENT_LINE:
        memcpy(&member->line, message.payload, sizeof member->line);
        if (member->line.address != told)
            say("address %u %u", member->address, member->line.address);
        say("node %u %u %s", member->address, member->line.baud, format_name(member->line.format));
        break;
    case EVENT_DIRECTION:
        memcpy(&direction, message.payload, sizeof direction);
        judge(member, pair_direct(&bus.pair, member, direction));
        break;
    case EVENT_TRANSMIT:
        judge(member, pair_transmit(&bus.pair, member, &message));
        break;
    case EVENT_TURN:
        pair_had_turn(&bus.pair, member);
        break;
    case EVENT_UID:
        say_uid(member, &message);
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

static uint8_t first_address(const struct member *member)
{
    return bus.options->fresh ? WIRE_DEFAULT_ADDRESS : member->address;
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
        const struct master *master = &bus.pair.master;
        const int others[] = {ends[0],          master->pty,    master->slave,
                              master->listener, master->client, master->lock};
        for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
            if (others[i] >= 0)
                close(others[i]);
        for (unsigned i = 0; i < bus.pair.count; i++)
            if (&bus.pair.members[i] != member && bus.pair.members[i].process > 0)
                close(bus.pair.members[i].events);
        member->events = ends[1];
        return;
    }
    close(ends[1]);
    member->events = ends[0];
    member->line = (struct port_line){
        .baud = WIRE_DEFAULT_BAUD,
        .silence_us = 2006,
        .address = member->line.address ? member->line.address : first_address(member),
    };
    member->on_at = FOREVER;
    member->ended = false;
    pair_leave(&bus.pair, member);
}

/* ------------------------------------------------------------------------------------------------- rounds */

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
    burst->due = bus.heard_at + pair_duration_us(&bus.pair, &bus.pair.members[0].line, burst->size);
    return true;
}

static void carry_burst(void)
{
    struct burst *burst = &bus.burst;
    /* What the master says after a reply begins a frame, however late this round has come. */
    if (bus.pair.replied)
        pair_end_silences(&bus.pair, bus.heard_at);
    pair_carry(&bus.pair, burst->bytes, burst->size, burst->serial ? master_baud(&bus.pair.master) : 0);
    burst->size = 0;
    master_rearm(&bus.pair.master);
}

static uint64_t next_event(void)
{
    uint64_t next = bus.burst.size > 0 ? bus.burst.due : FOREVER;
    for (unsigned i = 0; i < bus.pair.count; i++) {
        const struct member *member = &bus.pair.members[i];
        if (member->sent_at < next)
            next = member->sent_at;
        if (member->silent_at < next)
            next = member->silent_at;
        if (member->on_at < next)
            next = member->on_at;
    }
    return next;
}

/* A fast simulation is over with its signals, once a master that has just been at work has had its answers. */
static bool over(void)
{
    for (unsigned i = 0; i < bus.pair.count; i++)
        if (!bus.pair.members[i].ended)
            return false;
    return bus.options->fast && clock_us() - bus.heard_at >= LINGER_US;
}

/* `heard`: the master has spoken in this round, so no silence has passed, however late the round came. */
static void run_due(bool heard)
{
    const uint64_t now = clock_us();
    if (bus.burst.size > 0 && bus.burst.due <= now)
        carry_burst();
    for (unsigned i = 0; i < bus.pair.count; i++) {
        struct member *member = &bus.pair.members[i];
        if (member->sent_at <= now) {
            member->sent_at = FOREVER;
            pair_tell(member, EVENT_SENT, NULL, 0);
        }
    }
    if (!heard && bus.burst.size == 0)
        pair_end_silences(&bus.pair, now);
}

/* Until something can be read, or the next event is due. */
static void wait_for(struct waiting *waiting)
{
    const uint64_t next = next_event(), now = clock_us();
    uint64_t timeout = REARM_US;
    if (next != FOREVER)
        timeout = next <= now ? 0 : next - now;
    if (waiting_end(waiting, timeout))
        master_rearm(&bus.pair.master);
}

/* One round of the bus. True in a new node process. */
static bool round_of_the_bus(unsigned *index)
{
    struct master *master = &bus.pair.master;
    struct waiting waiting;
    waiting_begin(&waiting);
    /* Nobody listens to the master while a node drives: its characters wait in the pty. */
    const bool deaf = bus.burst.size > 0 || pair_taken(&bus.pair);
    waiting_for(&waiting, bus.options->until_eof ? 0 : -1);
    waiting_for(&waiting, master->listener);
    waiting_for(&waiting, deaf ? -1 : master->pty);
    waiting_for(&waiting, deaf ? -1 : master->client);
    for (unsigned i = 0; i < bus.pair.count; i++)
        waiting_for(&waiting, bus.pair.members[i].events);
    wait_for(&waiting);

    if (bus.options->until_eof && waiting_readable(&waiting, 0) && !commands_read(0, obey))
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
    for (unsigned i = 0; i < bus.pair.count; i++)
        if (waiting_readable(&waiting, bus.pair.members[i].events) && handle_node(&bus.pair.members[i])) {
            *index = i;
            return true;
        }
    run_due(heard);
    return power_on(index);
}

int bus_run(const struct options *options, unsigned *index)
{
    struct sigaction action = {.sa_handler = on_signal};
    bus.options = bus.pair.options = options;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
#ifdef __linux__
    prctl(PR_SET_TIMERSLACK, 1UL); /* 50 us otherwise, more than the silence at 1 Mbit/s */
#endif
    const char *wrong = master_open(&bus.pair.master, options->link, options->tcp);
    if (wrong)
        cannot(wrong);
    say("bus %s", options->link ? options->link : bus.pair.master.pty_name);
    if (options->tcp >= 0)
        say("tcp 127.0.0.1:%u", bus.pair.master.tcp_port);
    for (unsigned i = 0; i < options->node_count; i++) {
        struct member *member = &bus.pair.members[i];
        member->address = options->nodes[i];
        start_node(member);
        if (member->process == 0) {
            *index = i;
            return member->events;
        }
        bus.pair.count++;
    }
    while (!stopping && !over())
        if (round_of_the_bus(index))
            return bus.pair.members[*index].events;
    leave(0);
}
