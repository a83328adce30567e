/* What the window's bytes in Redis mean: keys, packed batches, idempotency records, candidates.
 * Pure functions over the caller's memory; any thread. Everything read back is checked, because the
 * server's data may be of another version or damaged.
 *
 *   batch      version 1 (1), lease (8), sequence (8), index of the last share (4), shares (40
 * each: account, worker, work, job, time in ms, 8 each) record     sequence (8), version 1 (1),
 * length of id (1), id, verdicts candidate  version 1 (1), kind (1: 'c' credited, 'u' not, 'e' not
 * and nothing before it), index (4), length of id (1), id, encoded `candidate` message
 *
 * Integers are big-endian, so that Redis, which compares bytes, orders sequences as we do. An id is
 * Redis' own text, "milliseconds-number". */
#pragma once
#include "port/window.h"

enum {
    PACKED_BATCH_HEADER_BYTES = 21,
    PACKED_BATCH_BYTES_MAX =
        PACKED_BATCH_HEADER_BYTES + WINDOW_BATCH_SHARES_MAX * WINDOW_SHARE_BYTES,
    PACKED_ID_BYTES = 42, /* two 64-bit decimals, a dash, a NUL */
    PACKED_KEY_BYTES = 64,
};

/* The keys. Of one lease's records: "adit:window:lease:" and 16 hex digits. */
#define PACKED_KEY_STREAM "adit:window:shares"
#define PACKED_KEY_LEASES "adit:window:leases"
#define PACKED_KEY_CANDIDATES "adit:window:candidates"
#define PACKED_KEY_TOTALS "adit:window:totals"
/* A field of PACKED_KEY_LEASES, whose others are 8 bytes long: all leases below its value are over,
 * and none of them has a field of its own. */
#define PACKED_FIELD_BELOW "below"
void packed_key_records(uint64_t lease_id, char key_r[PACKED_KEY_BYTES]);

/* Writes batch->shares (1 to WINDOW_BATCH_SHARES_MAX, a bug otherwise); returns the bytes written,
 * at most PACKED_BATCH_BYTES_MAX. */
size_t packed_batch_write(const struct window_batch *batch, uint8_t *bytes_r);

struct packed_batch {
    uint64_t lease_id;
    uint64_t sequence;
    struct window_share shares[WINDOW_BATCH_SHARES_MAX];
    size_t share_count;
};
MUST_CHECK bool packed_batch_read(struct span bytes, struct packed_batch *batch_r,
                                  struct error *error);

/* The id an entry has, as text and as a position (its index is 0). An empty id (a batch without
 * accepted shares) is the zero position. */
void packed_id_write(const struct window_position *position, char id_r[PACKED_ID_BYTES]);
MUST_CHECK bool packed_id_read(struct span id, struct window_position *position_r,
                               struct error *error);

/* Verdicts are borrowed from the record. */
MUST_CHECK bool packed_record_read(struct span record, struct window_position *position_r,
                                   struct span *verdicts_r, struct error *error);

/* The record in found_r is borrowed from `value`. */
MUST_CHECK bool packed_candidate_read(struct span hash, struct span value,
                                      struct window_found *found_r, struct error *error);
