/* A thread for work that blocks (a database, a node, Argon2), with a bounded queue. A job's `work`
 * runs on the worker's thread, then its `done` on the loop's. Several threads may share one queue.
 * Called on the loop's thread only. */
#pragma once
#include "loop/loop.h"

struct worker;

struct worker_job {
    void (*work)(struct worker_job *job); /* on a worker thread */
    void (*done)(struct worker_job *job); /* on the loop's thread; may free the job */
    struct loop_task task;                /* the worker's own */
    struct worker_job *next;              /* the worker's own */
    struct worker *worker;                /* the worker's own */
};

/* `threads` ≥ 1, `queue_max` jobs waiting at the most. NULL and *error on failure. Caller owns. */
MUST_CHECK struct worker *worker_create(struct loop *loop, const char *name, unsigned threads,
                                        size_t queue_max, struct error *error);
/* Binds thread t to the (first + t)th of the processors this process may use, counted round. False
 * where the kernel refuses; the threads then run anywhere. */
MUST_CHECK bool worker_pin(struct worker *worker, unsigned first);
/* False when the queue is full: nothing was taken. */
MUST_CHECK bool worker_submit(struct worker *worker, struct worker_job *job);
size_t worker_waiting(const struct worker *worker);
/* Finishes what is queued, joins the threads, and runs the outstanding `done`s. */
void worker_destroy(struct worker *worker);
