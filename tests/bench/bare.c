#include "bare.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
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

static bool receive_whole(int fd, char *bytes, size_t length)
{
    for (size_t got = 0; got < length;) {
        ssize_t now = recv(fd, bytes + got, length - got, 0);
        if (now <= 0)
            return false;
        got += (size_t)now;
    }
    return true;
}

struct bare_hop bare_hop(size_t request_bytes, size_t answer_bytes, double seconds)
{
    int ends[2];
    size_t bytes = request_bytes > answer_bytes ? request_bytes : answer_bytes;
    char *memory = calloc(1, bytes + 1);
    if (memory == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        bench_fail("socketpair: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        while (receive_whole(ends[1], memory, request_bytes) &&
               send_whole(ends[1], memory, answer_bytes))
            continue;
        _exit(0);
    }
    close(ends[1]);
    uint64_t end_ns = bench_now_ns() + (uint64_t)(seconds * 1e9), rounds = 0;
    double began_us = cpu_us();
    for (; bench_now_ns() < end_ns; rounds++)
        if (!send_whole(ends[0], memory, request_bytes) ||
            !receive_whole(ends[0], memory, answer_bytes))
            bench_fail("the other side of a socket pair is gone");
    double asker_us = cpu_us() - began_us;
    close(ends[0]);
    struct rusage usage;
    if (wait4(pid, NULL, 0, &usage) != pid)
        bench_fail("wait4: %s", strerror(errno));
    free(memory);
    return (struct bare_hop){ .asker_us = asker_us / (double)rounds,
                              .answerer_us = usage_us(&usage) / (double)rounds };
}
