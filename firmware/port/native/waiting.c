#define _POSIX_C_SOURCE 200809L
#include "port/native/waiting.h"

#include <stddef.h>
#include <time.h>

void waiting_begin(struct waiting *waiting)
{
    FD_ZERO(&waiting->ready);
    waiting->highest = -1;
}

void waiting_for(struct waiting *waiting, int fd)
{
    if (fd < 0)
        return;
    FD_SET(fd, &waiting->ready);
    if (fd > waiting->highest)
        waiting->highest = fd;
}

bool waiting_end(struct waiting *waiting, uint64_t timeout_us)
{
    const struct timespec limit = {.tv_sec = (time_t)(timeout_us / 1000000u),
                                   .tv_nsec = (long)(timeout_us % 1000000u) * 1000};
    const int ready = pselect(waiting->highest + 1, &waiting->ready, NULL, NULL, &limit, NULL);
    if (ready <= 0)
        FD_ZERO(&waiting->ready);
    return ready == 0;
}

bool waiting_readable(const struct waiting *waiting, int fd)
{
    return fd >= 0 && FD_ISSET(fd, &waiting->ready);
}
