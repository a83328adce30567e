/* The verbs of `adit`; each returns the exit code of the process. */
#pragma once
#include "base/error.h"
#include "options.h"
#include "service/settings.h"

/* Folder and settings of a pool that may or may not run; false and one sentence. */
MUST_CHECK bool command_find_pool(const struct options *options, char *data_dir, size_t bytes,
                                  struct settings *settings, struct error *error);

int command_up(const struct options *options);
int command_down(const struct options *options);
int command_status(const struct options *options);
int command_top(const struct options *options);
int command_logs(const struct options *options);
int command_backup(const struct options *options);
int command_restore(const struct options *options);
int command_audit(const struct options *options);
int command_gateway(const struct options *options);
int command_node(const struct options *options);
int command_payout(const struct options *options);
int command_auth(const struct options *options);
int command_operator(const struct options *options);
int command_rejects(const struct options *options);
int command_class(const struct options *options);
int command_verify(const struct options *options);
int command_simulate(const struct options *options);
int command_config(const struct options *options);
int command_prepare(const struct options *options);
int command_probe(const struct options *options);
int command_miner(const struct options *options);
int command_bench(const struct options *options);
