/* Shares through the whole pool: saturating load, its floors, and latency at half the throughput.
 */
#include "bare.h"
#include "figures.h"
#include "generator.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LATENCY_CONNECTIONS = 1000,
    DEPTH_MAX = 16,
    /* What stands in a batch for each share (proto/, window_redis/packed.h). */
    WIRE_SHARE_BYTES = 70,
    WIRE_VERDICT_BYTES = 2,
    WIRE_HEAD_BYTES = 40,
    KEPT_SHARE_BYTES = 41, /* the share and its verdict */
    WINDOW_COMMAND_BYTES = 300,
    WINDOW_ANSWER_BYTES = 40,
    FSYNC_BYTES = 4 << 10,
    FSYNC_PAUSE_MS = 10,
};

/* CPU seconds so far. */
struct usage {
    double gateway, validator, redis, scheduler, batches;
    double appends_s; /* time that batches spent on their way to redis-server and back, summed */
};

static struct usage use(const struct pool *pool)
{
    struct usage usage = { .redis = sample_cpu_seconds(pool->redis.pid),
                           .scheduler = sample_family_cpu_seconds(pool->scheduler.pid) };
    for (size_t i = 0; i < pool->gateway_count; i++) {
        usage.gateway += sample_cpu_seconds(pool->gateways[i].pid);
        usage.batches += sample_metric(pool->admin_ports[i], "adit_gateway_batches");
    }
    for (size_t i = 0; i < pool->validator_count; i++) {
        usage.validator += sample_cpu_seconds(pool->validators[i].pid);
        usage.appends_s +=
            sample_metric(pool->validator_ports[i], "adit_validator_append_seconds_sum");
    }
    return usage;
}

struct load {
    const char *mode;
    const char *user;
    unsigned port;
    uint32_t connections, in_flight;
    double rate, seconds, warm_up;
};

