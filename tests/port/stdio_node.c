/* The whole firmware as a filter: commands on stdin, one answer each on stdout. Nothing happens that was not
 * asked for: no clock, no terminal; a test sees the same node every time. Driven by tests/memory_node.py.
 *
 *     command: u8 code, u32 size, bytes       answer: u32 size, bytes       (little-endian)
 *
 * Arguments, if any: the last bytes of its UID, whose others are zeros, and its address.
 *
 * Each start of the firmware is a fork of this program with fresh memory; all of them share the flash. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/link.h"
#include "app/node.h"
#include "tests/port/memory.h"

enum code {
    FRAME = 'F', /* bytes, then silence           -> the reply, maybe empty */
    TRIES =
        'M', /* frames: u16 size, FRAME_WHOLE or the CRC is still to come, bytes -> struct outcome of each */
    DAMAGED = 'D',  /* the same, u16 index of a damaged character first */
    BYTES = 'B',    /* bytes, no silence             -> */
    OVERRUN = 'O',  /* a character is lost           -> */
    SILENCE = 'S',  /*                               -> the reply */
    WORK = 'W',     /* u32 rounds of the main loop at most, while there is more to do -> u32 rounds */
    IDLE = 'Z',     /* u32 rounds of the main loop, whatever there is to do -> u32 rounds */
    ADVANCE = 'T',  /* u32 milliseconds              -> */
    LAMP = 'L',     /*                               -> u8 lit */
    LINE = 'I',     /*                               -> u32 baud, format, silence_us, times opened */
    FLASH = 'R',    /* u32 offset, u32 size          -> bytes of the flash */
    ROT = 'E',      /* u32 offset, bytes             -> ; those bits of the flash flip */
    HEALTH = 'H',   /* u8 low supply, u8 dead crystal, u8 worn flash, from now on -> */
    STAGE = 'J',    /* u32 offset, bytes             -> ; those bits of the stage in RAM flip */
    CUT = 'V',      /* u32 operations of the flash, u32 bits: power goes in the middle of that one -> */
    COUNT = 'U',    /*                               -> u32 operations of the flash since start */
    PRESENT = 'Y',  /* u8 the pin is held, at the next starts -> */
    KEPT = 'K',     /* the words that outlive a reset become so -> */
    CHANNELS = 'N', /* u32 that the board has, from now on -> */
    SCANS = 'A',    /* of each: u32 missed before, u16 times, u16 levels, u16 analog[WIRE_ANALOG] -> */
    SAMPLED = 'C',  /*                               -> u32 channels, u32 rate, as the port was asked */
    DECIDED = 'Q',  /*                               -> the next windows, as port_decided got them */
    WATCHDOG = 'G', /* reset                        -> */
    POWER = 'P',    /* power cycle                   -> */
    FACTORY = 'X',  /* the same, with the flash blank -> */
};

#define COMMAND_MAX 4096u
#define FRAME_WHOLE 0x8000u
#define RESET_STATUS 77

/* What outlives a start. */
static struct shared {
    _Alignas(4) uint8_t flash[MEMORY_FLASH_SIZE];
    bool answer_owed;      /* to the command that ended the last start */
    enum wire_start cause; /* of the next one */
    uint32_t rounds;
    uint32_t kept[PORT_KEPT_WORDS];
    bool low, dead_crystal, worn, present;
    uint32_t channels;
} *shared;

static struct {
    bool waiting; /* for what the main loop makes of the last command */
    uint32_t rounds_left;
    bool idling; /* they are all wanted */
} state;

/* What came of a frame, and of the work that it made. */
struct outcome {
    uint8_t size;          /* of the reply; 0: silence */
    uint8_t function;      /* likewise */
    uint8_t exception;     /* its third byte, whatever that is */
    uint8_t reason;        /* REASON, as the reply left it */
    uint8_t result;        /* ORDER_RESULT, after the work */
    uint8_t result_reason; /* ORDER_REASON */
};

/* Frames one after another, each with all its work. */
static struct {
    uint8_t bytes[COMMAND_MAX];
    size_t size, at;
    bool working; /* the last one has its reply */
    struct outcome outcomes[COMMAND_MAX / 8];
    size_t count;
} tries;

static void take(void *bytes, size_t size)
{
    for (uint8_t *at = bytes; size > 0;) {
        const ssize_t got = read(STDIN_FILENO, at, size);
        if (got <= 0)
            exit(got < 0);
        at += got;
        size -= (size_t)got;
    }
}

