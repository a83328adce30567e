#include "core/proof/inside.h"

#include "base/u256.h"
#include "core/money/money.h"

const char *proof_outcome_text(enum proof_outcome outcome)
{
    static const char *const texts[] = {
#define X(name, text) text,
        PROOF_OUTCOMES(X)
#undef X
    };
    ASSERT((size_t)outcome < sizeof texts / sizeof *texts);
    return texts[outcome];
}

int proof_position_compare(const struct proof_position *a, const struct proof_position *b)
{
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

enum proof_outcome proof_check_statement(const struct proof_statement *statement)
{
    /* Each below 2^63, so the sum of three fits. */
    if (statement->reward > MONEY_MAX || statement->fee > MONEY_MAX ||
        statement->unallocated > MONEY_MAX || statement->root.sums.amount > MONEY_MAX)
        return PROOF_BAD_TOTALS;
    u128 sum = (u128)statement->fee + statement->unallocated + statement->root.sums.amount;
    bool nobody = statement->accounts == 0;
    if (sum != statement->reward || nobody != (statement->root.sums.work == 0) ||
        (nobody && statement->root.sums.amount != 0))
        return PROOF_BAD_TOTALS;
    /* What was bought, somebody did. */
    if (proof_stretch_of(statement) != 0 &&
        (nobody || statement->empty || statement->unallocated != 0))
        return PROOF_BAD_TOTALS;
    if (!statement->empty && proof_position_compare(&statement->oldest, &statement->newest) > 0)
        return PROOF_BAD_TOTALS;
    return PROOF_OK;
}

enum proof_outcome proof_check_next(const struct proof_statement *statement,
                                    const struct proof_statement *next)
{
    uint8_t head[PROOF_HASH_BYTES];
    proof_head(statement, head);
    bool follows = statement->number != UINT64_MAX && next->number == statement->number + 1 &&
                   memcmp(head, next->previous, sizeof head) == 0;
    return follows ? PROOF_OK : PROOF_BROKEN_CHAIN;
}

enum { SUBJECT_ZEROS = PROOF_HASH_BYTES - 8 };

void proof_stretch_subject(uint64_t number, uint8_t subject_r[PROOF_HASH_BYTES])
{
    memset(subject_r, 0, SUBJECT_ZEROS);
    store_le64(subject_r + SUBJECT_ZEROS, __builtin_bswap64(number));
}

uint64_t proof_stretch_of(const struct proof_statement *statement)
{
    static const uint8_t zeros[SUBJECT_ZEROS];
    bool is = statement->height == 0 && memcmp(statement->block_hash, zeros, sizeof zeros) == 0;
    return is ? load_be64(statement->block_hash + SUBJECT_ZEROS) : 0;
}

bool proof_stretch_follows(const struct proof_statement *before,
                           const struct proof_statement *stretch)
{
    uint64_t earlier = proof_stretch_of(before), number = proof_stretch_of(stretch);
    if (number <= earlier)
        return false;
    int order = proof_position_compare(&before->newest, &stretch->oldest);
    return number == earlier + 1 ? order == 0 : order <= 0;
}

uint64_t proof_rounding(const struct proof *proof)
{
    const struct proof_statement *statement = &proof->statement;
    if (proof_stretch_of(statement) == 0)
        return PROOF_ROUNDING;
    ASSERT(statement->root.sums.work > 0 && proof->leaf.sums.work <= statement->root.sums.work);
    struct u256 part = u256_from_u128(proof->leaf.sums.work), rest;
    bool lost = u256_multiply_u64(part, (uint64_t)statement->accounts + 2, &part);
    ASSERT(!lost);
    part = u256_divide_floor(part, u256_from_u128(statement->root.sums.work), &rest);
    ASSERT(u256_fits_u64(part));
    return PROOF_ROUNDING + part.limb[0] + !u256_is_zero(rest);
}

uint64_t proof_stretch_worth(const struct proof_statement *statement)
{
    if (proof_stretch_of(statement) == 0)
        return 0;
    struct u256 worth = u256_from_u128(statement->network_work);
    bool lost = u256_multiply_u64(worth, statement->reward, &worth);
    ASSERT(!lost);
    worth = u256_divide_floor(worth, u256_from_u128(statement->root.sums.work), NULL);
    return u256_fits_u64(worth) ? worth.limb[0] : UINT64_MAX;
}

uint64_t proof_fair_amount(const struct proof *proof)
{
    const struct proof_statement *statement = &proof->statement;
    const struct proof_leaf *leaf = &proof->leaf;
    ASSERT(statement->root.sums.work > 0 && leaf->sums.work <= statement->root.sums.work);
    ASSERT(leaf->fee_basis_points <= MONEY_BASIS_POINTS);
    /* 63 + 128 + 14 bits at the most. */
    struct u256 due = u256_from_u128(leaf->sums.work);
    bool lost = u256_multiply_u64(due, statement->reward, &due) ||
                u256_multiply_u64(due, MONEY_BASIS_POINTS - leaf->fee_basis_points, &due);
    ASSERT(!lost);
    due = u256_divide_u64_floor(due, MONEY_BASIS_POINTS, NULL);
    due = u256_divide_floor(due, u256_from_u128(statement->root.sums.work), NULL);
    ASSERT(u256_fits_u64(due));
    return due.limb[0];
}

void proof_commitment_write(uint64_t number, const uint8_t head[PROOF_HASH_BYTES],
                            uint8_t script_r[PROOF_COMMITMENT_BYTES])
{
    static const uint8_t begin[] = { 0x6a, 0x28, 'a', 'd', 'i', 't' };
    struct cursor_writer writer = { .memory = script_r, .capacity_bytes = PROOF_COMMITMENT_BYTES };
    cursor_put(&writer, begin, sizeof begin);
    cursor_put_u32(&writer, (uint32_t)number);
    cursor_put(&writer, head, PROOF_HASH_BYTES);
}

bool proof_commitment_read(struct span script, uint32_t *number_r, uint8_t head_r[PROOF_HASH_BYTES])
{
    uint8_t again[PROOF_COMMITMENT_BYTES];
    if (script.length != PROOF_COMMITMENT_BYTES)
        return false;
    memcpy(head_r, script.data + 10, PROOF_HASH_BYTES);
    *number_r = load_le32(script.data + 6);
    proof_commitment_write(*number_r, head_r, again);
    return memcmp(again, script.data, sizeof again) == 0;
}
