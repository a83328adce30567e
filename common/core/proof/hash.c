#include "core/proof/inside.h"

#include "core/money/money.h"

void proof_tagged_begin(struct sha256_state *state, const char *tag)
{
    uint8_t hash[32];
    sha256(span_text(tag), hash);
    sha256_init(state);
    sha256_update(state, span_of(hash, sizeof hash));
    sha256_update(state, span_of(hash, sizeof hash));
}

void proof_leaf_node(const struct proof_leaf *leaf, struct proof_node *node_r)
{
    struct sha256_state state;
    uint8_t head[PROOF_SALT_BYTES + 2], money[34];
    struct cursor_writer writer = { .memory = head, .capacity_bytes = sizeof head };
    cursor_put(&writer, leaf->salt, sizeof leaf->salt);
    cursor_put_u8(&writer, (uint8_t)leaf->kind);
    cursor_put_u8(&writer, leaf->name_bytes);
    writer = (struct cursor_writer){ .memory = money, .capacity_bytes = sizeof money };
    cursor_put_u64(&writer, leaf->account);
    cursor_put_u16(&writer, leaf->fee_basis_points);
    cursor_put_u128(&writer, leaf->sums.work);
    cursor_put_u64(&writer, leaf->sums.amount);
    proof_tagged_begin(&state, "adit/proof/leaf");
    sha256_update(&state, span_of(head, sizeof head));
    sha256_update(&state, span_of(leaf->name, leaf->name_bytes));
    sha256_update(&state, span_of(money, sizeof money));
    sha256_final(&state, node_r->hash);
    node_r->sums = leaf->sums;
}

bool proof_join(const struct proof_node *left, const struct proof_node *right,
                struct proof_node *node_r)
{
    struct proof_sums sums;
    if (__builtin_add_overflow(left->sums.work, right->sums.work, &sums.work) ||
        __builtin_add_overflow(left->sums.amount, right->sums.amount, &sums.amount) ||
        sums.amount > MONEY_MAX)
        return false;
    struct sha256_state state;
    uint8_t bytes[2 * PROOF_NODE_BYTES];
    struct cursor_writer writer = { .memory = bytes, .capacity_bytes = sizeof bytes };
    proof_put_node(&writer, left);
    proof_put_node(&writer, right);
    proof_tagged_begin(&state, "adit/proof/node");
    sha256_update(&state, span_of(bytes, sizeof bytes));
    sha256_final(&state, node_r->hash);
    node_r->sums = sums;
    return true;
}

void proof_head(const struct proof_statement *statement, uint8_t head_r[PROOF_HASH_BYTES])
{
    struct sha256_state state;
    uint8_t bytes[PROOF_STATEMENT_BYTES];
    proof_statement_encode(statement, bytes);
    proof_tagged_begin(&state, "adit/proof/head");
    sha256_update(&state, span_of(bytes, sizeof bytes));
    sha256_final(&state, head_r);
}
