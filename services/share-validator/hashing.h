/* Hashing of slow algorithms: shares wait in a queue that is fair between sessions (core/fair) and
 * are handed to a bounded number of threads in small chunks, whatever their jobs, so that a chunk
 * can be hashed several headers at once, the loop stays free, and a session that floods keeps
 * nobody else waiting for more than a round. A session is an extranonce1 of a lease.
 *
 * Beyond its bounds the queue drops: from the session with most waiting. Such a share is answered
 * SHARE_OVERLOADED, which says to gateways that it got no verdict and may be sent again; that it
 * could have been a block is the price of a bound.
 *
 * The loop's thread but for the hashing itself. */
#pragma once
#include "loop/worker.h"
#include "service/metrics.h"
#include "services/share-validator/job_table.h"

struct batch;

struct hashing_options {
    struct loop *loop;
    struct job_table *jobs;
    struct metrics *metrics;
    unsigned threads;
    bool behind_loop; /* the loop's thread has short slices (loop/slice.h), these have not */
    bool pinned;      /* thread t to the (pin_first + t)th processor */
    unsigned pin_first;
    size_t waiting_max;         /* shares, without those on the threads */
    size_t session_waiting_max; /* of them, of one session */
};

struct hashing;

/* Starts the threads. NULL and *error on failure. Caller owns. */
MUST_CHECK struct hashing *hashing_create(const struct hashing_options *options,
                                          struct error *error);
/* Drops what waits without a verdict, finishes what is on the threads and delivers that. */
void hashing_destroy(struct hashing *hashing);

/* Lets a share wait for its verdict, which judge_taken or judge_dropped will give, here or later.
 * The batch's `hashing` counts it until then. */
void hashing_add(struct hashing *hashing, struct batch *batch, size_t index,
                 struct job_entry *entry);
/* Gives the threads something to do; after hashing_add. */
void hashing_run(struct hashing *hashing);
