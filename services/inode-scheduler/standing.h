/* Who leads, of the schedulers on one store. Each looks at the leader's record four times in a
 * lease; the leader renews it as often. One that finds it free, or unmoved for a lease's length by
 * its own clock, takes it, which makes every older epoch old for ever. A leader that learns of a
 * newer epoch does nothing more and ends. On the loop; the store is asked on the records worker. */
#pragma once
#include "loop/worker.h"
#include "record/leader/leader.h"

struct scheduler;

struct standing {
    struct worker_job job;
    struct loop_timer timer;
    bool asking;
    /* the worker's while asking */
    enum store_outcome outcome;
    struct leader seen;
    struct error error;
    struct leader_watch watch;
    bool failing; /* the store cannot say; logged once */
};

/* Looks for the first time, at once. True where the leadership may be taken now. */
MUST_CHECK bool standing_is_free(struct scheduler *scheduler);
/* From now on: a leader renews, one that stands by looks, and calls scheduler_lead when it may. */
void standing_start(struct scheduler *scheduler);
void standing_stop(struct scheduler *scheduler);
/* A leader that ends in order says so: who stands by need not wait. Blocking; after the records
 * worker has ended. */
void standing_release(struct scheduler *scheduler);
