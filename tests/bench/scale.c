/* Two validators against one, on scrypt, where hashing is nearly all there is: one hashing thread
 * each, pinned to a processor of its own. On a machine of two processors gateway, redis-server and
 * the load have what hashing leaves them, so what they take a share is measured beside it: with h
 * for a hash and o for all the rest, two validators give 2h / (h + o) times one at the best, and
 * 1.8 needs o ≤ h / 9. Few connections with many submits each, as of proxies, keep o small; many
 * connections with one or two are shown as well. */
#include "figures.h"
#include "generator.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <stdio.h>

struct shape {
    const char *name;
    unsigned connections, in_flight;
};

struct measured {
    double per_s;
    double validators_us, rest_us; /* CPU a share */
    double refused;
};

static double rest_seconds(const struct pool *pool)
{
    return sample_cpu_seconds(pool->gateways[0].pid) + sample_cpu_seconds(pool->redis.pid);
}

static struct measured measure(const struct pool *pool, size_t validators,
                               const struct shape *shape, const struct bench_options *options)
{
    static struct generator generator;
    char address[32], user[128], connections[16], in_flight[16], seconds[32];
    double used_s = 0, rest_s = 0;
    snprintf(address, sizeof address, "127.0.0.1:%u", pool->stratum_ports[0]);
    snprintf(user, sizeof user, "%s.w%%u", pool->address);
    snprintf(connections, sizeof connections, "%u", shape->connections);
    snprintf(in_flight, sizeof in_flight, "%u", shape->in_flight);
    snprintf(seconds, sizeof seconds, "%.2f", options->seconds);
    const char *arguments[] = { "--mode",        "saturate",  "--connect",   address,
                                "--user",        user,        "--in-flight", in_flight,
                                "--connections", connections, "--seconds",   seconds,
                                "--warm-up",     "2",         NULL };
    generator_start(&generator, arguments);
    generator_wait(&generator, "begin");
    for (size_t i = 0; i < validators; i++)
        used_s -= sample_cpu_seconds(pool->validators[i].pid);
    rest_s -= rest_seconds(pool);
    generator_wait(&generator, "end");
    for (size_t i = 0; i < validators; i++)
        used_s += sample_cpu_seconds(pool->validators[i].pid);
    rest_s += rest_seconds(pool);
    generator_finish(&generator);
    double accepted = generator_number(&generator, "accepted");
    if (accepted <= 0)
        bench_fail("no share was accepted: %.0f were rejected",
                   generator_number(&generator, "rejected"));
    rest_s += generator_number(&generator, "cpu_seconds");
    const struct measured measured = { .per_s = accepted / generator_number(&generator, "seconds"),
                                       .validators_us = used_s * 1e6 / accepted,
                                       .rest_us = rest_s * 1e6 / accepted,
                                       .refused = generator_number(&generator, "rejected") };
    generator_deinit(&generator);
    return measured;
}

static void note(const char *shape, const char *name, double value, const char *unit)
{
    char full[64];
    snprintf(full, sizeof full, "%s_%s", shape, name);
    figure_note(full, value, unit);
}

static void show(const struct shape *shape, const struct measured *one, const struct measured *two,
                 bool goal)
{
    char name[64];
    snprintf(name, sizeof name, "%s_two_validators_per_s", shape->name);
    figures_say("%s: %u connections with %u submits in flight each", shape->name,
                shape->connections, shape->in_flight);
    note(shape->name, "one_validator_per_s", one->per_s, "/s");
    note(shape->name, "one_validator_us", one->validators_us, "us/share");
    note(shape->name, "one_rest_us", one->rest_us, "us/share");
    note(shape->name, "two_validators_us", two->validators_us, "us/share");
    note(shape->name, "two_rest_us", two->rest_us, "us/share");
    note(shape->name, "refused", one->refused + two->refused, "shares");
    figure_add(&(struct figure){ .name = name,
                                 .unit = "/s",
                                 .value = two->per_s,
                                 .floor = one->per_s,
                                 .floor_is = "one",
                                 .goal = { .ratio_least = goal ? 1.8 : 0 } });
}

void bench_scale(const struct bench_options *options)
{
    static const struct shape shapes[] = { { "proxies", 32, 100 }, { "miners", 500, 2 } };
    enum { SHAPES = sizeof shapes / sizeof *shapes };
    static struct pool pool;
    struct measured one[SHAPES], two[SHAPES];
    figures_begin("scale");
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = 2,
                                              .transactions = options->transactions,
                                              .max_miners = 10000,
                                              .scrypt = true,
                                              .later = true });
    process_pin(&pool.validators[0], 0);
    for (size_t i = 0; i < SHAPES; i++)
        one[i] = measure(&pool, 1, &shapes[i], options);
    pool_start_validator(&pool, 1);
    process_wait_ready(&pool.validators[1], 40);
    process_pin(&pool.validators[1], 1);
    bench_pause_ms(500);
    for (size_t i = 0; i < SHAPES; i++)
        two[i] = measure(&pool, 2, &shapes[i], options);
    figures_say("scrypt; the second validator came while the pool ran");
    for (size_t i = 0; i < SHAPES; i++)
        show(&shapes[i], &one[i], &two[i], i == 0);
    pool_end(&pool);
    figures_end();
}
