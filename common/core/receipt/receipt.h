/* Receipts: a validator's signed word that an accepted share stands at a place in the stream of all
 * shares.
 *
 * What a validator accepted within a moment is a *slice*. Its shares are the leaves of a tree whose
 * nodes have up to four children (RECEIPT_ARITY: half the hashing of a binary tree), in the order
 * in which they were kept; the last node of a level goes up as it is when it is alone. The
 * validator signs number, time, count and root of the slice with its Ed25519 key. A receipt is one
 * share, its way to the root, and that signature; whoever keeps receipts of more work in a block's
 * window than the block's proof has holds the pool's own signature against it.
 *
 *   share  H("adit/receipt/share", 52 bytes)       H as in core/proof
 *   node   H("adit/receipt/node", 2 to 4 hashes)   whose number follows from count and place
 *   slice  H("adit/receipt/slice/2", …) is what is signed
 *
 * A share is known by what names it when it is sent again: its batch (lease, sequence) and its
 * place there. When another server of the window takes over and lacks it, it is kept again, at
 * another position, and signed for again, in a slice that names the other history. receipt_tally
 * says what such receipts prove together.
 *
 * Version 1 (slices without history, shares without a batch) is read, no longer made.
 *
 * Signatures are made and checked outside (adapter/token_sodium). Pure; the caller's memory; any
 * thread. */
#pragma once
#include "core/proof/proof.h"

enum {
    RECEIPT_HASH_BYTES = 32,
    RECEIPT_KEY_BYTES = 32,
    RECEIPT_SIGNATURE_BYTES = 64,
    RECEIPT_ARITY = 4,
    RECEIPT_SHARES_MAX = 1 << 16,               /* of one slice */
    RECEIPT_PATH_MAX = 8 * (RECEIPT_ARITY - 1), /* eight levels */
    RECEIPT_SHARE_BYTES = 52, /* in both versions: one block of SHA-256 behind that of the tag */
    RECEIPT_SLICE_1_BYTES = 164,
    RECEIPT_SLICE_BYTES = 172,
    RECEIPT_VERSION = 2,
    RECEIPT_BYTES_MAX = 5 + RECEIPT_SLICE_BYTES + RECEIPT_SHARE_BYTES + 5 + 32 * RECEIPT_PATH_MAX,
};

struct receipt_share {
    struct proof_position position; /* in the stream: its batch's entry, and its index there */
    uint64_t lease_id, sequence;    /* its batch; version 1: 0 */
    uint32_t place;                 /* in the batch as the gateway sent it */
    uint32_t nonce;
    uint64_t account;
    uint64_t work;    /* expected hashes */
    uint64_t job_id;  /* version 1 alone */
    uint64_t time_ms; /* unix, when the gateway received it */
};
/* The newest version. False where a number is larger than its field, as no pool's is: such a share
 * cannot be signed for. */
MUST_CHECK bool receipt_share_write(const struct receipt_share *share,
                                    uint8_t bytes_r[RECEIPT_SHARE_BYTES]);
void receipt_share_read(uint8_t version, const uint8_t bytes[RECEIPT_SHARE_BYTES],
                        struct receipt_share *share_r);

struct receipt_slice {
    uint8_t version;                /* 1 or RECEIPT_VERSION */
    uint8_t key[RECEIPT_KEY_BYTES]; /* the validator's public key */
    uint64_t boot_id;               /* of its process */
    uint64_t number;                /* 1, 2, … of that process */
    uint64_t began_ms, ended_ms;    /* unix: when its first and last batch was kept */
    uint64_t history;               /* of the window that kept them (port/window); 0: not known */
    uint32_t count;                 /* shares, 1 to RECEIPT_SHARES_MAX */
    uint8_t root[RECEIPT_HASH_BYTES];
    uint8_t signature[RECEIPT_SIGNATURE_BYTES];
};
/* Of a version's slice; 0 for a version that there is not. */
size_t receipt_slice_bytes(uint8_t version);
void receipt_slice_write(const struct receipt_slice *slice, uint8_t bytes_r[RECEIPT_SLICE_BYTES]);
/* False where the count is out of bounds. `bytes` are receipt_slice_bytes(version). */
MUST_CHECK bool receipt_slice_read(uint8_t version, const uint8_t *bytes,
                                   struct receipt_slice *slice_r);
