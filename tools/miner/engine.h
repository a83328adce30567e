/* The hashing threads: they take the current job, try headers, and put found shares into a bounded
 * queue with an eventfd. Owned by the main thread; every function here is called by it alone.
 * A full queue drops the share and counts it. */
#pragma once
#include "tools/miner/client.h"

#include <pthread.h>
#include <stdatomic.h>

#define ENGINE_THREADS_MAX 64
#define ENGINE_QUEUE_MAX 256

struct engine_options {
    enum miner_algorithm algorithm;
    unsigned threads;
    double hashrate_limit;     /* hashes per second over all threads; 0: none */
    unsigned throttle_percent; /* part of the time to hash; 100: always */
};

struct engine {
    struct engine_options options;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct work_job *job;      /* NULL: nothing to do */
    _Atomic uint64_t round;    /* changes with every job */
    uint64_t next_extranonce2; /* under the lock: no two headers alike */
    struct client_share queue[ENGINE_QUEUE_MAX];
    size_t queued;
    uint64_t dropped;
    bool stopping;
    int found_fd;
    _Atomic uint64_t hashes;
    pthread_t threads[ENGINE_THREADS_MAX];
};

MUST_CHECK bool engine_start(struct engine *engine, const struct engine_options *options,
                             struct error *error);
void engine_stop(struct engine *engine);
/* Gives the threads a job (copied), or with NULL lets them rest. */
void engine_set_job(struct engine *engine, const struct work_job *job);
/* Takes a found share out; false where there is none. */
MUST_CHECK bool engine_take(struct engine *engine, struct client_share *share_r);
