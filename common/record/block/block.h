/* Blocks the pool found: one record a block, its id the hash in display order. Inserted once when
 * the candidate is heard of, then advanced by the scheduler alone, each step guarded by the
 * record's version. The state a block has is what its reward events say (record/event): an event is
 * written first, the record after it, and `event_sequence` names the newest event it has taken in,
 * so that a scheduler that died in between is completed by the next.
 *
 * Blocking, like the store. Structs hold no memory of others unless said; one thread at a time per
 * store handle. */
#pragma once
#include "core/maturity/maturity.h"
#include "port/store.h"
#include "wire/messages.h"

extern const struct store_collection block_collection;

enum { BLOCK_ID_BYTES = 65, BLOCK_INSTANCE_BYTES = 80, BLOCK_SUBMISSIONS_BYTES = 1024 };

struct block_record {
    uint8_t hash[32];            /* internal order */
    struct maturity_block chain; /* state, height, generation, seen_tip */
    bool open;                   /* still followed */
    uint32_t confirmations;      /* as last seen; 0: never, or not on the best chain */
    uint64_t event_sequence;     /* the newest reward event taken in; 0: none */
    uint64_t epoch;              /* of the scheduler that wrote it last */
    uint64_t reward;             /* base units: the coinbase value as the job had it, then what
                                    reached our scripts, known from the first FOUND on */
    uint64_t job_id;
    uint64_t template_id;
    uint64_t lease_id; /* the share that found it: (lease, sequence, index) */
    uint64_t batch_sequence;
    uint32_t share_index;
    uint8_t share_outcome; /* enum share_outcome */
    uint64_t account;      /* who found it */
    uint64_t worker;
    uint64_t work;                       /* of that share, expected hashes */
    uint64_t found_ms;                   /* unix */
    u128 network_work;                   /* expected hashes of a block at this height */
    uint32_t time;                       /* of its header, seconds */
    char instance[BLOCK_INSTANCE_BYTES]; /* the validator that found it */
    /* who took it or refused it and in what words: "node=answer; …", for people */
    char submissions[BLOCK_SUBMISSIONS_BYTES];
    uint64_t version; /* the store's; as read */
};

/* The record's id: 64 hex digits in display order and a NUL. */
void block_id(const uint8_t hash[32], char id_r[BLOCK_ID_BYTES]);

/* A new record of a candidate message; the network's work from the header's bits. */
void block_from_candidate(const struct wire_candidate *candidate, uint64_t epoch,
                          struct block_record *block_r);

/* A new record of a candidate of which only the hash can be read. It is told from others by its
 * job_id, which is 0. It counts as rejected and is followed all the same, as if it stood at
 * `height` (the next one), until that is deep: a node may show it yet, then block_learn fills in
 * where it stands and what it was worth. */
void block_from_hash(const uint8_t hash[32], uint32_t height, uint64_t epoch, uint64_t now_ms,
                     struct block_record *block_r);
static inline bool block_is_bare(const struct block_record *block)
{
    return block->job_id == 0;
}
/* What a node shows of a bare block. */
void block_learn(struct block_record *block, uint32_t height, uint32_t bits, uint32_t time);

/* Inserts a candidate's record, or completes a bare one with it. STORE_DONE (durable; *block is not
 * touched), STORE_EXISTS when it is known, STORE_CONFLICT when others kept writing it,
 * STORE_UNKNOWN or STORE_FAILED with *error. */
MUST_CHECK enum store_outcome block_add(struct store *store, const struct block_record *block,
                                        struct error *error);

/* STORE_DONE (durable), STORE_EXISTS when it is known, STORE_UNKNOWN or STORE_FAILED with *error.
 */
MUST_CHECK enum store_outcome block_insert(struct store *store, struct block_record *block,
                                           struct error *error);

/* Replaces the record as read (block->version); STORE_DONE with the new version in *block,
 * STORE_CONFLICT when it is another's by now, STORE_UNKNOWN or STORE_FAILED with *error. */
MUST_CHECK enum store_outcome block_save(struct store *store, struct block_record *block,
                                         struct error *error);

/* STORE_DONE, STORE_MISSING, or STORE_FAILED with *error. */
MUST_CHECK enum store_outcome block_get(struct store *store, const uint8_t hash[32],
                                        struct block_record *block_r, struct error *error);

/* Borrowed until the visitor returns; false ends the walk. The visitor must not call the store. */
typedef bool (*block_visitor)(void *context, const struct block_record *block);

/* Those still followed, in no promised order. */
MUST_CHECK enum store_outcome block_walk_open(struct store *store, block_visitor visit,
                                              void *context, struct error *error);
/* The newest by time found, of equal ones by id, at most `limit` (0: all), none found after
 * before_ms (0: no bound); with past_id (may be NULL; then before_ms is needed) only those behind
 * that place. */
MUST_CHECK enum store_outcome block_walk_newest(struct store *store, uint64_t before_ms,
                                                const char *past_id, size_t limit,
                                                block_visitor visit, void *context,
                                                struct error *error);
/* Those of one height. */
MUST_CHECK enum store_outcome block_walk_height(struct store *store, uint32_t height,
                                                block_visitor visit, void *context,
                                                struct error *error);
