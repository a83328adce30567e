/* Payments received at emission.address, one record each, under the transaction's id: among whom it
 * is split (scores and stakes as they stood when it was first credited, kept for good, so that
 * every payout can be computed again), and whether it is credited now.
 *
 * The scheduler inserts a record, appends the reward event, and then says in the record that it is
 * credited; a record whose event is newer than it is brought up to it before any other event is
 * appended. Payout reads.
 *
 * Blocking, like the store. Receivers lie in the arena a record was read with. One thread at a time
 * per store handle. */
#pragma once
#include "base/arena.h"
#include "core/emission/emission.h"
#include "port/store.h"

extern const struct store_collection emission_collection;

/* An arena of so many bytes holds any record. */
enum { EMISSION_ARENA_BYTES = 2 * EMISSION_RECEIVERS_MAX * 64 + 16384 };

struct emission_record {
    uint8_t txid[32];       /* internal order */
    uint8_t block_hash[32]; /* of the block it stood in when it was last credited */
    uint32_t height;
    uint64_t time_ms; /* when it was split */
    struct money reward;
    struct emission_terms terms;
    uint64_t fee_account; /* 0: the pool's fee account */
    bool credited;
    uint32_t generation;     /* the nth time it was credited; 0: not yet */
    uint64_t event_sequence; /* the newest event about it; 0: none */
    uint64_t epoch;
    /* account 0: the pool itself, whose part goes to its fee account; amounts are 0 here */
    struct emission_receiver *pools, *validators;
    size_t pool_count, validator_count;
    uint64_t version;
};

/* STORE_DONE, STORE_EXISTS (that one counts: read it), STORE_UNKNOWN, STORE_FAILED. */
MUST_CHECK enum store_outcome emission_insert(struct store *store, struct emission_record *emission,
                                              struct error *error);
/* Replaces it as read: STORE_DONE, STORE_CONFLICT, STORE_UNKNOWN, STORE_FAILED. */
MUST_CHECK enum store_outcome emission_save(struct store *store, struct emission_record *emission,
                                            struct error *error);
/* STORE_DONE, STORE_MISSING, STORE_FAILED. */
MUST_CHECK enum store_outcome emission_get(struct store *store, const uint8_t txid[32],
                                           struct arena *arena, struct emission_record *emission_r,
                                           struct error *error);
/* The ids of those whose block is at this height, credited or not, into txids_r; STORE_FAILED with
 * *error also where there are more than `capacity`. */
MUST_CHECK enum store_outcome emission_at_height(struct store *store, uint32_t height,
                                                 uint8_t (*txids_r)[32], size_t capacity,
                                                 size_t *count_r, struct error *error);
/* The ids of all, by height; false ends the walk. The visitor must not call the store. */
typedef bool (*emission_visitor)(void *context, const uint8_t txid[32]);
MUST_CHECK enum store_outcome emission_walk(struct store *store, emission_visitor visit,
                                            void *context, struct error *error);

/* How far the chain was read: the height of the last block, and the hashes of it and of those
 * before it, the newest last, so that a reorganisation is seen and followed back. */
extern const struct store_collection track_collection;

enum { TRACK_DEPTH = 288 };

struct track {
    uint32_t height;
    uint8_t hashes[TRACK_DEPTH][32];
    size_t count; /* ≥ 1 */
    uint64_t epoch;
    uint64_t version; /* 0: not there */
};

/* STORE_DONE, STORE_MISSING (*track_r is zero), STORE_FAILED. */
MUST_CHECK enum store_outcome track_get(struct store *store, const char *name,
                                        struct track *track_r, struct error *error);
/* Inserts it where its version is 0, else replaces it as read. STORE_DONE; STORE_CONFLICT where
 * another was quicker, or leads by a newer epoch; STORE_UNKNOWN, STORE_FAILED. */
MUST_CHECK enum store_outcome track_save(struct store *store, const char *name, struct track *track,
                                         uint64_t epoch, struct error *error);
/* One block further; and one back: false where no hash is left. */
void track_push(struct track *track, const uint8_t hash[32]);
MUST_CHECK bool track_pop(struct track *track);
static inline const uint8_t *track_tip(const struct track *track)
{
    return track->hashes[track->count - 1];
}
