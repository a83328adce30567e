/* Segments: closed stretches of the share window, as the store keeps them, so that the window
 * itself need hold no more than its newest part.
 *
 * Segments are numbered 1, 2, … and follow each other without a gap: each begins with the batch
 * behind the last one of the segment before. A segment has
 *
 *   a header   where it begins and ends, how many shares and how much work it has
 *   sums       work (128 bits) and shares of each account, in ascending order of account ids
 *   archive    the shares themselves, packed (archive.h), in chunks
 *
 * Whoever needs a stretch that holds a segment whole takes its sums: accounts, not shares. Only
 * where a stretch begins or ends inside a segment are shares looked at. Archives, and later sums,
 * are dropped when nothing that was computed from them, or can be, needs them any more; headers
 * stay. What is there is never changed.
 *
 * Payout alone writes. Sums and chunks are kept under the writer's epoch, then the header under the
 * number: what a deposed writer leaves behind is nobody's. Blocking, like the store; one thread at
 * a time per store handle. */
#pragma once
#include "core/pplns/pplns.h"
#include "port/store.h"
#include "port/window.h"

extern const struct store_collection segment_collection;
extern const struct store_collection segment_part_collection;

enum segment_state {
    SEGMENT_WHOLE = 1,    /* sums and archive are there */
    SEGMENT_THINNING = 2, /* its archive is being dropped */
    SEGMENT_SUMS = 3,     /* only its sums are there */
    SEGMENT_EMPTYING = 4, /* its sums are being dropped */
    SEGMENT_BARE = 5,     /* only this header is there */
};

struct segment_record {
    uint64_t number;
    enum segment_state state;
    struct window_position first; /* of its first batch; index 0 */
    struct window_position last;  /* its newest share */
    u128 work;
    uint64_t shares; /* with work */
    uint32_t accounts;
    uint32_t chunks;
    uint8_t sums_hash[32];    /* SHA-256 over the packed sums */
    uint8_t archive_hash[32]; /* SHA-256 over the chunks' own hashes */
    uint64_t epoch;           /* of the leader that closed it */
    uint64_t time_ms;         /* unix, when it was closed */
    uint64_t version;         /* the store's; as read */
};

/* What one account did in a segment; 32 bytes packed. */
struct segment_sum {
    u128 work;
    uint64_t account;
    uint64_t shares;
};

/* Writes one chunk of a segment that is being closed, however often. STORE_DONE; STORE_UNKNOWN or
 * STORE_FAILED with *error. */
MUST_CHECK enum store_outcome segment_chunk_insert(struct store *store,
                                                   const struct segment_record *segment,
                                                   uint32_t chunk, struct span bytes,
                                                   struct error *error);
/* Writes the sums (as pplns_collect gives them), however often; fills accounts, shares, work and
 * sums_hash. As above. */
MUST_CHECK enum store_outcome segment_sums_insert(struct store *store,
                                                  struct segment_record *segment,
                                                  const struct pplns_part *parts, size_t count,
                                                  struct error *error);
/* Writes the header, which makes the segment count: STORE_DONE; STORE_EXISTS when the number is
 * taken (by a rival, or by an insert whose answer got lost: read it); STORE_UNKNOWN, STORE_FAILED.
 */
MUST_CHECK enum store_outcome segment_insert(struct store *store, struct segment_record *segment,
                                             struct error *error);

/* STORE_DONE, STORE_MISSING, or STORE_FAILED with *error. */
MUST_CHECK enum store_outcome segment_get(struct store *store, uint64_t number,
                                          struct segment_record *segment_r, struct error *error);
MUST_CHECK enum store_outcome segment_newest(struct store *store, struct segment_record *segment_r,
                                             struct error *error);
/* All, from `from` (0: the newest) to older ones; false ends the walk. The visitor must not call
 * the store. */
typedef bool (*segment_visitor)(void *context, const struct segment_record *segment);
MUST_CHECK enum store_outcome segment_walk_back(struct store *store, uint64_t from,
                                                segment_visitor visit, void *context,
                                                struct error *error);

/* The sums into sums_r (segment->accounts of them), ascending. STORE_DONE; STORE_FAILED with
 * *error, with ERROR_INVALID where they are not what the header says. */
MUST_CHECK enum store_outcome segment_sums(struct store *store,
                                           const struct segment_record *segment,
                                           struct segment_sum *sums_r, struct error *error);
/* The bytes of one chunk into bytes_r. As above; archive.h says what they mean, and checks them. */
enum { SEGMENT_CHUNK_BYTES_MAX = 6 << 20 };
MUST_CHECK enum store_outcome segment_chunk(struct store *store,
                                            const struct segment_record *segment, uint32_t chunk,
                                            uint8_t bytes_r[SEGMENT_CHUNK_BYTES_MAX],
                                            size_t *length_r, struct error *error);

/* Drops the archive of a whole segment, or goes on with it: it is THINNING until all is gone, then
 * SUMS. STORE_DONE; STORE_CONFLICT when another changed it; STORE_UNKNOWN, STORE_FAILED. */
MUST_CHECK enum store_outcome segment_thin(struct store *store, struct segment_record *segment,
                                           struct error *error);
/* Drops the sums, too: of one that is SUMS or EMPTYING; then it is BARE. As above. */
MUST_CHECK enum store_outcome segment_empty(struct store *store, struct segment_record *segment,
                                            struct error *error);
