#include "loop/testing/virtual_clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    NS_A_SECOND = 1000000000,
    NS_A_MS = 1000000,
    NS_A_READING = 20, /* so that who reads it until some moment comes to an end */
    SIGSET_BYTES = 8,
};

static _Atomic bool runs;
static _Atomic uint64_t now_ns;    /* the monotonic clock */
static uint64_t calendar_ahead_ns; /* of it */

static uint64_t real_ns(clockid_t clock)
{
    struct timespec now = { 0 };
    (void)syscall(SYS_clock_gettime, clock, &now);
    return (uint64_t)now.tv_sec * NS_A_SECOND + (uint64_t)now.tv_nsec;
}

void virtual_clock_begin(void)
{
    now_ns = real_ns(CLOCK_MONOTONIC);
    calendar_ahead_ns = real_ns(CLOCK_REALTIME) - now_ns;
    runs = true;
}

void virtual_clock_end(void)
{
    runs = false;
}

int clock_gettime(clockid_t clock, struct timespec *now_r)
{
    if (!runs || (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME))
        return (int)syscall(SYS_clock_gettime, clock, now_r);
    uint64_t ns = atomic_fetch_add(&now_ns, NS_A_READING);
    ns += clock == CLOCK_REALTIME ? calendar_ahead_ns : 0;
    *now_r = (struct timespec){ .tv_sec = (time_t)(ns / NS_A_SECOND),
                                .tv_nsec = (long)(ns % NS_A_SECOND) };
    return 0;
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int events_max, int timeout_ms)
{
    bool jumps = runs && timeout_ms >= 0;
    long count = syscall(SYS_epoll_pwait, epoll_fd, events, events_max, jumps ? 0 : timeout_ms,
                         NULL, SIGSET_BYTES);
    if (jumps && count == 0)
        atomic_fetch_add(&now_ns, (uint64_t)timeout_ms * NS_A_MS);
    return (int)count;
}