static void begin_load(struct generator *generator, const struct load *load)
{
    char address[32], connections[16], in_flight[16], rate[32], seconds[32], warm_up[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", load->port);
    snprintf(connections, sizeof connections, "%u", load->connections);
    snprintf(in_flight, sizeof in_flight, "%u", load->in_flight);
    snprintf(rate, sizeof rate, "%.1f", load->rate);
    snprintf(seconds, sizeof seconds, "%.2f", load->seconds);
    snprintf(warm_up, sizeof warm_up, "%.2f", load->warm_up);
    const char *arguments[] = { "--mode",      load->mode, "--connect",     address,
                                "--user",      load->user, "--connections", connections,
                                "--in-flight", in_flight,  "--rate",        rate,
                                "--seconds",   seconds,    "--warm-up",     warm_up,
                                NULL };
    generator_start(generator, arguments);
}

/* How the pool batched. */
struct batching {
    double submits_a_write, shares_a_batch;
    double depth; /* batches on their way to redis-server and back, in the mean */
};

struct saturated {
    double shares_per_s;
    double us; /* gateway, validator and redis, a share */
    struct batching batching;
};

static struct saturated saturate(const struct pool *pool, const char *user,
                                 const struct bench_options *options)
{
    struct generator generator;
    const struct load load = { .mode = "saturate",
                               .user = user,
                               .port = pool->stratum_ports[0],
                               .connections = options->connections,
                               .in_flight = options->in_flight,
                               .seconds = options->seconds,
                               .warm_up = options->seconds < 3 ? options->seconds : 3 };
    begin_load(&generator, &load);
    generator_wait(&generator, "begin");
    struct usage before = use(pool);
    generator_wait(&generator, "end");
    struct usage after = use(pool);
    generator_finish(&generator);
    double accepted = generator_number(&generator, "accepted");
    double submitted = generator_number(&generator, "submitted");
    if (accepted <= 0)
        bench_fail("no share was accepted: %.0f were rejected",
                   generator_number(&generator, "rejected"));
    double scale = 1e6 / accepted;
    struct saturated saturated = {
        .shares_per_s = accepted / generator_number(&generator, "seconds"),
        .us = (after.gateway - before.gateway + after.validator - before.validator + after.redis -
               before.redis) *
              scale,
        .batching = { .submits_a_write = submitted / generator_number(&generator, "writes"),
                      .depth = (after.appends_s - before.appends_s) /
                               generator_number(&generator, "seconds"),
                      .shares_a_batch = after.batches > before.batches
                                            ? accepted / (after.batches - before.batches)
                                            : 1 },
    };
    figures_say(
        "%u connections with %u submits in flight each; %.1f submits a write, %.0f shares a "
        "batch, %.1f batches at redis-server",
        options->connections, options->in_flight, saturated.batching.submits_a_write,
        saturated.batching.shares_a_batch, saturated.batching.depth);
    figure_add(&(struct figure){ .name = "accepted_shares_per_s",
                                 .unit = "/s",
                                 .value = saturated.shares_per_s,
                                 .goal = { .least = 150000 } });
    figure_note("rejected_shares", generator_number(&generator, "rejected"), "");
    figure_note("gateway_us", (after.gateway - before.gateway) * scale, "us/share");
    figure_note("validator_us", (after.validator - before.validator) * scale, "us/share");
    figure_note("redis_us", (after.redis - before.redis) * scale, "us/share");
    figure_note("scheduler_us", (after.scheduler - before.scheduler) * scale, "us/share");
    figure_note("generator_us", generator_number(&generator, "cpu_seconds") * scale, "us/share");
    figure_note("saturated_p50", generator_latency_ms(&generator, "p50"), "ms");
    figure_note("saturated_p99", generator_latency_ms(&generator, "p99"), "ms");
    generator_deinit(&generator);
    return saturated;
}

/* The gateway's system calls alone, at the batching that was seen. */
static double bare_calls_us(const struct bench_options *options, const struct batching *batching,
                            double seconds)
{
    struct bare_server server;
    struct generator generator;
    bare_server_begin(&server);
    uint32_t in_flight = (uint32_t)(batching->submits_a_write + 0.5);
    const struct load load = { .mode = "saturate",
                               .user = "bare.%u",
                               .port = server.port,
                               .connections = options->connections,
                               .in_flight = in_flight > 0 ? in_flight : 1,
                               .seconds = seconds,
                               .warm_up = seconds < 1 ? seconds : 1 };
    begin_load(&generator, &load);
    generator_wait(&generator, "begin");
    double before = sample_cpu_seconds(server.pid);
    generator_wait(&generator, "end");
    double after = sample_cpu_seconds(server.pid);
    generator_finish(&generator);
    double accepted = generator_number(&generator, "accepted");
    if (accepted <= 0)
        bench_fail("the bare server answered nothing");
    figure_note("bare_server_per_s", accepted / generator_number(&generator, "seconds"), "/s");
    generator_deinit(&generator);
    bare_server_end(&server);
    return (after - before) * 1e6 / accepted;
}

static unsigned clamp(double value, unsigned least, unsigned most)
{
    return value < least ? least : value > most ? most : (unsigned)(value + 0.5);
}

/* What the same shares cost with nothing of the pool around them; docs/performance.md says why
 * these are the costs that nobody who keeps the promises can avoid. */
static double measure_floor(const char *folder, const struct bench_options *options,
                            const struct batching *batching)
{
    double seconds = options->seconds / 3, brief = seconds < 1 ? seconds : 1;
    unsigned shares = clamp(batching->shares_a_batch, 1, 1024);
    unsigned depth = clamp(batching->depth, 1, DEPTH_MAX);
    double hash_us = bare_hash_us(options->transactions, brief);
    double judge_us = bare_judge_us(options->transactions, brief);
    double calls_us = bare_calls_us(options, batching, seconds);
    struct bare_hop judged = bare_hop(
        &(struct bare_shape){ WIRE_HEAD_BYTES + (size_t)shares * WIRE_SHARE_BYTES,
                              WIRE_HEAD_BYTES + (size_t)shares * WIRE_VERDICT_BYTES, depth },
        brief);
    struct bare_hop kept =
        bare_hop(&(struct bare_shape){ WINDOW_COMMAND_BYTES + (size_t)shares * KEPT_SHARE_BYTES,
                                       WINDOW_ANSWER_BYTES, depth },
                 brief);
    double hops_us = (judged.asker_us + judged.answerer_us + kept.asker_us) / shares;
    struct bare_redis redis = bare_redis(folder, shares, depth, seconds);
    double redis_us = redis.batch_us / shares;
    figure_add(&(struct figure){ .name = "judge_alone_us",
                                 .unit = "us/share",
                                 .value = judge_us,
                                 .floor = hash_us,
                                 .floor_is = "hashing" });
    figure_note("floor_hash_us", hash_us, "us/share");
    figure_note("floor_miners_calls_us", calls_us, "us/share");
    figure_note("floor_inner_calls_us", hops_us, "us/share");
    figure_note("floor_redis_us", redis_us, "us/share");
    figure_note("floor_redis_batches_per_s", redis.batches_per_s, "/s");
    return hash_us + calls_us + hops_us + redis_us;
}

static void measure_latency(const struct pool *pool, const char *user,
                            const struct bench_options *options)
{
    struct generator generator;
    struct load load = { .mode = "saturate",
                         .user = user,
                         .port = pool->stratum_ports[0],
                         .connections = LATENCY_CONNECTIONS,
                         .in_flight = 1,
                         .seconds = options->seconds / 2,
                         .warm_up = options->seconds < 4 ? options->seconds / 2 : 2 };
    begin_load(&generator, &load);
    generator_finish(&generator);
    double reached =
        generator_number(&generator, "accepted") / generator_number(&generator, "seconds");
    generator_deinit(&generator);
    load.mode = "rate";
    load.rate = reached / 2;
    load.seconds = options->seconds;
    begin_load(&generator, &load);
    generator_wait(&generator, "begin");
    /* Beside the load, and seldom: the disk as redis-server meets it, hardly disturbed. */
    struct sample_disk disk =
        sample_disk(pool->folder, FSYNC_BYTES, options->seconds * 0.95, FSYNC_PAUSE_MS);
    generator_finish(&generator);
    figures_say(
        "%d connections, one submit each at a time: %.0f /s; then an open loop of half that",
        LATENCY_CONNECTIONS, reached);
    figure_note("single_shares_per_s", reached, "/s");
    figure_note("open_loop_rate", load.rate, "/s");
    figure_note("open_loop_unanswered", generator_number(&generator, "unanswered"), "");
    figure_note("open_loop_p50", generator_latency_ms(&generator, "p50"), "ms");
    figure_add(&(struct figure){ .name = "open_loop_p99",
                                 .unit = "ms",
                                 .value = generator_latency_ms(&generator, "p99"),
                                 .floor = disk.p99_ms,
                                 .floor_is = "the disk's fsync p99",
                                 .goal = { .over_floor_most = 5 } });
    figure_note("open_loop_p999", generator_latency_ms(&generator, "p999"), "ms");
    figure_note("open_loop_max", generator_latency_ms(&generator, "max"), "ms");
    figure_note("open_loop_written_late_p99", generator_late_ms(&generator, "p99"), "ms");
    figure_note("fsync_p50", disk.p50_ms, "ms");
    figure_note("fsync_p99", disk.p99_ms, "ms");
    generator_deinit(&generator);
}

void bench_hotpath(const struct bench_options *options)
{
    static struct pool pool;
    char user[128];
    figures_begin("hotpath");
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = options->validators,
                                              .transactions = options->transactions,
                                              .max_miners = 10000 });
    snprintf(user, sizeof user, "%s.w%%u", pool.address);
    struct saturated saturated = saturate(&pool, user, options);
    measure_latency(&pool, user, options);
    pool_end(&pool);
    double floor_us = measure_floor(pool.folder, options, &saturated.batching);
    figure_add(&(struct figure){ .name = "cpu_us_per_share",
                                 .unit = "us/share",
                                 .value = saturated.us,
                                 .floor = floor_us,
                                 .goal = { .most = 7, .ratio_most = 1.6 } });
    figures_end();
}

void bench_pool(const struct bench_options *options)
{
    static struct pool pool;
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = options->validators,
                                              .transactions = options->transactions,
                                              .max_miners = 10000 });
    printf("folder %s\nadit-load --connect 127.0.0.1:%u --user '%s.w%%u'\n"
           "metrics http://127.0.0.1:%u/metrics\npids gateway %d validator %d redis %d\n",
           pool.folder, pool.stratum_ports[0], pool.address, pool.admin_ports[0],
           (int)pool.gateways[0].pid, (int)pool.validators[0].pid, (int)pool.redis.pid);
    fflush(stdout);
    bench_pause_ms((long)(options->seconds * 1000));
    pool_end(&pool);
}
