/* The node: chain, mempool, wallet and journal under one lock, and the few acts that touch several
 * of them. RPC handlers hold the lock; whatever waits or mines lets it go meanwhile. */
#pragma once
#include "tools/devnode/fault.h"
#include "tools/devnode/journal.h"
#include "tools/devnode/wallet.h"

#include <pthread.h>

struct node {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the tip, the mempool or `stopping` */
    struct chain chain;
    struct mempool mempool;
    struct wallet wallet;
    struct journal journal;
    struct tx **sent; /* owned: every transaction that ever entered the mempool, for the wallet */
    size_t sent_count, sent_capacity;
    int64_t *sent_times;
    struct table sent_index; /* txid -> tx */
    int64_t started_s;
    bool stopping;
    int stop_fd; /* an eventfd: written to when RPC `stop` is called */
    struct fault fault;
};

/* Opens or begins the chain in `folder` (created where missing). Parameters that differ from those
 * it was begun with are refused. */
MUST_CHECK bool node_open(struct node *node, const char *folder, const struct chain_params *params,
                          struct error *error);
void node_close(struct node *node);

/* All that follow: under the lock. */

/* Submits a serialised block. NULL: it is on disk and on the best chain; else BIP22's word.
 * *decoded_r is false where the bytes are no block. */
const char *node_submit_block(struct node *node, struct span raw, bool *decoded_r);
/* Enters a transaction, which is taken, into the mempool, durably. */
struct mempool_verdict node_enter_tx(struct node *node, struct tx *tx);
MUST_CHECK bool node_invalidate(struct node *node, struct chain_block *block, struct error *error);
MUST_CHECK bool node_reconsider(struct node *node, struct chain_block *block, struct error *error);
/* Time of a transaction in `sent`, or 0. */
int64_t node_sent_time(const struct node *node, const uint8_t txid[32]);

/* Mines one block on `parent` (NULL: the tip as it is at each try) with what the mempool has (only
 * on the tip, and where with_txs) paying to `script`, and submits it. Lets the lock go while it
 * hashes. False with *error where it gave up: deadline passed, stopping, or refused. */
MUST_CHECK bool node_mine(struct node *node, struct chain_block *parent, bool with_txs,
                          struct span script, int64_t deadline_s, uint8_t id_r[32],
                          struct error *error);

/* What a block on the tip would hold. Entries borrowed while the lock is held; caller frees the
 * list. Fits weight and signature limits, leaving room for a coinbase. */
size_t node_template_txs(const struct node *node, struct mempool_entry ***entries_r,
                         int64_t *fees_r);
/* Now, or just above the median where the clock is behind it. */
uint32_t node_template_time(const struct node *node, const struct chain_block *parent);
