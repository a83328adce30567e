/* Schemes: how work becomes money.
 *
 *   pplns  a block is shared by the window that ends with its share (core/pplns)
 *   prop   by all work since the pool's block before it: a window without a target
 *   solo   by nobody: it is the finder's
 *   pps    every unit of work is bought at a price when it is done, from the reserve; the blocks
 *          refill the reserve. A block is worth a fixed amount
 *   fpps   the same, with a block worth what blocks pay now, transactions' fees among it
 *
 * Sharing a block (the first three). The pool keeps basis points of each account's part, by the
 * account's class. Exactly, an account is due reward · work · (10000 - basis points) / (10000 · all
 * work). The fee is the floor of what the pool is due; the rest is split by those weights, largest
 * remainders first, ties to the smaller id. So the parts, the fee and what nobody had a share in
 * always sum to the reward; nobody is more than one base unit off; and where all pay the same fee
 * this is the fee's floor and a split of the rest by work alone.
 *
 * Buying work (the last two). A price is what a unit of work is worth in 2^-128 base units, rounded
 * down once, when it is fixed: floor(block · 2^128 / a block's expected work). From there on
 * nothing is rounded: what an account earned is a 128.128 fixed-point number, the whole base units
 * of which are credited and the fraction of which is carried to the next time. Hence however a time
 * is cut into stretches, the same work at the same price yields the same credits and the same
 * carry, and what the reserve spends is what miners and the fee account get.
 *
 * Pure: values in, values out, into memory of the caller; any thread. */
#pragma once
#include "base/u256.h"
#include "core/pplns/pplns.h"

/* X(enum name, stored value, name in settings, snapshots and the API). Never renumber or rename. */
#define REWARD_SCHEMES(X)                                                                          \
    X(REWARD_PPLNS, 1, "pplns")                                                                    \
    X(REWARD_PROP, 2, "prop")                                                                      \
    X(REWARD_SOLO, 3, "solo")                                                                      \
    X(REWARD_PPS, 4, "pps")                                                                        \
    X(REWARD_FPPS, 5, "fpps")

enum reward_scheme {
#define X(name, value, text) name = value,
    REWARD_SCHEMES(X)
#undef X
};

/* Static; "unknown" for a value that is none. */
const char *reward_scheme_name(enum reward_scheme scheme);
MUST_CHECK bool reward_scheme_parse(struct span text, enum reward_scheme *scheme_r);

/* Whether miners are paid for their work and not for blocks: the reserve buys it. */
static inline bool reward_buys_work(enum reward_scheme scheme)
{
    return scheme == REWARD_PPS || scheme == REWARD_FPPS;
}

/* What a reward falls into beside the parts. */
struct reward_cut {
    struct money fee;
    struct money unallocated; /* nobody had a share in it */
};

/* Shares a block: gives every part its amount by work and fee_basis_points. Parts as pplns_split
 * takes them. Without any, the fee is `basis_points` of the reward and the rest is unallocated.
 * Amounts + fee + unallocated = reward, which is asserted. */
struct reward_cut reward_share(struct pplns_part *parts, size_t count, struct money reward,
                               uint32_t basis_points);

/* A class of accounts and what the pool keeps of theirs. */
enum { REWARD_CLASS_BYTES = 17, REWARD_CLASSES_MAX = 64 };
struct reward_class {
    char name[REWARD_CLASS_BYTES]; /* 1 to 16 of a-z, 0-9, '-', '_' */
    uint32_t basis_points;
};
/* "name=basis points". False for anything else, or more than 10000. */
MUST_CHECK bool reward_class_parse(struct span text, struct reward_class *class_r);
/* Whether a text could be a class's name. */
MUST_CHECK bool reward_class_is_name(struct span text);

/* What a unit of work is worth, in 2^-128 base units. */
struct reward_price {
    struct u256 units;
};

/* floor(block · 2^128 / network_work); network_work ≥ 1 (a bug otherwise: aborts). */
struct reward_price reward_price(struct money block, u128 network_work);
/* What of it is left after the pool's part: floor(price · (10000 - basis_points) / 10000). */
struct reward_price reward_price_net(struct reward_price price, uint32_t basis_points);

/* The mean of what blocks pay, rounded down: what one is worth under FPPS. count ≥ 1; the values
 * sum to at most MONEY_MAX (bugs otherwise: aborts). */
struct money reward_mean(const uint64_t *values, size_t count);

/* One account's work being bought. */
struct reward_earning {
    uint64_t account;
    u128 work;
    u128 carry;      /* 2^-128 base units: in, what was carried so far; out, what is carried on */
    uint64_t amount; /* out: base units */
    uint32_t fee_basis_points;
};

/* Buys the work of all earnings at a price, and carries the fee's own fraction in *fee_carry. True
 * with *fee_r and *spent_r = all amounts + fee. False where something exceeds MONEY_MAX: nothing
 * that was filled in then counts, the carries among it. */
MUST_CHECK bool reward_buy(struct reward_price price, struct reward_earning *earnings, size_t count,
                           u128 *fee_carry, struct money *fee_r, struct money *spent_r);
