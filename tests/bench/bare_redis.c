/* The bare redis-server; see bare.h. */
#include "bare.h"

#include "pool.h"
#include "sample.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { KEPT_BATCHES = 20000 };

static int connect_to(const char *folder)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/run/redis.sock", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        bench_fail("%s: %s", address.sun_path, strerror(errno));
    return fd;
}

/* XADD as RESP; its length. Old entries are trimmed, so that memory stays bounded. */
static size_t write_command(size_t batch_bytes, char *text)
{
    char kept[16];
    int digits = snprintf(kept, sizeof kept, "%d", KEPT_BATCHES);
    int head = sprintf(text,
                       "*8\r\n$4\r\nXADD\r\n$5\r\nbench\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n"
                       "$%d\r\n%s\r\n$1\r\n*\r\n$1\r\nb\r\n$%zu\r\n",
                       digits, kept, batch_bytes);
    for (size_t i = 0; i < batch_bytes; i++)
        text[(size_t)head + i] = (char)(i * 131 + (i >> 7));
    memcpy(text + head + batch_bytes, "\r\n", 2);
    return (size_t)head + batch_bytes + 2;
}

static void exchange(int fd, const char *commands, size_t bytes, unsigned answers)
{
    char text[4096];
    for (size_t sent = 0; sent < bytes;) {
        ssize_t now = send(fd, commands + sent, bytes - sent, MSG_NOSIGNAL);
        if (now <= 0)
            bench_fail("redis-server does not take it: %s", strerror(errno));
        sent += (size_t)now;
    }
    /* $15\r\n1700000000000-0\r\n: two line ends an answer */
    for (unsigned ends = 0; ends < 2 * answers;) {
        ssize_t got = recv(fd, text, sizeof text, 0);
        if (got <= 0 || text[0] == '-')
            bench_fail("redis-server refuses: %.*s", got > 0 ? (int)got : 0, text);
        for (ssize_t i = 0; i < got; i++)
            ends += text[i] == '\n';
    }
}

struct bare_redis bare_redis(const char *folder, size_t batch_bytes, unsigned depth, double seconds)
{
    static unsigned started; /* each on a file of its own */
    struct process redis;
    char own[80];
    snprintf(own, sizeof own, "%.55s/bare-%u", folder, ++started);
    pool_make_parts(own);
    pool_start_redis(&redis, own);
    int fd = connect_to(own);
    char *commands = malloc((batch_bytes + 200) * depth);
    if (commands == NULL)
        bench_fail("no memory");
    size_t bytes = 0;
    for (unsigned i = 0; i < depth; i++)
        bytes += write_command(batch_bytes, commands + bytes);
    uint64_t begin_ns = bench_now_ns(), batches = 0;
    double cpu = sample_cpu_seconds(redis.pid);
    while ((double)(bench_now_ns() - begin_ns) < seconds * 1e9) {
        exchange(fd, commands, bytes, depth);
        batches += depth;
    }
    double took_s = (double)(bench_now_ns() - begin_ns) / 1e9;
    cpu = sample_cpu_seconds(redis.pid) - cpu;
    close(fd);
    free(commands);
    process_end(&redis);
    return (struct bare_redis){ .batch_us = cpu * 1e6 / (double)batches,
                                .batches_per_s = (double)batches / took_s };
}
