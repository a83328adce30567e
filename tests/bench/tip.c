/* From the node's new tip to the miners: the job without transactions, then the full one. */
#include "figures.h"
#include "generator.h"
#include "node_template.h"
#include "parts.h"
#include "pool.h"
#include "process.h"

#include <stdio.h>
#include <stdlib.h>

enum { MINERS = 100, ROUNDS = 11, WAIT_S = 4, BETWEEN_MS = 1500, PARSES = 5 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

/* What reading the template's JSON costs alone. */
static double parse_ms(unsigned transactions)
{
    struct node_template template;
    double values[PARSES];
    node_template_make(&template, transactions, true);
    for (size_t i = 0; i < PARSES; i++) {
        uint64_t begin_ns = bench_now_ns();
        json_t *document = json_loadb(template.transactions, template.transactions_bytes, 0, NULL);
        values[i] = (double)(bench_now_ns() - begin_ns) / 1e6;
        json_decref(document);
    }
    figures_say("a template of %u transactions, %.2f MB of JSON", transactions,
                (double)template.transactions_bytes / 1e6);
    free(template.transactions);
    return median(values, PARSES);
}

/* Milliseconds of one new tip. */
struct times {
    double notice[ROUNDS];   /* tip to the template's first byte */
    double transfer[ROUNDS]; /* first byte to last */
    double begun[ROUNDS];    /* first byte to the first miner's empty job */
    double empty[ROUNDS];    /* last byte to the first miner's empty job */
    double full[ROUNDS];     /* last byte to the first miner's full job */
    double tip_to_empty[ROUNDS];
};

/* False where the full job overtook the empty one: a gateway that is late gives each miner only the
 * newest, and then there is no moment at which all had the empty one. */
static bool move_tip(const struct pool *pool, struct generator *generator, struct times *times,
                     size_t round)
{
    const struct generator_wave *empty = NULL, *full = NULL;
    while (generator_wait_waves(generator, generator->wave_count + 1, 0))
        continue;
    generator_forget_waves(generator);
    uint64_t tip_ns = pool_node_number(pool, "benchtip", "tip_ns");
    for (size_t seen = 1; empty == NULL || full == NULL; seen = generator->wave_count + 1) {
        if (!generator_wait_waves(generator, seen, WAIT_S))
            break;
        empty = generator_find_wave(generator, false, false);
        full = generator_find_wave(generator, false, true);
    }
    if (full == NULL)
        bench_fail("a new tip brought no full job in %d s", WAIT_S);
    if (empty == NULL)
        return false;
    uint64_t begin_ns = pool_node_number(pool, "benchtimes", "send_begin_ns");
    uint64_t end_ns = pool_node_number(pool, "benchtimes", "send_end_ns");
    times->notice[round] = (double)(begin_ns - tip_ns) / 1e6;
    times->transfer[round] = (double)(end_ns - begin_ns) / 1e6;
    times->begun[round] = ((double)empty->first_ns - (double)begin_ns) / 1e6;
    times->empty[round] = ((double)empty->first_ns - (double)end_ns) / 1e6;
    times->full[round] = ((double)full->first_ns - (double)end_ns) / 1e6;
    times->tip_to_empty[round] = (double)(empty->first_ns - tip_ns) / 1e6;
    return true;
}

static void report(struct times *times, double json_ms)
{
    figure_note("tip_to_first_byte", median(times->notice, ROUNDS), "ms");
    figure_note("template_transfer", median(times->transfer, ROUNDS), "ms");
    figure_note("tip_to_empty_job", median(times->tip_to_empty, ROUNDS), "ms");
    figure_note("last_byte_to_empty_job", median(times->empty, ROUNDS), "ms");
    figure_add(&(struct figure){ .name = "first_byte_to_empty_job",
                                 .unit = "ms",
                                 .value = median(times->begun, ROUNDS),
                                 .goal = { .most = 5 } });
    figure_add(&(struct figure){ .name = "last_byte_to_full_job",
                                 .unit = "ms",
                                 .value = median(times->full, ROUNDS),
                                 .floor = json_ms,
                                 .floor_is = "jansson's parsing",
                                 .goal = { .most = 5 } });
}

void bench_tip(const struct bench_options *options)
{
    static struct pool pool;
    static struct times times;
    struct generator generator;
    char address[32], user[128], number[16];
    uint32_t miners = options->miners != 0 ? options->miners : MINERS;
    figures_begin("tip");
    double json_ms = parse_ms(options->transactions);
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = 1,
                                              .transactions = options->transactions,
                                              .max_miners = miners });
    snprintf(address, sizeof address, "127.0.0.1:%u", pool.stratum_ports[0]);
    snprintf(user, sizeof user, "%s.w%%u", pool.address);
    snprintf(number, sizeof number, "%u", miners);
    const char *arguments[] = { "--mode", "fanout", "--seconds",     "600",  "--connect", address,
                                "--user", user,     "--connections", number, NULL };
    generator_start(&generator, arguments);
    generator_wait(&generator, "ready");
    unsigned overtaken = 0;
    for (size_t i = 0; i < ROUNDS && overtaken < ROUNDS;) {
        bench_pause_ms(BETWEEN_MS);
        if (move_tip(&pool, &generator, &times, i))
            i++;
        else
            overtaken++;
    }
    if (overtaken == ROUNDS)
        bench_fail("the full job overtook the empty one %d times", ROUNDS);
    figure_note("empty_jobs_overtaken", overtaken, "");
    report(&times, json_ms);
    generator_stop(&generator);
    generator_deinit(&generator);
    pool_end(&pool);
    figures_end();
}