/* What the signature is over: all of the slice but the signature. */
void receipt_slice_digest(const struct receipt_slice *slice, uint8_t digest_r[RECEIPT_HASH_BYTES]);

/* The tree over `count` packed shares (1 to RECEIPT_SHARES_MAX): fills receipt_tree_nodes(count)
 * nodes, level by level, the root last. */
size_t receipt_tree_nodes(size_t count);
void receipt_tree_build(const uint8_t *shares, size_t count,
                        uint8_t (*nodes_r)[RECEIPT_HASH_BYTES]);
/* The siblings of a share from the bottom up, those of a level from left to right; their number. */
uint8_t receipt_tree_path(uint8_t (*nodes)[RECEIPT_HASH_BYTES], size_t count, size_t place,
                          uint8_t (*path_r)[RECEIPT_HASH_BYTES]);

struct receipt {
    struct receipt_slice slice;
    struct receipt_share share;
    uint32_t place; /* in the slice, from 0 */
    uint8_t path_length;
    uint8_t path[RECEIPT_PATH_MAX][RECEIPT_HASH_BYTES];
};

/* Whether the share is under the slice's root. The signature is not looked at. */
MUST_CHECK bool receipt_check(const struct receipt *receipt);

/* Whether all of the share's work must be in the window a statement speaks of: behind its oldest
 * share (of which only a part may count), and not behind its newest. */
bool receipt_counts(const struct receipt_share *share, const struct proof_statement *statement);

/* Returns the length, at most RECEIPT_BYTES_MAX. */
size_t receipt_encode(const struct receipt *receipt, uint8_t bytes_r[RECEIPT_BYTES_MAX]);
/* False for anything that receipt_encode does not write. */
MUST_CHECK bool receipt_decode(struct span bytes, struct receipt *receipt_r);

/* What many receipts of one account prove together. */
struct receipt_claim {
    struct receipt_share share;
    uint8_t version;
    uint64_t history; /* of its slice */
};

enum {
    RECEIPT_AGAIN_MS = 600000, /* what a new history lacked is kept again within this */
    RECEIPT_SKEW_MS = 10000,   /* what clocks of the window's servers may differ by */
    RECEIPT_HISTORIES_MAX = 64,
};

struct receipt_tally {
    u128 work; /* of the shares that the window must hold, each once */
    size_t counted;
    u128 moved_work; /* kept again behind the window after a failover: they count in later blocks */
    size_t moved;
    size_t again;     /* claims of a share that another claim speaks of, at another position */
    size_t conflicts; /* two shares under one name: the pool contradicts itself */
    size_t histories; /* different ones, as far as they were told apart */
};

/* Sorting order of claims: those of one share are neighbours. For qsort. */
int receipt_claim_compare(const void *a, const void *b);
/* Tallies claims (sorted by receipt_claim_compare), against a block's window, or all of them where
 * statement is NULL.
 *
 * A share counts when it has a position in the window. There is one excuse: the same share was kept
 * again behind the window's end, in another history h', because the history h it was kept in first
 * ended without it. It holds only where all that the claims tell agrees with h' having taken h's
 * place before the block was found:
 *   - h' has a position up to the window's end, or h has none later than RECEIPT_SKEW_MS behind it
 *     (a block found while h went on had the share in its window);
 *   - the share was kept again within RECEIPT_AGAIN_MS of the first position in h', which is what
 *     gateways do (services/stratum-gateway/replay), and h ended within as much of it.
 * So a pool that signs for a share again must do it at once, under a new history, for all its
 * validators and accounts, and owes the share to later blocks: it cannot make it vanish. */
void receipt_tally(const struct receipt_claim *claims, size_t count,
                   const struct proof_statement *statement, struct receipt_tally *tally_r);
