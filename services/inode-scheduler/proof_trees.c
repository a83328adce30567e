#include "services/inode-scheduler/proof_trees.h"

#include <inttypes.h>
#include <stdlib.h>

struct entry {
    uint8_t subject[PROOF_HASH_BYTES];
    size_t accounts;
    struct pplns_part *parts; /* by account */
    struct proof_node *nodes;
    struct proof_tree tree;
    size_t node_count;
    uint64_t used; /* when it was last asked for */
};

struct proof_trees {
    struct entry *entries[PROOF_TREES_MAX];
    size_t count;
    size_t nodes; /* of all */
    uint64_t clock;
};

struct proof_trees *proof_trees_create(void)
{
    struct proof_trees *trees = calloc(1, sizeof *trees);
    ASSERT(trees != NULL);
    return trees;
}

static void destroy_entry(struct entry *entry)
{
    free(entry->parts);
    free(entry->nodes);
    free(entry);
}

void proof_trees_destroy(struct proof_trees *trees)
{
    if (trees == NULL)
        return;
    for (size_t i = 0; i < trees->count; i++)
        destroy_entry(trees->entries[i]);
    free(trees);
}

static void forget_oldest(struct proof_trees *trees)
{
    size_t oldest = 0;
    for (size_t i = 1; i < trees->count; i++)
        if (trees->entries[i]->used < trees->entries[oldest]->used)
            oldest = i;
    trees->nodes -= trees->entries[oldest]->node_count;
    destroy_entry(trees->entries[oldest]);
    trees->entries[oldest] = trees->entries[--trees->count];
}

static void keep(struct proof_trees *trees, struct entry *entry)
{
    while (trees->count == PROOF_TREES_MAX ||
           (trees->count > 0 && trees->nodes + entry->node_count > PROOF_TREES_NODES_MAX))
        forget_oldest(trees);
    trees->entries[trees->count++] = entry;
    trees->nodes += entry->node_count;
}

static enum proof_trees_outcome bad(const struct error *error)
{
    return error->code == ERROR_INVALID ? PROOF_TREES_BROKEN : PROOF_TREES_AWAY;
}

/* Room for as many parts as the statement says there are. */
static bool make_room(struct entry *entry, const struct proof_statement *statement, size_t count)
{
    if (count != statement->accounts || count == 0)
        return false;
    entry->accounts = count;
    entry->parts = calloc(count, sizeof *entry->parts);
    entry->node_count = proof_tree_nodes(count);
    entry->nodes = calloc(entry->node_count, sizeof *entry->nodes);
    ASSERT(entry->parts != NULL && entry->nodes != NULL);
    return true;
}

/* The parts of a block's snapshot. STORE_MISSING also where it is another than was stated. */
static enum store_outcome read_block(struct entry *entry, struct store *store,
                                     const struct proof_statement *statement, struct error *error)
{
    struct snapshot_record snapshot;
    enum store_outcome outcome = snapshot_get(store, statement->block_hash, &snapshot, error);
    if (outcome == STORE_DONE && !make_room(entry, statement, snapshot.accounts))
        outcome = STORE_MISSING;
    return outcome == STORE_DONE ? snapshot_parts(store, &snapshot, entry->parts, error) : outcome;
}

/* The earnings of a stretch, likewise. */
static enum store_outcome read_stretch(struct entry *entry, struct store *store,
                                       const struct proof_statement *statement, struct error *error)
{
    struct stretch_record stretch;
    enum store_outcome outcome = stretch_get(store, proof_stretch_of(statement), &stretch, error);
    if (outcome == STORE_DONE && !make_room(entry, statement, stretch.accounts))
        outcome = STORE_MISSING;
    if (outcome != STORE_DONE)
        return outcome;
    struct reward_earning *earnings = calloc(entry->accounts, sizeof *earnings);
    ASSERT(earnings != NULL);
    outcome = stretch_earnings(store, &stretch, earnings, error);
    if (outcome == STORE_DONE)
        proof_parts_of(earnings, entry->accounts, entry->parts);
    free(earnings);
    return outcome;
}

