/* What honest miners feel of an attack: their p99 in an open loop, first with nobody else, then by
 * turns while an attack goes to a sink that throws everything away (what the attacker's own
 * processor time costs them) and while the same goes to the gateway they mine at.
 *
 * A neighbour on the machine lasts for seconds and would be taken for the attack. So each attack is
 * measured in PAIRS short pairs, a sink and a gateway right behind each other, in turn this one and
 * that one first; what counts is the median of the pairs' differences. */
#include "attack.h"
#include "figures.h"
#include "generator.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <stdio.h>
#include <stdlib.h>

enum { HONEST = 50, RATE = 500, PAIRS = 3, BUILD_UP_MS = 700, SETTLE_MS = 300 };

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
                                "0.3",    NULL };
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
    static unsigned network;
    struct attack attack;
    char worker[160];
    snprintf(worker, sizeof worker, "%s.attacker", pool->address);
    attack_begin(&attack, kind, port, worker, ++network);
    bench_pause_ms(BUILD_UP_MS);
    struct honest honest = mine(pool, user, for_s);
    attack_end(&attack);
    bench_pause_ms(SETTLE_MS);
    return honest;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double values[PAIRS])
{
    qsort(values, PAIRS, sizeof *values, by_value);
    return values[PAIRS / 2];
}

/* One attack, both ways in turn. */
static void measure(const struct pool *pool, const struct sink *sink, enum attack_kind kind,
                    const char *user, double for_s)
{
    double beside[PAIRS], under[PAIRS], more[PAIRS], unanswered = 0;
    const unsigned ports[] = { sink->port, pool->stratum_ports[0] };
    char name[64];
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        struct honest honest[2];
        for (unsigned turn = 0; turn < 2; turn++) {
            unsigned which = (pair + turn) % 2;
            honest[which] = mine_under(pool, kind, ports[which], user, for_s / PAIRS);
        }
        beside[pair] = honest[0].p99_ms;
        under[pair] = honest[1].p99_ms;
        more[pair] = under[pair] - beside[pair];
        unanswered += honest[1].unanswered;
    }
    const double floor = median(beside), over = median(more);
    snprintf(name, sizeof name, "%s_p99", attack_name(kind));
    figure_add(&(struct figure){ .name = name,
                                 .unit = "ms",
                                 .value = floor + over,
                                 .floor = floor,
                                 .floor_is = "the attack on a sink",
                                 .goal = { .over_floor_most = 10 } });
    figures_say("  %s: %.2f ms more in the median of %d pairs, %.2f to %.2f", attack_name(kind),
                over, PAIRS, more[0], more[PAIRS - 1]);
    snprintf(name, sizeof name, "%s_unanswered", attack_name(kind));
    figure_note(name, unanswered, "");
}

void bench_abuse(const struct bench_options *options)
{
    static struct pool pool;
    struct sink sink;
    char user[128];
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
    figure_note("alone_p99", mine(&pool, user, options->seconds / PAIRS).p99_ms, "ms");
    for (enum attack_kind kind = 0; kind < ATTACK_KINDS; kind++)
        measure(&pool, &sink, kind, user, options->seconds);
    figure_note("alone_p99_again", mine(&pool, user, options->seconds / PAIRS).p99_ms, "ms");
    figure_note("thrown_out", sample_metric(pool.admin_ports[0], "adit_gateway_conduct_thrown_out"),
                "");
    figure_note("banned", sample_metric(pool.admin_ports[0], "adit_gateway_conduct_banned"), "");
    figure_note("refused", sample_metric(pool.admin_ports[0], "adit_gateway_conduct_refused"), "");
    pool_end(&pool);
    sink_end(&sink);
    figures_end();
}
