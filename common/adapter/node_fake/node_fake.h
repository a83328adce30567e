/* A chain in memory behind the node port, for tests: blocks are hashes with heights and parents,
 * templates are made of them, a wallet has coins, and every call can be told to fail. Proof of work
 * is not looked at. Several handles may share one chain and be moved apart (`node_fake_lag`), to
 * play nodes that are behind or forked.
 *
 * The chain is locked, so that a test's thread may script it while a service's threads call the
 * handles. Long polls end when the tip changes, at an interrupt, or when the wait set is over. */
#pragma once
#include "port/node.h"

struct node_fake_chain;

enum node_fake_trouble {
    NODE_FAKE_WELL = 0,
    NODE_FAKE_AWAY,    /* every call: NODE_UNAVAILABLE */
    NODE_FAKE_SILENT,  /* every call is carried out, and answers NODE_UNKNOWN */
    NODE_FAKE_SYNCING, /* initial_download */
    NODE_FAKE_LIES,    /* its tip is a made-up block far above, which node_tip refuses to show */
    NODE_FAKE_REFUSES, /* submissions are rejected with "high-hash" */
};

/* A chain with a genesis block at height 0 and `bits` for all. NULL when memory is out. */
MUST_CHECK struct node_fake_chain *node_fake_chain_create(const char *chain, uint32_t bits);
/* After all its handles are closed. */
void node_fake_chain_destroy(struct node_fake_chain *chain);

/* A handle that sees the chain's best branch. Ended by node_close. */
MUST_CHECK struct node *node_fake_open(struct node_fake_chain *chain, const char *name);
void node_fake_trouble(struct node *node, enum node_fake_trouble trouble);
/* The handle sees the best branch only up to `blocks` below its tip. */
void node_fake_lag(struct node *node, uint32_t blocks);

/* Appends `count` blocks of somebody else to the best branch. */
void node_fake_mine(struct node_fake_chain *chain, uint32_t count);
/* Replaces the top `depth` blocks by depth + 1 others; blocks that left stay known. */
void node_fake_reorganise(struct node_fake_chain *chain, uint32_t depth);
/* Makes a known block (and what is below it) the best branch again, one longer than now by blocks
 * on top of it. False when it is not known. */
MUST_CHECK bool node_fake_bring_back(struct node_fake_chain *chain, const uint8_t hash[32]);
/* Transactions of made-up bytes in every template from now on; the template changes. */
void node_fake_transactions(struct node_fake_chain *chain, size_t count, size_t bytes_each);
/* What the wallet may spend. */
void node_fake_fund(struct node_fake_chain *chain, uint64_t amount);
/* The next payment whose receivers pay has no change: its inputs are worth so much more (at most
 * 999) than what is paid, which goes to the fee instead of theirs. */
void node_fake_excess(struct node_fake_chain *chain, uint64_t amount);

/* The best branch's tip holds a transaction of this id that pays so much to a script. */
void node_fake_pay(struct node_fake_chain *chain, const uint8_t txid[32], struct span script,
                   uint64_t amount);
/* So many of them, whose ids' last four bytes (little-endian) count up from this one's. */
void node_fake_pay_often(struct node_fake_chain *chain, const uint8_t txid[32], struct span script,
                         uint64_t amount, uint32_t times);

/* What it was given: blocks submitted (also twice), transactions broadcast. */
unsigned node_fake_submissions(struct node_fake_chain *chain);
unsigned node_fake_broadcasts(struct node_fake_chain *chain);
void node_fake_tip(struct node_fake_chain *chain, uint8_t hash_r[32], uint32_t *height_r);
