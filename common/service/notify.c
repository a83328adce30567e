/* The readiness protocol of sd_notify(3), spoken by hand: lines of NAME=value in one datagram. */
#include "service/inside.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_supervisor(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract namespace */
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || length <= 0)
        return;
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    /* A supervisor that does not listen is no concern of ours. */
    ssize_t sent =
        sendto(fd, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1,
               MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)(const void *)&address, bytes);
    (void)sent;
    close(fd);
}

/* WATCHDOG_PID is not looked at: under Kore it names the parent, whose worker has the loop. */
uint64_t notify_alive_ms(void)
{
    enum { TIMES = 4, US_PER_MS = 1000, LEAST_MS = 50 };
    const char *text = getenv("WATCHDOG_USEC");
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    const unsigned long long patience_us = strtoull(text, &end, 10);
    if (*end != '\0' || patience_us == 0)
        return 0;
    const uint64_t ms = patience_us / US_PER_MS / TIMES;
    return ms > LEAST_MS ? ms : LEAST_MS;
}
