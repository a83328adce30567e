/* One process under the supervisor: what to run, and its life.
 *
 *   waiting -> starting -> running -> stopping -> ended
 *      ^          |           |
 *      +----------+-----------+   (it died: started again, at once where it had served for a
 *                                  second, else after a delay that doubles)
 *
 * One that serves and gives no sign of life for `hung_ms` hangs: it is told to end, then killed
 * with all of its group, and started again like any that died.
 *
 * All on the loop's thread. */
#pragma once
#include "loop/loop.h"

#include <sys/types.h>

enum child_state { CHILD_WAITING, CHILD_STARTING, CHILD_RUNNING, CHILD_STOPPING, CHILD_ENDED };
const char *child_state_name(enum child_state state);

/* How one knows that it serves. */
enum child_readiness {
    CHILD_READY_NOTIFY,  /* it says READY=1 on NOTIFY_SOCKET */
    CHILD_READY_CONNECT, /* its socket (unix path or host:port) takes connections */
    CHILD_READY_STARTED, /* it runs */
};

enum {
    CHILD_ARGUMENTS_MAX = 32,
    CHILD_VARIABLES_MAX = 12,
    CHILD_BACKOFF_FIRST_MS = 100,
    CHILD_BACKOFF_LAST_MS = 10000,
    CHILD_HUNG_TERM_MS = 2000, /* one that hangs has to end by itself, which it seldom can */
    CHILD_LOOK_MS = 500,       /* of what passed between two looks, what counts at the most */
};

struct child {
    char name[32];                        /* "share-validator" */
    char instance[16];                    /* "1" */
    char *arguments[CHILD_ARGUMENTS_MAX]; /* argv, owned; arguments[0] is the program's path */
    size_t argument_count;
    char *variables[CHILD_VARIABLES_MAX]; /* NAME=value added to its environment, owned */
    size_t variable_count;
    enum child_readiness readiness;
    char connect_to[256];
    char log_path[512];
    char notify_path[128];
    bool gentle; /* run at a lower priority: a miner of the demo */
    /* Of one that says WATCHDOG=1 on NOTIFY_SOCKET: how long it may be silent; 0: it is not
     * watched. And how much longer while it starts. */
    uint64_t hung_ms, start_ms;

    enum child_state state;
    pid_t pid;
    unsigned restarts; /* since the supervisor began */
    unsigned attempts; /* starts since it last served for a second; 0: it serves, or never ended */
    uint64_t started_ms;     /* loop time of the last start */
    uint64_t ready_ms;       /* since when it serves; 0: it does not yet */
    uint64_t start_again_ms; /* loop time, while waiting */
    uint64_t backoff_ms;
    uint64_t silent_ms;     /* since its last sign of life, as far as this supervisor looked */
    bool hung, killed;      /* it was told to end for that; killed */
    int last_status;        /* of wait(2) */
    uint64_t begun_unix_ms; /* the last start */
    uint64_t ended_unix_ms; /* when it last ended; 0: never */
    char last_end[800];     /* why: "killed by signal 9", "exit code 2: its own sentence" */
    char status[128];       /* what it said last by STATUS= */
    char failure[600]; /* the sentence it ended with, by X_ADIT_FAILED=; "" where it said none */
    int notify_fd;
    struct loop_source notify_source;
    struct loop *loop;
};

void child_init(struct child *child, const char *name, const char *instance);
void child_argument(struct child *child, const char *text);
void child_variable(struct child *child, const char *text);
void child_deinit(struct child *child);

/* Opens its NOTIFY_SOCKET in run_dir. */
MUST_CHECK bool child_open(struct child *child, struct loop *loop, const char *run_dir,
                           struct error *error);
MUST_CHECK bool child_start(struct child *child, struct error *error);
/* Called now and then while it is starting: sees whether its socket takes connections. */
void child_probe(struct child *child);
/* Likewise while it runs: sees whether it has served for long enough to count as recovered. */
void child_settle(struct child *child);
/* Likewise, while it starts or runs: `passed_ms` have passed since the last look. Sees whether it
 * hangs, and then ends it. True once a hang, when it is seen. */
bool child_watch(struct child *child, uint64_t passed_ms);
/* Unix time in milliseconds when it is tried again; 0: it is not waiting for that. */
uint64_t child_next_unix_ms(const struct child *child);
/* It ended with this wait(2) status: waits to be started again, or ends when it was to. */
void child_ended(struct child *child, int status);
/* SIGKILL goes to its whole group: who is dead cannot end its own children. */
void child_signal(struct child *child, int signal_number);

/* "exit code 2" or "killed by signal 9". */
void child_describe_end(int status, char *text_r, size_t bytes);
/* Why it ended: its own sentence, or else the last line of its log. */
void child_last_words(const struct child *child, char *text_r, size_t bytes);
/* Moves a log that has grown past a bound aside. */
void child_rotate_log(const struct child *child);
