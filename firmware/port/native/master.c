#define _GNU_SOURCE
#define _DARWIN_C_SOURCE
#include "port/native/master.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "port/native/events.h"

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
    if (link) {
        struct stat status;
        if (lstat(link, &status) == 0 && S_ISLNK(status.st_mode))
            unlink(link); /* left by a simulation that was killed */
        if (symlink(path, link) != 0)
            return link;
        master->link = link;
    }
    return NULL;
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
    *master = (struct master){.pty = -1, .slave = -1, .listener = -1, .client = -1};
    const char *wrong = open_pty(master, link);
    return wrong || tcp < 0 ? wrong : open_tcp(master, tcp);
}

void master_close(struct master *master)
{
    if (master->link)
        unlink(master->link);
    master->link = NULL;
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
