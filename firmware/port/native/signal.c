#define _POSIX_C_SOURCE 200809L
#include "port/native/signal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/port.h"

#define MAGIC "neuron485 signal"
#define MAGIC_SIZE (sizeof MAGIC - 1)
#define HEADER_SIZE (MAGIC_SIZE + 16)
#define MADE_UP 1u
#define RATE_MAX 1000000u
#define WORDS_MAX (UINT64_C(1) << 27) /* 256 MiB */
#define ANALOG_MASK ((1u << WIRE_ANALOG) - 1)

static uint32_t get16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | get16(bytes + 2) << 16;
}

static unsigned width_of(uint32_t channels)
{
    unsigned width = channels > ANALOG_MASK;
    for (unsigned i = 0; i < WIRE_ANALOG; i++)
        width += channels >> i & 1;
    return width;
}

/* Whether a frame has values that its channels can have; or is missing, in every word. */
static bool frame_valid(const struct signal *signal, const uint8_t *frame)
{
    const bool digital = signal->channels > ANALOG_MASK;
    const bool missing = get16(frame) == WIRE_SAMPLE_MISSING;
    for (unsigned i = 0; i < signal->width; i++) {
        const uint32_t word = get16(frame + 2 * (size_t)i);
        const uint32_t levels = digital && i + 1 == signal->width ? signal->channels >> WIRE_ANALOG : 0;
        if (missing ? word != WIRE_SAMPLE_MISSING : levels ? (word & ~levels) != 0 : word > WIRE_RAW_MAX)
            return false;
    }
    return true;
}

static const char *check(struct signal *signal, const uint8_t *file, uint64_t size)
{
    if (size < HEADER_SIZE || memcmp(file, MAGIC, MAGIC_SIZE) != 0)
        return "it is no signal";
    const uint32_t flags = get32(file + MAGIC_SIZE + 12);
    signal->rate = get32(file + MAGIC_SIZE);
    signal->channels = get32(file + MAGIC_SIZE + 4);
    signal->scans = get32(file + MAGIC_SIZE + 8);
    signal->width = width_of(signal->channels);
    signal->made_up = flags & MADE_UP;
    signal->frames = file + HEADER_SIZE;
    if (flags > MADE_UP)
        return "it has flags of another version";
    if (signal->rate < 1 || signal->rate > RATE_MAX)
        return "its rate is out of range";
    if (signal->channels == 0 || (signal->channels & ~port_channels()) != 0)
        return "it has channels that the board does not have, or none";
    const uint64_t words = (uint64_t)signal->scans * signal->width;
    if (words == 0 || words > WORDS_MAX || size != HEADER_SIZE + 2 * words)
        return "its size is not that of its scans";
    for (uint32_t i = 0; i < signal->scans; i++)
        if (!frame_valid(signal, signal->frames + 2 * (size_t)i * signal->width))
            return "it has a value that no channel gives";
    return NULL;
}

const char *signal_open(struct signal *signal, const char *path)
{
    struct stat status;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return strerror(errno);
    const char *wrong = NULL;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < (off_t)HEADER_SIZE) {
        wrong = "it is no signal";
    } else {
        const size_t size = (size_t)status.st_size;
        const uint8_t *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        wrong = file == MAP_FAILED ? strerror(errno) : check(signal, file, size);
    }
    close(fd);
    return wrong;
}

uint64_t signal_length(const struct signal *signal, uint32_t rate)
{
    return signal->scans == 0 ? 0 : ((uint64_t)signal->scans * rate + signal->rate - 1) / signal->rate;
}

/* No signal: the chip is at 30 C, its supply at 3.3 V, and nothing is wired. */
static void be_quiet(struct signal_scan *scan)
{
    *scan = (struct signal_scan){0};
    scan->analog[WIRE_ANALOG - 2] = port_calibration()[0];
    scan->analog[WIRE_ANALOG - 1] = port_calibration()[2];
}

bool signal_at(const struct signal *signal, uint64_t n, uint32_t rate, struct signal_scan *scan)
{
    be_quiet(scan);
    if (signal->scans == 0)
        return true;
    const uint64_t index = n * signal->rate / rate % signal->scans;
    const uint8_t *frame = signal->frames + 2 * (size_t)index * signal->width;
    if (get16(frame) == WIRE_SAMPLE_MISSING)
        return false;
    for (unsigned i = 0; i < WIRE_ANALOG; i++)
        if (signal->channels >> i & 1) {
            scan->analog[i] = (uint16_t)get16(frame);
            frame += 2;
        }
    if (signal->channels > ANALOG_MASK)
        scan->levels = get16(frame);
    return true;
}
