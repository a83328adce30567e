/* Proofs of what a block paid to whom: a Merkle sum tree over the accounts of its window.
 *
 *               root: work 9, amount 90                  A leaf is one account: salt, name, the
 * work /                        \                it is credited with, the amount it was paid. work
 * 5, amount 50          work 4, amount 40       A node's sums are those of its children and / \ |
 * are part of its hash, so nobody's work can leaf A        leaf B               leaf C be left out
 * of a total, or counted in two.
 *
 * The leaves stand in the order of their hashes; the salts in them are keyed by the deployment's
 * secret and differ from block to block, so neither place nor hash says whose a leaf is. The last
 * of an odd number of nodes goes up as it is: that is the tree of RFC 9162 (section 2.1.1), whose
 * shape follows from the number of leaves alone. Nothing is ever hashed with itself, and leaves,
 * nodes and statements have tags of their own, so no two lists of leaves have one root.
 *
 * A *statement* says all about one block, or about one *stretch* of work that was bought (PPS,
 * FPPS: the same fields, of what was spent on the shares behind `oldest` and up to `newest`):
 * reward, fee, window, totals and the tree's hash; its own hash is the *head*, and it holds the
 * head before it. So the newest head fixes every statement there ever was, and it stands in the
 * coinbases of the pool's later blocks: no two viewers can be shown different ones.
 *
 * Hashes are SHA-256 with the tags of BIP 340 (sha256(sha256(tag) ‖ sha256(tag) ‖ message)): what
 * everyone who can check a block of this chain has at hand. Integers are little-endian.
 *
 * Pure; the caller's memory; any thread. Block hashes are in internal order. */
#pragma once
#include "base/bytes.h"

enum {
    PROOF_HASH_BYTES = 32,
    PROOF_SALT_BYTES = 32,
    PROOF_NAME_BYTES_MAX = 128,
    PROOF_SCHEME_BYTES = 16,
    PROOF_PATH_MAX = 32, /* accounts are counted in 32 bits */
};

/* X(enum name, sentence) */
#define PROOF_OUTCOMES(X)                                                                          \
    X(PROOF_OK, "the proof is right")                                                              \
    X(PROOF_MALFORMED, "these bytes are no proof of this version")                                 \
    X(PROOF_BAD_TOTALS, "fee, unallocated and the accounts' amounts do not sum to the reward")     \
    X(PROOF_BAD_FEE, "the account's fee is more than everything")                                  \
    X(PROOF_BAD_PLACE, "the leaf's place is beyond the number of accounts")                        \
    X(PROOF_BAD_LENGTH, "the path is not as long as the number of accounts demands")               \
    X(PROOF_OVERFLOW, "the sums along the path leave their range")                                 \
    X(PROOF_WRONG_SUMS, "the sums at the root are not the statement's totals")                     \
    X(PROOF_WRONG_ROOT, "the path does not lead to the statement's root")                          \
    X(PROOF_OTHER_BLOCK, "the statement is of another block")                                      \
    X(PROOF_BROKEN_CHAIN, "a statement does not follow the one before it")

enum proof_outcome {
#define X(name, text) name,
    PROOF_OUTCOMES(X)
#undef X
};
const char *proof_outcome_text(enum proof_outcome outcome);

struct proof_sums {
    u128 work;       /* expected hashes */
    uint64_t amount; /* base units, at most 2^63 - 1 */
};

struct proof_node {
    struct proof_sums sums;
    uint8_t hash[PROOF_HASH_BYTES];
};

enum proof_name_kind {
    PROOF_NAME_SCRIPT = 1,  /* the output script of the address it mines under */
    PROOF_NAME_ACCOUNT = 2, /* a registered account's name, lower case */
    PROOF_NAME_ID = 3,      /* the account's 64-bit id, big-endian, where no name is known */
};

struct proof_leaf {
    uint8_t salt[PROOF_SALT_BYTES]; /* known to the account alone */
    enum proof_name_kind kind;
    uint8_t name[PROOF_NAME_BYTES_MAX];
    uint8_t name_bytes;        /* at least 1 */
    uint64_t account;          /* the id that its shares carry, and receipts of them */
    uint16_t fee_basis_points; /* what the pool keeps of this account's part, 1/10000 */
    struct proof_sums sums;
};

/* Where a share stands in the stream of all shares (port/window: high, low, index). */
struct proof_position {
    uint64_t high, low;
    uint32_t index;
};
/* Below, at or above zero as a stands before, at or behind b. */
int proof_position_compare(const struct proof_position *a, const struct proof_position *b);

struct proof_statement {
    uint64_t number;                      /* 1, 2, … without gaps */
    uint8_t previous[PROOF_HASH_BYTES];   /* the head before it; zeros for number 1 */
    uint8_t block_hash[PROOF_HASH_BYTES]; /* a stretch's: 24 zeros and its number, big-endian */
    uint32_t height;                      /* a stretch's: 0 */
    uint64_t reward, fee;                 /* base units; a stretch's reward is what it cost */
    uint64_t unallocated;   /* to no account: nobody had a share, or the reserve buys the work */
    uint32_t accounts;      /* leaves of the tree */
    struct proof_node root; /* its totals; zeros where there are no accounts */
    bool empty;             /* no share at all stood in the window */
    struct proof_position oldest;    /* the window's boundary share; zeros where empty */
    struct proof_position newest;    /* its last share, the one that found the block */
    u128 window_work;                /* what the window may hold */
    u128 network_work;               /* expected hashes of the block */
    uint64_t shares;                 /* counted, the boundary share among them */
    char scheme[PROOF_SCHEME_BYTES]; /* "pplns"; NUL-padded */
};

