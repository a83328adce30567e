/* A block template: what a node says the next block may be (getblocktemplate), in binary. All
 * memory it points to is borrowed; hashes are in internal order. And the parts of a block that
 * follow from it: the merkle branch of the coinbase and the serialized block. Pure; any thread. */
#pragma once
#include "base/u256.h"

#define TEMPLATE_BRANCHES_MAX 16 /* up to 65,535 transactions beside the coinbase */
#define TEMPLATE_TRANSACTIONS_MAX 65535
#define TEMPLATE_HASH_BYTES 32

struct template_transaction {
    struct span data; /* full serialization, with witness where it has one */
    uint8_t txid[TEMPLATE_HASH_BYTES];
    uint32_t weight; /* weight units as the node says; 0 where it does not */
};

struct block_template {
    uint32_t height;
    uint8_t prev_hash[TEMPLATE_HASH_BYTES];
    uint32_t version;
    uint32_t bits;
    uint32_t cur_time;       /* seconds of Unix time */
    uint32_t min_time;       /* median time past + 1 */
    uint64_t coinbase_value; /* base units: subsidy and fees */
    /* What the transactions pay, a part of coinbase_value, where the node says it: a block without
     * them may claim only the rest. */
    uint64_t fees;
    bool fees_known;
    struct u256 network_target;
    struct span witness_commitment; /* output script (default_witness_commitment); length 0: none */
    const struct template_transaction *transactions; /* without the coinbase */
    size_t transactions_count;
    struct span mweb; /* extension block behind the transactions (LIP-0002); length 0: none */
    /* The coinbase's merkle branch, where whoever read the transactions has it already. */
    bool branches_known;
    uint8_t branches_count;
    uint8_t branches[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES];
};

/* The coinbase's merkle branch, made while the transactions come one after the other. */
struct template_merkle {
    size_t count; /* transactions added, the coinbase not among them */
    uint8_t waiting[TEMPLATE_BRANCHES_MAX + 1][TEMPLATE_HASH_BYTES];
    uint8_t branches[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES];
};
void template_merkle_begin(struct template_merkle *merkle);
/* The next transaction's id; at most TEMPLATE_TRANSACTIONS_MAX of them (a bug otherwise). */
void template_merkle_add(struct template_merkle *merkle, const uint8_t txid[TEMPLATE_HASH_BYTES]);
/* The same of several, which costs less. */
void template_merkle_add_many(struct template_merkle *merkle,
                              const uint8_t (*txids)[TEMPLATE_HASH_BYTES], size_t count);
/* The branch, lowest first; returns its length. Nothing may be added afterwards. */
size_t template_merkle_end(struct template_merkle *merkle,
                           uint8_t branches_r[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES]);

/* The siblings that lead from the coinbase to the merkle root, lowest first. Returns their number;
 * 0 where there is no other transaction. count ≤ TEMPLATE_TRANSACTIONS_MAX (a bug otherwise). */
size_t template_merkle_branches(const struct template_transaction *transactions, size_t count,
                                uint8_t branches_r[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES]);

/* The merkle root above a coinbase: root_r = H(… H(H(coinbase txid ‖ branch 0) ‖ branch 1) …). */
void template_merkle_root(const uint8_t coinbase_txid[TEMPLATE_HASH_BYTES],
                          const uint8_t (*branches)[TEMPLATE_HASH_BYTES], size_t branches_count,
                          uint8_t root_r[TEMPLATE_HASH_BYTES]);

/* The bytes of the whole block: header, transaction count, coinbase (as serialized for a block, see
 * job_coinbase_for_block), transactions, extension block. */
size_t template_block_bytes(const struct template_transaction *transactions, size_t count,
                            struct span coinbase, struct span mweb);
/* Writes them to block_r, whose capacity is at least template_block_bytes (a bug otherwise), and
 * returns their number. */
size_t template_block_serialize(const uint8_t header[80],
                                const struct template_transaction *transactions, size_t count,
                                struct span coinbase, struct span mweb, uint8_t *block_r,
                                size_t capacity);

/* A variable-length integer of the protocol ("CompactSize"); returns 1, 3, 5 or 9 bytes written. */
#define TEMPLATE_VARINT_BYTES_MAX 9
size_t template_varint(uint64_t value, uint8_t bytes_r[TEMPLATE_VARINT_BYTES_MAX]);
