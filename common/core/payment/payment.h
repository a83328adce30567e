/* A payment's rules: who is paid next, and what may be done with a payment in each state. The
 * machine is asked with what is stored and what the chain shows; it never acts.
 *
 *     planned -> intent -> signed -> broadcast <-> confirmed -> settled
 *        |         |          |  \__     |   ^________|
 *        |         |          |     uncertain
 *        v         v          v         v
 *        `------ voiding <----'---------'   (from the signed ones: only when their input is
 *                   |                        provably spent by another)
 *                 voided
 *
 * An unsigned payment may be given up at any time, because nothing of it can reach the chain. A
 * signed one may have left the house whatever we remember, so it ends only by what the chain shows:
 * it is confirmed, or its anchor input was spent by another transaction that is buried.
 *
 * Pure; the caller's memory; any thread. */
#pragma once
#include "core/money/money.h"

/* X(enum name, stored value, text). Never renumber: the values are stored. */
#define PAYMENT_STATES(X)                                                                          \
    X(PAYMENT_PLANNED, 1, "planned")     /* outputs chosen, nothing posted */                      \
    X(PAYMENT_INTENT, 2, "intent")       /* its money is in flight; not signed */                  \
    X(PAYMENT_SIGNED, 3, "signed")       /* the transaction is stored; perhaps broadcast */        \
    X(PAYMENT_BROADCAST, 4, "broadcast") /* a node took it; not final */                           \
    X(PAYMENT_UNCERTAIN, 5, "uncertain") /* a node refused it; only the chain ends this */         \
    X(PAYMENT_CONFIRMED, 6, "confirmed") /* posted as paid; still watched */                       \
    X(PAYMENT_VOIDING, 7, "voiding")     /* given up for ever, its money not given back yet */     \
    X(PAYMENT_SETTLED, 8, "settled")     /* too deep to come back; watched no more */              \
    X(PAYMENT_VOIDED, 9, "voided")       /* given up, its money is available again */

enum payment_state {
#define X(name, value, text) name = value,
    PAYMENT_STATES(X)
#undef X
};

/* Static; "unknown" for a value that is none. */
const char *payment_state_name(enum payment_state state);
MUST_CHECK bool payment_state_from_stored(int64_t value, enum payment_state *state_r);
/* Whether the drawing above has an arrow from one state to the other. */
MUST_CHECK bool payment_move_is_legal(enum payment_state from, enum payment_state to);
/* Not settled and not voided: it must be looked at. */
bool payment_state_is_open(enum payment_state state);

/* What the node said about the transaction: of several versions, of the one that is furthest. All
 * versions of a payment spend the same inputs, so what conflicts with one conflicts with all. */
enum payment_sight {
    PAYMENT_SIGHT_NONE = 0, /* not asked, or no answer */
    PAYMENT_SIGHT_MISSING,  /* neither wallet nor mempool nor chain knows it */
    PAYMENT_SIGHT_KNOWN,    /* known, with so many confirmations; negative: a conflict so deep */
};

struct payment_observation {
    enum payment_sight sight;
    int32_t confirmations;
    uint32_t waited;          /* blocks since its newest version was stored; 0: not known */
    bool bumpable;            /* a version with a higher fee can be made */
    uint32_t elsewhere_depth; /* its anchor was found spent by another's transaction, buried so
                                 deep; 0: it was not, or nobody looked */
};

struct payment_rules {
    uint32_t confirmations; /* from this on a payment counts as paid; ≥ 1 */
    uint32_t settle_depth;  /* from this on nothing is expected to undo it; ≥ confirmations */
    uint32_t bump_blocks;   /* without a confirmation for so long the fee is raised; 0: never */
};

enum payment_action {
    PAYMENT_WAIT = 0,  /* nothing to do now */
    PAYMENT_POST,      /* post the intent: available -> in flight; then INTENT */
    PAYMENT_BUILD,     /* let the wallet sign it, store that; then SIGNED */
    PAYMENT_LOOK,      /* ask the node for the transaction, then decide again */
    PAYMENT_SEND,      /* broadcast what is stored; then BROADCAST or UNCERTAIN */
    PAYMENT_BUMP,      /* store a version with a higher fee; then send that */
    PAYMENT_CONFIRM,   /* post in flight -> paid; then CONFIRMED */
    PAYMENT_REOPEN,    /* a reorganisation undid it: BROADCAST; then post paid -> in flight */
    PAYMENT_SETTLE,    /* SETTLED */
    PAYMENT_GIVE_UP,   /* provably never to confirm; VOIDING */
    PAYMENT_GIVE_BACK, /* post in flight -> available; then VOIDED */
};

