/* Batches of shares on their way: their memory, the queues they wait in, and the order of their
 * sequences, from which the lowest unanswered one is read. The dispatcher alone uses it. One
 * thread. */
#pragma once
#include "base/error.h"
#include "services/stratum-gateway/duplicates.h"
#include "services/stratum-gateway/validators.h"
#include "wire/messages.h"

enum {
    BATCH_SHARES_MAX = 256,
    BATCH_FLIGHTS_MAX = 2, /* validators that have it at once */
};

/* Whose share it is; handed back with the verdict. */
struct dispatch_origin {
    uint32_t connection;
    uint32_t generation;
    uint32_t answer;
    uint64_t received_ns;
    struct duplicates_key key;
    bool keyed; /* key is in its job's set */
};

struct batch;

/* One request that is out. It outlives its batch where another validator was quicker. */
struct flight {
    struct dispatcher *dispatcher;
    struct batch *batch; /* NULL: already judged elsewhere */
    struct validator *at;
    uint64_t lease_id, sequence, sent_ns;
    uint32_t shares;
    uint64_t queued; /* shares at the validator once this was there */
};

struct batch {
    struct batch *next;  /* in the queue it is in */
    struct batch *older; /* in the order of sequences */
    struct batch *newer;
    struct flight *flights[BATCH_FLIGHTS_MAX];
    uint64_t lease_id;
    uint64_t sequence;  /* 0: it never left */
    uint64_t since_ms;  /* when its oldest share came */
    uint64_t try_ms;    /* not before */
    bool queued;        /* waits to leave once more */
    bool maybe_applied; /* some attempt ended without a clear no */
    bool denied;        /* a validator lacked a job of it */
    bool final;         /* everybody was asked: judge what can be judged */
    uint32_t sends;     /* how often it went out */
    uint64_t cannot;    /* bits of validators that lack a job of it, in this round */
    uint32_t count;
    struct wire_share shares[BATCH_SHARES_MAX];
    struct dispatch_origin origins[BATCH_SHARES_MAX];
};

struct batch_queue {
    struct batch *head;
    struct batch *tail;
};

void batch_queue_push(struct batch_queue *queue, struct batch *batch);
/* The head, which must be there. */
struct batch *batch_queue_pop(struct batch_queue *queue);
/* Takes out one that is in it; the queue is walked. */
void batch_queue_remove(struct batch_queue *queue, struct batch *batch);

struct batches {
    struct batch *oldest; /* sequenced, unanswered */
    struct batch *newest;
    struct batch *spare;
    unsigned spare_count;
};

/* An empty one; NULL where there is no memory. Ended by batches_free. */
struct batch *batches_new(struct batches *batches);
void batches_free(struct batches *batches, struct batch *batch);
void batches_deinit(struct batches *batches);

/* Sequences are given in the order of leaving, so the list stays sorted within a lease. */
void batches_enter(struct batches *batches, struct batch *batch, uint64_t lease_id,
                   uint64_t sequence);
/* Nothing where it never left. */
void batches_leave(struct batches *batches, struct batch *batch);
/* The lowest sequence of the batch's lease that is unanswered: its own at the highest. */
uint64_t batches_lowest(const struct batches *batches, const struct batch *batch);

unsigned batch_flights(const struct batch *batch);
bool batch_is_at(const struct batch *batch, const struct validator *validator);
/* The bits of those that have it. */
uint64_t batch_holders(const struct batch *batch);
/* Joins a flight to its batch, which must have room for it. */
void batch_take_off(struct batch *batch, struct flight *flight);
/* The flight is over, or nobody waits for it any more. */
void batch_land(struct batch *batch, struct flight *flight);
