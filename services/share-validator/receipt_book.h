/* What a validator has signed for, in files: slices behind one another, for an
 * hour or a sixteenth of the bound, whichever ends first. Written by one
 * thread, read by another. A slice that was cut off by a death is passed over. Nothing is synced:
 * the last moments before a power loss may be missing, which costs evidence and no share.
 *
 *   slice   length of what follows (4) · slice (core/receipt; 172, of version 1: 164) · its shares
 *           (52 each)
 *
 * Files older than the promised days go, and the oldest while all are larger than the bound: that
 * this would break the promise is told while two files' room is left. */
#pragma once
#include "core/receipt/receipt.h"

enum { RECEIPT_BOOK_DAYS = 30, RECEIPT_BOOK_SCAN_BYTES = 32 << 20 };

/* Makes the folder. False with *error where it cannot be used. */
MUST_CHECK bool receipt_book_open(const char *folder, struct error *error);
struct receipt_book_bounds {
    uint64_t bytes_max;
    unsigned days; /* at most RECEIPT_BOOK_DAYS */
};
/* How it stands with the promise, after the last file was begun. */
enum receipt_book_room {
    RECEIPT_BOOK_ROOM = 1, /* what is kept for its days has room */
    RECEIPT_BOOK_SCARCE,   /* the bound will be met first: within the next files */
    RECEIPT_BOOK_BROKEN,   /* younger receipts than promised had to go */
};
struct receipt_book_state {
    enum receipt_book_room room;
    uint64_t oldest_ms; /* when the oldest file's first slice ended; 0: there is none */
};
/* Appends a slice; at the first of a file what is too old or too much goes, and *state is made
 * anew. False with *error: nothing was written. */
MUST_CHECK bool receipt_book_append(const char *folder, const struct receipt_book_bounds *bounds,
                                    const struct receipt_slice *slice, const uint8_t *shares,
                                    struct receipt_book_state *state, struct error *error);

/* A slice of the book; borrowed until the visitor returns. false ends the walk. */
typedef bool (*receipt_book_visitor)(void *context, const struct receipt_slice *slice,
                                     const uint8_t *shares);
/* The slices that ended in [from_ms, to_ms), in order, until RECEIPT_BOOK_SCAN_BYTES were read:
 * then *next_ms_r is where to go on, else it is to_ms. False with *error where a file cannot be
 * read. *oldest_ms_r: when the oldest slice ended; 0: there is none. */
MUST_CHECK bool receipt_book_walk(const char *folder, uint64_t from_ms, uint64_t to_ms,
                                  receipt_book_visitor visit, void *context, uint64_t *next_ms_r,
                                  uint64_t *oldest_ms_r, struct error *error);
