/* Payments received at emission.address: the chain is read block by block, as deep as
 * emission.confirmations, and each payment becomes a reward event with its split. What is durable,
 * in this order:
 *   1. the emission's record: among whom it is split, by scores and stakes as they stand now;
 *   2. the reward event (cause, height and amount in one record), from which payout credits;
 *   3. in the record, that it is credited;
 *   4. how far the chain was read, after everything a block holds.
 * Whoever is cut off anywhere does the rest again and finds what was done. Continuity is by block
 * hash: a block that was read and is not on the best chain any more has its payments retracted, the
 * newest block first, and the other branch is read from the fork on. A node that is behind or away
 * proves nothing. A transaction that is mined again is credited again, under its next generation,
 * among the same receivers. What is below emission.least is counted in the log and no more: each
 * emission costs durable writes and a share of the books, whoever sends dust.
 *
 * Part of a follower's pass (follow.h): same thread, store, nodes and log of events. */
#pragma once
#include "services/inode-scheduler/follow_inside.h"

/* After the blocks; does nothing without an address. *error with anything but GOING_ON. */
MUST_CHECK enum going receiving_pass(struct follower *follower, struct node *node,
                                     struct follow_result *result, struct error *error);
/* Brings the emission's record up to an event about it, however often. */
MUST_CHECK enum going receiving_take_in(struct follower *follower,
                                        const struct wire_reward_event *event, struct error *error);

/* receivers.c: inserts a new payment's record, not yet credited, as of this block. Among whom it is
 * split is looked up in the registry once a block (receiving.is_split), and the accounts of
 * addresses are bound, so that they can be paid. *emission_r's arrays are the follower's, and hold
 * until the next call. *error with anything but GOING_ON. */
MUST_CHECK enum going receiving_make_emission(struct follower *follower, const uint8_t txid[32],
                                              uint64_t amount, uint32_t height,
                                              const uint8_t block_hash[32],
                                              struct emission_record *emission_r,
                                              struct error *error);
