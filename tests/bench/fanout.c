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

enum { MINERS = 10000, ROUNDS = 9, WAIT_S = 10, BETWEEN_MS = 1200, SETTLE_MS = 2000 };

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

/* One side: who sends, and the miners that read. */
struct side {
    struct generator generator;
    double spread_ms[ROUNDS];
    double loop_ms[ROUNDS]; /* as the sender sees it */
};

static void pool_round(struct pool *pool, struct side *side, size_t round)
{
    static const char sum[] = "adit_gateway_broadcast_seconds_sum";
    forget_past(&side->generator);
    double before = sample_metric(pool->admin_ports[0], sum);
    (void)pool_node_number(pool, "benchtip", "tip_ns");
    side->spread_ms[round] = wait_for_tip_ms(&side->generator);
    bench_pause_ms(BETWEEN_MS);
    side->loop_ms[round] = (sample_metric(pool->admin_ports[0], sum) - before) * 1e3;
}

static void bare_round(struct bare_server *server, struct side *side, size_t round)
{
    forget_past(&side->generator);
    side->loop_ms[round] = (double)bare_server_fanout(server) / 1e6;
    side->spread_ms[round] = wait_for_tip_ms(&side->generator);
    bench_pause_ms(BETWEEN_MS);
}

static void end_side(struct side *side)
{
    generator_stop(&side->generator);
    generator_deinit(&side->generator);
}

static void report(struct side *ours, struct side *bare)
{
    struct spread spread = spread_of(ours->spread_ms, ROUNDS);
    struct spread floor = spread_of(bare->spread_ms, ROUNDS);
    figure_add(&(struct figure){ .name = "sender_loop_median",
                                 .unit = "ms",
                                 .value = spread_of(ours->loop_ms, ROUNDS).median_ms,
                                 .floor = spread_of(bare->loop_ms, ROUNDS).median_ms });
    figure_add(&(struct figure){ .name = "first_to_last_median",
                                 .unit = "ms",
                                 .value = spread.median_ms,
                                 .floor = floor.median_ms,
                                 .goal = { .most = 150, .ratio_most = 1.2 } });
    figure_add(&(struct figure){ .name = "first_to_last_worst",
                                 .unit = "ms",
                                 .value = spread.worst_ms,
                                 .floor = floor.worst_ms });
}

void bench_fanout(const struct bench_options *options)
{
    static struct pool pool;
    static struct side ours, bare;
    struct bare_server server;
    char user[128];
    uint32_t miners = options->miners != 0 ? options->miners : MINERS;
    figures_begin("fanout");
    bare_server_begin(&server);
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = 1,
                                              .transactions = options->transactions,
                                              .no_fees = true,
                                              .max_miners = miners });
    snprintf(user, sizeof user, "%s.w%%u", pool.address);
    start_miners(&bare.generator, server.port, "bare.%u", miners);
    start_miners(&ours.generator, pool.stratum_ports[0], user, miners);
    /* In turn, so that what else the machine does meets both. */
    for (size_t i = 0; i < ROUNDS; i++) {
        bare_round(&server, &bare, i);
        pool_round(&pool, &ours, i);
    }
    figures_say("%u miners; %d jobs each, in turn; first miner's reading to the last one's", miners,
                ROUNDS);
    report(&ours, &bare);
    end_side(&ours);
    end_side(&bare);
    bare_server_end(&server);
    pool_end(&pool);
    figures_end();
}
