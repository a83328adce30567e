/* What a pool's recorded work would have earned under one way of paying it or another.
 *
 * A record is every share in the order it counted, and the blocks among them. A plan is a scheme
 * with its window and fee. Trying a plan gives, for each account and each block, what it would have
 * been credited, by the same rules that payout uses (core/reward): sums, and how much they vary
 * from block to block. Work that is bought counts with the block it led to.
 *
 * Heap, no I/O; one thread. Floating point only for the spread that people read. */
#pragma once
#include "base/error.h"
#include "core/reward/reward.h"

struct trial_share {
    uint64_t account;
    uint64_t work;
};

struct trial_block {
    size_t share; /* its own: the newest that counts for it */
    uint64_t reward;
    u128 network_work;
    uint64_t finder; /* 0: none */
    uint32_t height;
};

struct trial_record {
    struct trial_share *shares;
    size_t share_count, share_capacity;
    struct trial_block *blocks;
    size_t block_count, block_capacity;
    uint64_t *accounts; /* ascending; trial_index makes them */
    uint32_t *fees;     /* of those with a class of their own; else TRIAL_NO_CLASS */
    size_t account_count;
    uint32_t *places; /* of each share's account among them; account_count where it has none */
};
#define TRIAL_NO_CLASS UINT32_MAX

struct trial_plan {
    enum reward_scheme scheme;
    uint32_t window_percent;
    u128 window_work; /* 0: by window_percent */
    uint32_t fee_basis_points;
    uint64_t block_reward; /* what PPS takes a block to be worth; 0: the mean of the record's */
};

/* One account under one plan, over the blocks that count. */
struct trial_sum {
    u128 total;
    u128 least, most;    /* of a block */
    double mean, spread; /* spread: standard deviation from block to block */
};

struct trial_result {
    struct trial_sum *sums; /* by account, in the record's order; caller frees */
    u128 fee, unallocated;
    u128 rewards;     /* of the blocks that count */
    i128 reserve;     /* what blocks brought it, less what work cost */
    i128 reserve_low; /* the lowest it stood at after a block */
};

void trial_add_share(struct trial_record *record, uint64_t account, uint64_t work);
/* A block found by the newest share added so far. */
void trial_add_block(struct trial_record *record, const struct trial_block *block);
/* After all was added. */
void trial_index(struct trial_record *record);
void trial_free(struct trial_record *record);

/* "scheme[,window=PERCENT][,work=EXPECTED HASHES][,fee=BASIS POINTS][,block=BASE UNITS]" over what
 * *plan holds already. False with *error. */
MUST_CHECK bool trial_parse(const char *text, struct trial_plan *plan, struct error *error);

/* The first block for which the plan has all the work it wants; block_count where there is none. */
size_t trial_first(const struct trial_record *record, const struct trial_plan *plan);
/* Tries the plan over the blocks from `first` on, at least one. */
void trial_run(const struct trial_record *record, const struct trial_plan *plan, size_t first,
               struct trial_result *result_r);
