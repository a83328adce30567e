/* What a new leader reads before it leads: the leases that are held and the head of the chain of
 * proofs. The records' worker, which rests until then, reads it, so that the loop turns however
 * slow the store is: the leadership is renewed (standing.h), health says what is waited for, a
 * signal ends it. One whose store does not say within scheduler.opening_s gives up what it took, so
 * that another may lead.
 *
 * On the loop. */
#pragma once
#include "loop/worker.h"

#include <stdatomic.h>

struct scheduler;

struct opening {
    struct worker_job job;
    struct loop_timer timer;
    uint64_t began_ms; /* of loop_clock_ns */
    bool reading;
    bool told; /* that it lasts, in health */
    void (*on_read)(struct scheduler *scheduler);
    atomic_bool stop; /* the next call is not made */
    bool read;        /* the worker's, as what follows */
    struct error error;
};

/* Begins to read, into scheduler->leases and scheduler->commitment; on_read is called when it has,
 * scheduler_unable when that fails or takes too long. */
void opening_begin(struct scheduler *scheduler, void (*on_read)(struct scheduler *scheduler));
/* Nothing is called any more; what is under way ends with the store's current call. */
void opening_stop(struct scheduler *scheduler);
