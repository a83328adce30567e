/* From a snapshot, or a stretch, to the leaves of its tree: each part gets its account's name and a
 * salt that nobody can guess who does not know the deployment's secret. */
#include "record/proof/proof_record.h"

#include "core/identity/blake2b.h"

enum { GETS_MAX = 64 };

/* 256 bits of BLAKE2b under the deployment's key: different for each account and block, the same
 * whenever it is asked for. The tag keeps it apart from the ids made with the same key. */
static void salt_of(const struct identity_key *key, const uint8_t block_hash[32], uint64_t account,
                    uint8_t salt_r[PROOF_SALT_BYTES])
{
    uint8_t id[8];
    store_le64(id, account);
    const struct span parts[] = { span_of("proof--1", 8), span_of(block_hash, 32),
                                  span_of(id, sizeof id) };
    blake2b(span_of(key->bytes, sizeof key->bytes), parts, sizeof parts / sizeof *parts, salt_r,
            PROOF_SALT_BYTES);
}

static void name_leaf(struct proof_leaf *leaf, enum proof_name_kind kind, struct span name)
{
    _Static_assert(PROOF_NAME_BYTES_MAX >= OUTPUT_SCRIPT_BYTES_MAX, "a script fits");
    _Static_assert(PROOF_NAME_BYTES_MAX >= IDENTITY_ACCOUNT_BYTES_MAX, "a name fits");
    ASSERT(name.length > 0 && name.length <= PROOF_NAME_BYTES_MAX);
    leaf->kind = kind;
    leaf->name_bytes = (uint8_t)name.length;
    memcpy(leaf->name, name.data, name.length);
}

void proof_leaf_of(const struct identity_key *key, const uint8_t subject[32],
                   const struct pplns_part *part, const struct account *account,
                   struct proof_leaf *leaf_r)
{
    *leaf_r = (struct proof_leaf){ .account = part->account,
                                   .sums = { part->work, part->amount },
                                   .fee_basis_points = (uint16_t)part->fee_basis_points };
    salt_of(key, subject, part->account, leaf_r->salt);
    /* A registered account may be paid elsewhere tomorrow, so its name stands for it; an address
     * is its script for ever. */
    if (account != NULL && account->kind == IDENTITY_KIND_ADDRESS &&
        account->payouts[0].script.length > 0) {
        name_leaf(leaf_r, PROOF_NAME_SCRIPT, output_script_span(&account->payouts[0].script));
    } else if (account != NULL && account->kind == IDENTITY_KIND_ACCOUNT) {
        name_leaf(leaf_r, PROOF_NAME_ACCOUNT, span_text(account->name));
    } else {
        uint8_t id[8];
        store_le64(id, __builtin_bswap64(part->account));
        name_leaf(leaf_r, PROOF_NAME_ID, span_of(id, sizeof id));
    }
}

struct naming {
    const struct identity_key *key;
    const uint8_t *subject;
    const struct pplns_part *parts;
    size_t count;
    size_t next; /* the first part without a node */
    struct proof_node *nodes;
};

static void take(struct naming *naming, const struct account *account)
{
    struct proof_leaf leaf;
    proof_leaf_of(naming->key, naming->subject, &naming->parts[naming->next], account, &leaf);
    proof_leaf_node(&leaf, &naming->nodes[naming->next++]);
}

/* Accounts and parts both ascend by id. */
static bool on_account(void *context, const struct account *account)
{
    struct naming *naming = context;
    while (naming->next < naming->count && naming->parts[naming->next].account < account->id)
        take(naming, NULL);
    if (naming->next < naming->count && naming->parts[naming->next].account == account->id)
        take(naming, account);
    return naming->next < naming->count;
}

enum store_outcome proof_leaf_nodes(struct store *store, const struct identity_key *key,
                                    const uint8_t subject[32], const struct pplns_part *parts,
                                    size_t count, struct proof_node *nodes_r, struct error *error)
{
    struct naming naming = { key, subject, parts, count, 0, nodes_r };
    enum store_outcome outcome = STORE_DONE;
    if (count > GETS_MAX) {
        outcome = account_walk(store, parts[0].account - (parts[0].account > 0), 0, on_account,
                               &naming, error);
        while (outcome == STORE_DONE && naming.next < count)
            take(&naming, NULL);
        return outcome;
    }
    while (naming.next < count) {
        struct account account;
        outcome = account_get(store, parts[naming.next].account, &account, error);
        if (outcome != STORE_DONE && outcome != STORE_MISSING)
            return outcome;
        take(&naming, outcome == STORE_DONE ? &account : NULL);
    }
    return STORE_DONE;
}

static struct proof_position position_of(const struct window_position *position)
{
    return (struct proof_position){ position->high, position->low, position->index };
}

void proof_statement_of(const struct snapshot_record *snapshot, const struct proof_tree *tree,
                        struct proof_statement *statement_r)
{
    _Static_assert(sizeof snapshot->scheme == PROOF_SCHEME_BYTES, "the scheme's word fits");
    *statement_r = (struct proof_statement){
        .height = snapshot->height,
        .reward = snapshot->reward.units,
        .fee = snapshot->fee.units,
        .accounts = tree != NULL ? (uint32_t)tree->leaves : 0,
        .empty = snapshot->empty,
        .window_work = snapshot->window_work,
        .network_work = snapshot->network_work,
        .shares = snapshot->shares,
    };
    memcpy(statement_r->block_hash, snapshot->block_hash, 32);
    memcpy(statement_r->scheme, snapshot->scheme, strnlen(snapshot->scheme, PROOF_SCHEME_BYTES));
    if (tree != NULL)
        statement_r->root = *proof_tree_root(tree);
    if (!snapshot->empty) {
        statement_r->oldest = position_of(&snapshot->oldest);
        statement_r->newest = position_of(&snapshot->end);
    }
    /* What went neither to an account nor to the fee. */
    uint64_t given = statement_r->fee + statement_r->root.sums.amount;
    statement_r->unallocated = statement_r->reward > given ? statement_r->reward - given : 0;
}

void proof_statement_of_stretch(const struct stretch_record *stretch, const struct proof_tree *tree,
                                struct proof_statement *statement_r)
{
    *statement_r = (struct proof_statement){
        .reward = stretch->spent.units,
        .fee = stretch->fee.units,
        .accounts = tree != NULL ? (uint32_t)tree->leaves : 0,
        .newest = position_of(&stretch->end),
        .network_work = stretch->network_work,
        .shares = stretch->shares,
    };
    proof_stretch_subject(stretch->number, statement_r->block_hash);
    const char *scheme = reward_scheme_name(stretch->scheme);
    memcpy(statement_r->scheme, scheme, strnlen(scheme, PROOF_SCHEME_BYTES));
    if (!stretch->begin_empty)
        statement_r->oldest = position_of(&stretch->begin);
    if (tree != NULL)
        statement_r->root = *proof_tree_root(tree);
    statement_r->window_work = statement_r->root.sums.work;
}

void proof_parts_of(const struct reward_earning *earnings, size_t count, struct pplns_part *parts_r)
{
    for (size_t i = 0; i < count; i++)
        parts_r[i] = (struct pplns_part){ .account = earnings[i].account,
                                          .work = earnings[i].work,
                                          .amount = earnings[i].amount,
                                          .fee_basis_points = earnings[i].fee_basis_points };
}
