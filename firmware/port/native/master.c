#define _GNU_SOURCE
#define _DARWIN_C_SOURCE
#include "port/native/master.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "port/native/events.h"

/* A link to the pty goes with a lock file beside it, PATH.lock: it names the pty, so that the link is known as
 * one of ours, and it is locked while the simulation lives. Both are left behind only by one that was killed. */
#define LOCK_MARK "neuron485 link\n"
#define LOCK_MARK_SIZE (sizeof LOCK_MARK - 1)

static const char *refuse_link(const char *link, const char *why)
{
    static char text[PATH_MAX + 100];
    snprintf(text, sizeof text, "%s %s", link, why);
    errno = 0;
    return text;
}

/* The text of a link; empty where there is none. */
static void read_link(const char *link, char *target, size_t size)
{
    const ssize_t length = readlink(link, target, size - 1);
    target[length > 0 ? length : 0] = 0;
}

static bool is_named(const char *path, int fd)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino;
}

/* The lock file, locked; or -1, with EWOULDBLOCK where another has it. */
static int open_lock(const char *path)
{
    int fd;
    while ((fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0666)) >= 0) {
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            const int why = errno;
            close(fd);
            errno = why;
            return -1;
        }
        if (is_named(path, fd))
            return fd;
        close(fd); /* its owner has removed it meanwhile */
    }
    return -1;
}

/* Whether this lock file and this link have been made by a simulation, for each other. */
static bool is_pair(const char *kept, const char *link)
{
    char target[PTY_NAME_MAX];
    read_link(link, target, sizeof target);
    return strncmp(kept, LOCK_MARK, LOCK_MARK_SIZE) == 0 && strcmp(kept + LOCK_MARK_SIZE, target) == 0;
}

static const char *make_link(struct master *master, const char *link)
{
    struct stat status;
    char kept[LOCK_MARK_SIZE + PTY_NAME_MAX] = "";
    if (snprintf(master->lock_name, sizeof master->lock_name, "%s.lock", link) >=
        (int)sizeof master->lock_name)
        return refuse_link(link, "is too long a name");
    const bool had_lock = access(master->lock_name, F_OK) == 0;
    const int lock = open_lock(master->lock_name);
    if (lock < 0)
        return errno == EWOULDBLOCK
                   ? refuse_link(link, "is in use by another simulation; choose another name")
                   : master->lock_name;
    if (read(lock, kept, sizeof kept - 1) > 0 && strncmp(kept, LOCK_MARK, LOCK_MARK_SIZE) != 0)
        return refuse_link(master->lock_name, "is no simulation's lock; choose another name for the link");
    if (lstat(link, &status) == 0) {
        if (!is_pair(kept, link)) {
            if (!had_lock)
                unlink(master->lock_name);
            return refuse_link(link, "is there, and no simulation has made it; choose another name");
        }
        unlink(link); /* left by a simulation that was killed */
    }
    master->lock = lock;
    const int size = snprintf(kept, sizeof kept, "%s%s", LOCK_MARK, master->pty_name);
    if (ftruncate(lock, 0) != 0 || pwrite(lock, kept, (size_t)size, 0) != size)
        return master->lock_name;
    if (symlink(master->pty_name, link) != 0)
        return link;
    master->link = link;
    return NULL;
}

static const char *open_pty(struct master *master, const char *link)
{
    struct termios raw;
    const char *path;
    master->pty = posix_openpt(O_RDWR | O_NOCTTY);
    if (master->pty < 0 || grantpt(master->pty) != 0 || unlockpt(master->pty) != 0 ||
        !(path = ptsname(master->pty)))
        return "no pseudo-terminal";
    snprintf(master->pty_name, sizeof master->pty_name, "%s", path);
    master->slave = open(path, O_RDWR | O_NOCTTY);
    if (master->slave < 0 || tcgetattr(master->slave, &raw) != 0)
        return "the pseudo-terminal";
    cfmakeraw(&raw);
    cfsetspeed(&raw, B19200);
    tcsetattr(master->slave, TCSANOW, &raw);
    master_rearm(master);
    fcntl(master->pty, F_SETFL, O_NONBLOCK);
    return link ? make_link(master, link) : NULL;
}

static const char *open_tcp(struct master *master, int tcp)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)tcp),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof address;
    const int yes = 1;
    master->listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(master->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(master->listener, (struct sockaddr *)&address, size) != 0 || listen(master->listener, 4) != 0 ||
        getsockname(master->listener, (struct sockaddr *)&address, &size) != 0)
        return "the TCP port";
    fcntl(master->listener, F_SETFL, O_NONBLOCK);
    master->tcp_port = ntohs(address.sin_port);
    return NULL;
}

const char *master_open(struct master *master, const char *link, int tcp)
{
    *master = (struct master){.pty = -1, .slave = -1, .listener = -1, .client = -1, .lock = -1};
    const char *wrong = open_pty(master, link);
    return wrong || tcp < 0 ? wrong : open_tcp(master, tcp);
}

void master_close(struct master *master)
{
    char target[PTY_NAME_MAX];
    if (master->link) {
        read_link(master->link, target, sizeof target);
        if (strcmp(target, master->pty_name) == 0)
            unlink(master->link);
        master->link = NULL;
    }
    if (master->lock >= 0) {
        unlink(master->lock_name);
        close(master->lock);
        master->lock = -1;
    }
}

void master_accept(struct master *master)
{
    const int client = accept(master->listener, NULL, NULL);
    const int yes = 1;
    if (client < 0)
        return;
    if (master->client >= 0)
        close(master->client);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(client, F_SETFL, O_NONBLOCK);
    master->client = client;
}

uint32_t master_baud(const struct master *master)
{
    static const struct {
        speed_t code;
        uint32_t baud;
    } speeds[] = {
        {B1200, 1200},     {B2400, 2400},     {B4800, 4800},     {B9600, 9600},       {B19200, 19200},
        {B38400, 38400},   {B57600, 57600},   {B115200, 115200}, {B230400, 230400},
#ifdef B1000000
        {B460800, 460800}, {B500000, 500000}, {B921600, 921600}, {B1000000, 1000000},
#endif
    };
    struct termios settings;
    if (tcgetattr(master->slave, &settings) != 0)
        return 0;
    for (unsigned i = 0; i < sizeof speeds / sizeof *speeds; i++)
        if (speeds[i].code == cfgetospeed(&settings))
            return speeds[i].baud;
    return 0;
}

/* A pty drops the parity bit, and glibc's tcsetattr then fails unless it has changed something else. With
 * CLOCAL cleared, which means nothing to a pty, a client that sets it changes something. */
void master_rearm(const struct master *master)
{
    struct termios settings;
    if (tcgetattr(master->slave, &settings) != 0 || !(settings.c_cflag & CLOCAL))
        return;
    settings.c_cflag &= ~(tcflag_t)CLOCAL;
    tcsetattr(master->slave, TCSANOW, &settings);
}

void master_write(const struct master *master, const uint8_t *bytes, size_t size)
{
    events_write(master->pty, bytes, size);
    if (master->client >= 0)
        events_write(master->client, bytes, size);
}
