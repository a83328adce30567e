/* The chain of statements (core/proof), one record a block of ours or a stretch of bought work, and
 * how its tree is made from what the store keeps.
 *
 * Statements are a log: number 1, 2, 3, … without gaps, inserted under the next number, so of two
 * writers one gets STORE_EXISTS, looks again and finds what the other wrote. Each holds the head
 * before it. None is ever changed: what was put into a coinbase stays true.
 *
 * The tree itself is not kept. It follows from the block's snapshot (or the stretch's earnings),
 * the accounts' names and the deployment's secret, none of which ever changes; whoever makes it
 * again compares its root with the statement's.
 *
 * Blocking, like the store. Structs hold no memory of others; one thread at a time per store
 * handle. */
#pragma once
#include "core/proof/proof.h"
#include "record/account/account.h"
#include "record/ledger/ledger_record.h"
#include "record/ledger/stretch_record.h"

extern const struct store_collection proof_collection;

/* A statement as kept. */
struct proof_link {
    struct proof_statement statement;
    uint8_t head[PROOF_HASH_BYTES]; /* what it hashes to */
    uint64_t epoch;                 /* of the payout that wrote it */
    uint64_t time_ms;               /* unix */
};

/* Appends it under statement.number, which must be the newest + 1, and fills link->head. STORE_DONE
 * (durable); STORE_EXISTS when that number is taken, by a rival or by an append of ours whose
 * answer got lost; STORE_UNKNOWN or STORE_FAILED with *error. */
MUST_CHECK enum store_outcome proof_link_append(struct store *store, struct proof_link *link,
                                                struct error *error);
/* STORE_DONE, STORE_MISSING, or STORE_FAILED with *error (also where a record is damaged): the
 * newest; by number; of a block. */
MUST_CHECK enum store_outcome proof_link_newest(struct store *store, struct proof_link *link_r,
                                                struct error *error);
MUST_CHECK enum store_outcome proof_link_get(struct store *store, uint64_t number,
                                             struct proof_link *link_r, struct error *error);
MUST_CHECK enum store_outcome proof_link_of_block(struct store *store, const uint8_t block_hash[32],
                                                  struct proof_link *link_r, struct error *error);
/* Borrowed until the visitor returns; false ends the walk. The visitor must not call the store. */
typedef bool (*proof_visitor)(void *context, const struct proof_link *link);
/* Those with a number above `after`, in order, at most `limit` (0: all). STORE_FAILED also where
 * one is damaged or missing. */
MUST_CHECK enum store_outcome proof_link_walk(struct store *store, uint64_t after, size_t limit,
                                              proof_visitor visit, void *context,
                                              struct error *error);

/* The leaf of one part of a block's snapshot or a stretch; `subject` is the statement's block hash;
 * `account` is NULL where nobody is known under the id. */
void proof_leaf_of(const struct identity_key *key, const uint8_t subject[32],
                   const struct pplns_part *part, const struct account *account,
                   struct proof_leaf *leaf_r);
/* The leaves' nodes of all parts (ascending ids), in their order: STORE_DONE, or STORE_FAILED with
 * *error. */
MUST_CHECK enum store_outcome proof_leaf_nodes(struct store *store, const struct identity_key *key,
                                               const uint8_t subject[32],
                                               const struct pplns_part *parts, size_t count,
                                               struct proof_node *nodes_r, struct error *error);
/* All of the statement that follows from a snapshot and its tree (NULL where there are no parts);
 * number and previous head stay 0. */
void proof_statement_of(const struct snapshot_record *snapshot, const struct proof_tree *tree,
                        struct proof_statement *statement_r);
/* The same of a stretch somebody worked in. */
void proof_statement_of_stretch(const struct stretch_record *stretch, const struct proof_tree *tree,
                                struct proof_statement *statement_r);
/* Earnings as parts: accounts, work, fees and amounts. */
void proof_parts_of(const struct reward_earning *earnings, size_t count,
                    struct pplns_part *parts_r);
