/* A store handle with the one thread that uses it. Jobs wait in a bounded queue. A job that meets a
 * store that is away marks it so: from then on jobs are refused at once, and the store is asked
 * four times a second whether it is back. One that answers but cannot be written to is told of, and
 * its jobs go on: most only read. Called on the loop's thread only, but for what says otherwise. */
#pragma once
#include "loop/worker.h"
#include "port/store.h"

struct store_thread;

struct store_job {
    /* On the store's thread; false with *error when the store failed (error->code INVALID: the
     * store is there, but what it holds is damaged). */
    bool (*ask)(struct store_job *job, struct store *store, struct error *error);
    /* On the loop's thread; `failed` says what `ask` said, or that it was not called because the
     * process stops. May free the job. */
    void (*done)(struct store_job *job);
    bool failed;
    bool answered;      /* where it failed: the store can be read all the same */
    struct error error; /* where it failed */

    struct worker_job job; /* the store thread's own */
    struct store_thread *thread;
};

struct store_thread_options {
    struct loop *loop;
    const char *name; /* of the thread */
    size_t queue_max;
    uint64_t watch_ms; /* the store is asked so often whether it is there, jobs or none; 0: never */
    /* A fresh handle; called on the store's thread, again after a failure. */
    struct store *(*open)(void *context, struct error *error);
    /* Why the store is away, or cannot be written to; NULL: neither. May be NULL. */
    void (*on_state)(void *context, const char *reason);
    void *context;
};

/* NULL and *error on failure. Caller owns. */
MUST_CHECK struct store_thread *store_thread_create(const struct store_thread_options *options,
                                                    struct error *error);
/* Lets the job under way end, fails the others, and calls all `done`s. */
void store_thread_destroy(struct store_thread *thread);

/* False, and the job is not taken, while the store is away, the queue full or the thread ending. */
MUST_CHECK bool store_thread_submit(struct store_thread *thread, struct store_job *job);
/* False: it was seen that the store cannot be written to now; a job that would wait for it holds up
 * all that only read. On any thread. */
bool store_thread_may_write(struct store_thread *thread);
bool store_thread_away(const struct store_thread *thread);
size_t store_thread_waiting(const struct store_thread *thread);
