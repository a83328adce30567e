/* adit: the operator's command. It starts and stops a pool on this machine and shows what it does;
 * it holds nothing the pool needs, so its death costs no more than a restart. `./adit` installs and
 * builds first; this is what it then runs. */
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *verb;
    int (*run)(const struct options *options);
    const char *help;
} verbs[] = {
    { "up", command_up, "[--demo] [--detach] [--config FILE] [--data DIR]  run the pool" },
    { "down", command_down, "[--data DIR]                                       stop it" },
    { "status", command_status, "[--json] [--data DIR]                              how it is" },
    { "top", command_top, "[--data DIR]                                       watch it" },
    { "logs", command_logs, "[--data DIR] SERVICE                               follow a log" },
    { "backup", command_backup,
      "[--data DIR] FOLDER                        copy what must not be lost" },
    { "restore", command_restore,
      "[--data DIR] FOLDER                        put it where nothing is yet" },
    { "audit", command_audit,
      "[--json] [--rebuild] [--data DIR]                  check the ledger" },
    { "gateway", command_gateway, "[--data DIR] VERB                   bans, ban, lift, drain, …" },
    { "node", command_node, "[--json] [--data DIR]                 nodes, jobs, blocks submitted" },
    { "payout", command_payout,
      "[--data DIR] VERB                   pause, approve, bump, withdraw, …" },
    { "rejects", command_rejects,
      "[--data DIR] ACCOUNT[.WORKER]             why shares are rejected" },
    { "class", command_class, "[--data DIR] ACCOUNT [CLASS]              an account's fee class" },
    { "operator", command_operator,
      "[--data DIR] add|remove ACCOUNT          who may do what operators do" },
    { "auth", command_auth,
      "[--data DIR] rotate-key [stolen]           the key that signs tokens" },
    { "verify", command_verify,
      "PROOF [OPTIONS]                                    check a payout's proof" },
    { "simulate", command_simulate,
      "[--json] [--data DIR] [--from FILE] [--to FILE] [PLAN...]  compare schemes" },
    { "config", command_config, "check [FILE] | example | explain                   settings" },
    { "prepare", command_prepare,
      "[--data DIR]                                       secret, address, store; no start" },
    { "probe", command_probe,
      "URL                                                0 when it is answered with a 2xx" },
    { "miner", command_miner, "OPTIONS                                            a CPU miner" },
    { "bench", command_bench, "PART OPTIONS                                       measure it" },
};

static int usage(FILE *out)
{
    fprintf(out, "adit, a mining pool\n");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fprintf(out, "  adit %-8s %s\n", verbs[i].verb, verbs[i].help);
    return out == stdout ? 0 : 64;
}

/* Verbs that read what follows them by themselves. */
static bool has_own_options(const char *verb)
{
    return strcmp(verb, "miner") == 0 || strcmp(verb, "bench") == 0 || strcmp(verb, "verify") == 0;
}

int main(int argc, char **argv)
{
    struct options options = { .verb = argc > 1 ? argv[1] : "help", .data_dir = ADIT_DATA_DIR };
    struct error error;
    if (has_own_options(options.verb)) {
        options.rest = argv + 2;
        options.rest_count = argc - 2;
    } else if (!options_parse(argc, argv, &options, &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(options.verb, verbs[i].verb) == 0)
            return verbs[i].run(&options);
    return usage(strcmp(options.verb, "help") == 0 ? stdout : stderr);
}