/* Fills the entry; the tree's root is the stated one. */
static enum proof_trees_outcome make(struct entry *entry, struct store *store,
                                     const struct identity_key *key, const struct proof_link *link,
                                     struct error *error)
{
    const struct proof_statement *statement = &link->statement;
    memcpy(entry->subject, statement->block_hash, sizeof entry->subject);
    enum store_outcome outcome = proof_stretch_of(statement) != 0
                                     ? read_stretch(entry, store, statement, error)
                                     : read_block(entry, store, statement, error);
    if (outcome == STORE_MISSING) {
        error_fill(error, ERROR_INVALID, "the window of proof %" PRIu64 " is not in the store",
                   statement->number);
        return PROOF_TREES_BROKEN;
    }
    if (outcome != STORE_DONE ||
        proof_leaf_nodes(store, key, entry->subject, entry->parts, entry->accounts, entry->nodes,
                         error) != STORE_DONE)
        return bad(error);
    if (!proof_tree_build(&entry->tree, entry->nodes, entry->accounts) ||
        memcmp(proof_tree_root(&entry->tree)->hash, statement->root.hash, PROOF_HASH_BYTES) != 0) {
        error_fill(error, ERROR_INVALID,
                   "the window of proof %" PRIu64 " in the store is not what was stated: the "
                   "secret, an account or the window was changed",
                   statement->number);
        return PROOF_TREES_BROKEN;
    }
    return PROOF_TREES_PROVEN;
}

static enum proof_trees_outcome find(struct proof_trees *trees, struct store *store,
                                     const struct identity_key *key, const struct proof_link *link,
                                     struct entry **entry_r, struct error *error)
{
    for (size_t i = 0; i < trees->count; i++)
        if (memcmp(trees->entries[i]->subject, link->statement.block_hash, 32) == 0) {
            *entry_r = trees->entries[i];
            return PROOF_TREES_PROVEN;
        }
    struct entry *entry = calloc(1, sizeof *entry);
    ASSERT(entry != NULL);
    enum proof_trees_outcome outcome = make(entry, store, key, link, error);
    if (outcome != PROOF_TREES_PROVEN) {
        destroy_entry(entry);
        return outcome;
    }
    keep(trees, entry);
    *entry_r = entry;
    return PROOF_TREES_PROVEN;
}

static const struct pplns_part *part_of(const struct entry *entry, uint64_t account)
{
    size_t low = 0, high = entry->accounts;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entry->parts[middle].account == account)
            return &entry->parts[middle];
        if (entry->parts[middle].account < account)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

enum proof_trees_outcome proof_trees_prove(struct proof_trees *trees, struct store *store,
                                           const struct identity_key *key,
                                           const struct proof_link *link,
                                           const struct account *account, struct proof *proof_r,
                                           struct error *error)
{
    struct entry *entry;
    struct proof_node node;
    if (link->statement.accounts == 0)
        return PROOF_TREES_NO_PART;
    enum proof_trees_outcome outcome = find(trees, store, key, link, &entry, error);
    if (outcome != PROOF_TREES_PROVEN)
        return outcome;
    entry->used = ++trees->clock;
    const struct pplns_part *part = part_of(entry, account->id);
    if (part == NULL)
        return PROOF_TREES_NO_PART;
    memset(proof_r, 0, sizeof *proof_r);
    proof_r->statement = link->statement;
    proof_leaf_of(key, entry->subject, part, account, &proof_r->leaf);
    proof_leaf_node(&proof_r->leaf, &node);
    bool found = proof_tree_find(&entry->tree, node.hash, &proof_r->place);
    if (found)
        proof_r->path_length = proof_tree_path(&entry->tree, proof_r->place, proof_r->path);
    if (!found || proof_check(proof_r) != PROOF_OK) {
        error_fill(error, ERROR_INVALID, "the account's part in proof %" PRIu64 " was changed",
                   link->statement.number);
        return PROOF_TREES_BROKEN;
    }
    return PROOF_TREES_PROVEN;
}
