/* The part of the audit that looks at the chain of statements. */
#pragma once
#include "record/ledger/ledger_record.h"

/* Checks that the chain has no gap, that each statement holds the head before it, sums to its
 * reward and says what its block's snapshot, or its stretch, says, that none has two, and that
 * every posted block since the first statement and every posted stretch since the first stated one
 * has one. `differ` is called with one sentence for each difference. True when all could be looked
 * at; false with *error when the store could not. */
MUST_CHECK bool audit_proofs(struct store *store, const struct snapshot_record *snapshots,
                             size_t count, void (*differ)(void *context, const char *sentence),
                             void *context, struct error *error);
