/* adit-bench: what `adit bench PART` runs. docs/performance.md says how to read it. */
#include "parts.h"

#include "figures.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*run)(const struct bench_options *options);
    const char *help;
} parts[] = {
    { "hotpath", bench_hotpath, "shares through the whole pool: CPU a share, throughput, latency" },
    { "connections", bench_connections, "memory of an idle miner" },
    { "fanout", bench_fanout, "a clean job to many miners" },
    { "tip", bench_tip, "from the node's new tip to the miners" },
    { "api", bench_api, "the HTTP API at 5,000 requests/s while shares flow" },
    { "live", bench_live, "a thousand watchers of the pool's stream" },
    { "window", bench_window, "batches into redis-server, and read back" },
    { "pool", bench_pool, "none: only the private pool, for --seconds, to be looked at by hand" },
    { "pplns", bench_pplns, "a window of ten million shares split" },
    { "credits", bench_credits, "a block of 100,000 accounts into the stores; the audit" },
    { "scale", bench_scale, "two validators against one, on scrypt" },
    { "junk", bench_junk, "honest miners beside 200 sessions of junk, on scrypt" },
    { "abuse", bench_abuse, "honest miners' p99 while others attack the gateway" },
    { "auth", bench_auth, "tokens checked and miners asked about while passwords saturate" },
    { "auth-timing", bench_auth_timing, "whether a clock tells which names exist" },
    { "kill", bench_kill, "a validator killed or stopped at full load; redis-server killed" },
};
enum { PARTS = sizeof parts / sizeof *parts };

/* Each part in a process of its own, with the same options, and then what was reached. */
static int run_all(char **argv)
{
    const char *names[PARTS];
    size_t count = 0;
    time_t began = time(NULL);
    for (size_t i = 0; i < PARTS; i++) {
        if (parts[i].run == bench_pool)
            continue;
        names[count++] = parts[i].name;
        pid_t pid = fork();
        if (pid == 0) {
            argv[1] = (char *)(uintptr_t)parts[i].name;
            execv("/proc/self/exe", argv);
            _exit(127);
        }
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    unsigned missed = figures_summary(names, count, began);
    printf("%u missed\n", missed);
    return missed == 0 ? 0 : 2;
}

static int usage(FILE *out)
{
    fprintf(out,
            "adit bench PART|all [--seconds S] [--connections N] [--in-flight N] [--validators N]\n"
            "                    [--transactions N] [--miners N] [--shares N]\n");
    for (size_t i = 0; i < PARTS; i++)
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
        { "--miners", &options->miners },           { "--shares", &options->shares },
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
    struct bench_options options = { .seconds = 10,
                                     .connections = 200,
                                     .in_flight = 64,
                                     .validators = 1,
                                     .transactions = 2000,
                                     .shares = BENCH_SHARES_USUAL };
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
    if (strcmp(argv[1], "all") == 0)
        return run_all(argv);
    for (size_t i = 0; i < PARTS; i++)
        if (strcmp(argv[1], parts[i].name) == 0) {
            parts[i].run(&options);
            return 0;
        }
    return usage(stderr);
}
