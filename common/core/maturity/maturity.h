/* What becomes of a block of ours: from candidate over accepted to matured, or orphaned, however
 * often the chain changes its mind. Asked with what is recorded and what a node showed, it says the
 * next state and the reward event (if any) that payout must hear of first.
 *
 * A block's credits follow its events, so the rules are strict about what proves what: only another
 * block at its height on the best chain, shown by a node at least as high as any that showed ours,
 * orphans a block; a node that is away, behind, syncing or restarted proves nothing. Each time a
 * block joins the best chain is a *generation*, counted from 1, so that A→B→A credits, reverses and
 * credits again under different causes.
 *
 * Pure; no memory but the caller's; any thread. */
#pragma once
#include "base/bytes.h"

/* X(enum name, stored value, name for people and the API). Never renumber: the values are stored.
 */
#define BLOCK_STATES(X)                                                                            \
    X(BLOCK_CANDIDATE, 1, "candidate") /* found and offered; not seen on the best chain yet */     \
    X(BLOCK_ACCEPTED, 2, "accepted")   /* on the best chain, its coinbase not spendable yet */     \
    X(BLOCK_MATURED, 3, "matured")     /* on the best chain, its coinbase spendable */             \
    X(BLOCK_ORPHANED, 4, "orphaned")   /* another block stands at its height */                    \
    X(BLOCK_REJECTED, 5, "rejected")   /* every node refused it for good */

enum block_state {
#define X(name, value, text) name = value,
    BLOCK_STATES(X)
#undef X
};

/* Static; "unknown" for a value that is none. */
const char *block_state_name(enum block_state state);
MUST_CHECK bool block_state_from_stored(int64_t value, enum block_state *state_r);

/* Where the best usable node (most chain work, not syncing) showed the block. */
enum maturity_place {
    MATURITY_UNSEEN = 0, /* nothing is proven: no node to ask, or its tip is below the block */
    MATURITY_ON_CHAIN,   /* it is a block of the best chain */
    MATURITY_REPLACED,   /* another block of the best chain stands at its height */
};

struct maturity_observation {
    enum maturity_place place;
    uint32_t tip_height;    /* of that node; 0 where unseen */
    uint32_t confirmations; /* where on the chain: its own counted, so ≥ 1 */
    bool refused;           /* every node refused the block for good */
};

struct maturity_block {
    enum block_state state;
    uint32_t height;
    uint32_t generation; /* how often it joined the best chain so far */
    uint32_t seen_tip;   /* the highest tip height at which it was seen on the chain; 0: never */
};

struct maturity_rules {
    uint32_t confirmations; /* from this on the coinbase counts as spendable; ≥ 1 */
    uint32_t follow_depth;  /* a settled block this far below the tip is looked at no more */
};

enum maturity_event {
    MATURITY_NOTHING = 0,
    MATURITY_FOUND,    /* it joined the best chain; the generation in the verdict is the new one */
    MATURITY_MATURED,  /* of the generation it has */
    MATURITY_ORPHANED, /* of the generation it had */
};

struct maturity_verdict {
    struct maturity_block next;
    enum maturity_event event;
    bool again;   /* the same observation proves more: ask again with `next` */
    bool settled; /* deep enough: need not be followed any more */
};

/* The next step of a block. At most one event a step; a block that was buried while nobody looked
 * takes several (`again`). Never an error: a combination that proves nothing changes nothing. */
struct maturity_verdict maturity_step(const struct maturity_rules *rules,
                                      const struct maturity_block *block,
                                      const struct maturity_observation *observation);

/* The block after an event that is recorded but may not have reached its record (a crash in
 * between): exactly the `next` of the step that made the event, where `generation` and `seen_tip`
 * are that one's. An event the block has already passed changes nothing. */
struct maturity_block maturity_replay(const struct maturity_block *block, enum maturity_event event,
                                      uint32_t generation, uint32_t seen_tip);
