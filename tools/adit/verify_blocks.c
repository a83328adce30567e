/* Blocks held against the proof: what its own block paid, and which heads the pool's blocks carry.
 * A head in a block was fixed before the block's work was done, for everybody who sees the block.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/coin/coin.h"
#include "tools/devnode/consensus/block.h"

enum { NODE_BLOCKS_MAX = 200 };

static void show(const uint8_t hash[32], char text_r[65])
{
    uint8_t shown[32];
    bytes_reverse(hash, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), text_r);
}

/* NULL with *error where the text is not the hex of one sound block. */
static struct block *read_block(const struct verify *verify, const char *source, const char *text,
                                struct error *error)
{
    size_t digits = strcspn(text, " \r\n\t");
    uint8_t *bytes = malloc(digits / 2 + 1);
    ASSERT(bytes != NULL);
    struct block *block = NULL;
    if (digits % 2 == 0 && hex_decode(text, digits, bytes, digits / 2))
        block = block_decode(span_of(bytes, digits / 2));
    free(bytes);
    if (block == NULL) {
        error_fill(error, ERROR_INVALID, "%s: this is no raw block in hex", source);
        return NULL;
    }
    const struct coin_profile *coin = coin_profile_find(span_text(verify->profile));
    enum hash_algorithm algorithm = HASH_SHA256D;
    bool known =
        coin != NULL && hash_algorithm_parse(pow_algorithm_name(coin->algorithm), &algorithm);
    const char *reason = block_check(block, algorithm, known);
    if (reason == NULL)
        return block;
    block_destroy(block);
    error_fill(error, ERROR_INVALID, "%s: the block is not valid: %s", source, reason);
    return NULL;
}

/* The reward is what one script of the coinbase got. */
static void check_reward(struct verify *verify, const struct tx *coinbase, const char *hash)
{
    uint64_t reward = verify->proof.statement.reward;
    for (size_t i = 0; i < coinbase->output_count; i++) {
        uint64_t paid = 0;
        for (size_t j = 0; j < coinbase->output_count; j++)
            if (span_equal(buffer_span(&coinbase->outputs[i].script),
                           buffer_span(&coinbase->outputs[j].script)))
                paid += (uint64_t)coinbase->outputs[j].value;
        if (paid == reward) {
            verify_good("reward: the coinbase of block %s paid %" PRIu64, hash, reward);
            return;
        }
    }
    verify_bad(verify, VERIFY_WRONG, "reward: block %s paid nobody %" PRIu64, hash, reward);
}

/* The head of a number, modulo 2^32, as far as it is known here; NULL. */
static const uint8_t *head_of(const struct verify *verify, uint32_t number,
                              uint8_t own[PROOF_HASH_BYTES])
{
    const struct proof_statement *statement = &verify->proof.statement;
    for (size_t i = 0; i < verify->count; i++)
        if ((uint32_t)verify->statements[i].number == number)
            return verify->heads[i];
    proof_head(statement, own);
    if ((uint32_t)statement->number == number)
        return own;
    return (uint32_t)(statement->number - 1) == number && number != 0 ? statement->previous : NULL;
}

static void check_commitment(struct verify *verify, const struct tx *coinbase, const char *hash)
{
    uint8_t head[PROOF_HASH_BYTES], own[PROOF_HASH_BYTES];
    uint32_t number = 0;
    bool any = false;
    for (size_t i = 0; !any && i < coinbase->output_count; i++)
        any = proof_commitment_read(buffer_span(&coinbase->outputs[i].script), &number, head);
    if (!any) {
        verify_note("block %s commits to no proof", hash);
        return;
    }
    const uint8_t *known = head_of(verify, number, own);
    if (known == NULL) {
        verify_note("block %s commits to number %" PRIu32 ", which is not in the chain given", hash,
                    number);
    } else if (memcmp(known, head, sizeof head) != 0) {
        verify_bad(verify, VERIFY_SPLIT,
                   "block %s commits to another number %" PRIu32
                   " than you were shown: others were shown a different chain of proofs",
                   hash, number);
    } else {
        verify->commitments += number >= (uint32_t)verify->proof.statement.number;
        verify_good("block %s commits to number %" PRIu32 " as you were shown it", hash, number);
    }
}

static void check_block(struct verify *verify, const struct block *block)
{
    char hash[65];
    show(block->id, hash);
    if (memcmp(block->id, verify->proof.statement.block_hash, 32) == 0)
        check_reward(verify, block->txs[0], hash);
    check_commitment(verify, block->txs[0], hash);
}

static bool check_text(struct verify *verify, const char *source, const char *text,
                       const uint8_t *expected, struct error *error)
{
    struct block *block = read_block(verify, source, text, error);
    if (block == NULL)
        return false;
    bool ok =
        expected == NULL || memcmp(block->id, expected, 32) == 0 ||
        error_set(error, ERROR_INVALID, "%s: this is another block than was asked for", source);
    if (ok)
        check_block(verify, block);
    block_destroy(block);
    return ok;
}

/* A block of the chain of proofs, from the node. One that the node does not have was orphaned. */
static void ask_node(struct verify *verify, const struct proof_statement *statement)
{
    char hash[65], params[80];
    struct error error;
    show(statement->block_hash, hash);
    snprintf(params, sizeof params, "[\"%s\",0]", hash);
    json_t *raw = verify_node(verify->node, "getblock", params, &error);
    const char *text = json_string_value(raw);
    if (text == NULL)
        verify_note("block %s of height %" PRIu32 ": %s", hash, statement->height, error.text);
    else if (!check_text(verify, "the node", text, statement->block_hash, &error))
        verify_note("block %s: %s", hash, error.text);
    json_decref(raw);
}

static bool ask_for_all(struct verify *verify, struct error *error)
{
    json_t *count = verify_node(verify->node, "getblockcount", "[]", error);
    if (count == NULL)
        return false;
    json_decref(count);
    if (proof_stretch_of(&verify->proof.statement) == 0)
        ask_node(verify, &verify->proof.statement);
    size_t asked = 0;
    for (size_t i = 0; i < verify->count && asked < NODE_BLOCKS_MAX; i++)
        if (verify->statements[i].number > verify->proof.statement.number &&
            proof_stretch_of(&verify->statements[i]) == 0) {
            ask_node(verify, &verify->statements[i]);
            asked++;
        }
    return true;
}

bool verify_blocks(struct verify *verify, struct error *error)
{
    for (size_t i = 0; i < verify->block_count; i++) {
        char *text = verify_text(verify->blocks[i], error);
        bool ok = text != NULL && check_text(verify, verify->blocks[i], text, NULL, error);
        free(text);
        if (!ok)
            return false;
    }
    if (verify->node != NULL && !ask_for_all(verify, error))
        return false;
    bool any = verify->block_count > 0 || verify->node != NULL;
    if (any && verify->commitments == 0)
        verify_note("none of the blocks commits to this proof or a later one yet");
    return true;
}
