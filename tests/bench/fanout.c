/* A clean job to many miners, against as many bare sends of as long a line to the same generator.
 */
#include "bare.h"
#include "figures.h"
#include "generator.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <stdio.h>
#include <stdlib.h>

enum { MINERS = 10000, ROUNDS = 7, WAIT_S = 10, BETWEEN_MS = 1200, SETTLE_MS = 2000 };

struct spread {
    double median_ms, worst_ms;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct spread spread_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return (struct spread){ .median_ms = values[count / 2], .worst_ms = values[count - 1] };
}

static void start_miners(struct generator *generator, unsigned port, const char *user,
                         uint32_t miners)
{
    char address[32], number[16];
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    snprintf(number, sizeof number, "%u", miners);
    const char *arguments[] = { "--mode", "fanout", "--seconds",     "600",  "--connect", address,
                                "--user", user,     "--connections", number, NULL };
    generator_start(generator, arguments);
    generator_wait(generator, "ready");
    bench_pause_ms(SETTLE_MS);
}

/* From the first miner's reading of the newest tip's job to the last one's. */
static double wait_for_tip_ms(struct generator *generator)
{
    const struct generator_wave *tip = NULL;
    for (size_t seen = 1; tip == NULL; seen = generator->wave_count + 1) {
        if (!generator_wait_waves(generator, seen, WAIT_S))
            bench_fail("a job did not reach every miner in %d s", WAIT_S);
        tip = generator_find_wave(generator, true, true);
    }
    return (double)(tip->last_ns - tip->first_ns) / 1e6;
}

/* Events of jobs that were there before: swallowed. */
static void forget_past(struct generator *generator)
{
    while (generator_wait_waves(generator, generator->wave_count + 1, 0))
        continue;
    generator_forget_waves(generator);
}

static struct spread pool_spread(uint32_t miners, const struct bench_options *options)
{
    static struct pool pool;
    struct generator generator;
    char user[128];
    double values[ROUNDS];
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = 1,
                                              .transactions = options->transactions,
                                              .no_fees = true,
                                              .max_miners = miners });
    snprintf(user, sizeof user, "%s.w%%u", pool.address);
    start_miners(&generator, pool.stratum_ports[0], user, miners);
    double broadcast_s = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        forget_past(&generator);
        double before = sample_metric(pool.admin_ports[0], "adit_gateway_broadcast_seconds_sum");
        (void)pool_node_number(&pool, "benchtip", "tip_ns");
        values[i] = wait_for_tip_ms(&generator);
        bench_pause_ms(BETWEEN_MS);
        broadcast_s +=
            sample_metric(pool.admin_ports[0], "adit_gateway_broadcast_seconds_sum") - before;
    }
    figure_note("gateway_broadcast_mean", broadcast_s * 1e3 / ROUNDS, "ms");
    generator_stop(&generator);
    generator_deinit(&generator);
    pool_end(&pool);
    return spread_of(values, ROUNDS);
}

static struct spread bare_spread(uint32_t miners)
{
    struct bare_server server;
    struct generator generator;
    double values[ROUNDS], loops[ROUNDS];
    bare_server_begin(&server);
    start_miners(&generator, server.port, "bare.%u", miners);
    for (size_t i = 0; i < ROUNDS; i++) {
        forget_past(&generator);
        loops[i] = (double)bare_server_fanout(&server) / 1e6;
        values[i] = wait_for_tip_ms(&generator);
        bench_pause_ms(BETWEEN_MS);
    }
    figure_note("bare_loop_median", spread_of(loops, ROUNDS).median_ms, "ms");
    generator_stop(&generator);
    generator_deinit(&generator);
    bare_server_end(&server);
    return spread_of(values, ROUNDS);
}

void bench_fanout(const struct bench_options *options)
{
    uint32_t miners = options->miners != 0 ? options->miners : MINERS;
    figures_begin("fanout");
    struct spread bare = bare_spread(miners);
    struct spread pool = pool_spread(miners, options);
    figures_say("%u miners; %d jobs each; from the first miner's reading to the last one's", miners,
                ROUNDS);
    figure_add(&(struct figure){ .name = "first_to_last_median",
                                 .unit = "ms",
                                 .value = pool.median_ms,
                                 .floor = bare.median_ms,
                                 .goal = "<= 1.2 x floor (bare sends), and <= 150" });
    figure_add(&(struct figure){ .name = "first_to_last_worst",
                                 .unit = "ms",
                                 .value = pool.worst_ms,
                                 .floor = bare.worst_ms });
    figures_end();
}
