#include "tools/devnode/consensus/block.h"
#include "tools/devnode/consensus/target.h"

#include <stdlib.h>

static const uint8_t commitment_prefix[6] = { 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed };

void block_header_encode(const struct block_header *header, uint8_t bytes_r[HEADER_BYTES])
{
    store_le32(bytes_r, header->version);
    memcpy(bytes_r + 4, header->previous, 32);
    memcpy(bytes_r + 36, header->merkle_root, 32);
    store_le32(bytes_r + 68, header->time);
    store_le32(bytes_r + 72, header->bits);
    store_le32(bytes_r + 76, header->nonce);
}

void block_header_decode(const uint8_t bytes[HEADER_BYTES], struct block_header *header_r)
{
    header_r->version = load_le32(bytes);
    memcpy(header_r->previous, bytes + 4, 32);
    memcpy(header_r->merkle_root, bytes + 36, 32);
    header_r->time = load_le32(bytes + 68);
    header_r->bits = load_le32(bytes + 72);
    header_r->nonce = load_le32(bytes + 76);
}

struct block *block_decode(struct span bytes)
{
    struct reader reader = reader_over(bytes);
    const uint8_t *raw = reader_take(&reader, HEADER_BYTES);
    uint64_t count = reader_compact(&reader);
    if (raw == NULL || reader.failed || count > reader_left(&reader) / 10)
        return NULL;
    struct block *block = memory_take(sizeof *block);
    memcpy(block->raw_header, raw, HEADER_BYTES);
    block_header_decode(raw, &block->header);
    hash_sha256d(span_of(raw, HEADER_BYTES), block->id);
    block->txs = memory_take(count * sizeof *block->txs);
    block->base_bytes = (size_t)(reader.at - bytes.data);
    for (size_t i = 0; i < count; i++) {
        struct tx *tx = tx_read(&reader, true);
        if (tx == NULL) {
            block_destroy(block);
            return NULL;
        }
        block->txs[block->tx_count++] = tx;
        block->base_bytes += tx->base_bytes;
    }
    block->total_bytes = bytes.length;
    if (reader_left(&reader) != 0) {
        block_destroy(block);
        return NULL;
    }
    return block;
}

void block_destroy(struct block *block)
{
    if (block == NULL)
        return;
    for (size_t i = 0; i < block->tx_count; i++)
        tx_destroy(block->txs[i]);
    free(block->txs);
    free(block);
}

static void merkle_root(struct tx *const *txs, size_t count, bool witness, uint8_t root_r[32],
                        bool *mutated_r)
{
    uint8_t *leaves = memory_take(32 * count);
    for (size_t i = 0; i < count; i++)
        if (!witness || i > 0) /* BIP141: the coinbase's wtxid counts as zeros */
            memcpy(leaves + 32 * i, witness ? txs[i]->wtxid : txs[i]->txid, 32);
    hash_merkle_root(leaves, count, root_r, mutated_r);
    free(leaves);
}

const char *block_check(const struct block *block, enum hash_algorithm algorithm, bool with_work)
{
    uint8_t hash[32];
    bool mutated;
    if (with_work) {
        hash_pow(algorithm, block->raw_header, hash);
        if (!target_met(hash, block->header.bits))
            return "high-hash";
    }
    merkle_root(block->txs, block->tx_count, false, hash, &mutated);
    if (memcmp(hash, block->header.merkle_root, 32) != 0)
        return "bad-txnmrklroot";
    if (mutated)
        return "bad-txns-duplicate";
    if (block->tx_count == 0 || block->tx_count * 4 > BLOCK_WEIGHT_MAX ||
        block->base_bytes * 4 > BLOCK_WEIGHT_MAX)
        return "bad-blk-length";
    if (!tx_is_coinbase(block->txs[0]))
        return "bad-cb-missing";
    for (size_t i = 1; i < block->tx_count; i++)
        if (tx_is_coinbase(block->txs[i]))
            return "bad-cb-multiple";
    size_t sigops = 0;
    for (size_t i = 0; i < block->tx_count; i++) {
        const char *bad = tx_check(block->txs[i]);
        if (bad != NULL)
            return bad;
        sigops += tx_legacy_sigops(block->txs[i]);
    }
    return sigops * 4 > BLOCK_SIGOPS_COST_MAX ? "bad-blk-sigops" : NULL;
}

