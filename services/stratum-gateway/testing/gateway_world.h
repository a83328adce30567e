/* A gateway's process between a scheduler, an auth and validators that do what the test says, and
 * miners who are plain sockets. Everything runs on the test's one loop over ipc in a private
 * folder; the gateway dies with the test. */
#pragma once
#include "adapter/bus_nng/bus_nng.h"
#include "core/share/outcome.h"
#include "loop/testing/until.h"
#include "wire/messages.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/types.h>

/* The pool's limits of time are short where a test is about them; else a machine that stands still
 * for a while must not reach them. */
enum { VALIDATORS = 2, SEEN_MAX = 4096, HOLD_MS = 60000, TIMEOUT_MS = 10000, HASTY_MS = 150 };

struct validator {
    struct bus_server *server;
    bool silent; /* takes batches and never answers */
    enum wire_batch_status status;
    enum share_outcome outcome;
    unsigned batches;
    unsigned slow_ms; /* answers one batch after the other, each so long after the one before */
    struct late_reply *late;
    struct late_reply **late_end;
    uint64_t answered_ns; /* when it last did */
};

/* An answer a slow validator has yet to give. */
struct late_reply {
    struct late_reply *next;
    struct bus_call *call;
    size_t bytes;
    uint8_t message[];
};

struct seen_batch {
    uint64_t lease_id, sequence, lowest;
    uint32_t count;
    unsigned validator;
};

struct fixture {
    char folder[64];
    struct loop *loop;
    struct bus *bus;
    struct bus_server *scheduler;
    struct bus_server *auth;
    struct bus_publisher *publisher;
    struct validator validators[VALIDATORS];
    unsigned unanswered; /* so many of the next batches get no answer */
    struct seen_batch seen[SEEN_MAX];
    struct wire_share last_share;
    unsigned seen_count;
    unsigned asked_auth, beats;
    uint64_t lease_id, epoch, sequence, job_id;
    bool lease_unknown;
    uint64_t boot_ids[16]; /* of leases 1, 2, … */
    unsigned lease_values;
    uint8_t tip;
    pid_t child;
    int log_fd;
    char log[262144];
    size_t log_bytes;
    int port;
    char said[16384]; /* what the gateway answered an operator */
    char peer[64]; /* of the miner auth was asked about last */
};
extern struct fixture *f; /* of the test that runs */

struct miner {
    int fd;
    char text[65536];
    size_t bytes;
    bool ended;
    char line[16384]; /* the last taken */
};

struct limits {
    unsigned max_miners, hold_ms, shares_held;
    unsigned lease_values; /* 0: 1024 */
    unsigned timeout_ms;   /* of a batch; 0: TIMEOUT_MS */
};

#define UNTIL(condition) UNTIL_BY(turn(), condition, f->log)

/* A job of a new sequence and id; on the next tip, or on the same. */
void publish_job(bool new_tip);
/* What the gateway logged is in f->log. */
void read_log(void);
/* One round of the test's loop. */
void turn(void);
/* Makes the world and starts the gateway; miners may connect then. */
int set_up_with(const struct limits *limits);
/* Ends all of it; a teardown of cmocka. */
int tear_down(void **state);
/* Serves nng at ipc://FOLDER/name. */
struct bus_server *serve(const char *name, bus_call_handler handler, void *context);
/* Reads what there is. */
void receive(struct miner *miner);
/* The next line that came is in miner->line; false where none did. */
bool take_line(struct miner *miner);
/* Freed by disconnect. The second one comes from that address of the loopback. */
struct miner *connect_miner(void);
struct miner *connect_from(const char *address);
/* Asks the gateway by its control socket; whether it said yes. Its text is in f->said. */
bool ask_gateway(const char *verb, const char *argument);
void disconnect(struct miner *miner);
/* Sends a line. */
void say(struct miner *miner, const char *format, ...) PRINTF_LIKE(2, 3);
/* The next line contains this. */
void hear(struct miner *miner, const char *part);
/* Subscribes, authorizes, and has heard its first job. */
void log_in(struct miner *miner, const char *user);
/* A share of the newest job. */
void submit(struct miner *miner, unsigned id, const char *user, unsigned nonce);
/* Sets an environment variable for the gateway. */
void set_variable(const char *name, const char *format, ...) PRINTF_LIKE(2, 3);
