#define _GNU_SOURCE
#define _DARWIN_C_SOURCE
#include "port/native/pair.h"

#include <string.h>

#include "port/native/say.h"

uint64_t pair_duration_us(const struct pair *pair, const struct port_line *line, size_t size)
{
    const unsigned bits = line->format == WIRE_FORMAT_F8N1 ? 10 : 11;
    return pair->options->pace ? (uint64_t)size * bits * 1000000u / line->baud : 0;
}

void pair_tell(const struct member *member, enum event type, const void *payload, size_t size)
{
    events_put(member->events, type, payload, size);
}

/* -------------------------------------------------------------------------------------------------- hearing */

static void hear(struct member *member, const uint8_t *bytes, size_t size, bool readable)
{
    if (member->process == 0)
        return;
    pair_tell(member, readable ? EVENT_BYTES : EVENT_DAMAGED, bytes, size);
    member->silent_at = clock_us() + member->line.silence_us;
}

/* Whether a node that listens at another rate than this hears anything of it; 0: it is not known. */
static bool can_read(struct pair *pair, const struct member *member, uint32_t baud)
{
    if (baud == 0 || baud == member->line.baud)
        return true;
    if (pair->told_baud != baud) {
        pair->told_baud = baud;
        say("note the host speaks at %u baud, node %u listens at %u", baud, member->address,
            member->line.baud);
    }
    return false;
}

static void remember(struct pair *pair, const uint8_t *bytes, size_t size)
{
    if (pair->said_ended)
        pair->said_size = 0;
    pair->said_ended = false;
    for (size_t i = 0; i < size; i++, pair->said_size++)
        if (pair->said_size < sizeof pair->said)
            pair->said[pair->said_size] = bytes[i];
}

void pair_carry(struct pair *pair, const uint8_t *bytes, size_t size, uint32_t baud)
{
    remember(pair, bytes, size);
    pair->replied = false;
    for (unsigned i = 0; i < pair->count; i++) {
        struct member *member = &pair->members[i];
        hear(member, bytes, size, can_read(pair, member, baud));
    }
}

/* Whether the master has called by the address that many may answer. */
static bool called(const struct pair *pair)
{
    return pair->said[0] == WIRE_SEARCH_ADDRESS && modbus_frame_valid(pair->said, pair->said_size);
}

void pair_end_silences(struct pair *pair, uint64_t now)
{
    const bool call = !pair->replied && called(pair);
    for (unsigned i = 0; i < pair->count; i++) {
        struct member *member = &pair->members[i];
        if (member->silent_at > now)
            continue;
        member->silent_at = FOREVER;
        member->asked = call;
        pair->said_ended = true;
        pair_tell(member, EVENT_SILENCE, &member->asked, sizeof member->asked);
    }
}

/* ------------------------------------------------------------------------------------------------- speaking */

static bool others_drive(const struct pair *pair, const struct member *member)
{
    for (unsigned i = 0; i < pair->count; i++)
        if (&pair->members[i] != member && pair->members[i].direction.driving)
            return true;
    return false;
}

const char *pair_transmit(struct pair *pair, struct member *member, const struct event_message *message)
{
    if (!member->direction.driving)
        return "it sends with its driver off (SE low)";
    if (member->direction.listening)
        return "it sends with its receiver on (RE low) and hears itself";
    if (!member->asked && others_drive(pair, member))
        return "it drives the bus while another node does";
    memcpy(member->reply, message->payload, message->size);
    member->reply_size = message->size;
    member->joined = member->asked;
    if (!member->joined)
        member->sent_at = clock_us() + pair_duration_us(pair, &member->line, message->size);
    return NULL;
}

static bool awaited(const struct pair *pair)
{
    for (unsigned i = 0; i < pair->count; i++)
        if (pair->members[i].asked)
            return true;
    return false;
}

void pair_had_turn(struct pair *pair, struct member *member)
{
    const bool waits = member->asked;
    member->asked = false;
    if (!waits || awaited(pair))
        return;
    const uint64_t now = clock_us();
    for (unsigned i = 0; i < pair->count; i++) {
        struct member *speaker = &pair->members[i];
        if (speaker->joined)
            speaker->sent_at = now + pair_duration_us(pair, &speaker->line, speaker->reply_size);
    }
}

bool pair_taken(const struct pair *pair)
{
    return others_drive(pair, NULL) || awaited(pair);
}

/* All but those who have spoken hear it. */
static void spread(struct pair *pair, const uint8_t *bytes, size_t size, uint32_t baud, bool whole)
{
    for (unsigned i = 0; i < pair->count; i++) {
        struct member *member = &pair->members[i];
        if (member->reply_size == 0)
            hear(member, bytes, size, whole && can_read(pair, member, baud));
    }
    for (unsigned i = 0; i < pair->count; i++)
        pair->members[i].reply_size = 0;
    pair->replied = true;
    master_write(&pair->master, bytes, size);
}

/* What the wires carry where all these speak at once, from the same instant on: a bit that one of them pulls to 0 is 0.
 * Replies that are the same go through whole. */
static bool collide(const struct pair *pair, uint8_t *bytes, size_t *size)
{
    const struct member *first = NULL;
    bool same = true;
    memset(bytes, 0xFF, EVENT_PAYLOAD_MAX);
    *size = 0;
    for (unsigned i = 0; i < pair->count; i++) {
        const struct member *member = &pair->members[i];
        if (!member->joined)
            continue;
        first = first ? first : member;
        same &= member->reply_size == first->reply_size &&
                memcmp(member->reply, first->reply, first->reply_size) == 0;
        for (size_t k = 0; k < member->reply_size; k++)
            bytes[k] &= member->reply[k];
        *size = member->reply_size > *size ? member->reply_size : *size;
    }
    if (!same && modbus_frame_valid(bytes, *size))
        bytes[*size / 2] ^= 1; /* by chance: real drivers that fight do not count so well */
    return same;
}

/* Replies to a call are heard once all who gave one have let go of the bus. */
static void deliver_joined(struct pair *pair)
{
    uint8_t bytes[EVENT_PAYLOAD_MAX];
    size_t size;
    uint32_t baud = 0;
    for (unsigned i = 0; i < pair->count; i++) {
        const struct member *member = &pair->members[i];
        if (member->joined && member->direction.driving)
            return;
        if (member->joined)
            baud = member->line.baud;
    }
    if (baud == 0)
        return; /* the only one has left meanwhile */
    const bool whole = collide(pair, bytes, &size);
    spread(pair, bytes, size, baud, whole);
    for (unsigned i = 0; i < pair->count; i++)
        pair->members[i].joined = false;
}

void pair_leave(struct pair *pair, struct member *member)
{
    const bool joined = member->joined;
    member->direction = (struct event_direction){.listening = true};
    member->silent_at = member->sent_at = FOREVER;
    member->reply_size = 0;
    member->joined = false;
    pair_had_turn(pair, member);
    if (joined)
        deliver_joined(pair);
}

/* A reply is heard once the node has let go of the bus: a node that does not is caught before its reply is. */
const char *pair_direct(struct pair *pair, struct member *member, struct event_direction direction)
{
    const bool released = member->direction.driving && !direction.driving;
    if (direction.driving && direction.listening)
        return "its driver is on (SE high) while its receiver is (RE low)";
    member->direction = direction;
    if (!released || member->reply_size == 0)
        return NULL;
    if (member->joined)
        deliver_joined(pair);
    else
        spread(pair, member->reply, member->reply_size, member->line.baud, true);
    return NULL;
}
