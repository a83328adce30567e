/* The books of a whole pool after processes were killed, held against the node's best chain: every
 * block there that pays to the pool is known once and matured, and the ledger sums to the rewards
 * of these blocks, to the base unit. Blocking; one thread; a failed check fails the test. */
#pragma once
#include "tests/fixture/pool_fixture.h"

struct books_sum {
    u128 rewards; /* base units */
    unsigned blocks;
};

/* ADIT_SEED, or the clock's seconds; printed. */
unsigned books_seed(void);
/* An environment variable's number, or the fallback where it is not set. */
unsigned books_number(const char *variable, unsigned fallback);

/* Conditions for pool_wait. The context is a json_int_t: more shares are counted than that. */
bool books_more_shares(const struct pool_fixture *pool, void *context);
/* The context is a struct books_sum, which gets what the chain pays; true when all of it matured.
 */
bool books_all_matured(const struct pool_fixture *pool, void *context);

/* The accepted shares of the pool as its API counts them, about a second late; -1: no answer. */
json_int_t books_shares(const struct pool_fixture *pool);
/* What the pool's API says of a block: the name of its state, "unknown", or "listed twice". The
 * text is borrowed from blocks, an answer of /api/v1/blocks. */
const char *books_state(const json_t *blocks, const char *hash);
/* Puts blocks on top that pay elsewhere, so that all of the pool's mature. */
void books_bury(const struct pool_fixture *pool);
/* `adit audit` finds no difference, and the ledger's rewards are the sum. */
void books_check_ledger(const struct pool_fixture *pool, const struct books_sum *sum);
