#define _POSIX_C_SOURCE 200809L
#include "port/native/wire.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool wire_write(int fd, const uint8_t *bytes, size_t size)
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

bool wire_put(int fd, enum wire_event type, const void *payload, size_t size)
{
    uint8_t message[3 + WIRE_PAYLOAD_MAX] = {(uint8_t)type, (uint8_t)size, (uint8_t)(size >> 8)};
    if (size > 0)
        memcpy(message + 3, payload, size);
    return wire_write(fd, message, 3 + size);
}

bool wire_get(int fd, struct wire_message *message)
{
    uint8_t head[3];
    if (!read_all(fd, head, sizeof head))
        return false;
    message->type = head[0];
    message->size = (uint16_t)(head[1] | head[2] << 8);
    return message->size <= WIRE_PAYLOAD_MAX && read_all(fd, message->payload, message->size);
}

uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}
