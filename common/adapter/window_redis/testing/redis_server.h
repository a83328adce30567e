/* A private redis-server for a test: a temporary folder of its own, a unix socket, append-only file
 * fsynced before each answer. It dies with the test (PR_SET_PDEATHSIG) and leaves nothing behind.
 * One thread. */
#pragma once
#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct redis_server {
    char folder[128]; /* the temporary folder */
    char url[256];    /* unix:… */
    pid_t pid;        /* 0: not running */
    const char *const *options;
    uint64_t file_bytes_max; /* no file of its grows beyond, as on a full disk; 0: no such bound */
};

/* False when redis-server is not installed; then a test says SKIPPED. */
MUST_CHECK bool redis_server_found(void);

/* Starts one and waits until it answers. `options` (NULL, or ending with NULL, living on): more
 * arguments, as {"--appendfsync", "everysec", NULL}. */
MUST_CHECK bool redis_server_begin(struct redis_server *server, const char *const *options,
                                   struct error *error);
/* The same on a disk with room for files of so many bytes. */
MUST_CHECK bool redis_server_begin_small(struct redis_server *server, const char *const *options,
                                         uint64_t file_bytes_max, struct error *error);
/* kill -9, waited for. */
void redis_server_kill(struct redis_server *server);
/* Stops it where it stands (it does nothing more when this returns), and lets it go on. */
void redis_server_stop(const struct redis_server *server);
void redis_server_continue(const struct redis_server *server);
/* Starts it again on the same file; does not wait for it to have loaded. */
MUST_CHECK bool redis_server_restart(struct redis_server *server, struct error *error);
/* Waits until it has loaded its file and answers. */
MUST_CHECK bool redis_server_wait(struct redis_server *server, struct error *error);
/* Ends it and removes its folder. */
void redis_server_end(struct redis_server *server);
