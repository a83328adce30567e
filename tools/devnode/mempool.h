/* Transactions waiting for a block, in the order they came, which puts parents before children.
 * A transaction that spends what another one here spends replaces it, and what depends on it, when
 * it pays more (every transaction counts as replaceable). Bounded by MEMPOOL_TXS_MAX. Owner:
 * struct node, under its lock. */
#pragma once
#include "tools/devnode/chain.h"

#define MEMPOOL_TXS_MAX 5000
#define MEMPOOL_FEERATE_MIN 1000 /* base units per 1000 vbytes */

struct mempool_entry {
    struct tx *tx; /* owned */
    int64_t fee;
    size_t sigops_cost;
    int64_t time_s;
    struct coin *outputs; /* owned: what its outputs would be as coins; one per output */
};

struct mempool {
    struct mempool_entry **entries; /* oldest first */
    size_t count, capacity;
    struct table by_txid;  /* txid -> mempool_entry */
    struct table spenders; /* outpoint -> mempool_entry */
    uint64_t changes;      /* counts every change, for long polling */
};

void mempool_init(struct mempool *mempool);
void mempool_deinit(struct mempool *mempool);
struct mempool_entry *mempool_find(const struct mempool *mempool, const uint8_t txid[32]);
/* Whether some transaction here spends it. */
struct mempool_entry *mempool_spender(const struct mempool *mempool,
                                      const struct outpoint *outpoint);
/* The coin an outpoint names: of the best chain, or an output here; whether spent here or not. */
const struct coin *mempool_coin(const struct mempool *mempool, const struct chain *chain,
                                const struct outpoint *outpoint);

struct mempool_verdict {
    const char *reason; /* NULL: it may enter */
    const char *detail; /* one phrase more, or NULL */
    int64_t fee;
    size_t sigops_cost;
};
/* Whether the transaction may enter now; changes nothing. */
struct mempool_verdict mempool_check(const struct mempool *mempool, const struct chain *chain,
                                     const struct tx *tx);
/* Enters a transaction that mempool_check let pass; takes it. Evicts what it replaces. */
void mempool_enter(struct mempool *mempool, const struct chain *chain, struct tx *tx,
                   const struct mempool_verdict *verdict, int64_t now_s);
/* After the best chain changed: drops what it confirmed or made impossible. `returned` (count
 * given) are transactions of disconnected blocks, tried again first; they are taken. */
void mempool_follow(struct mempool *mempool, const struct chain *chain, struct tx **returned,
                    size_t returned_count, int64_t now_s);
