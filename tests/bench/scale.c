/* Two validators against one, on scrypt, where hashing is nearly all there is: one hashing thread
 * each, pinned to a processor of its own. */
#include "figures.h"
#include "generator.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <stdio.h>

enum { CONNECTIONS = 500, IN_FLIGHT = 2 };

/* Accepted shares a second; *validators_us_r: CPU of the validators a share. */
static double measure(const struct pool *pool, size_t validators,
                      const struct bench_options *options, double *validators_us_r)
{
    static struct generator generator;
    char address[32], user[128], connections[16], in_flight[16], seconds[32];
    double used_s = 0;
    snprintf(address, sizeof address, "127.0.0.1:%u", pool->stratum_ports[0]);
    snprintf(user, sizeof user, "%s.w%%u", pool->address);
    snprintf(connections, sizeof connections, "%d", CONNECTIONS);
    snprintf(in_flight, sizeof in_flight, "%d", IN_FLIGHT);
    snprintf(seconds, sizeof seconds, "%.2f", options->seconds);
    const char *arguments[] = { "--mode",        "saturate",  "--connect",   address,
                                "--user",        user,        "--in-flight", in_flight,
                                "--connections", connections, "--seconds",   seconds,
                                "--warm-up",     "2",         NULL };
    generator_start(&generator, arguments);
    generator_wait(&generator, "begin");
    for (size_t i = 0; i < validators; i++)
        used_s -= sample_cpu_seconds(pool->validators[i].pid);
    generator_wait(&generator, "end");
    for (size_t i = 0; i < validators; i++)
        used_s += sample_cpu_seconds(pool->validators[i].pid);
    generator_finish(&generator);
    double accepted = generator_number(&generator, "accepted");
    double a_second = accepted / generator_number(&generator, "seconds");
    if (accepted <= 0)
        bench_fail("no share was accepted: %.0f were rejected",
                   generator_number(&generator, "rejected"));
    *validators_us_r = used_s * 1e6 / accepted;
    generator_deinit(&generator);
    return a_second;
}

void bench_scale(const struct bench_options *options)
{
    static struct pool pool;
    double one_us, two_us;
    figures_begin("scale");
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = 2,
                                              .transactions = options->transactions,
                                              .max_miners = 10000,
                                              .scrypt = true,
                                              .later = true });
    process_pin(&pool.validators[0], 0);
    double one = measure(&pool, 1, options, &one_us);
    pool_start_validator(&pool, 1);
    process_wait_ready(&pool.validators[1], 40);
    process_pin(&pool.validators[1], 1);
    bench_pause_ms(500);
    double two = measure(&pool, 2, options, &two_us);
    figures_say("scrypt, %d connections with %d submits in flight each; the second validator came "
                "while the pool ran",
                CONNECTIONS, IN_FLIGHT);
    figure_note("one_validator_us", one_us, "us/share");
    figure_note("two_validators_us", two_us, "us/share");
    figure_note("one_validator_per_s", one, "/s");
    figure_add(&(struct figure){ .name = "two_validators_per_s",
                                 .unit = "/s",
                                 .value = two,
                                 .floor = one,
                                 .floor_is = "one",
                                 .goal = { .ratio_least = 1.8 } });
    pool_end(&pool);
    figures_end();
}
