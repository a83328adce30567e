/* Mining in the process itself, for tests and reorganisations on command. */
#include "tools/devnode/node.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>

static struct tx *coinbase_create(const struct node *node, uint32_t height, int64_t value,
                                  struct span script, struct tx *const *txs, size_t tx_count)
{
    static const struct outpoint null_outpoint = { { 0 }, UINT32_MAX };
    static const uint8_t reserved[32];
    uint8_t extra[8];
    uint8_t commitment[38] = { 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed };
    (void)node;
    struct tx *coinbase = tx_create(2, 0);
    struct tx_input *input = tx_add_input(coinbase, &null_outpoint, UINT32_MAX);
    block_height_push(height, &input->script);
    /* Two blocks at one height must not have one coinbase. */
    int ok = RAND_bytes(extra, sizeof extra);
    ASSERT(ok == 1);
    buffer_put_u8(&input->script, sizeof extra);
    buffer_put(&input->script, extra, sizeof extra);
    tx_add_witness(input, span_of(reserved, sizeof reserved));
    tx_add_output(coinbase, value, script);
    /* The coinbase's own place in the witness tree is zeros whatever it holds. */
    block_witness_commitment(txs, tx_count, reserved, commitment + 6);
    tx_add_output(coinbase, 0, span_of(commitment, sizeof commitment));
    tx_finish(coinbase);
    return coinbase;
}

/* Blocks made in a row lie one interval apart while that is not in the future, so that making many
 * at once changes the difficulty little. */
static uint32_t mining_time(const struct node *node, const struct chain_block *parent)
{
    uint32_t least = chain_median_time(parent) + 1;
    uint32_t wished = parent->block->header.time + node->chain.params.block_interval_s;
    uint32_t now = (uint32_t)time(NULL);
    if (parent->height == 0 && !node->chain.params.fixed_bits)
        wished = now - now % 60 > 200 * node->chain.params.block_interval_s
                     ? now - 200 * node->chain.params.block_interval_s
                     : least;
    if (wished > now + BLOCK_FUTURE_SECONDS_MAX / 2)
        wished = now;
    return wished > least ? wished : least;
}

/* Builds the block after `parent`; raw_r gets it with a nonce of 0. */
static void build(struct node *node, struct chain_block *parent, bool with_txs, struct span script,
                  struct buffer *raw_r, uint32_t *bits_r)
{
    struct block_place place = chain_place_after(&node->chain, parent, time(NULL));
    struct mempool_entry **entries = NULL;
    int64_t fees = 0;
    size_t count = 0;
    if (with_txs && parent == chain_tip(&node->chain))
        count = node_template_txs(node, &entries, &fees);
    struct tx **txs = memory_take((count + 1) * sizeof *txs);
    for (size_t i = 0; i < count; i++)
        txs[i + 1] = entries[i]->tx;
    txs[0] = coinbase_create(node, place.height, CHAIN_SUBSIDY + fees, script, txs, count + 1);
    struct block_header header = { .version = 0x20000000,
                                   .time = mining_time(node, parent),
                                   .bits = place.bits };
    memcpy(header.previous, parent->block->id, 32);
    uint8_t *leaves = memory_take(32 * (count + 1));
    bool mutated;
    for (size_t i = 0; i <= count; i++)
        memcpy(leaves + 32 * i, txs[i]->txid, 32);
    hash_merkle_root(leaves, count + 1, header.merkle_root, &mutated);
    uint8_t bytes[HEADER_BYTES];
    block_header_encode(&header, bytes);
    buffer_put(raw_r, bytes, sizeof bytes);
    buffer_put_compact(raw_r, count + 1);
    for (size_t i = 0; i <= count; i++)
        tx_encode(txs[i], true, raw_r);
    *bits_r = place.bits;
    tx_destroy(txs[0]);
    free(leaves);
    free(txs);
    free(entries);
}

/* Tries nonces; true when one meets the target. Without the lock. */
static bool search(enum hash_algorithm algorithm, uint8_t *header, uint32_t bits, uint32_t *nonce,
                   uint32_t tries)
{
    uint8_t digest[32];
    for (; tries > 0; tries--, (*nonce)++) {
        store_le32(header + 76, *nonce);
        hash_pow(algorithm, header, digest);
        if (target_met(digest, bits))
            return true;
    }
    return false;
}

bool node_mine(struct node *node, struct chain_block *parent, bool with_txs, struct span script,
               int64_t deadline_s, uint8_t id_r[32], struct error *error)
{
    enum hash_algorithm algorithm = node->chain.params.algorithm;
    uint32_t tries = algorithm == HASH_SCRYPT ? 200 : 100000;
    for (;;) {
        struct buffer raw = { 0 };
        struct chain_block *on = parent == NULL ? chain_tip(&node->chain) : parent;
        uint32_t bits = 0;
        uint32_t nonce = 0;
        bool found = false;
        build(node, on, with_txs, script, &raw, &bits);
        while (!found && !node->stopping && time(NULL) <= deadline_s &&
               nonce <= UINT32_MAX - tries && (parent != NULL || on == chain_tip(&node->chain))) {
            pthread_mutex_unlock(&node->lock);
            found = search(algorithm, raw.data, bits, &nonce, tries);
            pthread_mutex_lock(&node->lock);
        }
        bool decoded = true;
        const char *reason = NULL;
        if (found) {
            hash_sha256d(span_of(raw.data, HEADER_BYTES), id_r);
            reason = node_submit_block(node, buffer_span(&raw), &decoded);
        }
        buffer_deinit(&raw);
        if (node->stopping)
            return error_set(error, ERROR_REFUSED, "devnode is stopping");
        if (found && (reason == NULL || (parent != NULL && strcmp(reason, "inconclusive") == 0)))
            return true;
        if (found && strcmp(reason, "inconclusive") != 0)
            return error_set(error, ERROR_REFUSED, "the block made here was refused: %s", reason);
        if (time(NULL) > deadline_s)
            return error_set(error, ERROR_TIMEOUT, "no block was found in time");
    }
}
