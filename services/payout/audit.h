/* The ledger held against itself: everything that can be computed again is, and compared. Reads
 * only; may run beside a payout that writes (the newest set may then be open, which is no
 * difference). Blocking; any thread with a store handle of its own. */
#pragma once
#include "port/store.h"

struct payout_audit_report {
    uint64_t sets;
    uint64_t entries;
    uint64_t accounts;
    uint64_t snapshots;
    uint64_t payments;
    uint64_t stretches; /* of bought work */
    /* Blocks shared by a window: added up again from the shares that segments keep; too new for
     * that; reaching into shares that are dropped. */
    uint64_t windows, windows_open, windows_dropped;
    uint64_t differences;
    char first[256]; /* the first difference, for people; "" where there is none */
};

/* Called for each difference, with one sentence; may be NULL. */
typedef void (*payout_audit_visitor)(void *context, const char *difference);

/* Everything in the ledger is computed again from what it was computed from, entry by entry. Checks
 * that the sets' sequence has no gap and that only the newest is not applied; that each
 * closed set has exactly the entries its header says, balanced; that every balance is the sum of
 * the entries of closed sets, taken in order, and no miner was ever below zero; that the whole
 * ledger sums to zero; that each block's first credits are its snapshot's, and the snapshot's
 * amounts what its work, reward and fees give, and the work what the shares in segments give where
 * these hold its window; that maturings, reversals and returns are what
 * follows from the sets before them; that each of the scheduler's events that was processed has its
 * set, and the reward it names was shared; that each stretch of bought work costs what its price
 * gives, and leaves the carries that are kept; that each payment's sets are those of its state and
 * its outputs; that the chain of proofs is whole and says what the snapshots say. True with
 * *report_r when it could look at everything (differences or not), or came to a record that is
 * damaged, which is a difference and its last; false with *error when the store could not. */
MUST_CHECK bool payout_audit(struct store *store, payout_audit_visitor visit, void *context,
                             struct payout_audit_report *report_r, struct error *error);

/* Brings the ledger of an older format into today's (record/ledger): entries with their links, and
 * balances, which follow from them. It can be cut off and done again; the older balances are deleted
 * once nothing needs them, so that an older payout finds nothing to pay. Under the leadership
 * `epoch`, which it renews and without which it writes no page. True also where there was nothing to do; false with *error, also where the
 * format is newer, or an entry is not what its header says. */
MUST_CHECK bool payout_convert(struct store *store, uint64_t epoch, struct error *error);

/* Writes every balance anew that is not the sum of its entries. Takes the payout's leadership: one
 * that is at work steps down. True with how many were written; false with *error, also where a set
 * is not applied or the entries themselves are not what their headers say: those are not mended. */
MUST_CHECK bool payout_rebuild(struct store *store, uint64_t boot_id, uint64_t now_ms,
                               uint64_t *changed_r, struct error *error);
