/* Following a leaf to the root. The number of leaves and the leaf's place fix on which side each
 * sibling stands and how many there are, so a path can be neither cut nor lengthened. */
#include "core/proof/inside.h"

#include "core/money/money.h"

enum proof_outcome proof_check(const struct proof *proof)
{
    const struct proof_statement *statement = &proof->statement;
    enum proof_outcome outcome = proof_check_statement(statement);
    if (outcome != PROOF_OK)
        return outcome;
    if (proof->leaf.fee_basis_points > MONEY_BASIS_POINTS)
        return PROOF_BAD_FEE;
    if (proof->place >= statement->accounts)
        return PROOF_BAD_PLACE;
    struct proof_node node;
    proof_leaf_node(&proof->leaf, &node);
    unsigned used = 0;
    uint32_t at = proof->place;
    for (uint32_t last = statement->accounts - 1; last > 0; at /= 2, last /= 2) {
        if (at == last && at % 2 == 0)
            continue; /* the last of an odd number goes up as it is */
        if (used == proof->path_length)
            return PROOF_BAD_LENGTH;
        const struct proof_node *sibling = &proof->path[used++];
        struct proof_node below = node;
        bool fits =
            at % 2 == 0 ? proof_join(&below, sibling, &node) : proof_join(sibling, &below, &node);
        if (!fits)
            return PROOF_OVERFLOW;
        if (node.sums.work > statement->root.sums.work ||
            node.sums.amount > statement->root.sums.amount)
            return PROOF_WRONG_SUMS;
    }
    if (used != proof->path_length)
        return PROOF_BAD_LENGTH;
    if (node.sums.work != statement->root.sums.work ||
        node.sums.amount != statement->root.sums.amount)
        return PROOF_WRONG_SUMS;
    return memcmp(node.hash, statement->root.hash, sizeof node.hash) == 0 ? PROOF_OK
                                                                          : PROOF_WRONG_ROOT;
}
