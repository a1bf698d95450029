#define _DEFAULT_SOURCE
#include "port/native/flash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pcg32.h"
#include "port/native/power.h"

#define FLASH_SIZE (PORT_SECTORS * PORT_SECTOR_SIZE)
#define OLD_FLASH_SIZE (PORT_TRUST_A * PORT_SECTOR_SIZE) /* of the versions before there was trust */
#define ERASE_US 250000u /* typical for 16 KiB, STM32F407 data sheet, table 41 */

static struct {
    uint8_t *bytes; /* FLASH_SIZE */
    int events;     /* the socket to the bus */
    bool pace;
    uint64_t erase_end_us;
} flash;

static _Noreturn void unusable(const char *path, const char *why)
{
    char text[400];
    const int size = snprintf(text, sizeof text, "flash file %.300s: %s", path, why);
    events_put(flash.events, EVENT_FAULT, text, (size_t)size);
    exit(2);
}

/* ---------------------------------------------------------------------------------------------------- its file */

/* The sectors, then the mark by which the file is known: so the sectors begin with a page, as mmap wants. */
#define MARK "neuron485 flash\n"
#define MARK_SIZE (sizeof MARK - 1)
#define WHOLE (off_t)(FLASH_SIZE + MARK_SIZE)

/* Make the file, whole or not at all: under another name, which is its own only once all is written. */
static void make_file(const char *path)
{
    char part[PATH_MAX];
    uint8_t blank[FLASH_SIZE + MARK_SIZE];
    memset(blank, 0xFF, FLASH_SIZE);
    memcpy(blank + FLASH_SIZE, MARK, MARK_SIZE);
    if (snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid()) >= (int)sizeof part)
        unusable(path, "its name is too long");
    const int fd = open(part, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        unusable(path, strerror(errno));
    /* Unlike a rename, a link takes no other's place: two that start at once share what the first has made. */
    const bool made =
        events_write(fd, blank, sizeof blank) && fsync(fd) == 0 && (link(part, path) == 0 || errno == EEXIST);
    const int why = errno;
    close(fd);
    unlink(part);
    if (!made)
        unusable(path, strerror(why));
}

static bool marked(int fd, off_t at)
{
    char mark[MARK_SIZE];
    return pread(fd, mark, sizeof mark, at) == sizeof mark && memcmp(mark, MARK, sizeof mark) == 0;
}

/* A file of an older version ends where the first sector of trust begins: give it what it lacks, blank. Its own mark
 * goes last, so that it is still known where this was broken off, and is then done again. */
static void grow_file(const char *path, int fd)
{
    uint8_t lacking[FLASH_SIZE - OLD_FLASH_SIZE + MARK_SIZE];
    memset(lacking, 0xFF, sizeof lacking);
    memcpy(lacking + sizeof lacking - MARK_SIZE, MARK, MARK_SIZE);
    const ssize_t rest = sizeof lacking - MARK_SIZE;
    if (pwrite(fd, lacking + MARK_SIZE, (size_t)rest, OLD_FLASH_SIZE + MARK_SIZE) != rest || fsync(fd) != 0 ||
        pwrite(fd, lacking, MARK_SIZE, OLD_FLASH_SIZE) != MARK_SIZE)
        unusable(path, strerror(errno));
}

/* Its own file only; whatever else there may be stays as it is. */
static void check_file(const char *path, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        unusable(path, "it is no file; choose another name");
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        unusable(path, "another simulated node is using it");
    if (fstat(fd, &status) == 0 && status.st_size <= WHOLE && marked(fd, OLD_FLASH_SIZE))
        grow_file(path, fd);
    else if (status.st_size != WHOLE || !marked(fd, FLASH_SIZE))
        unusable(path, "it is not the flash of a simulated node of this version; choose another name");
}

/* One file a node; with several nodes their address is added to the name. */
static int open_file(const struct options *options, unsigned index)
{
    char path[PATH_MAX];
    const bool alone = options->node_count == 1;
    if (snprintf(path, sizeof path, alone ? "%s" : "%s.%u", options->flash, options->nodes[index]) >=
        (int)sizeof path)
        unusable(options->flash, "its name is too long");
    int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT) {
        make_file(path);
        fd = open(path, O_RDWR);
    }
    if (fd < 0)
        unusable(path, strerror(errno));
    check_file(path, fd);
    return fd;
}

void flash_share(const struct options *options)
{
    if (options->flash)
        return;
    const size_t size = (size_t)FLASH_SIZE * options->node_count;
    flash.bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (flash.bytes != MAP_FAILED)
        memset(flash.bytes, 0xFF, size);
}

void flash_open(const struct options *options, unsigned index, int events)
{
    flash.events = events;
    flash.pace = options->pace;
    if (options->flash)
        flash.bytes =
            mmap(NULL, FLASH_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, open_file(options, index), 0);
    if (flash.bytes == MAP_FAILED)
        unusable(options->flash ? options->flash : "(none)", strerror(errno));
    if (!options->flash)
        flash.bytes += (size_t)FLASH_SIZE * index; /* it outlives the restarts of its node */
}

/* --------------------------------------------------------------------------------------------------- the flash */

const uint8_t *port_flash_sector(enum port_sector sector)
{
    return flash.bytes + sector * PORT_SECTOR_SIZE;
}

bool port_supply_good(void)
{
    return true;
}

/* Which bits have landed when the power fails: the same ones each time that it does so here. */
static struct pcg32 *draw(enum port_sector sector, uint32_t offset)
{
    static struct pcg32 random;
    pcg32_seed(&random, offset, sector);
    return &random;
}

void port_flash_program(enum port_sector sector, uint32_t offset, uint32_t word)
{
    uint8_t *cell = flash.bytes + sector * PORT_SECTOR_SIZE + offset;
    uint32_t kept;
    memcpy(&kept, cell, sizeof kept);
    const bool torn = power_fails();
    if (torn)
        word |= pcg32_next(draw(sector, offset));
    kept &= word; /* NOR flash: programming only clears bits */
    memcpy(cell, &kept, sizeof kept);
    if (torn)
        power_off();
}

void port_flash_erase(enum port_sector sector)
{
    uint8_t *bytes = flash.bytes + sector * PORT_SECTOR_SIZE;
    if (power_fails()) {
        struct pcg32 *random = draw(sector, PORT_SECTOR_SIZE);
        for (uint32_t i = 0; i < PORT_SECTOR_SIZE; i++)
            bytes[i] |= (uint8_t)pcg32_next(random);
        power_off();
    }
    memset(bytes, 0xFF, PORT_SECTOR_SIZE);
    flash.erase_end_us = clock_us() + (flash.pace ? ERASE_US : 0);
}

bool port_flash_busy(void)
{
    return clock_us() < flash.erase_end_us;
}