const char *block_check_header_place(const struct block *block, const struct block_place *place)
{
    if (block->header.bits != place->bits)
        return "bad-diffbits";
    if (block->header.time <= place->median_time_past)
        return "time-too-old";
    if (place->now_s != INT64_MAX && block->header.time > place->now_s + BLOCK_FUTURE_SECONDS_MAX)
        return "time-too-new";
    /* Versions below 4 went with BIP34, BIP66 and BIP65; the field is signed. */
    if ((int32_t)block->header.version < 4)
        return "bad-version";
    return NULL;
}

static const char *check_witness(const struct block *block)
{
    const struct tx *coinbase = block->txs[0];
    int at = block_commitment_output(coinbase);
    if (at < 0) {
        for (size_t i = 0; i < block->tx_count; i++)
            if (tx_has_witness(block->txs[i]))
                return "unexpected-witness";
        return NULL;
    }
    const struct tx_input *input = &coinbase->inputs[0];
    if (input->witness_count != 1 || input->witness[0].length != 32)
        return "bad-witness-nonce-size";
    uint8_t commitment[32];
    block_witness_commitment(block->txs, block->tx_count, input->witness[0].data, commitment);
    if (memcmp(commitment, coinbase->outputs[at].script.data + 6, 32) != 0)
        return "bad-witness-merkle-match";
    return NULL;
}

const char *block_check_place(const struct block *block, const struct block_place *place)
{
    for (size_t i = 0; i < block->tx_count; i++)
        if (!tx_is_final(block->txs[i], place->height, place->median_time_past))
            return "bad-txns-nonfinal";
    struct buffer push = { 0 };
    block_height_push(place->height, &push);
    const struct buffer *script = &block->txs[0]->inputs[0].script;
    bool height_good =
        script->length >= push.length && memcmp(script->data, push.data, push.length) == 0;
    buffer_deinit(&push);
    if (!height_good)
        return "bad-cb-height";
    const char *bad = check_witness(block);
    if (bad != NULL)
        return bad;
    return block_weight(block) > BLOCK_WEIGHT_MAX ? "bad-blk-weight" : NULL;
}

void block_height_push(uint32_t height, struct buffer *script)
{
    if (height <= 16) {
        buffer_put_u8(script, (uint8_t)(height == 0 ? 0 : 0x50 + height));
        return;
    }
    uint8_t number[5];
    uint8_t length = 0;
    for (uint32_t rest = height; rest != 0; rest >>= 8)
        number[length++] = (uint8_t)rest;
    if ((number[length - 1] & 0x80) != 0) /* the top bit is the sign */
        number[length++] = 0;
    buffer_put_u8(script, length);
    buffer_put(script, number, length);
}

int block_commitment_output(const struct tx *coinbase)
{
    int found = -1;
    for (size_t i = 0; i < coinbase->output_count; i++)
        if (coinbase->outputs[i].script.length >= 38 &&
            memcmp(coinbase->outputs[i].script.data, commitment_prefix, 6) == 0)
            found = (int)i;
    return found;
}

void block_witness_commitment(struct tx *const *txs, size_t tx_count, const uint8_t reserved[32],
                              uint8_t commitment_r[32])
{
    uint8_t both[64];
    bool mutated;
    merkle_root(txs, tx_count, true, both, &mutated);
    memcpy(both + 32, reserved, 32);
    hash_sha256d(span_of(both, sizeof both), commitment_r);
}
