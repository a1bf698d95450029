#define _POSIX_C_SOURCE 200809L
#include "port/native/events.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool events_write(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        size -= (size_t)done;
    }
    return true;
}

static bool read_all(int fd, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = read(fd, bytes, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        size -= (size_t)done;
    }
    return true;
}

bool events_put(int fd, enum event type, const void *payload, size_t size)
{
    uint8_t message[3 + EVENT_PAYLOAD_MAX] = {(uint8_t)type, (uint8_t)size, (uint8_t)(size >> 8)};
    if (size > 0)
        memcpy(message + 3, payload, size);
    return events_write(fd, message, 3 + size);
}

bool events_get(int fd, struct event_message *message)
{
    uint8_t head[3];
    if (!read_all(fd, head, sizeof head))
        return false;
    message->type = head[0];
    message->size = (uint16_t)(head[1] | head[2] << 8);
    return message->size <= EVENT_PAYLOAD_MAX && read_all(fd, message->payload, message->size);
}

uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}
