/* Luck against expectation of every account and worker (core/luck): fed with the accepted shares as
 * the window has them and the blocks as the store has them, kept in the store, so that neither a
 * restart nor another leader begins anew. It tells operators; nobody is banned by it.
 *
 * Bounded: LUCKS_PLACES series (16 MB); where a place is needed the one of which the least work is
 * known gives way. The store holds them in LUCKS_PAGES records, each with the place in the window
 * up to which its work is counted: what came after is read again from there. Shares that are
 * trimmed by then are left out, which is to the good of the honest.
 *
 * lucks_batch and lucks_tick run on the counting worker, lucks_block on the readers', the others
 * anywhere; one lock. */
#pragma once
#include "port/store.h"
#include "port/window.h"

enum {
    LUCKS_PAGES = 128,
    LUCKS_PAGE_SETS = 128,
    LUCKS_WAYS = 8,
    LUCKS_PLACES = LUCKS_PAGES * LUCKS_PAGE_SETS * LUCKS_WAYS,
    LUCKS_SAVE_MS = 60000,
    /* An alarm stands when the evidence did at so many looks at the blocks in a row: a block is
     * known some seconds after its share. */
    LUCKS_LOOKS = 4,
};

extern const struct store_collection lucks_collection;

struct lucks;
MUST_CHECK struct lucks *lucks_create(void);
void lucks_destroy(struct lucks *lucks);

/* New batches of the window, in order; network: the expected hashes of a block now, 0: not known.
 */
void lucks_batch(struct lucks *lucks, struct window_position position,
                 const struct window_share *shares, size_t count, u128 network);
/* Once a second while this process leads: reads what is stored and what the window has had since,
 * the first time; then keeps it in the store now and then. False with *error; it is tried again. */
MUST_CHECK bool lucks_tick(struct lucks *lucks, struct store *store, struct window_reader *window,
                           u128 network, uint64_t now_ms, struct error *error);

/* The blocks there are, one after the other, between these two; the second says how many series
 * raise an alarm now that did not before. */
void lucks_blocks_begin(struct lucks *lucks);
void lucks_block(struct lucks *lucks, uint64_t account, uint64_t worker, uint64_t found_ms);
unsigned lucks_blocks_end(struct lucks *lucks, uint64_t now_ms);

struct lucks_line {
    uint64_t account, worker; /* worker 0: the account */
    uint64_t since_ms;        /* unix */
    uint64_t expected_64ths;  /* blocks */
    uint64_t found;
    unsigned bits; /* the evidence is 2^bits */
    uint32_t alarms;
    uint64_t alarm_ms; /* the last; 0: none */
};
/* Those with alarms first, then by evidence; returns how many. */
size_t lucks_worst(struct lucks *lucks, struct lucks_line *lines_r, size_t capacity);
size_t lucks_count(struct lucks *lucks);
