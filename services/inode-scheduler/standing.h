/* Who leads, of the schedulers on one store. The leader renews its record five times in a lease,
 * and whoever stands by looks at it as often. One that finds it free, or that its process ended, or
 * unmoved for a lease's length by its own clock, takes it, which makes every older epoch old for
 * ever. A leader that learns of a newer epoch does nothing more and ends.
 *
 * On the loop; the store is asked on a worker of its own, with a handle of its own, so that nothing
 * else that waits for store or window keeps a leader from renewing. docs/scheduler.md derives how
 * long jobs are missing. */
#pragma once
#include "loop/worker.h"
#include "record/leader/leader.h"
#include "service/process/process_life.h"

struct scheduler;

enum standing_step {
    STANDING_LOOK,
    STANDING_RENEW,
    STANDING_TAKE,
};

struct standing {
    struct worker *worker; /* owns the store and, while asking, what follows */
    struct store *store;
    struct worker_job job;
    struct loop_timer timer;
    bool asking;
    uint64_t asked_ms; /* when it last began to; 0: not yet */
    enum standing_step step;
    enum store_outcome outcome;
    struct leader seen;
    uint64_t began_ms, ended_ms;
    enum process_life life; /* of the process that was seen leading */
    uint64_t taken;         /* the epoch that was got */
    char process[PROCESS_NAME_BYTES];
    struct error error;
    struct leader_watch watch;
    bool failing;  /* the store cannot say; logged once */
    bool missed;   /* twice in a row: it is away */
    bool namesake; /* a living process leads under this one's name */
};

/* Opens worker and store; false with *error. */
MUST_CHECK bool standing_open(struct scheduler *scheduler, struct error *error);
/* Looks for the first time, at once, and takes the leadership where it may: true with
 * standing->taken. False where another has it, or the store cannot say. Blocking. */
MUST_CHECK bool standing_take_now(struct scheduler *scheduler);
/* From now on: a leader renews, one that stands by looks, and calls scheduler_lead when it has the
 * leadership. */
void standing_start(struct scheduler *scheduler);
void standing_stop(struct scheduler *scheduler);
/* Ends the worker. A leader that ends in order says so: who stands by need not wait. Blocking, for
 * no longer than the store's time-out. */
void standing_close(struct scheduler *scheduler);