struct proof {
    struct proof_statement statement;
    struct proof_leaf leaf;
    uint32_t place; /* of the leaf, from 0 */
    uint8_t path_length;
    struct proof_node path[PROOF_PATH_MAX]; /* siblings from the leaf up */
};

/* The leaf's node: its sums and its hash. */
void proof_leaf_node(const struct proof_leaf *leaf, struct proof_node *node_r);
/* The node over two others; false, with *node_r undefined, where the sums leave their range. */
MUST_CHECK bool proof_join(const struct proof_node *left, const struct proof_node *right,
                           struct proof_node *node_r);
/* The head that a statement makes. */
void proof_head(const struct proof_statement *statement, uint8_t head_r[PROOF_HASH_BYTES]);

/* The tree. `nodes` are the caller's, proof_tree_nodes(leaves) of them; the leaves come first, in
 * any order, and are sorted by their hashes. */
struct proof_tree {
    struct proof_node *nodes;
    size_t leaves;
};
size_t proof_tree_nodes(size_t leaves);
/* False where the sums leave their range. 1 ≤ leaves ≤ UINT32_MAX. */
MUST_CHECK bool proof_tree_build(struct proof_tree *tree, struct proof_node *nodes, size_t leaves);
/* Borrowed from the nodes. */
const struct proof_node *proof_tree_root(const struct proof_tree *tree);
/* False where no leaf has this hash. */
MUST_CHECK bool proof_tree_find(const struct proof_tree *tree, const uint8_t hash[PROOF_HASH_BYTES],
                                uint32_t *place_r);
/* The siblings of a leaf (place < leaves) from the bottom up; returns their number. */
uint8_t proof_tree_path(const struct proof_tree *tree, uint32_t place,
                        struct proof_node path_r[PROOF_PATH_MAX]);

/* Everything that can be said from the statement alone: PROOF_OK or PROOF_BAD_TOTALS. */
MUST_CHECK enum proof_outcome proof_check_statement(const struct proof_statement *statement);
/* The statement, then the leaf's way to its root: every sum on it is checked. */
MUST_CHECK enum proof_outcome proof_check(const struct proof *proof);
/* Whether `next` follows `statement` in the chain: PROOF_OK or PROOF_BROKEN_CHAIN. */
MUST_CHECK enum proof_outcome proof_check_next(const struct proof_statement *statement,
                                               const struct proof_statement *next);
/* A stretch's place of a block's hash, which no block has; and back: 0 for a block's statement. */
void proof_stretch_subject(uint64_t number, uint8_t subject_r[PROOF_HASH_BYTES]);
uint64_t proof_stretch_of(const struct proof_statement *statement);
/* Whether the shares of a stretch follow without a gap on those of the one that was stated before
 * it. Where its number says that others lie in between, which had no shares or ended a time of
 * buying, they need not. */
bool proof_stretch_follows(const struct proof_statement *before,
                           const struct proof_statement *stretch);

/* What is due to the leaf by its part of all work, after its fee: the floor of
 *     reward · work · (10000 - basis points) / (10000 · all work)
 * The proof has been checked. A right amount is at most proof_rounding off. Of a block that is
 * PROOF_ROUNDING: the fee is a floor of its own, and the largest remainders get a base unit each.
 * Of a stretch everybody's fraction of a base unit is carried from one to the next, so all it cost
 * may be a unit for each account, and two, off its price, and of that the leaf has its part,
 * rounded up. */
enum { PROOF_ROUNDING = 2 };
uint64_t proof_fair_amount(const struct proof *proof);
uint64_t proof_rounding(const struct proof *proof);
/* What a block would have been worth by what a checked stretch cost: floor(reward · network work /
 * all work), as near as carries let it be told; at most 2^64 - 1. 0 for a block's statement. */
uint64_t proof_stretch_worth(const struct proof_statement *statement);

/* Bytes, version 1. docs/proofs.md has the layout. */
enum {
    PROOF_STATEMENT_BYTES = 257,
    PROOF_NODE_BYTES = 56,
    PROOF_BYTES_MAX = 5 + PROOF_STATEMENT_BYTES + PROOF_SALT_BYTES + 12 + PROOF_NAME_BYTES_MAX +
                      24 + 5 + PROOF_PATH_MAX * PROOF_NODE_BYTES,
};
void proof_statement_encode(const struct proof_statement *statement,
                            uint8_t bytes_r[PROOF_STATEMENT_BYTES]);
/* False for anything that proof_statement_encode does not write. */
MUST_CHECK bool proof_statement_decode(struct span bytes, struct proof_statement *statement_r);
/* Returns the length, at most PROOF_BYTES_MAX. */
size_t proof_encode(const struct proof *proof, uint8_t bytes_r[PROOF_BYTES_MAX]);
MUST_CHECK bool proof_decode(struct span bytes, struct proof *proof_r);

/* What a coinbase carries: an output that can never be spent, of value 0 and with the script
 *     OP_RETURN (6a) · push of 40 bytes (28) · "adit" · number (4 bytes) · head (32 bytes)
 * The number is the statement's, modulo 2^32. */
enum { PROOF_COMMITMENT_BYTES = 42 };
void proof_commitment_write(uint64_t number, const uint8_t head[PROOF_HASH_BYTES],
                            uint8_t script_r[PROOF_COMMITMENT_BYTES]);
/* False where the script is none. */
MUST_CHECK bool proof_commitment_read(struct span script, uint32_t *number_r,
                                      uint8_t head_r[PROOF_HASH_BYTES]);
