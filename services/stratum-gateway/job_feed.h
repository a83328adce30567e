/* The jobs, as inode-scheduler publishes them: taken in, checked, kept for as long as a late share
 * of theirs may be a block. Owns the jobs, their prepared texts and the sets of submissions seen.
 * One thread. */
#pragma once
#include "core/stratum/jobs.h"
#include "loop/worker.h"
#include "port/bus.h"
#include "services/stratum-gateway/duplicates.h"
#include "wire/messages.h"

struct feed_job {
    struct stratum_job stratum; /* first: the table hands this out */
    struct job job;
    struct duplicates duplicates;
    bool closed; /* its set was dropped: no share of it counts any more */
    char *text;  /* what `stratum` points to; with the shorter shapes behind the full one */
};

static inline struct feed_job *feed_job_of(const struct stratum_job *job)
{
    return (struct feed_job *)(uintptr_t)job;
}

struct job_feed {
    struct loop *loop;
    struct stratum_jobs table;
    struct duplicates_memory memory;
    struct worker *warmer; /* makes large pages for it; NULL: there are none */
    struct worker_job warming;
    uint32_t warming_extent;
    bool is_warming;
    bool closing;
    uint64_t epoch;    /* the highest seen */
    uint64_t sequence; /* the last of that epoch */
    uint64_t memory_ms;
    uint64_t heard_ms; /* the last message */
    uint64_t taken, ignored, gaps;
    struct bus_subscriber *subscriber;
    struct bus_client *scheduler; /* borrowed */
    bool asking;
    struct loop_timer timer;
    /* the table has a new current job; called on the loop, not inside a call of the owner's */
    void (*on_job)(void *context);
    void *context;
};

/* Subscribes at once. `scheduler` is asked for missed jobs (feed_ask) and outlives the feed. */
MUST_CHECK bool job_feed_open(struct job_feed *feed, struct loop *loop, struct bus *bus,
                              const char *publish_url, struct bus_client *scheduler,
                              uint64_t memory_ms, size_t duplicates_bytes_max,
                              void (*on_job)(void *context), void *context, struct error *error);
void job_feed_close(struct job_feed *feed);

/* Asks the scheduler for the jobs alive. Harmless at any time. */
void job_feed_ask(struct job_feed *feed);

/* Whether this submission was seen before for its job; DUPLICATES_FULL where it cannot be kept,
 * after older jobs gave up their room. */
MUST_CHECK enum duplicates_outcome job_feed_see(struct job_feed *feed, struct feed_job *job,
                                                const struct duplicates_key *key);
/* The submission did not count, provably: it may come again. */
void job_feed_unsee(struct job_feed *feed, uint64_t job_id, const struct duplicates_key *key);

/* Its jobs and their sets as an earlier program had them: writes, or reads into a feed that has no
 * job yet. The image says when it failed. */
struct image;
/* Takes a job as the newest, whatever its sequence; NULL where it cannot be. For job_feed_image. */
struct feed_job *job_feed_restore(struct job_feed *feed, const struct wire_job *wire);
void job_feed_image(struct job_feed *feed, struct image *image);

/* Ordinal of the oldest job kept; 0 where there is none. */
uint64_t job_feed_oldest(const struct job_feed *feed);
uint64_t job_feed_newest(const struct job_feed *feed);
