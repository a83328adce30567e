/* PPLNS by work: a block is shared by the work done in the window that ends with the share that
 * found it.
 *
 * The window is walked from its newest share to older ones until `target` expected hashes are
 * counted. The share at the boundary counts only for the part that still fits (the classic
 * definition), so the window holds exactly the target; a pool younger than its window has less, and
 * then the shares there are hold all of it. Sums are kept per account in an open-addressing table
 * over memory the caller gives; which order shares arrive in decides the boundary and nothing else.
 *
 * The split hands an amount out in proportion to work: everybody gets the floor, and the base units
 * left over go one each to the largest remainders, ties to the smaller account id. The parts sum to
 * the amount exactly. The same window gives the same bytes, whoever computes it.
 *
 * Pure; the caller's memory; one thread at a time per table. */
#pragma once
#include "core/money/money.h"

struct pplns_slot {
    u128 work; /* 0: the slot is empty */
    uint64_t account;
    uint64_t shares;
};

struct pplns_table {
    struct pplns_slot *slots; /* borrowed; 1 << bits of them */
    unsigned bits;
    size_t accounts; /* slots in use */
    u128 target;
    u128 filled;     /* work counted so far; never above target */
    uint64_t shares; /* counted, the boundary share among them */
};

enum pplns_outcome {
    PPLNS_MORE = 1, /* counted; the window has room */
    PPLNS_FILLED,   /* the window is full: whatever is older does not count */
    PPLNS_CROWDED,  /* not counted: the table needs more memory (pplns_move), then add again */
};

/* A table over 1 << bits slots, which need not be cleared; 4 ≤ bits ≤ 40. */
void pplns_init(struct pplns_table *table, struct pplns_slot *slots, unsigned bits, u128 target);

/* Moves everything into a larger array (more bits than now); the old one is the caller's again. */
void pplns_move(struct pplns_table *table, struct pplns_slot *slots, unsigned bits);

/* Where the table looks for an account first. */
static inline size_t pplns_place(const struct pplns_table *table, uint64_t account)
{
    /* Fibonacci hashing: ids are keyed hashes already, but tests and simulators use 1, 2, 3. */
    return (size_t)(account * UINT64_C(0x9e3779b97f4a7c15) >> (64 - table->bits));
}

/* Announces a share that will be added soon (PPLNS_AHEAD shares later does best): a large table
 * lies in memory that is slow to reach. Changes nothing. */
enum { PPLNS_AHEAD = 16 };
static inline void pplns_announce(const struct pplns_table *table, uint64_t account)
{
    __builtin_prefetch(&table->slots[pplns_place(table, account)], 1);
}

/* Counts the next older share. One of work 0 counts nothing. After PPLNS_FILLED (also where the
 * target is 0) nothing more is counted. */
enum pplns_outcome pplns_add(struct pplns_table *table, uint64_t account, uint64_t work);

/* Counts what one account did in a stretch at once: the work of `shares` shares, none of which is
 * at the boundary: work must be less than the room there is (a bug otherwise). PPLNS_MORE or
 * PPLNS_CROWDED. */
enum pplns_outcome pplns_add_sum(struct pplns_table *table, uint64_t account, u128 work,
                                 uint64_t shares);

/* The part of one account in a split. */
struct pplns_part {
    u128 work;
    u128 remainder; /* what the floor left, the split's own */
    uint64_t account;
    uint64_t amount; /* base units; 0 until split */
    uint64_t shares; /* counted, by pplns_collect; nothing follows from them */
    /* What the pool keeps of it, at most MONEY_BASIS_POINTS. pplns_collect leaves it 0. */
    uint32_t fee_basis_points;
};

/* Fills parts_r (table->accounts of them) in ascending order of account ids. */
void pplns_collect(const struct pplns_table *table, struct pplns_part *parts_r);

/* Gives every part its amount, in proportion to work × (10000 - fee_basis_points). The parts are in
 * ascending order of distinct ids with work > 0 (as pplns_collect and snapshots have them) and stay
 * so; where fees differ, their work sums to less than 2^114. The amounts sum to `amount`, which is
 * asserted. With no parts, or none that keeps anything, nothing is given: false, and the whole
 * amount is the caller's to post. */
MUST_CHECK bool pplns_split(struct pplns_part *parts, size_t count, struct money amount);

/* The window of a scheme that takes `percent` of a block's expected work, rounded down, at least 1;
 * capped at the largest 128-bit number. */
u128 pplns_window_work(u128 network_work, uint32_t percent);