static void answer(const void *bytes, size_t size)
{
    uint8_t buffer[sizeof(uint32_t) + COMMAND_MAX];
    const uint32_t length = (uint32_t)size;
    memcpy(buffer, &length, sizeof length);
    if (size > 0)
        memcpy(buffer + sizeof length, bytes, size);
    size += sizeof length;
    if (write(STDOUT_FILENO, buffer, size) != (ssize_t)size)
        exit(1);
}

static _Noreturn void start_again(enum wire_start cause)
{
    shared->cause = cause;
    shared->answer_owed = true;
    memcpy(shared->kept, memory.kept, sizeof shared->kept);
    _exit(RESET_STATUS);
}

_Noreturn void memory_on_reset(void)
{
    start_again(memory.cut ? WIRE_START_POWER : WIRE_START_SOFTWARE);
}

void port_init(int argc, char **argv)
{
    if (argc > 2) {
        const uint32_t number = (uint32_t)strtoul(argv[1], NULL, 10);
        memset(memory_uid, 0, sizeof memory_uid);
        for (unsigned i = 0; i < sizeof number; i++)
            memory_uid[sizeof memory_uid - 1 - i] = (uint8_t)(number >> 8 * i);
        memory_address = (uint8_t)strtoul(argv[2], NULL, 10);
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        exit(1);
    memory_blank(shared->flash);
    shared->channels = MEMORY_CHANNELS;
    for (;;) {
        const pid_t child = fork();
        if (child == 0)
            break;
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
            exit(1);
        if (WEXITSTATUS(status) != RESET_STATUS)
            exit(WEXITSTATUS(status));
    }
    memcpy(memory.kept, shared->kept, sizeof memory.kept);
    memory_start(shared->flash, shared->cause);
    memory.low = shared->low;
    memory.dead_crystal = shared->dead_crystal;
    memory.worn = shared->worn;
    memory.present = shared->present;
    memory.channels = shared->channels;
    state.waiting = shared->answer_owed;
}

static uint32_t get32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* A record of SCANS: missed, times, levels, analog. */
#define SCAN_SIZE (8 + 2 * WIRE_ANALOG)

static void scan(const uint8_t *record)
{
    uint16_t words[2 + WIRE_ANALOG]; /* times, levels, analog */
    memcpy(words, record + 4, sizeof words);
    for (unsigned i = 0; i < words[0]; i++)
        memory_scan(words + 2, words[1], i == 0 ? get32(record) : 0);
}

/* As much as one answer holds. */
static void answer_decided(void)
{
    const size_t size = memory.decided_size < COMMAND_MAX ? memory.decided_size : COMMAND_MAX;
    answer(memory_decided, size);
    memory.decided_size -= size;
    memmove(memory_decided, memory_decided + size, memory.decided_size);
}

static void feed(const uint8_t *bytes, size_t size, size_t damaged)
{
    for (size_t i = 0; i < size; i++)
        link_on_byte(memory.link, bytes[i], i == damaged);
}

/* Parts stand in the node, and the link is the first of them. */
static struct node *whole_node(void)
{
    return (struct node *)(void *)memory.link;
}

static void flip_stage(uint32_t offset, const uint8_t *bits, size_t size)
{
    struct node *node = whole_node();
    for (size_t i = 0; i < size; i++)
        node->parts.models.stage[offset + i] ^= bits[i];
}
_Static_assert(offsetof(struct node, parts.link) == 0, "whoever has the link has the node");

/* The next frame, where there is one; else the answer. */
static bool try_next(void)
{
    tries.working = false;
    if (tries.at + 2 > tries.size || tries.count == sizeof tries.outcomes / sizeof *tries.outcomes) {
        answer(tries.outcomes, tries.count * sizeof *tries.outcomes);
        tries.size = 0;
        return false;
    }
    uint8_t frame[COMMAND_MAX + 2];
    const unsigned head = tries.bytes[tries.at] | (unsigned)tries.bytes[tries.at + 1] << 8;
    size_t size = head & ~FRAME_WHOLE;
    memcpy(frame, tries.bytes + tries.at + 2, size);
    tries.at += 2 + size;
    if (!(head & FRAME_WHOLE))
        size = modbus_frame_seal(frame, size);
    feed(frame, size, SIZE_MAX);
    link_on_silence(memory.link);
    return true;
}

/* True until all of them are through. */
static bool try_on(bool more)
{
    const struct parts *parts = &whole_node()->parts;
    struct outcome *outcome = tries.outcomes + tries.count;
    if (!tries.working) {
        const size_t size = memory_end_sending();
        *outcome = (struct outcome){.size = (uint8_t)size, .reason = (uint8_t)parts->refusal.reason};
        if (size > 0) {
            outcome->function = memory.sent[1];
            outcome->exception = memory.sent[2];
        }
        tries.working = true;
        return true;
    }
    if (more)
        return true;
    outcome->result = (uint8_t)parts->orders.last.result;
    outcome->result_reason = (uint8_t)parts->orders.last.reason;
    tries.count++;
    return try_next();
}

/* True when the main loop must run before there is an answer. */
static bool carry_out(enum code code, const uint8_t *bytes, size_t size)
{
    switch (code) {
    case FRAME:
        feed(bytes, size, SIZE_MAX);
        link_on_silence(memory.link);
        return true;
    case TRIES:
        memcpy(tries.bytes, bytes, size);
        tries.size = size;
        tries.at = tries.count = 0;
        return try_next();
    case DAMAGED:
        feed(bytes + 2, size - 2, (size_t)(bytes[0] | bytes[1] << 8));
        link_on_silence(memory.link);
        return true;
    case BYTES:
        feed(bytes, size, SIZE_MAX);
        break;
    case OVERRUN:
        link_on_overrun(memory.link);
        break;
    case SILENCE:
        link_on_silence(memory.link);
        return true;
    case WORK:
    case IDLE:
        state.idling = code == IDLE;
        state.rounds_left = get32(bytes);
        shared->rounds = 0;
        return true;
    case ADVANCE:
        memory.millis += get32(bytes);
        break;
    case LAMP:
        answer(&(uint8_t){memory.lit}, 1);
        return false;
    case LINE: {
        const struct port_line *line = &memory.line;
        answer((uint32_t[]){line->baud, (uint32_t)line->format, line->silence_us, memory.opened}, 16);
        return false;
    }
    case FLASH:
        answer(shared->flash + get32(bytes), get32(bytes + 4));
        return false;
    case ROT:
        for (size_t i = 4; i < size; i++)
            shared->flash[get32(bytes) + i - 4] ^= bytes[i];
        break;
    case HEALTH:
        memory.low = shared->low = bytes[0];
        memory.dead_crystal = shared->dead_crystal = bytes[1];
        memory.worn = shared->worn = bytes[2];
        break;
    case STAGE:
        flip_stage(get32(bytes), bytes + 4, size - 4);
        break;
    case CUT:
        memory.cut_at = memory.operations + get32(bytes);
        memory.landed = get32(bytes + 4);
        break;
    case COUNT:
        answer(&memory.operations, sizeof memory.operations);
        return false;
    case PRESENT:
        shared->present = bytes[0];
        break;
    case KEPT:
        memcpy(memory.kept, bytes, sizeof memory.kept);
        break;
    case CHANNELS:
        memory.channels = shared->channels = get32(bytes);
        break;
    case SCANS:
        for (size_t i = 0; i + SCAN_SIZE <= size; i += SCAN_SIZE)
            scan(bytes + i);
        break;
    case SAMPLED:
        answer((uint32_t[]){memory.sampled, memory.rate}, 8);
        return false;
    case DECIDED:
        answer_decided();
        return false;
    case WATCHDOG:
        start_again(WIRE_START_WATCHDOG);
    case POWER:
        start_again(WIRE_START_POWER);
    case FACTORY:
        memory_blank(shared->flash);
        start_again(WIRE_START_POWER);
    default:
        fprintf(stderr, "unknown command %d\n", code);
        exit(1);
    }
    answer(NULL, 0);
    return false;
}

void port_idle(bool more)
{
    if (tries.size > 0) {
        if (try_on(more))
            return;
    } else if (state.waiting && state.rounds_left > 0) {
        shared->rounds++;
        state.rounds_left--;
        if ((more || state.idling) && state.rounds_left > 0)
            return;
        state.rounds_left = 0;
        answer(&shared->rounds, sizeof shared->rounds);
    } else if (state.waiting) {
        const size_t size = memory_end_sending();
        answer(memory.sent, size);
    }
    state.waiting = false;
    shared->answer_owed = false;
    while (!state.waiting) {
        uint8_t head[5], bytes[COMMAND_MAX];
        take(head, sizeof head);
        const uint32_t size = get32(head + 1);
        if (size > sizeof bytes)
            exit(1);
        take(bytes, size);
        state.waiting = carry_out((enum code)head[0], bytes, size);
    }
}
