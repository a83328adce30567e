/* Which processes the settings call for, in order of need: a private redis-server and a devnode
 * where the settings point into the data folder and at a devnet on this machine, the five
 * services, and the miners of the demo. */
#pragma once
#include "child.h"
#include "core/address/address.h"
#include "options.h"
#include "service/settings.h"

enum { PLAN_CHILDREN_MAX = 32, PLAN_MINERS = 2 };

struct plan {
    struct settings settings;
    char data_dir[80]; /* absolute */
    char run_dir[80];  /* data_dir/run: sockets and pids */
    char bin_dir[256]; /* where our programs are */
    bool private_redis;
    bool devnode;
    bool demo;
    char miners[PLAN_MINERS][ADDRESS_TEXT_BYTES]; /* the demo's addresses */
    struct child children[PLAN_CHILDREN_MAX];
    size_t count;
};

/* Makes the data folder and the secret in it, and loads the settings. False with one sentence.
 * Ended by plan_deinit, also after a failure. */
MUST_CHECK bool plan_open(struct plan *plan, const struct options *options, struct error *error);
/* Once the folder is locked: waits for what a supervisor that died has left to end, checks that the
 * ports are free, lists the processes. *port_r says whether a port was the trouble. */
MUST_CHECK bool plan_list(struct plan *plan, const struct options *options, bool *port_r,
                          struct error *error);
void plan_deinit(struct plan *plan);

/* Makes the data folder and the deployment's secret in it, where they are not there yet. */
MUST_CHECK bool plan_make_secret(const char *data_dir, struct error *error);

/* The settings file to read: the one given, else the one a pool on this folder was started with
 * last; NULL: none. Borrowed until the next call. */
const char *plan_config(const struct options *options, const char *data_dir);

/* The data folder as an absolute path, without making it. */
MUST_CHECK bool plan_data_dir(const char *given, char *path_r, size_t bytes, struct error *error);
