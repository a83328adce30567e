/* Variable difficulty: the work of one session's shares, so that they come about every
 * share_interval_ms whatever the miner's speed.
 *
 * The miner's shares are a Poisson process whose rate is its speed divided by the work asked for.
 * What is kept is the evidence: how many shares came (`observed`) and how many would have come at
 * the aimed rate (`expected`); their ratio is how far the work is off. Two phases: while learning,
 * eight shares (or silence) move the work to the estimate at once, and twelve once more where that
 * was far off; afterwards it moves only when the evidence is beyond chance, so a steady miner is
 * left alone.
 *
 * Integers only. Pure; the caller owns the struct and calls from one thread; now_ms is any clock
 * that never goes back. */
#pragma once
#include "core/difficulty/difficulty.h"

/* Two changes are at least this far apart, so that a job sent again with the time of day as its
 * ntime is other work than the one before. */
#define VARDIFF_CHANGE_MS 1000u
/* The most one change multiplies the work by: a burst in one segment says little about speed. */
#define VARDIFF_RAISE_MAX 64u

struct vardiff_params {
    uint32_t share_interval_ms; /* ≥ 1 */
    struct work min, max;       /* 1 ≤ min ≤ max, both representable */
};

enum vardiff_phase {
    VARDIFF_LEARNING, /* fewer than eight shares: the start may be off by any factor */
    VARDIFF_REFINING, /* the eight have been used; twelve will say more */
    VARDIFF_LEARNED,  /* only evidence beyond chance moves the work */
};

/* Shares are counted in parts of 256. */
struct vardiff {
    struct work work;  /* in force */
    uint64_t observed; /* shares that came, in the evidence */
    uint64_t expected; /* shares that should have come meanwhile at the aimed rate */
    uint64_t burst;    /* the same pair since the short window began */
    uint64_t burst_expected;
    uint64_t silent;     /* expected since the last share */
    uint64_t last_ms;    /* when the evidence was last extended */
    uint64_t changed_ms; /* when the work last changed */
    enum vardiff_phase phase;
};

/* Begins (again) at `work`, clamped and rounded to what is representable, without evidence. Called
 * when the session's first job is sent, and when a miner asks for a difficulty. */
void vardiff_init(struct vardiff *vardiff, const struct vardiff_params *params, struct work work,
                  uint64_t now_ms);

/* A share of `work` (its job's, which may be older than the work in force) came. True when the work
 * in force changed: send it with the next job. */
MUST_CHECK bool vardiff_share(struct vardiff *vardiff, const struct vardiff_params *params,
                              struct work work, uint64_t now_ms);

/* Time passed; call about once a second. True as above. */
MUST_CHECK bool vardiff_tick(struct vardiff *vardiff, const struct vardiff_params *params,
                             uint64_t now_ms);

/* The time since the last call says nothing about the miner (answers were held back, there was no
 * job): it is left out of the evidence. */
void vardiff_skip(struct vardiff *vardiff, uint64_t now_ms);

/* The work must not be above `most` any more (or the least of the params, where that is above it):
 * where it is, it becomes that, and what was known of the miner is forgotten. */
void vardiff_lower(struct vardiff *vardiff, const struct vardiff_params *params, struct work most,
                   uint64_t now_ms);

/* The pool wants fewer shares for a while: the work doubles, and what was known of the miner is
 * forgotten, so that the rule finds back to the aimed rate, but slowly. True as above; false within
 * VARDIFF_CHANGE_MS of the last change, or at the bound. */
MUST_CHECK bool vardiff_raise(struct vardiff *vardiff, const struct vardiff_params *params,
                              uint64_t now_ms);

/* `work` clamped to the bounds, as one may ask for it. */
struct work vardiff_clamp(const struct vardiff_params *params, struct work work);

/* True where every field is within its bounds: for tests. */
bool vardiff_verify(const struct vardiff *vardiff, const struct vardiff_params *params);
