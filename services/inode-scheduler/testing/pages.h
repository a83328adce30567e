/* A store full of lists, whose rows share their times: for tests of pages. */
#pragma once
#include "port/store.h"

enum { PAGES_ROWS = 23 };

/* Blocks, disputes, payments, posting sets and the chain of proofs, and the account's workers.
 * Fails the test where it cannot. */
void pages_fill(struct store *store, uint64_t account);
/* One more block, newer than all. */
void pages_add_block(struct store *store, unsigned number);
