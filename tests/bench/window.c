/* Batches into redis-server by the window's own adapter, several in flight, and the window read
 * back. */
#include "adapter/window_redis/window_redis.h"
#include "bare.h"
#include "figures.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH = 8, WALKED_MAX = 2000000, VERDICT_HEAD = 1 };

struct bench {
    struct loop *loop;
    struct window_writer *writer;
    uint64_t sequence, lowest;
    size_t shares; /* a batch */
    uint64_t done;
    unsigned under_way;
    bool over;
    struct window_share list[WINDOW_BATCH_SHARES_MAX];
    uint8_t verdicts[WINDOW_VERDICTS_BYTES_MAX];
};

static void append(struct bench *bench);

static void on_result(void *context, const struct window_result *result)
{
    struct bench *bench = context;
    if (result->outcome != WINDOW_APPENDED)
        bench_fail("the window did not append: %s", result->reason);
    bench->done++;
    bench->under_way--;
    if (!bench->over)
        append(bench);
}

static void append(struct bench *bench)
{
    uint64_t sequence = ++bench->sequence;
    const struct window_batch batch = {
        .lease_id = 1,
        .sequence = sequence,
        .lowest = sequence > 2 * DEPTH ? sequence - 2 * DEPTH : 1,
        .shares = bench->list,
        .share_count = bench->shares,
        .verdicts = span_of(bench->verdicts, VERDICT_HEAD + bench->shares),
    };
    if (!window_append(bench->writer, &batch, on_result, bench))
        bench_fail("the window takes no more batches");
    bench->under_way++;
}

static void run_shape(struct bench *bench, const char *folder, pid_t redis, size_t shares,
                      double seconds)
{
    char name[64];
    bench->shares = shares;
    bench->done = 0;
    bench->over = false;
    uint64_t begin_ns = bench_now_ns();
    double redis_s = sample_cpu_seconds(redis), own_s = sample_cpu_seconds(getpid());
    while (bench->under_way < DEPTH)
        append(bench);
    while ((double)(bench_now_ns() - begin_ns) < seconds * 1e9)
        loop_run_once(bench->loop, 10);
    double took_s = (double)(bench_now_ns() - begin_ns) / 1e9;
    double scale = 1e6 / (double)(bench->done * shares);
    redis_s = sample_cpu_seconds(redis) - redis_s;
    own_s = sample_cpu_seconds(getpid()) - own_s;
    uint64_t done = bench->done;
    bench->over = true;
    while (bench->under_way > 0)
        loop_run_once(bench->loop, 10);
    struct bare_redis bare = bare_redis(folder, shares, DEPTH, seconds / 2);
    snprintf(name, sizeof name, "shares_per_s_batch_%zu", shares);
    figure_note(name, (double)(done * shares) / took_s, "/s");
    snprintf(name, sizeof name, "redis_us_batch_%zu", shares);
    figure_add(&(struct figure){ .name = name,
                                 .unit = "us/share",
                                 .value = redis_s * scale,
                                 .floor = bare.batch_us / (double)shares });
    snprintf(name, sizeof name, "writer_us_batch_%zu", shares);
    figure_note(name, own_s * scale, "us/share");
}

static bool count_batch(void *context, struct window_position first, uint64_t lease_id,
                        uint64_t sequence, const struct window_share *shares, size_t count)
{
    uint64_t *seen = context;
    (void)first;
    (void)lease_id;
    (void)sequence;
    (void)shares;
    *seen += count;
    return *seen < WALKED_MAX;
}

static void read_back(const char *url)
{
    struct error error;
    uint64_t seen = 0, begin_ns = bench_now_ns();
    struct window_reader *reader =
        window_redis_reader_open(&(struct window_redis_options){ .url = url }, &error);
    if (reader == NULL || !window_walk_back(reader, NULL, count_batch, &seen, &error))
        bench_fail("the window cannot be read: %s", error.text);
    figure_note("read_back_shares_per_s",
                (double)seen / ((double)(bench_now_ns() - begin_ns) / 1e9), "/s");
    window_reader_close(reader);
}

