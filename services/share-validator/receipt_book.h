/* What a validator has signed for, in files: slices behind one another, for an
 * hour or a sixteenth of the bound, whichever ends first. Written by one
 * thread, read by another. A slice that was cut off by a death is passed over. Nothing is synced:
 * the last moments before a power loss may be missing, which costs evidence and no share.
 *
 *   slice   length of what follows (4) · slice (core/receipt; 172, of version 1: 164) · its shares
 *           (52 each)
 *
 * Files older than RECEIPT_BOOK_DAYS go, and the oldest while all are larger than the bound. */
#pragma once
#include "core/receipt/receipt.h"

enum { RECEIPT_BOOK_DAYS = 30, RECEIPT_BOOK_SCAN_BYTES = 32 << 20 };

/* Makes the folder. False with *error where it cannot be used. */
MUST_CHECK bool receipt_book_open(const char *folder, struct error *error);
/* Appends a slice; at the first of a file what is too old or too much goes. */
MUST_CHECK bool receipt_book_append(const char *folder, uint64_t bytes_max,
                                    const struct receipt_slice *slice, const uint8_t *shares,
                                    struct error *error);

/* A slice of the book; borrowed until the visitor returns. false ends the walk. */
typedef bool (*receipt_book_visitor)(void *context, const struct receipt_slice *slice,
                                     const uint8_t *shares);
/* The slices that ended in [from_ms, to_ms), in order, until RECEIPT_BOOK_SCAN_BYTES were read:
 * then *next_ms_r is where to go on, else it is to_ms. False with *error where a file cannot be
 * read. *oldest_ms_r: when the oldest slice ended; 0: there is none. */
MUST_CHECK bool receipt_book_walk(const char *folder, uint64_t from_ms, uint64_t to_ms,
                                  receipt_book_visitor visit, void *context, uint64_t *next_ms_r,
                                  uint64_t *oldest_ms_r, struct error *error);