/* What to do next. SIGHT_NONE asks for LOOK wherever the chain decides. */
enum payment_action payment_next(enum payment_state state, const struct payment_rules *rules,
                                 const struct payment_observation *observation);

/* One account that may be paid. */
struct payment_due {
    uint64_t account;
    struct money amount;
    uint64_t waiting_since; /* the ledger's sequence; small waits longest */
};

/* The `capacity` accounts that wait longest among all offered, ties to the smaller id: a bounded
 * list kept in that order. Zero-initialise count. */
struct payment_queue {
    struct payment_due *due; /* borrowed; capacity of them */
    size_t capacity;
    size_t count;
};
void payment_queue_offer(struct payment_queue *queue, const struct payment_due *due);

/* The least amount a node relays to this output script: what spending it would cost at three base
 * units a virtual byte, as Bitcoin Core computes it (policy.cpp, GetDustThreshold), times `scale`
 * (1; 10 for Litecoin). */
struct money payment_dust(struct span script, uint32_t scale);

/* An output of an earlier transaction that a transaction spends. */
struct payment_input {
    uint8_t txid[32]; /* internal order */
    uint32_t output;
};

/* Versions of a payment. The first is built by the wallet; later ones spend the same inputs, pay
 * the same receivers, and leave more to the miner, so at most one of them can ever confirm. */

enum { PAYMENT_VERSIONS_MAX = 8, PAYMENT_WEIGHT_MAX = 400000 /* MAX_STANDARD_TX_WEIGHT */ };

struct payment_receiver {
    struct span script;
    struct money amount; /* as planned; what reaches it where the pool pays the fee */
};

/* What a signed transaction is held against before it is stored. */
struct payment_terms {
    const struct payment_receiver *receivers; /* in the order of the outputs */
    size_t count;
    struct span change; /* the only other script it may pay to, once; empty: whichever */
    bool receivers_pay; /* the fee is taken from their amounts (payment_share) */
    uint64_t input_sum; /* what its inputs are worth, by the chain */
    uint64_t rate_max;  /* base units a virtual byte, at the most */
    uint32_t dust_scale;
};

/* X(enum name, text) */
#define PAYMENT_FAULTS(X)                                                                          \
    X(PAYMENT_SOUND, "it is what was planned")                                                     \
    X(PAYMENT_FAULT_BYTES, "the wallet's transaction cannot be read")                              \
    X(PAYMENT_FAULT_OUTPUTS, "the wallet's transaction does not pay what was planned")             \
    X(PAYMENT_FAULT_CHANGE, "the wallet's transaction pays to somebody nobody planned")            \
    X(PAYMENT_FAULT_FEE, "the wallet's transaction has a fee out of bounds")                       \
    X(PAYMENT_FAULT_DUST, "an output would be too small for nodes to relay")                       \
    X(PAYMENT_FAULT_WEIGHT, "the transaction is heavier than nodes relay")

enum payment_fault {
#define X(name, text) name,
    PAYMENT_FAULTS(X)
#undef X
};
const char *payment_fault_text(enum payment_fault fault); /* static */

/* What one of `count` receivers bears of a fee: equal parts, the first the rest (as
 * fundrawtransaction's subtractFeeFromOutputs does it). */
uint64_t payment_share(uint64_t fee, size_t count, size_t index);

/* PAYMENT_SOUND with the real fee, or what is wrong with the transaction. */
MUST_CHECK enum payment_fault payment_check(struct span raw, const struct payment_terms *terms,
                                            uint64_t *fee_r);

/* Where the change of a sound version went (borrowed from its bytes), for the terms of the next;
 * empty where there is none. */
struct span payment_change(struct span raw, const struct payment_terms *terms);

/* The fee to try next: half as much again, at least one base unit a virtual byte more (BIP 125,
 * rule 4), never above the terms' rate. 0 where that is no raise. */
uint64_t payment_next_fee(struct span raw, const struct payment_terms *terms, uint64_t fee);
/* The next version, unsigned: `raw` is a sound version of these terms; its outputs change so that
 * its fee is `fee`, at the cost of the change, or of the receivers where they pay. bytes_r has room
 * for raw.length bytes; returns how many were written, 0 where an output would become dust or there
 * is no change to take it from. */
MUST_CHECK size_t payment_bump(struct span raw, const struct payment_terms *terms, uint64_t fee,
                               uint8_t *bytes_r);
