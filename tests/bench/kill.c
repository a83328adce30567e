/* A validator killed and one stopped at full load: how long until latency is what it was. And
 * redis-server killed with a million shares in the window: how long until shares are accepted. */
#include "figures.h"
#include "generator.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    SLICE_MS = 100,
    OUTAGE_SLICE_MS = 10,
    WATCH_MS = 3000,  /* after a blow */
    STEADY_MS = 1000, /* of these the last: what is normal then */
    SETTLE_MS = 2000,
    FILL_S = 120,
    OUTAGE_RATE = 2000,
    OUTAGE_S = 60,
};

static uint64_t after_ms(uint64_t ms)
{
    return bench_now_ns() + ms * 1000000u;
}

static void start_load(struct generator *generator, const struct pool *pool, const char *mode,
                       unsigned slice_ms, const struct bench_options *options)
{
    char address[32], user[128], connections[16], in_flight[16], rate[16], slice[16];
    snprintf(address, sizeof address, "127.0.0.1:%u", pool->stratum_ports[0]);
    snprintf(user, sizeof user, "%s.w%%u", pool->address);
    snprintf(connections, sizeof connections, "%u", options->connections);
    snprintf(in_flight, sizeof in_flight, "%u", options->in_flight);
    snprintf(rate, sizeof rate, "%d", OUTAGE_RATE);
    snprintf(slice, sizeof slice, "%u", slice_ms);
    const char *arguments[] = { "--mode",      mode,      "--connect",     address,
                                "--user",      user,      "--connections", connections,
                                "--in-flight", in_flight, "--rate",        rate,
                                "--seconds",   "600",     "--warm-up",     "1",
                                "--slice-ms",  slice,     "--reconnect",   NULL };
    generator_start(generator, arguments);
    generator_wait(generator, "begin");
}

/* The worst p99 of the slices that ended between two moments. */
static double worst_p99(const struct generator *generator, uint64_t from_ns, uint64_t to_ns)
{
    double worst_ms = 0;
    size_t oldest = generator->slice_count > GENERATOR_SLICES_MAX
                        ? generator->slice_count - GENERATOR_SLICES_MAX
                        : 0;
    for (size_t i = oldest; i < generator->slice_count; i++) {
        const struct generator_slice *slice = generator_slice(generator, i);
        if (slice->end_ns > from_ns && slice->end_ns <= to_ns && slice->p99_ms > worst_ms)
            worst_ms = slice->p99_ms;
    }
    return worst_ms;
}

/* From the blow to the end of the last slice whose p99 is not normal; the worst p99 after it. */
static double abnormal_ms(const struct generator *generator, uint64_t blow_ns, double normal_ms,
                          double *worst_r)
{
    uint64_t last_ns = blow_ns, end_ns = blow_ns + (uint64_t)(WATCH_MS - STEADY_MS) * 1000000u;
    *worst_r = 0;
    size_t first = generator->slice_count;
    while (first > 0 && generator_slice(generator, first - 1)->end_ns > blow_ns)
        first--;
    for (size_t i = first; i < generator->slice_count; i++) {
        const struct generator_slice *slice = generator_slice(generator, i);
        if (slice->end_ns > end_ns)
            break;
        *worst_r = slice->p99_ms > *worst_r ? slice->p99_ms : *worst_r;
        if (slice->accepted <= 0 || slice->p99_ms > normal_ms)
            last_ns = slice->end_ns;
    }
    return (double)(last_ns - blow_ns) / 1e6;
}

/* Strikes a validator while the load runs and says how long it was felt. Normal is up to a quarter
 * above the worst tenth of a second of the two seconds before, or of the third second after it,
 * with what is left. */
static void strike(struct generator *generator, pid_t pid, int number, const char *name)
{
    char text[64];
    double worst_ms;
    uint64_t blow_ns = bench_now_ns();
    kill(pid, number);
    generator_watch(generator, blow_ns + (uint64_t)WATCH_MS * 1000000u);
    double before_ms = worst_p99(generator, blow_ns - (uint64_t)SETTLE_MS * 1000000u, blow_ns);
    double later_ms =
        worst_p99(generator, blow_ns + (uint64_t)(WATCH_MS - STEADY_MS) * 1000000u, bench_now_ns());
    double normal_ms = 1.25 * (before_ms > later_ms ? before_ms : later_ms);
    double felt_ms = abnormal_ms(generator, blow_ns, normal_ms, &worst_ms);
    snprintf(text, sizeof text, "%s_p99_before", name);
    figure_note(text, before_ms, "ms");
    snprintf(text, sizeof text, "%s_p99_after", name);
    figure_note(text, later_ms, "ms");
    snprintf(text, sizeof text, "%s_p99_worst", name);
    figure_note(text, worst_ms, "ms");
    snprintf(text, sizeof text, "%s_felt", name);
    figure_add(
        &(struct figure){ .name = text, .unit = "ms", .value = felt_ms, .goal = { .most = 1000 } });
}

