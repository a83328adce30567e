/* The share window: accepted shares in the order they were counted, and the block candidates among
 * them. A port: adapter/window_redis keeps it in redis.window, adapter/window_fake in memory.
 *
 * A batch is appended in one atomic, idempotent step: the shares that count, the verdicts of all,
 * the candidates, and the totals, under the batch's id (lease, sequence). Applying an id again
 * returns the verdicts stored the first time. Records of ids are dropped by sequence, never by
 * time: ids below the lease's lowest unanswered sequence are refused for ever after, and when the
 * lease is over all of its ids are.
 *
 * The store of the window sees opaque bytes; all arithmetic happens here, in C. */
#pragma once
#include "loop/loop.h"

/* Where a share stands: the entry the window gave its batch, and the share's index among the
 * *credited* shares of that batch. Positions are totally ordered by (high, low, index). */
struct window_position {
    uint64_t high; /* Redis: milliseconds of the entry's id */
    uint64_t low;  /* Redis: the number behind the dash */
    uint32_t index;
};

/* One credited share as it is kept; 40 bytes packed. */
struct window_share {
    uint64_t account;
    uint64_t worker;
    uint64_t work; /* expected hashes, what it counts */
    uint64_t job_id;
    uint64_t time_ms; /* unix */
};
/* One less than there are: the lowest of a lease that is over stands above all of its ids. */
#define WINDOW_SEQUENCE_MAX (UINT64_MAX - 1)
enum { WINDOW_SHARE_BYTES = 40, WINDOW_BATCH_SHARES_MAX = 1024, WINDOW_VERDICTS_BYTES_MAX = 2048 };

/* A block candidate as recorded with its batch. */
struct window_candidate {
    uint8_t block_hash[32]; /* internal order; the candidate's key */
    uint32_t index;         /* of its share in the batch as submitted */
    int32_t
        credited_index; /* of its share among the credited, below share_count; -1: not credited */
    struct span record; /* the encoded `candidate` message (proto/candidate.def) */
};

struct window_batch {
    uint64_t lease_id; /* 1, 2, … */
    uint64_t sequence; /* 1, 2, …, WINDOW_SEQUENCE_MAX */
    uint64_t lowest;   /* of its lease unanswered: at the most `sequence`; only ever grows */
    const struct window_share *shares; /* the credited ones, in order */
    size_t share_count;                /* at most WINDOW_BATCH_SHARES_MAX */
    struct span verdicts; /* opaque: kept, returned for a repeat; WINDOW_VERDICTS_BYTES_MAX */
    const struct window_candidate *candidates;
    size_t candidate_count;  /* at most WINDOW_BATCH_SHARES_MAX */
    uint32_t rejected_count; /* added to the totals */
};

/* Whether the batch keeps to what is said above. An adapter takes no other (a bug): who makes one
 * of what a peer sent asks this first. */
MUST_CHECK static inline bool window_batch_in_bounds(const struct window_batch *batch)
{
    if (batch->lease_id == 0 || batch->sequence == 0 || batch->sequence > WINDOW_SEQUENCE_MAX ||
        batch->lowest > batch->sequence || batch->share_count > WINDOW_BATCH_SHARES_MAX ||
        batch->verdicts.length > WINDOW_VERDICTS_BYTES_MAX ||
        batch->candidate_count > WINDOW_BATCH_SHARES_MAX)
        return false;
    for (size_t i = 0; i < batch->candidate_count; i++)
        if (batch->candidates[i].credited_index >= 0 &&
            (size_t)batch->candidates[i].credited_index >= batch->share_count)
            return false;
    return true;
}

/* What became of one call. The last three say nothing about earlier calls under the same id: one
 * that ended as UNKNOWN may have been applied, and then UNAVAILABLE is no news of it. After an
 * UNKNOWN only APPENDED and REPEATED are final; until one of them comes nobody may be told that the
 * batch is not kept, and its shares may go under no other id. */
enum window_outcome {
    WINDOW_APPENDED = 1, /* durable under this id now */
    WINDOW_REPEATED,     /* was applied before: `verdicts` are those stored then */
    /* The id is below the lease's lowest: this call applied nothing, and none that follows will. */
    WINDOW_REFUSED,
    /* This call provably applied nothing (not connected, refused write, full). */
    WINDOW_UNAVAILABLE,
    WINDOW_UNKNOWN, /* the link broke in between: ask again under the same id */
};

