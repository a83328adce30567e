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

enum {
    KEPT_BATCHES = 20000,
    SHARE_BYTES = 40, /* in the window's entry (window_redis/packed.h) */
    ID_DIGITS = 12,
    LINE_ENDS = 4, /* of a batch's three answers */
};

static int connect_to(const char *folder)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/run/redis.sock", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        bench_fail("%s: %s", address.sun_path, strerror(errno));
    return fd;
}

struct commands {
    char *text;
    size_t bytes;
    size_t id_at[64], old_id_at[64]; /* of each batch: where the ids stand */
};

static size_t write_bytes(char *text, size_t bytes)
{
    size_t head = (size_t)sprintf(text, "$%zu\r\n", bytes);
    for (size_t i = 0; i < bytes; i++)
        text[head + i] = (char)(i * 131 + (i >> 7));
    memcpy(text + head + bytes, "\r\n", 2);
    return head + bytes + 2;
}

/* The three commands of a batch as RESP. Old entries are trimmed, so that memory stays bounded. */
static void write_batch(struct commands *commands, unsigned place, size_t shares)
{
    char *text = commands->text, kept[16];
    size_t at = commands->bytes;
    int digits = snprintf(kept, sizeof kept, "%d", KEPT_BATCHES);
    at += (size_t)sprintf(text + at,
                          "*8\r\n$4\r\nXADD\r\n$5\r\nbench\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n"
                          "$%d\r\n%s\r\n$1\r\n*\r\n$1\r\nb\r\n",
                          digits, kept);
    at += write_bytes(text + at, shares * SHARE_BYTES);
    at += (size_t)sprintf(text + at, "*4\r\n$4\r\nHSET\r\n$3\r\nids\r\n$%d\r\n", ID_DIGITS);
    commands->id_at[place] = at;
    at += (size_t)sprintf(text + at, "%0*d\r\n", ID_DIGITS, 0);
    at += write_bytes(text + at, 1 + shares);
    at += (size_t)sprintf(text + at, "*3\r\n$4\r\nHDEL\r\n$3\r\nids\r\n$%d\r\n", ID_DIGITS);
    commands->old_id_at[place] = at;
    at += (size_t)sprintf(text + at, "%0*d\r\n", ID_DIGITS, 0);
    commands->bytes = at;
}

static void write_id(char *text, uint64_t id)
{
    for (unsigned i = ID_DIGITS; i-- > 0; id /= 10)
        text[i] = (char)('0' + id % 10);
}

static void exchange(int fd, const char *commands, size_t bytes, unsigned batches)
{
    char text[4096];
    for (size_t sent = 0; sent < bytes;) {
        ssize_t now = send(fd, commands + sent, bytes - sent, MSG_NOSIGNAL);
        if (now <= 0)
            bench_fail("redis-server does not take it: %s", strerror(errno));
        sent += (size_t)now;
    }
    /* $15\r\n1700000000000-0\r\n:1\r\n:1\r\n */
    for (unsigned ends = 0; ends < LINE_ENDS * batches;) {
        ssize_t got = recv(fd, text, sizeof text, 0);
        if (got <= 0 || text[0] == '-')
            bench_fail("redis-server refuses: %.*s", got > 0 ? (int)got : 0, text);
        for (ssize_t i = 0; i < got; i++)
            ends += text[i] == '\n';
    }
}

struct bare_redis bare_redis(const char *folder, size_t shares, unsigned depth, double seconds)
{
    static unsigned started; /* each on a file of its own */
    struct process redis;
    struct commands commands = { .text = malloc((shares * (SHARE_BYTES + 1) + 400) * depth) };
    char own[80];
    ASSERT(depth > 0 && depth <= sizeof commands.id_at / sizeof *commands.id_at);
    snprintf(own, sizeof own, "%.55s/bare-%u", folder, ++started);
    pool_make_parts(own);
    pool_start_redis(&redis, own);
    int fd = connect_to(own);
    if (commands.text == NULL)
        bench_fail("no memory");
    for (unsigned i = 0; i < depth; i++)
        write_batch(&commands, i, shares);
    uint64_t begin_ns = bench_now_ns(), batches = 0;
    double cpu = sample_cpu_seconds(redis.pid);
    while ((double)(bench_now_ns() - begin_ns) < seconds * 1e9) {
        for (unsigned i = 0; i < depth; i++, batches++) {
            write_id(commands.text + commands.id_at[i], batches);
            write_id(commands.text + commands.old_id_at[i], batches - 2u * depth);
        }
        exchange(fd, commands.text, commands.bytes, depth);
    }
    double took_s = (double)(bench_now_ns() - begin_ns) / 1e9;
    cpu = sample_cpu_seconds(redis.pid) - cpu;
    close(fd);
    free(commands.text);
    process_end(&redis);
    return (struct bare_redis){ .batch_us = cpu * 1e6 / (double)batches,
                                .batches_per_s = (double)batches / took_s };
}
