/* One batch in flight and its judging: what batches.c (the life of a batch) and judge.c (the
 * verdicts) share. */
#pragma once
#include "services/share-validator/batches.h"

enum batch_state {
    BATCH_FREE,
    BATCH_WAITING,   /* for jobs */
    BATCH_HASHING,   /* shares wait for the hashing threads, or are there */
    BATCH_APPENDING, /* the window has been asked */
    BATCH_ASKING,    /* the window's answer was lost; waiting to ask again, or having asked */
};

enum { BATCH_CALLS_MAX = 8, CHUNK_SHARES = 16 };

struct batch_candidate {
    uint8_t hash[32];
    uint32_t index;
    uint8_t *record; /* owned */
    size_t record_bytes;
};

struct batch {
    struct batches *owner;
    enum batch_state state;
    uint64_t lease_id;
    uint64_t sequence;
    uint64_t lowest;
    bool again;       /* was judged before: its shares are not stale now that were not then */
    bool final;       /* nobody who answers has the jobs that are missing */
    uint64_t history; /* of the window, as its last answer said */
    struct bus_call *calls[BATCH_CALLS_MAX];
    size_t call_count;
    /* by share, `capacity` of each */
    size_t capacity;
    size_t count;
    struct wire_share *shares;
    struct wire_verdict *verdicts;
    bool *judged;
    size_t judged_count;
    bool unreached; /* a share's job could be had from nobody */
    bool denied;    /* the scheduler knows no such job, and another validator may */
    size_t hashing; /* shares that wait for the hashing threads, or are there */
    bool judging;   /* judge_batch is at it: it will go on by itself */
    struct batch_candidate *candidates;
    size_t candidate_count;
    size_t candidate_capacity;
    bool window_busy; /* an append of it is outstanding */
    uint64_t ask_until_ms;
    uint64_t append_began_ns;
    struct batch *next_in_bucket;
    struct batch *next_free;
};

/* A share of a batch, and how it stands to the tip. */
struct share_place {
    struct batch *batch;
    size_t index;
    bool stale;
};

struct batches {
    struct batches_options options;
    bool draining;
    struct batch *batches; /* batches_max */
    struct batch *free;
    size_t count;
    struct batch **buckets;
    size_t bucket_count;     /* a power of two */
    struct hashing *hashing; /* made when the first slow job comes */
    bool hashing_failed;
    struct loop_timer timer; /* while a batch is ASKING */
    uint8_t *arena_memory;
    struct window_share *shares; /* scratch of one append */
    struct window_candidate *window_candidates;
    uint8_t *verdict_bytes;
    struct wire_verdict *stored;
    uint8_t *reply;
    struct metric *shares_total[SHARE_OUTCOMES_COUNT];
    struct metric *shares_rejected;
    struct metric *by_status[8]; /* by enum wire_batch_status */
    struct metric *repeated;
    struct metric *in_flight;
    struct metric_histogram *append_time;
    struct metric_histogram *hash_time;
};

/* Judges every share whose job is known: at once, or by letting it wait to be hashed. Blocks are
 * on their way to the nodes when this returns. Shares of unknown jobs stay unjudged, with the job
 * asked for. */
void judge_batch(struct batch *batch);
/* Whether a share of this job was stale when its gateway took it. One of a batch that comes again
 * was not. */
bool share_is_stale(const struct batch *batch, size_t index, const struct job_entry *entry);
/* The scheduler does not know the job of these shares. */
void judge_job_missing(struct batch *batch, uint64_t job_id);
/* judge.c calls this when the last share is back from hashing. */
void batch_go_on(struct batch *batch);

/* For hashing.c. The verdicts of up to CHUNK_SHARES shares, which may be of several batches, and
 * of several jobs of one algorithm: on any thread. */
void judge_hash(const struct share_place *places, struct job_entry *const *entries, size_t count,
                uint64_t now_ms, void *scratch, struct share_verdict *verdicts_r);
/* How many hashes a share's verdict takes at the most. */
uint32_t judge_hashes(const struct share_place *place, const struct job_entry *entry);
/* The verdict of a share that was hashed; and of one that will not be. */
void judge_taken(const struct share_place *place, struct job_entry *entry,
                 const struct share_verdict *verdict);
void judge_dropped(const struct share_place *place);
