/* A MongoDB for one test program: the one ADIT_TEST_MONGO_URL names, else a mongod from the PATH,
 * else the FerretDB that tests/ferretdb/setup made, the latter two with a temporary folder and a
 * free port of their own. They end with the program, however it ends. */
#pragma once
#include "base/error.h"

#include <sys/types.h>

struct mongo_server {
    char url[512]; /* of a database of this run's own */
    pid_t pid;     /* 0: not ours, or not running */
    int leash;     /* its standard input: FerretDB ends when it closes */
    char folder[64];
    char program[512];
    bool real; /* mongod, not FerretDB */
    int port;
};

/* False, with why in *error, where none can be had: print `SKIPPED: why` and exit 77. Caller owns;
 * ends by mongo_server_stop. */
MUST_CHECK bool mongo_server_start(struct mongo_server *server, struct error *error);
void mongo_server_stop(struct mongo_server *server);
/* As kill -9. For one of ours (server->pid). */
void mongo_server_kill(struct mongo_server *server);
/* Starts it again on the same state and port. */
MUST_CHECK bool mongo_server_restart(struct mongo_server *server, struct error *error);
