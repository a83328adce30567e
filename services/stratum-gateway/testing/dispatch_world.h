/* For the dispatcher's tests: validators over one window, on a bus that loses and cuts. Each share
 * has one end, what was judged is in the window once, and what was said to be dropped is never in
 * it: a broken promise fails the test where it happens. */
#pragma once
#include "adapter/bus_fake/bus_fake.h"
#include "base/test_random.h"
#include "loop/testing/until.h"
#include "services/stratum-gateway/dispatcher.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

enum { VALIDATORS = 3, SHARES_MAX = 60000, BATCHES_MAX = 60000, LATE_MAX = 512 };

enum share_end { NONE, JUDGED, DROPPED, UNKNOWN };

/* What the window keeps of a lease: which sequences were applied, and below what none is. */
struct window {
    bool applied[3][BATCHES_MAX];
    uint64_t lowest[3];
};

/* One atomic step of the window, so that a failover can undo it. */
enum { JOURNAL_MAX = 1024 };
struct step {
    uint64_t lease_id, sequence, lowest_before;
    bool applied; /* else it only raised the lowest, or found it applied */
    uint32_t count;
    uint32_t nonces[BATCH_SHARES_MAX];
};

/* An answer that takes its time. */
struct late {
    struct bus_call *call;
    uint64_t due_ns;
    size_t bytes;
    uint8_t reply[1024];
};

struct world {
    struct loop *loop;
    struct bus *bus;
    struct dispatcher *dispatcher;
    struct bus_server *servers[VALIDATORS];
    char urls[VALIDATORS][VALIDATORS_URL_BYTES];
    struct test_random random;
    struct window window;
    struct step journal[JOURNAL_MAX]; /* the last steps, a ring */
    uint64_t steps;
    uint64_t history;
    enum share_end ends[SHARES_MAX];
    unsigned in_window[SHARES_MAX];
    unsigned trouble; /* per cent of requests that go wrong */
    bool not_durable; /* the window takes nothing */
    uint8_t outcome;  /* the verdict on every second share of a batch */
    /* of each validator */
    bool mute[VALIDATORS];           /* takes batches and never answers */
    bool leaving[VALIDATORS];        /* takes no more and says so */
    bool lacks_job[VALIDATORS];      /* cannot judge what is not final */
    unsigned us_a_share[VALIDATORS]; /* how slow it is; 0: answers at once */
    uint64_t busy_ns[VALIDATORS];    /* until when */
    unsigned batches[VALIDATORS];    /* that came */
    unsigned judged[VALIDATORS];     /* shares it judged first */
    struct late late[LATE_MAX];
    unsigned late_count;
    struct loop_timer clock;
    unsigned refusals;
    unsigned denied, finals; /* batches that could not be judged; that were final without a job */
    unsigned shares, ended;
};

extern struct world *w;

void world_begin(unsigned timeout_ms, uint64_t hold_ms);
/* The same; answered batches are kept, and a job is dead when it was denied for job_memory_ms. */
void world_begin_keeping(unsigned timeout_ms, uint64_t hold_ms, uint64_t keep_ms,
                         size_t keep_bytes);
void world_begin_remembering(unsigned timeout_ms, uint64_t hold_ms, uint64_t keep_ms,
                             size_t keep_bytes, uint64_t job_memory_ms);
/* The window loses its last steps, as a replica that lacked them does, and has another history. */
void world_fail_over(unsigned lost);
void world_end(void);
/* Time in it is virtual (loop/testing/virtual_clock.h) but from here on: for what has threads, or
 * is measured. */
void world_take_real_time(void);
/* The dispatcher is to use the first so many. */
void world_use(unsigned count);
/* One share more; false where the dispatcher does not take it. */
bool world_add(void);
/* Turns the loop for so long. */
void world_pass(unsigned ms);
/* Every promise, and how many shares had which end. */
void world_check(unsigned counts[4]);

#define UNTIL(condition) UNTIL_BY(loop_run_once(w->loop, 1), condition, "")
