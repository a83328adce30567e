/* Blocks: decoding, and the checks that need the header's place in the chain but no coins. Every
 * rule's answer is Bitcoin Core's reject reason, in Bitcoin Core's order, so that a pool learns the
 * same words from both. A decoded block owns its memory. One thread at a time for one block. */
#pragma once
#include "tools/devnode/consensus/hash.h"
#include "tools/devnode/consensus/tx.h"

#define BLOCK_WEIGHT_MAX 4000000
#define BLOCK_SIGOPS_COST_MAX 80000
#define BLOCK_FUTURE_SECONDS_MAX 7200

struct block_header {
    uint32_t version;
    uint8_t previous[32]; /* internal byte order */
    uint8_t merkle_root[32];
    uint32_t time;
    uint32_t bits;
    uint32_t nonce;
};

struct block {
    struct block_header header;
    uint8_t raw_header[HEADER_BYTES];
    uint8_t id[32]; /* sha256d of the header, internal byte order */
    struct tx **txs;
    size_t tx_count;
    size_t base_bytes;  /* without witness */
    size_t total_bytes; /* with witness */
};

/* What a block must fit: the place after its parent. */
struct block_place {
    enum hash_algorithm algorithm;
    uint32_t height;
    uint32_t bits;             /* required */
    uint32_t median_time_past; /* of the eleven blocks before */
    int64_t now_s;             /* INT64_MAX: the clock rule was checked when the block came */
};

/* NULL where the bytes are no block. Caller owns. */
struct block *block_decode(struct span bytes);
void block_destroy(struct block *block);
void block_header_encode(const struct block_header *header, uint8_t bytes_r[HEADER_BYTES]);
void block_header_decode(const uint8_t bytes[HEADER_BYTES], struct block_header *header_r);
static inline size_t block_weight(const struct block *block)
{
    return 3 * block->base_bytes + block->total_bytes;
}

/* The checks of the block alone: work (unless told not to), merkle root, sizes, transactions.
 * NULL where all hold. */
const char *block_check(const struct block *block, enum hash_algorithm algorithm, bool with_work);
/* The header against its place: bits, times, version. */
const char *block_check_header_place(const struct block *block, const struct block_place *place);
/* The transactions against the place: finality, BIP34 height, witness commitment, weight. */
const char *block_check_place(const struct block *block, const struct block_place *place);

/* The script push BIP34 demands at the start of a coinbase script, as Bitcoin Core writes it:
 * OP_0, OP_1..OP_16, or the shortest little-endian number. */
void block_height_push(uint32_t height, struct buffer *script);
/* The index of the output with the witness commitment (the last one), or -1. */
int block_commitment_output(const struct tx *coinbase);
/* sha256d(witness merkle root || reserved value) over all transactions, the coinbase's wtxid being
 * zeros. */
void block_witness_commitment(struct tx *const *txs, size_t tx_count, const uint8_t reserved[32],
                              uint8_t commitment_r[32]);
