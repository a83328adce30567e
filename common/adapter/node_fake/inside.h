/* What the files of adapter/node_fake share. Private to it. */
#pragma once
#include "adapter/node_fake/node_fake.h"

#include <pthread.h>

enum {
    BLOCKS_MAX = 4096,
    TRANSACTIONS_MAX = 256,
    PAID_MAX = 256,
    COINS_MAX = 64,  /* the newest payments' inputs */
    WAIT_MS = 60000, /* a long poll that nothing ends */
};
#define NO_BLOCK SIZE_MAX
#define FAKE_COINBASE_VALUE ((uint64_t)5000000000)

struct fake_block {
    uint8_t hash[32];
    size_t parent; /* NO_BLOCK: genesis */
    uint32_t height;
    uint32_t time;
    struct span bytes; /* as submitted, owned; empty for blocks of somebody else */
};

struct fake_transaction {
    uint8_t txid[32];
    uint32_t height; /* mined in the best branch's block of this height; 0: in the mempool */
};

struct fake_coin { /* what a payment's made-up input was worth */
    uint8_t txid[32];
    uint64_t amount;
};

struct fake_paid { /* a payment of somebody else in a block */
    size_t block;
    uint8_t txid[32];
    uint32_t times; /* by so many transactions, whose ids count up in their last four bytes */
    uint64_t amount;
    uint8_t script[64];
    size_t script_length;
};

struct node_fake_chain {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char chain[16];
    uint32_t bits;
    struct fake_block blocks[BLOCKS_MAX];
    size_t blocks_count;
    size_t tip;       /* of the best branch */
    uint64_t changes; /* of what a template says */
    uint64_t made;    /* blocks and inputs of its own so far: makes them all different */
    size_t transactions_count, transaction_bytes;
    uint64_t balance;
    uint64_t excess; /* of the next payment's inputs, where its receivers pay */
    struct fake_coin coins[COINS_MAX];
    struct fake_transaction known[TRANSACTIONS_MAX];
    size_t known_count;
    struct fake_paid paid[PAID_MAX];
    size_t paid_count;
    unsigned submissions, broadcasts;
};

struct node_fake {
    struct node port; /* first */
    struct node_fake_chain *chain;
    char name[64];
    /* under the chain's lock */
    enum node_fake_trouble trouble;
    uint32_t lag;
    bool interrupted;
    struct node_watcher watcher; /* on_tip NULL: none */
};

/* All under the chain's lock. */
size_t fake_find(const struct node_fake_chain *chain, const uint8_t hash[32]);
/* The block of the branch that ends at `tip`; NO_BLOCK above it. */
size_t fake_at_height(const struct node_fake_chain *chain, size_t tip, uint32_t height);
/* The tip this handle shows. */
size_t fake_tip_of(const struct node_fake *node);
size_t fake_append(struct node_fake_chain *chain, size_t parent, const uint8_t hash[32]);
void fake_set_tip(struct node_fake_chain *chain, size_t tip);

/* calls.c: the port. */
extern const struct node_ops node_fake_ops;
