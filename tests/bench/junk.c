/* Honest miners beside 200 sessions of junk, on scrypt, through sockets, gateway and validator.
 * Junk has an ntime far out of range: it is hashed all the same, because it may be a block, and
 * counts for nothing; who sends 256 of it in a row is closed, and comes again. Budgets are as
 * usual. */
#include "figures.h"
#include "generator.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <stdio.h>

enum { HONEST = 50, HONEST_A_SECOND = 150, JUNK = 200, LOW_DIFFICULTY = 23 };

static void start(struct generator *generator, const struct pool *pool, const char *const *own)
{
    char address[32], user[128];
    const char *arguments[32] = { "--connect", address, "--user", user };
    size_t count = 4;
    snprintf(address, sizeof address, "127.0.0.1:%u", pool->stratum_ports[0]);
    snprintf(user, sizeof user, "%s.w%%u", pool->address);
    while (*own != NULL)
        arguments[count++] = *own++;
    generator_start(generator, arguments);
}

/* As many as the options say, by an open loop; they all come from one address. */
static void start_honest(struct generator *generator, const struct pool *pool,
                         const struct bench_options *options)
{
    char seconds[32], rate[16], miners[16];
    snprintf(seconds, sizeof seconds, "%.2f", (double)options->shares / HONEST_A_SECOND);
    snprintf(rate, sizeof rate, "%d", HONEST_A_SECOND);
    snprintf(miners, sizeof miners, "%d", HONEST);
    const char *own[] = { "--mode",    "rate",      "--rate", rate,        "--connections",
                          miners,      "--seconds", seconds,  "--warm-up", "1",
                          "--sources", "1",         NULL };
    start(generator, pool, own);
}

/* Of twenty addresses, as much at once as each connection may send. */
static void start_junk(struct generator *generator, const struct pool *pool)
{
    char miners[16];
    snprintf(miners, sizeof miners, "%d", JUNK);
    const char *own[] = { "--mode",         "saturate", "--in-flight", "16",
                          "--connections",  miners,     "--seconds",   "100000",
                          "--warm-up",      "0.2",      "--sources",   "20",
                          "--first-source", "100",      "--reconnect", "--ntime-offset",
                          "-100000",        NULL };
    start(generator, pool, own);
}

/* Ends the benchmark where one was refused (but those few that no hash of work 1 meets, one in
 * 65,536), was not answered, or lost its connection. */
static double honest_p99_ms(struct generator *generator, const char *when)
{
    generator_finish(generator);
    const json_t *codes = json_object_get(generator->result, "codes");
    double low = json_number_value(json_object_get(codes, "23"));
    double refused = generator_number(generator, "rejected") - low;
    double unanswered = generator_number(generator, "unanswered");
    double lost = generator_number(generator, "lost");
    if (refused > 0 || unanswered > 0 || lost > 0 || generator_number(generator, "accepted") <= 0)
        bench_fail("%s: of honest shares %.0f were accepted, %.0f refused, %.0f not answered; %.0f "
                   "connections were lost",
                   when, generator_number(generator, "accepted"), refused, unanswered, lost);
    double p99_ms = generator_latency_ms(generator, "p99");
    figures_say("%s: %.0f honest shares accepted, p50 %.1f ms, p99 %.1f ms", when,
                generator_number(generator, "accepted"), generator_latency_ms(generator, "p50"),
                p99_ms);
    generator_deinit(generator);
    return p99_ms;
}

void bench_junk(const struct bench_options *options)
{
    static struct pool pool;
    static struct generator honest, junk;
    struct bench_options chosen = *options;
    if (chosen.shares == BENCH_SHARES_USUAL) /* that many are for another part */
        chosen.shares = (uint32_t)(options->seconds * HONEST_A_SECOND);
    figures_begin("junk");
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = 1,
                                              .transactions = options->transactions,
                                              .max_miners = 10000,
                                              .scrypt = true,
                                              .budgets = true });
    start_honest(&honest, &pool, &chosen);
    double alone_ms = honest_p99_ms(&honest, "alone");
    start_junk(&junk, &pool);
    generator_wait(&junk, "begin");
    double hashed = sample_metric(pool.validator_ports[0], "adit_validator_shares_rejected_total");
    start_honest(&honest, &pool, &chosen);
    double beside_ms = honest_p99_ms(&honest, "beside junk");
    hashed =
        sample_metric(pool.validator_ports[0], "adit_validator_shares_rejected_total") - hashed;
    generator_stop(&junk);
    generator_deinit(&junk);
    figure_note("junk_hashed", hashed, "shares");
    figure_add(&(struct figure){ .name = "honest_p99_beside_junk",
                                 .unit = "ms",
                                 .value = beside_ms,
                                 .floor = alone_ms,
                                 .floor_is = "alone",
                                 .goal = { .most = 100 } });
    pool_end(&pool);
    figures_end();
}