/* redis-server killed with a million shares and started again: from the moment it has loaded its
 * file (it answers) to the first append that is durable. The writer has waited long enough to make
 * its longest pauses. */
static void come_back(struct bench *bench, struct process *redis, const char *folder)
{
    enum { SHARES = 1000000, AWAY_MS = 2500 };
    bench->shares = 1000;
    bench->done = 0;
    bench->over = false;
    while (bench->under_way < DEPTH)
        append(bench);
    while (bench->done * bench->shares < SHARES)
        loop_run_once(bench->loop, 10);
    bench->over = true;
    while (bench->under_way > 0)
        loop_run_once(bench->loop, 10);
    kill(redis->pid, SIGKILL);
    (void)waitpid(redis->pid, NULL, 0);
    redis->pid = 0;
    for (uint64_t until_ns = bench_now_ns() + AWAY_MS * UINT64_C(1000000);
         bench_now_ns() < until_ns;)
        loop_run_once(bench->loop, 20);
    uint64_t begin_ns = bench_now_ns(), loaded_ns = 0;
    pool_start_redis(redis, folder);
    struct error error;
    char url[100];
    snprintf(url, sizeof url, "unix:%s/run/redis.sock", folder);
    struct window_reader *reader =
        window_redis_reader_open(&(struct window_redis_options){ .url = url }, &error);
    if (reader == NULL)
        bench_fail("%s", error.text);
    while (!window_ready(bench->writer)) {
        if (loaded_ns == 0 && window_ping(reader, &error))
            loaded_ns = bench_now_ns();
        loop_run_once(bench->loop, 2);
        if (bench_now_ns() - begin_ns > UINT64_C(60000000000))
            bench_fail("the window does not come back");
    }
    if (loaded_ns == 0)
        loaded_ns = bench_now_ns();
    bench->done = 0;
    append(bench);
    while (bench->done == 0)
        loop_run_once(bench->loop, 2);
    figure_note("reload_1m_shares_s", (double)(loaded_ns - begin_ns) / 1e9, "s");
    figure_add(&(struct figure){ .name = "back_after_reload_s",
                                 .unit = "s",
                                 .value = (double)(bench_now_ns() - loaded_ns) / 1e9,
                                 .goal = { .most = 2 } });
    window_reader_close(reader);
}

void bench_window(const struct bench_options *options)
{
    static struct bench bench;
    static const size_t shapes[] = { 1, 16, 64, 256, 1024 };
    struct process redis;
    struct error error;
    char folder[64], url[100];
    figures_begin("window");
    pool_make_folder(folder);
    pool_start_redis(&redis, folder);
    snprintf(url, sizeof url, "unix:%s/run/redis.sock", folder);
    bench.loop = loop_create(&error);
    bench.writer = bench.loop == NULL
                       ? NULL
                       : window_redis_writer_open(
                             bench.loop, &(struct window_redis_options){ .url = url }, &error);
    if (bench.writer == NULL)
        bench_fail("%s", error.text);
    for (int i = 0; i < 1000 && !window_ready(bench.writer); i++)
        loop_run_once(bench.loop, 10);
    for (size_t i = 0; i < WINDOW_BATCH_SHARES_MAX; i++)
        bench.list[i] = (struct window_share){ .account = i % 97, .worker = i, .work = 1 + i };
    figures_say("%d batches in flight; fsync before each answer", DEPTH);
    come_back(&bench, &redis, folder); /* while there is nothing else in its file */
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        run_shape(&bench, folder, redis.pid, shapes[i], options->seconds / 3);
    read_back(url);
    window_writer_close(bench.writer);
    loop_destroy(bench.loop);
    process_end(&redis);
    figures_end();
}
