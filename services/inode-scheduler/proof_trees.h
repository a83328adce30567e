/* Trees of blocks, made again from the store when a proof is asked for, and the last few kept: the
 * accounts of a block ask for theirs one after another. At the most PROOF_TREES_MAX of them, and
 * while there is more than one, PROOF_TREES_NODES_MAX nodes (64 bytes each) in all. Blocking; on
 * one thread at a time. */
#pragma once
#include "record/proof/proof_record.h"

enum { PROOF_TREES_MAX = 8, PROOF_TREES_NODES_MAX = 1 << 20 };

struct proof_trees;
MUST_CHECK struct proof_trees *proof_trees_create(void);
void proof_trees_destroy(struct proof_trees *trees);

enum proof_trees_outcome {
    PROOF_TREES_PROVEN = 1,
    PROOF_TREES_NO_PART, /* the account had no work in this block's window */
    PROOF_TREES_BROKEN,  /* what is stored does not make the tree that was stated; *error */
    PROOF_TREES_AWAY,    /* the store did not answer; *error */
};

/* The proof of one account's part in a stated block. */
MUST_CHECK enum proof_trees_outcome
proof_trees_prove(struct proof_trees *trees, struct store *store, const struct identity_key *key,
                  const struct proof_link *link, const struct account *account,
                  struct proof *proof_r, struct error *error);