struct window_result {
    enum window_outcome outcome;
    struct span verdicts;            /* borrowed until the callback returns */
    struct window_position position; /* of the batch's first share; index 0 */
    const char *reason;              /* for UNAVAILABLE and UNKNOWN, else "" */
    /* Names the history of the window that holds the batch. When another server takes over, or one
     * starts anew, the history has another name, and what the old one held may be missing. 0: not
     * known. */
    uint64_t history;
};
typedef void (*window_append_handler)(void *context, const struct window_result *result);

/* For validators: asynchronous, on the loop's thread. */
struct window_writer;
struct window_writer_ops {
    bool (*append)(struct window_writer *writer, const struct window_batch *batch,
                   window_append_handler handler, void *context);
    bool (*ready)(const struct window_writer *writer);
    void (*close)(struct window_writer *writer);
};
struct window_writer {
    const struct window_writer_ops *ops;
};

/* Sends the batch, which is in bounds (its memory may go when this returns); the handler is called
 * exactly once, never before this returns. False when the bound of outstanding appends is reached:
 * nothing was sent. */
MUST_CHECK static inline bool window_append(struct window_writer *writer,
                                            const struct window_batch *batch,
                                            window_append_handler handler, void *context)
{
    return writer->ops->append(writer, batch, handler, context);
}
/* Whether appends can succeed right now. */
static inline bool window_ready(const struct window_writer *writer)
{
    return writer->ops->ready(writer);
}
/* Outstanding appends end as UNKNOWN first. */
static inline void window_writer_close(struct window_writer *writer)
{
    writer->ops->close(writer);
}

/* Totals since the window was made; exact, part of the same atomic step. */
struct window_totals {
    uint64_t accepted;
    uint64_t rejected;
    uint64_t batches;
    uint64_t candidates;
};

/* What the window says of itself. */
struct window_state {
    uint64_t history; /* as in window_result: 0 where it is not known, or may not be asked */
    bool empty;       /* no batch is there: `oldest` is zeros */
    struct window_position oldest; /* of the batches there */
};

/* A candidate as read back, with its place resolved: the window of its block ends at `end`,
 * inclusive (its own share if that was credited, else the last share before its batch). */
struct window_found {
    uint8_t block_hash[32];
    bool credited;
    bool empty; /* nothing stands before it: no share at all */
    /* What is kept of it cannot be read: only its hash is known, `end` and `record` are empty. */
    bool damaged;
    struct window_position end;
    struct span record; /* borrowed until the callback returns */
};

/* One batch as read back; shares borrowed until the callback returns. false ends the walk. */
typedef bool (*window_batch_visitor)(void *context, struct window_position first, uint64_t lease_id,
                                     uint64_t sequence, const struct window_share *shares,
                                     size_t count);
typedef bool (*window_found_visitor)(void *context, const struct window_found *found);
/* One lease that the window knows. false ends the walk. */
typedef bool (*window_lease_visitor)(void *context, uint64_t lease_id, bool ended);

/* For payout and scheduler: blocking, on a worker's thread, one thread at a time. */
struct window_reader;
struct window_reader_ops {
    bool (*walk_back)(struct window_reader *reader, const struct window_position *from,
                      window_batch_visitor visitor, void *context, struct error *error);
    bool (*walk_on)(struct window_reader *reader, const struct window_position *after,
                    window_batch_visitor visitor, void *context, struct error *error);
    bool (*candidates)(struct window_reader *reader, window_found_visitor visitor, void *context,
                       struct error *error);
    bool (*candidate_get)(struct window_reader *reader, const uint8_t block_hash[32],
                          window_found_visitor visitor, void *context, bool *found_r,
                          struct error *error);
    bool (*candidate_done)(struct window_reader *reader, const uint8_t block_hash[32],
                           struct error *error);
    bool (*trim)(struct window_reader *reader, const struct window_position *before,
                 uint64_t *removed_r, struct error *error);
    bool (*leases)(struct window_reader *reader, window_lease_visitor visitor, void *context,
                   struct error *error);
    bool (*lease_end)(struct window_reader *reader, uint64_t lease_id, struct error *error);
    bool (*leases_below)(struct window_reader *reader, uint64_t lease_id, struct error *error);
    bool (*totals)(struct window_reader *reader, struct window_totals *totals_r,
                   struct error *error);
    bool (*state)(struct window_reader *reader, struct window_state *state_r, struct error *error);
    bool (*ping)(struct window_reader *reader, struct error *error);
    void (*close)(struct window_reader *reader);
};
struct window_reader {
    const struct window_reader_ops *ops;
};

