/* A thousand watchers of the pool's stream at the rate at which things happen: what they cost the
 * scheduler, and how long after the first of them the last one is told. The first is sent an event
 * within microseconds of its making, so the spread is the time from the event to the last watcher,
 * and to the reading of it here. */
#include "figures.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WATCHERS = 1000, EVENTS_MAX = 4096, ID_BYTES = 40, TEXT_BYTES = 1 << 16, READY_S = 60 };

struct event_seen {
    char id[ID_BYTES];
    uint64_t first_ns;
    uint32_t count;
};

struct watching {
    int epoll;
    int fds[WATCHERS];
    size_t greeted;
    bool greeted_by[WATCHERS];
    struct event_seen events[EVENTS_MAX];
    size_t event_count;
    double *late_ms; /* of each event at each watcher, after the first */
    size_t late_count, late_room;
    uint64_t bytes;
    bool counts;
};

static void open_one(struct watching *watching, const struct pool *pool, uint32_t index)
{
    static const char request[] = "GET /api/v1/live HTTP/1.1\r\nHost: bench\r\n\r\n";
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)pool->api_port) };
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = index };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = watching->fds[index] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1 ||
        epoll_ctl(watching->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_fail("watcher %u cannot connect: %s", index, strerror(errno));
}

/* An event has come to one more watcher. */
static void see(struct watching *watching, const char *id, size_t length, uint64_t now_ns)
{
    if (!watching->counts || length >= ID_BYTES)
        return;
    for (size_t i = watching->event_count; i-- > 0;) {
        struct event_seen *seen = &watching->events[i];
        if (strncmp(seen->id, id, length) != 0 || seen->id[length] != '\0')
            continue;
        seen->count++;
        if (watching->late_count < watching->late_room)
            watching->late_ms[watching->late_count++] = (double)(now_ns - seen->first_ns) / 1e6;
        return;
    }
    if (watching->event_count == EVENTS_MAX)
        return;
    struct event_seen *seen = &watching->events[watching->event_count++];
    *seen = (struct event_seen){ .first_ns = now_ns, .count = 1 };
    memcpy(seen->id, id, length);
}

/* An event is written at once and is smaller than a segment here, so its first line comes whole. */
static void take(struct watching *watching, uint32_t index)
{
    static char text[TEXT_BYTES];
    ssize_t got = recv(watching->fds[index], text, sizeof text - 1, MSG_DONTWAIT);
    const uint64_t now_ns = bench_now_ns();
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        bench_fail("watcher %u was cut off", index);
    if (got < 0)
        return;
    text[got] = '\0';
    watching->bytes += (uint64_t)got;
    if (!watching->greeted_by[index] && strstr(text, "event: hello") != NULL) {
        watching->greeted_by[index] = true;
        watching->greeted++;
        return;
    }
    for (const char *at = text; (at = strstr(at, "id: ")) != NULL; at += 4)
        if (at == text || at[-1] == '\n')
            see(watching, at + 4, strcspn(at + 4, "\n"), now_ns);
}

static void watch_for(struct watching *watching, double seconds)
{
    const uint64_t end_ns = bench_now_ns() + (uint64_t)(seconds * 1e9);
    struct epoll_event ready[256];
    while (bench_now_ns() < end_ns) {
        int count = epoll_wait(watching->epoll, ready, 256, 20);
        for (int i = 0; i < count; i++)
            take(watching, ready[i].data.u32);
    }
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double quantile(const struct watching *watching, double part)
{
    if (watching->late_count == 0)
        return 0;
    return watching->late_ms[(size_t)(part * (double)(watching->late_count - 1))];
}

/* Its worker's, in which it lives. */
static uint64_t memory_of(const struct pool *pool)
{
    char path[64];
    int child = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pool->scheduler.pid,
             pool->scheduler.pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%d", &child) != 1)
        bench_fail("the scheduler has no worker");
    fclose(file);
    return sample_memory(child);
}

static void report(struct watching *watching, double cpu, double idle_cpu, double seconds)
{
    size_t whole = 0;
    for (size_t i = 0; i < watching->event_count; i++)
        whole += watching->events[i].count == WATCHERS;
    qsort(watching->late_ms, watching->late_count, sizeof *watching->late_ms, by_size);
    figure_note("watchers", WATCHERS, "");
    figure_note("events_per_s", (double)watching->event_count / seconds, "/s");
    figure_note("sent_bytes_per_s", (double)watching->bytes / seconds, "B/s");
    /* The last one may be under way when the time is over. */
    figure_add(&(struct figure){ .name = "events_that_reached_all",
                                 .unit = "%",
                                 .value = 100.0 * (double)(whole + 1) /
                                          (double)(watching->event_count + 1),
                                 .goal = { .least = 95 } });
    figure_add(&(struct figure){ .name = "cpu_of_one_core",
                                 .unit = "%",
                                 .value = 100 * cpu / seconds,
                                 .floor = 100 * idle_cpu / seconds,
                                 .floor_is = "without watchers",
                                 .goal = { .most = 100 } });
    figure_note("last_watcher_p50", quantile(watching, 0.5), "ms");
    figure_add(&(struct figure){ .name = "last_watcher_p99",
                                 .unit = "ms",
                                 .value = quantile(watching, 0.99),
                                 .goal = { .most = 100 } });
    figure_note("last_watcher_max", quantile(watching, 1), "ms");
}

void bench_live(const struct bench_options *options)
{
    static struct pool pool;
    static struct watching watching;
    figures_begin("live");
    setenv("ADIT_SCHEDULER__LIVE_ADDRESS_MAX", "2000", 1); /* all watch from here */
    setenv("ADIT_SERVICE__REQUESTS_PER_S", "0", 1);
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = options->validators,
                                              .transactions = options->transactions,
                                              .max_miners = 1000 });
    const uint64_t before = memory_of(&pool);
    double cpu = sample_family_cpu_seconds(pool.scheduler.pid);
    bench_pause_ms((long)(options->seconds * 1000));
    const double idle = sample_family_cpu_seconds(pool.scheduler.pid) - cpu;
    watching.epoll = epoll_create1(EPOLL_CLOEXEC);
    watching.late_room = (size_t)WATCHERS * EVENTS_MAX;
    watching.late_ms = calloc(watching.late_room, sizeof *watching.late_ms);
    if (watching.epoll < 0 || watching.late_ms == NULL)
        bench_fail("no memory for the watchers");
    for (uint32_t i = 0; i < WATCHERS; i++)
        open_one(&watching, &pool, i);
    for (int waited = 0; watching.greeted < WATCHERS; waited++) {
        if (waited == READY_S)
            bench_fail("%zu of %d watchers were greeted", watching.greeted, WATCHERS);
        watch_for(&watching, 1);
    }
    watch_for(&watching, 2);
    figure_note("memory_per_watcher", ((double)memory_of(&pool) - (double)before) / WATCHERS, "B");
    watching.bytes = 0;
    watching.counts = true;
    cpu = sample_family_cpu_seconds(pool.scheduler.pid);
    watch_for(&watching, options->seconds);
    cpu = sample_family_cpu_seconds(pool.scheduler.pid) - cpu;
    report(&watching, cpu, idle, options->seconds);
    figure_note("load_average", sample_load_average(), "");
    for (size_t i = 0; i < WATCHERS; i++)
        close(watching.fds[i]);
    close(watching.epoll);
    free(watching.late_ms);
    pool_end(&pool);
    figures_end();
}
