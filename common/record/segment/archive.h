/* The shares of a closed stretch, packed for good: a chunk of a segment's archive. Pure functions
 * over the caller's memory; any thread. What is read is checked: a chunk ends with the SHA-256 of
 * all that stands before it.
 *
 *   version 1 (1), segment's number (8), number of the chunk (4), shares (4), batches (4),
 *   accounts (4), then the accounts in ascending order (8 each), then for each batch:
 *     its position and id: high less the high before it, low, lease, sequence, count of shares
 *     for each share: place of its account, work, its time less `high` (sign in the lowest bit)
 *   hash (32)
 *
 * Fixed numbers are little-endian; those of batches and shares are base 128, lowest digits first, a
 * set top bit saying that more follow. A share takes 4 to 9 bytes where the window itself takes 40:
 * worker and job are not kept, they decide nothing about money. */
#pragma once
#include "port/window.h"

enum {
    ARCHIVE_SHARES = 65536, /* a chunk is full from here on; one more batch may still be in it */
    ARCHIVE_SHARES_MAX = ARCHIVE_SHARES + WINDOW_BATCH_SHARES_MAX,
};

struct archive_batch {
    struct window_position first;
    uint64_t lease_id;
    uint64_t sequence;
    uint32_t begin; /* its first share among the chunk's */
    uint32_t count;
};

/* A chunk taken apart. About 4 MB; from archive_create. */
struct archive {
    struct archive_batch batches[ARCHIVE_SHARES_MAX];
    struct window_share shares[ARCHIVE_SHARES_MAX]; /* worker and job 0 */
    uint64_t accounts[ARCHIVE_SHARES_MAX];          /* scratch */
    uint32_t batch_count;
    uint32_t share_count;
};

/* NULL for want of memory. Caller owns; free(). */
struct archive *archive_create(void);

/* Adds a batch behind the others; `count` ≥ 1. False when it is full: nothing was added. */
MUST_CHECK bool archive_add(struct archive *archive, struct window_position first,
                            uint64_t lease_id, uint64_t sequence, const struct window_share *shares,
                            size_t count);

/* The chunk as bytes, at most `capacity` (6 MiB are always enough); returns their number. hash_r is
 * the hash it ends with. */
size_t archive_write(struct archive *archive, uint64_t segment, uint32_t chunk, uint8_t *bytes_r,
                     size_t capacity, uint8_t hash_r[32]);

/* Reads what archive_write wrote for this very chunk. False and *error otherwise. */
MUST_CHECK bool archive_read(struct span bytes, uint64_t segment, uint32_t chunk,
                             struct archive *archive_r, uint8_t hash_r[32], struct error *error);
