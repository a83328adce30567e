/* A TCP port for a server that a test starts and that cannot be told to take any (port 0), because
 * others must know it before. It lies below the ports that the kernel gives out by itself (32768
 * and above where nobody changed it): one of those may be another connection's a moment later. For
 * tests only. */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TEST_PORT_FIRST = 10000, TEST_PORT_COUNT = 22000, TEST_PORT_STEP = 32 };

/* Free a moment ago on every address of this host, and another at each call, with room behind it
 * for the numbered ones of further instances; 0 when none is. */
static inline unsigned test_port(void)
{
    static unsigned next; /* 0: none was given yet */
    if (next == 0 && getrandom(&next, sizeof next, 0) != sizeof next)
        return 0;
    for (unsigned tries = 0; tries < TEST_PORT_COUNT; tries++) {
        unsigned port = TEST_PORT_FIRST + next % TEST_PORT_COUNT;
        next += TEST_PORT_STEP;
        const struct sockaddr_in address = { .sin_family = AF_INET,
                                             .sin_port = htons((in_port_t)port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            return 0;
        bool is_free = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        if (is_free)
            return port;
    }
    return 0;
}