/* Newest first, from the batch that holds *from (NULL: from the newest). The batch of *from is
 * handed over whole; the visitor leaves out what lies behind from->index. */
MUST_CHECK static inline bool window_walk_back(struct window_reader *reader,
                                               const struct window_position *from,
                                               window_batch_visitor visitor, void *context,
                                               struct error *error)
{
    return reader->ops->walk_back(reader, from, visitor, context, error);
}
/* Oldest first, the batches after *after (NULL: from the oldest). */
MUST_CHECK static inline bool window_walk_on(struct window_reader *reader,
                                             const struct window_position *after,
                                             window_batch_visitor visitor, void *context,
                                             struct error *error)
{
    return reader->ops->walk_on(reader, after, visitor, context, error);
}
/* Every candidate not yet done, those whose record is damaged too. */
MUST_CHECK static inline bool window_candidates(struct window_reader *reader,
                                                window_found_visitor visitor, void *context,
                                                struct error *error)
{
    return reader->ops->candidates(reader, visitor, context, error);
}
/* One candidate by hash; *found_r says whether it is there (the visitor was called). One that is
 * damaged is not there: it says nothing about its place. */
MUST_CHECK static inline bool window_candidate_get(struct window_reader *reader,
                                                   const uint8_t block_hash[32],
                                                   window_found_visitor visitor, void *context,
                                                   bool *found_r, struct error *error)
{
    return reader->ops->candidate_get(reader, block_hash, visitor, context, found_r, error);
}
/* Payout alone: its window is kept in the store for good, it pins nothing any more. */
MUST_CHECK static inline bool window_candidate_done(struct window_reader *reader,
                                                    const uint8_t block_hash[32],
                                                    struct error *error)
{
    return reader->ops->candidate_done(reader, block_hash, error);
}
/* Payout alone: drops the batches wholly before *before. */
MUST_CHECK static inline bool window_trim(struct window_reader *reader,
                                          const struct window_position *before, uint64_t *removed_r,
                                          struct error *error)
{
    return reader->ops->trim(reader, before, removed_r, error);
}
/* Every lease that ever appended or was ended, in no order; while others append, one may be shown
 * more than once. Of those below the mark of window_leases_below only the highest is shown, as
 * ended. The scheduler asks at its start: no lease may get an id that is known here, or a lower one
 * than one that is. */
MUST_CHECK static inline bool window_leases(struct window_reader *reader,
                                            window_lease_visitor visitor, void *context,
                                            struct error *error)
{
    return reader->ops->leases(reader, visitor, context, error);
}
/* The scheduler alone: the lease is over, nobody waits for an answer about it any more. All its ids
 * are refused from now on, its records are dropped; its shares stay. Again changes nothing. */
MUST_CHECK static inline bool window_lease_end(struct window_reader *reader, uint64_t lease_id,
                                               struct error *error)
{
    return reader->ops->lease_end(reader, lease_id, error);
}
/* The scheduler alone: every lease below this one is over, whether it ever appended or not. They
 * are refused from now on and nothing is kept of them but this mark, which never goes back: ids of
 * leases only grow. */
MUST_CHECK static inline bool window_leases_below(struct window_reader *reader, uint64_t lease_id,
                                                  struct error *error)
{
    return reader->ops->leases_below(reader, lease_id, error);
}
MUST_CHECK static inline bool window_totals_read(struct window_reader *reader,
                                                 struct window_totals *totals_r,
                                                 struct error *error)
{
    return reader->ops->totals(reader, totals_r, error);
}
/* Where it says the same history before and after a walk, all that was walked is of that history.
 */
MUST_CHECK static inline bool window_state_read(struct window_reader *reader,
                                                struct window_state *state_r, struct error *error)
{
    return reader->ops->state(reader, state_r, error);
}
MUST_CHECK static inline bool window_ping(struct window_reader *reader, struct error *error)
{
    return reader->ops->ping(reader, error);
}
static inline void window_reader_close(struct window_reader *reader)
{
    reader->ops->close(reader);
}

/* -1, 0, 1 as a stands before, at or after b. */
static inline int window_position_compare(const struct window_position *a,
                                          const struct window_position *b)
{
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    return a->index == b->index ? 0 : a->index < b->index ? -1 : 1;
}
