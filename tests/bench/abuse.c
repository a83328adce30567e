/* What honest miners feel of an attack: their p99 in an open loop, first with nobody else, then
 * while an attack goes to a sink that throws everything away (what the attacker's own processor
 * time costs them), then while the same goes to the gateway they mine at. */
#include "attack.h"
#include "figures.h"
#include "generator.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <stdio.h>

enum { HONEST = 50, RATE = 500, SETTLE_MS = 1000 };

struct honest {
    double p99_ms, unanswered;
};

static struct honest mine(const struct pool *pool, const char *user, double for_s)
{
    struct generator generator;
    char address[32], connections[16], rate[16], seconds[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", pool->stratum_ports[0]);
    snprintf(connections, sizeof connections, "%d", HONEST);
    snprintf(rate, sizeof rate, "%d", RATE);
    snprintf(seconds, sizeof seconds, "%.2f", for_s);
    const char *arguments[] = { "--mode", "rate",        "--connect", address,         "--user",
                                user,     "--in-flight", "16",        "--connections", connections,
                                "--rate", rate,          "--seconds", seconds,         "--warm-up",
                                "1",      NULL };
    generator_start(&generator, arguments);
    generator_finish(&generator);
    const struct honest honest = { generator_latency_ms(&generator, "p99"),
                                   generator_number(&generator, "unanswered") };
    generator_deinit(&generator);
    return honest;
}

static struct honest mine_under(const struct pool *pool, enum attack_kind kind, unsigned port,
                                const char *user, double for_s)
{
    struct attack attack;
    char worker[160];
    snprintf(worker, sizeof worker, "%s.attacker", pool->address);
    attack_begin(&attack, kind, port, worker);
    bench_pause_ms(SETTLE_MS);
    struct honest honest = mine(pool, user, for_s);
    attack_end(&attack);
    bench_pause_ms(SETTLE_MS);
    return honest;
}

void bench_abuse(const struct bench_options *options)
{
    static struct pool pool;
    struct sink sink;
    char user[128], name[64];
    figures_begin("abuse");
    sink_begin(&sink);
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = 1,
                                              .transactions = 20,
                                              .budgets = true,
                                              .max_miners = 10000 });
    snprintf(user, sizeof user, "%s.w%%u", pool.address);
    figures_say("%d honest miners, %d shares/s; floor: the same attack on a process that throws "
                "everything away",
                HONEST, RATE);
    struct honest alone = mine(&pool, user, options->seconds);
    figure_note("alone_p99", alone.p99_ms, "ms");
    for (enum attack_kind kind = 0; kind < ATTACK_KINDS; kind++) {
        struct honest beside = mine_under(&pool, kind, sink.port, user, options->seconds);
        struct honest under =
            mine_under(&pool, kind, pool.stratum_ports[0], user, options->seconds);
        snprintf(name, sizeof name, "%s_p99", attack_name(kind));
        figure_add(&(struct figure){ .name = name,
                                     .unit = "ms",
                                     .value = under.p99_ms,
                                     .floor = beside.p99_ms,
                                     .floor_is = "the attack on a sink",
                                     .goal = { .over_floor_most = 10 } });
        snprintf(name, sizeof name, "%s_unanswered", attack_name(kind));
        figure_note(name, under.unanswered, "");
    }
    figure_note("thrown_out", sample_metric(pool.admin_ports[0], "adit_gateway_conduct_thrown_out"),
                "");
    figure_note("banned", sample_metric(pool.admin_ports[0], "adit_gateway_conduct_banned"), "");
    figure_note("refused", sample_metric(pool.admin_ports[0], "adit_gateway_conduct_refused"), "");
    pool_end(&pool);
    sink_end(&sink);
    figures_end();
}
