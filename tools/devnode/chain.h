/* The block tree, the best chain in it, and the coins as that chain leaves them. Everything is in
 * memory (it is a small chain); what must survive is in the journal (journal.h), which the owner
 * writes. Blocks are never forgotten. Owner: struct node, under its lock.
 *
 *        genesis - 1 - 2 - 3 - 4        the best chain: `main`, by height
 *                       \- 3'- 4'       a branch: known, its coins not looked at yet
 *
 * A branch that gains more work than the best chain is connected block by block after the old
 * blocks are disconnected with their undo; where one of its blocks is bad, it and its descendants
 * are marked and the search begins again. */
#pragma once
#include "tools/devnode/consensus/block.h"
#include "tools/devnode/consensus/target.h"
#include "tools/devnode/table.h"

struct coin {
    int64_t value;
    struct buffer script;
    uint32_t height;
    bool coinbase;
};

struct spent_coin {
    struct outpoint outpoint;
    struct coin *coin; /* owned */
};

struct chain_block {
    struct block *block; /* owned */
    struct chain_block *parent;
    uint32_t height;
    struct wide work; /* of the chain up to here */
    bool on_main;
    bool failed;             /* a check of its coins failed */
    bool invalidated;        /* the operator said so */
    bool unusable;           /* it or an ancestor is failed or invalidated */
    struct spent_coin *undo; /* coins its connection spent; while on_main */
    size_t undo_count;
};

struct chain_params {
    enum hash_algorithm algorithm;
    uint32_t initial_bits;
    bool initial_bits_hinted; /* a chain that was begun with others keeps those */
    bool fixed_bits;
    uint32_t block_interval_s;
    uint32_t maturity; /* blocks on top of a coinbase before it may be spent, minus one as usual */
};

#define CHAIN_SUBSIDY (50 * COIN) /* for every block: this chain has no halving */

struct chain {
    struct chain_params params;
    struct chain_block **blocks; /* all, parents before children */
    size_t block_count, block_capacity;
    struct chain_block **main; /* by height */
    size_t main_count, main_capacity;
    struct table by_id;    /* block id -> chain_block */
    struct table coins;    /* outpoint -> coin, of the best chain */
    struct table tx_block; /* txid -> chain_block, of the best chain */
    struct table spenders; /* outpoint -> tx that spends it in the best chain */
    /* wtxid -> anything: its scripts were found good. That holds for ever, since an outpoint names
     * the output's script and value; emptied when it is large. */
    struct table scripts_good;
};

/* Finds a coin; `context` is the finder's own. NULL where there is none. */
typedef const struct coin *chain_coin_find(void *context, const struct outpoint *outpoint);

/* Takes the parameters and makes the genesis block. */
void chain_init(struct chain *chain, const struct chain_params *params);
void chain_deinit(struct chain *chain);

static inline struct chain_block *chain_tip(const struct chain *chain)
{
    return chain->main[chain->main_count - 1];
}
struct chain_block *chain_find(const struct chain *chain, const uint8_t id[32]);
uint32_t chain_median_time(const struct chain_block *block);
/* What a block on top of `parent` must fit. */
struct block_place chain_place_after(const struct chain *chain, const struct chain_block *parent,
                                     int64_t now_s);

enum chain_added {
    CHAIN_ADDED_TIP,    /* it is on the best chain now */
    CHAIN_ADDED_BRANCH, /* kept beside the best chain */
    CHAIN_REFUSED,      /* *reason_r says why; nothing was kept */
    CHAIN_FAILED, /* kept and marked: its branch was tried, and *reason_r says why it failed */
};

/* Called when a block passed every check that can be made before it is kept; false stops the
 * program's promise: the block is then not kept. */
typedef bool chain_keep(void *context, const struct block *block);

/* Adds a block, which is taken whatever the answer. A time of INT64_MAX says that it comes from the
 * journal: its work and the clock rule were checked when it came. */
enum chain_added chain_add(struct chain *chain, struct block *block, int64_t now_s,
                           chain_keep *keep, void *context, const char **reason_r);

/* All checks of a block on the tip but its work; NULL where it would be accepted. */
const char *chain_check_proposal(struct chain *chain, const struct block *block, int64_t now_s);

/* The operator's mark, and the best chain that remains. The genesis block cannot be marked. */
void chain_invalidate(struct chain *chain, struct chain_block *block);
/* Takes the marks off the block, its ancestors and its descendants. */
void chain_reconsider(struct chain *chain, struct chain_block *block);

/* Checks a transaction's inputs for a block at `height`: there, mature, enough, BIP68, signed.
 * NULL where all hold; then *fee_r is the fee, *sigops_r the cost of its signature checks. On a
 * refusal detail_r (may be NULL) may get one phrase more. */
const char *chain_check_inputs(const struct chain *chain, const struct tx *tx, uint32_t height,
                               chain_coin_find *find, void *context, int64_t *fee_r,
                               size_t *sigops_r, const char **detail_r);
/* Says that the transaction's scripts were checked, so that a block with it is quicker to check. */
void chain_remember_scripts(struct chain *chain, const struct tx *tx);
const struct coin *chain_coin(const struct chain *chain, const struct outpoint *outpoint);
void outpoint_key(const struct outpoint *outpoint, uint8_t key_r[36]);

/* The block after a chain_block on the best chain's height, or NULL. */
static inline struct chain_block *chain_at(const struct chain *chain, size_t height)
{
    return height < chain->main_count ? chain->main[height] : NULL;
}
