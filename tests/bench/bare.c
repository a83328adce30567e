#include "bare.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double usage_us(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e6 +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage_us(&usage);
}

static bool send_whole(int fd, const char *bytes, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t now = send(fd, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (now <= 0)
            return false;
        sent += (size_t)now;
    }
    return true;
}

/* Reads what is there and says how many messages of `bytes` became whole; -1 at the end. */
static int receive_some(int fd, char *memory, size_t room, size_t bytes, size_t *kept)
{
    ssize_t got = recv(fd, memory, room, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        return -1;
    *kept += got > 0 ? (size_t)got : 0;
    int whole = (int)(*kept / bytes);
    *kept %= bytes;
    return whole;
}

static int watch(int fd)
{
    struct epoll_event event = { .events = EPOLLIN };
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_fail("epoll: %s", strerror(errno));
    return epoll;
}

/* Waits, reads, sends an answer for each request, as long as there is a peer. */
static _Noreturn void answer_all(int fd, char *memory, size_t room, const struct bare_shape *shape)
{
    struct epoll_event event;
    size_t kept = 0;
    int epoll = watch(fd);
    for (;;) {
        (void)epoll_wait(epoll, &event, 1, -1);
        int whole = receive_some(fd, memory, room, shape->request_bytes, &kept);
        if (whole < 0)
            _exit(0);
        while (whole-- > 0)
            if (!send_whole(fd, memory, shape->answer_bytes))
                _exit(0);
    }
}

struct bare_hop bare_hop(const struct bare_shape *shape, double seconds)
{
    enum { ROOM_MIN = 64 << 10 };
    int ends[2];
    size_t longest =
        shape->request_bytes > shape->answer_bytes ? shape->request_bytes : shape->answer_bytes;
    size_t room = longest > ROOM_MIN ? longest : ROOM_MIN, kept = 0;
    char *memory = calloc(1, room);
    if (memory == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        bench_fail("socketpair: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        answer_all(ends[1], memory, room, shape);
    }
    close(ends[1]);
    int epoll = watch(ends[0]);
    uint64_t end_ns = bench_now_ns() + (uint64_t)(seconds * 1e9), rounds = 0;
    double began_us = cpu_us();
    int wanted = (int)shape->depth;
    while (bench_now_ns() < end_ns) {
        struct epoll_event event;
        for (; wanted > 0; wanted--)
            if (!send_whole(ends[0], memory, shape->request_bytes))
                bench_fail("the other side of a socket pair is gone");
        (void)epoll_wait(epoll, &event, 1, -1);
        wanted = receive_some(ends[0], memory, room, shape->answer_bytes, &kept);
        if (wanted < 0)
            bench_fail("the other side of a socket pair is gone");
        rounds += (uint64_t)wanted;
    }
    double asker_us = cpu_us() - began_us;
    close(epoll);
    close(ends[0]);
    struct rusage usage;
    if (wait4(pid, NULL, 0, &usage) != pid)
        bench_fail("wait4: %s", strerror(errno));
    free(memory);
    return (struct bare_hop){ .asker_us = asker_us / (double)rounds,
                              .answerer_us = usage_us(&usage) / (double)rounds };
}
