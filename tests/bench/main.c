/* adit-bench: what `adit bench PART` runs. docs/performance.md says how to read it. */
#include "parts.h"

#include "process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The whole window of ten million shares in memory, split among its accounts. */
static void bench_pplns(const struct bench_options *options)
{
    char program[300];
    (void)options;
    execl(process_program("core_pplns_bench", program), program, (char *)NULL);
    bench_fail("%s is not built", program);
}

static const struct {
    const char *name;
    void (*run)(const struct bench_options *options);
    const char *help;
} parts[] = {
    { "hotpath", bench_hotpath, "shares through the whole pool: CPU a share, throughput, latency" },
    { "connections", bench_connections, "memory of an idle miner" },
    { "fanout", bench_fanout, "a clean job to many miners" },
    { "tip", bench_tip, "from the node's new tip to the miners" },
    { "window", bench_window, "batches into redis-server, and read back" },
    { "pool", bench_pool, "none: only the private pool, for --seconds, to be looked at by hand" },
    { "pplns", bench_pplns, "a window of ten million shares split" },
};

static int usage(FILE *out)
{
    fprintf(out,
            "adit bench PART [--seconds S] [--connections N] [--in-flight N] [--validators N]\n"
            "                [--transactions N] [--miners N]\n");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        fprintf(out, "  %-12s %s\n", parts[i].name, parts[i].help);
    fprintf(out, "Figures also go to bench-PART.json in the current folder, or the one that\n"
                 "ADIT_BENCH_RESULTS names; ADIT_BENCH_DIR says where the pool's files lie.\n");
    return 64;
}

static bool read_option(const char *name, const char *value, struct bench_options *options)
{
    uint32_t number = (uint32_t)strtoul(value, NULL, 10);
    const struct {
        const char *name;
        uint32_t *number;
    } numbers[] = {
        { "--connections", &options->connections }, { "--in-flight", &options->in_flight },
        { "--validators", &options->validators },   { "--transactions", &options->transactions },
        { "--miners", &options->miners },
    };
    if (strcmp(name, "--seconds") == 0) {
        options->seconds = strtod(value, NULL);
        return options->seconds > 0;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].number = number;
            return number > 0;
        }
    return false;
}

int main(int argc, char **argv)
{
    struct bench_options options = {
        .seconds = 10, .connections = 200, .in_flight = 64, .validators = 1, .transactions = 2000
    };
    struct rlimit files;
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    if (argc < 2)
        return usage(stderr);
    for (int i = 2; i < argc; i += 2)
        if (i + 1 == argc || !read_option(argv[i], argv[i + 1], &options))
            return usage(stderr);
    /* The gateways get what may be had. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(argv[1], parts[i].name) == 0) {
            parts[i].run(&options);
            return 0;
        }
    return usage(stderr);
}
