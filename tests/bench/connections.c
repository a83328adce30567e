/* The memory of an idle miner: authorised, with a job, silent. */
#include "bare.h"
#include "figures.h"
#include "generator.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    MINERS = 20000,
    OTHER_DESCRIPTORS = 1000, /* of a gateway or a generator */
    SETTLE_MS = 3000,
    BARE_MINERS_MAX = 4000,
};

static uint64_t gateways_memory(const struct pool *pool)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < pool->gateway_count; i++)
        bytes += sample_memory(pool->gateways[i].pid);
    return bytes;
}

/* How many processes it takes to hold so many sockets. */
static size_t processes_for(uint32_t miners)
{
    struct rlimit files;
    size_t each = 1000;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > 2 * OTHER_DESCRIPTORS)
        each = (size_t)files.rlim_cur - OTHER_DESCRIPTORS;
    size_t count = (miners + each - 1) / each;
    if (count > POOL_GATEWAYS_MAX)
        bench_fail("%u miners need more than %d gateways at %zu connections each: raise the limit "
                   "of open files",
                   miners, POOL_GATEWAYS_MAX, each);
    return count;
}

static void start_idle(struct generator *generator, const struct pool *pool, uint32_t first,
                       uint32_t count)
{
    char addresses[POOL_GATEWAYS_MAX][32], user[128], number[16], index[16];
    const char *arguments[PROCESS_ARGUMENTS_MAX] = { "--mode",  "idle", "--seconds",     "600",
                                                     "--user",  user,   "--connections", number,
                                                     "--first", index };
    size_t used = 10;
    snprintf(user, sizeof user, "%s.w%%u", pool->address);
    snprintf(number, sizeof number, "%u", count);
    snprintf(index, sizeof index, "%u", first);
    for (size_t i = 0; i < pool->gateway_count; i++) {
        snprintf(addresses[i], sizeof addresses[i], "127.0.0.1:%u", pool->stratum_ports[i]);
        arguments[used++] = "--connect";
        arguments[used++] = addresses[i];
    }
    generator_start(generator, arguments);
}

/* What a server that does the system calls alone holds for one connection. */
static double bare_memory(uint32_t miners)
{
    struct bare_server server;
    struct generator generator;
    char address[32], number[16];
    if (miners > BARE_MINERS_MAX)
        miners = BARE_MINERS_MAX;
    bare_server_begin(&server);
    bench_pause_ms(200);
    uint64_t before = sample_memory(server.pid);
    snprintf(address, sizeof address, "127.0.0.1:%u", server.port);
    snprintf(number, sizeof number, "%u", miners);
    const char *arguments[] = { "--mode", "idle",    "--seconds",     "600",  "--connect", address,
                                "--user", "bare.%u", "--connections", number, NULL };
    generator_start(&generator, arguments);
    generator_wait(&generator, "ready");
    double bytes = (double)(sample_memory(server.pid) - before) / miners;
    generator_stop(&generator);
    generator_deinit(&generator);
    bare_server_end(&server);
    return bytes;
}

void bench_connections(const struct bench_options *options)
{
    static struct pool pool;
    static struct generator generators[POOL_GATEWAYS_MAX];
    uint32_t miners = options->miners != 0 ? options->miners : MINERS;
    size_t processes = processes_for(miners);
    figures_begin("connections");
    double bare_bytes = bare_memory(miners);
    pool_begin(&pool, &(struct pool_options){ .gateways = processes,
                                              .validators = 1,
                                              .transactions = options->transactions,
                                              .max_miners = miners });
    bench_pause_ms(SETTLE_MS);
    uint64_t before = gateways_memory(&pool), begin_ns = bench_now_ns();
    for (size_t i = 0; i < processes; i++) {
        uint32_t first = (uint32_t)(miners * i / processes);
        start_idle(&generators[i], &pool, first, (uint32_t)(miners * (i + 1) / processes) - first);
    }
    for (size_t i = 0; i < processes; i++)
        generator_wait(&generators[i], "ready");
    double connected_s = (double)(bench_now_ns() - begin_ns) / 1e9;
    bench_pause_ms(SETTLE_MS);
    uint64_t idle = gateways_memory(&pool);
    (void)pool_node_number(&pool, "benchtip", "tip_ns");
    bench_pause_ms(SETTLE_MS);
    uint64_t after_job = gateways_memory(&pool);
    figures_say("%u miners on %zu gateways", miners, processes);
    figure_note("login_s", connected_s, "s");
    figure_note("gateways_empty", (double)before / 1048576, "MiB");
    figure_add(&(struct figure){ .name = "memory_per_miner",
                                 .unit = "B",
                                 .value = (double)(idle - before) / miners,
                                 .floor = bare_bytes,
                                 .goal = { .most = 2048 } });
    figure_note("memory_per_miner_after_a_job", (double)(after_job - before) / miners, "B");
    for (size_t i = 0; i < processes; i++) {
        generator_stop(&generators[i]);
        generator_deinit(&generators[i]);
    }
    pool_end(&pool);
    figures_end();
}
