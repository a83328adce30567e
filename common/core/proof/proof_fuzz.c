/* Any bytes either are no proof or are written back as they were; checking them is safe whatever
 * they say, and what checks sums as it should. */
#include "core/proof/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
extern const char *const fuzz_seeds[];

/* A seed is a text, so it cannot hold a whole proof; the magic leads the way. */
const char *const fuzz_seeds[] = { "aPRF\1", "aPRF\2", NULL };

static void hold_together(const struct proof *proof)
{
    if (proof_check(proof) != PROOF_OK)
        return;
    const struct proof_sums *all = &proof->statement.root.sums;
    u128 others = 0;
    for (size_t i = 0; i < proof->path_length; i++)
        others += proof->path[i].sums.work;
    ASSERT(others + proof->leaf.sums.work == all->work);
    if (all->work > 0)
        ASSERT(proof_fair_amount(proof) <= proof->statement.reward);
}

/* A proof of one account whose fields are the input's: checked down to its end. */
static void check_own(const uint8_t *data, size_t length)
{
    static struct proof proof;
    uint8_t bytes[PROOF_STATEMENT_BYTES] = { 0 };
    struct proof_node node;
    memcpy(bytes, data, length < sizeof bytes ? length : sizeof bytes);
    memset(bytes + sizeof bytes - PROOF_SCHEME_BYTES, 0, PROOF_SCHEME_BYTES);
    bytes[0] |= 1;
    memset(&proof, 0, sizeof proof);
    if (!proof_statement_decode(span_of(bytes, sizeof bytes), &proof.statement))
        return;
    proof.leaf.kind = PROOF_NAME_ID;
    proof.leaf.name_bytes = 8;
    proof.leaf.sums = proof.statement.root.sums;
    proof_leaf_node(&proof.leaf, &node);
    proof.statement.accounts = 1;
    proof.statement.root = node;
    hold_together(&proof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static struct proof proof;
    uint8_t again[PROOF_BYTES_MAX], head[PROOF_HASH_BYTES];
    if (proof_decode(span_of(data, length), &proof)) {
        ASSERT(proof_encode(&proof, again) == length && memcmp(again, data, length) == 0);
        hold_together(&proof);
    }
    check_own(data, length);
    /* What stands between the magic and the names, put in front of it. */
    uint8_t whole[PROOF_BYTES_MAX] = "aPRF\1";
    size_t taken = length < sizeof whole - 5 ? length : sizeof whole - 5;
    if (taken > 0)
        memcpy(whole + 5, data, taken);
    if (taken > PROOF_STATEMENT_BYTES) {
        memset(whole + 5 + PROOF_STATEMENT_BYTES - PROOF_SCHEME_BYTES, 0, PROOF_SCHEME_BYTES);
        whole[5 + 8 + 64 + 4 + 24 + 4 + 56] &= 1; /* the flag of an empty window */
    }
    if (proof_decode(span_of(whole, 5 + taken), &proof)) {
        ASSERT(proof_encode(&proof, again) == 5 + taken);
        hold_together(&proof);
    }
    uint32_t number;
    if (proof_commitment_read(span_of(data, length), &number, head)) {
        proof_commitment_write(number, head, again);
        ASSERT(memcmp(again, data, length) == 0);
    }
    return 0;
}