static void strike_validators(struct pool *pool, const struct bench_options *options)
{
    static struct generator generator;
    start_load(&generator, pool, "saturate", SLICE_MS, options);
    figures_say("two validators, %u connections with %u submits in flight each",
                options->connections, options->in_flight);
    generator_watch(&generator, after_ms(SETTLE_MS + STEADY_MS));
    strike(&generator, pool->validators[0].pid, SIGKILL, "killed");
    process_kill(&pool->validators[0]);
    pool_start_validator(pool, 0);
    process_wait_ready(&pool->validators[0], 40);
    generator_watch(&generator, after_ms(SETTLE_MS + STEADY_MS));
    strike(&generator, pool->validators[1].pid, SIGSTOP, "stopped");
    kill(pool->validators[1].pid, SIGCONT);
    generator_stop(&generator);
    generator_deinit(&generator);
}

static double fill_window(const struct pool *pool, const struct bench_options *options)
{
    static struct generator generator;
    double shares = 0;
    size_t counted = 0;
    uint64_t deadline_ns = after_ms(FILL_S * 1000u);
    start_load(&generator, pool, "saturate", SLICE_MS, options);
    while (shares < options->shares && bench_now_ns() < deadline_ns) {
        generator_watch(&generator, after_ms(SLICE_MS));
        for (; counted < generator.slice_count; counted++)
            shares += generator_slice(&generator, counted)->accepted;
    }
    generator_stop(&generator);
    generator_deinit(&generator);
    return shares;
}

/* Until redis-server answers PING with PONG: while it loads its file it says -LOADING. */
static void wait_until_loaded(const char *folder)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/run/redis.sock", folder);
    for (uint64_t end_ns = after_ms(OUTAGE_S * 1000u); bench_now_ns() < end_ns;) {
        char text[64] = "";
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool loaded = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                      send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 &&
                      recv(fd, text, sizeof text - 1, 0) > 0 && text[0] == '+';
        close(fd);
        if (loaded)
            return;
        bench_pause_ms(1);
    }
    bench_fail("redis-server does not load its file");
}

/* The end of the first slice after this moment in which a share was accepted. */
static uint64_t first_accepted_ns(struct generator *generator, uint64_t after_ns)
{
    size_t looked = 0;
    for (uint64_t end_ns = after_ms(OUTAGE_S * 1000u); bench_now_ns() < end_ns;) {
        generator_watch(generator, after_ms(OUTAGE_SLICE_MS));
        if (generator->slice_count - looked > GENERATOR_SLICES_MAX)
            looked = generator->slice_count - GENERATOR_SLICES_MAX;
        for (; looked < generator->slice_count; looked++) {
            const struct generator_slice *slice = generator_slice(generator, looked);
            if (slice->end_ns > after_ns && slice->accepted > 0)
                return slice->end_ns;
        }
    }
    bench_fail("no share is accepted any more");
}

static void strike_redis(struct pool *pool, const struct bench_options *options)
{
    static struct generator generator;
    struct bench_options gentle = *options;
    double shares = fill_window(pool, options);
    gentle.connections = 100;
    start_load(&generator, pool, "rate", OUTAGE_SLICE_MS, &gentle);
    generator_watch(&generator, after_ms(1000));
    uint64_t killed_ns = bench_now_ns();
    process_kill(&pool->redis);
    pool_start_redis(&pool->redis, pool->folder);
    uint64_t listens_ns = bench_now_ns();
    wait_until_loaded(pool->folder);
    uint64_t loaded_ns = bench_now_ns();
    /* A slice that began before the blow may hold answers from before it. */
    uint64_t served_ns =
        first_accepted_ns(&generator, killed_ns + 2 * OUTAGE_SLICE_MS * 1000000ull);
    figures_say("redis-server killed and started again at once, %.0f shares in its file", shares);
    figure_note("redis_shares", shares, "");
    figure_note("redis_listens_after", (double)(listens_ns - killed_ns) / 1e6, "ms");
    figure_note("redis_loaded_after", (double)(loaded_ns - killed_ns) / 1e6, "ms");
    figure_note("redis_accepted_after", (double)(served_ns - killed_ns) / 1e6, "ms");
    figure_add(&(struct figure){
        .name = "redis_loaded_to_accepted",
        .unit = "ms",
        .value = served_ns > loaded_ns ? (double)(served_ns - loaded_ns) / 1e6 : 0,
        .goal = { .most = 2000 } });
    generator_stop(&generator);
    generator_deinit(&generator);
}

void bench_kill(const struct bench_options *options)
{
    static struct pool pool;
    figures_begin("kill");
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = 2,
                                              .transactions = options->transactions,
                                              .max_miners = 10000 });
    strike_validators(&pool, options);
    strike_redis(&pool, options);
    pool_end(&pool);
    figures_end();
}
