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

/* What the node said about the transaction. */
enum payment_sight {
    PAYMENT_SIGHT_NONE = 0, /* not asked, or no answer */
    PAYMENT_SIGHT_MISSING,  /* neither wallet nor mempool nor chain knows it */
    PAYMENT_SIGHT_KNOWN,    /* known, with so many confirmations; negative: a conflict so deep */
};

struct payment_observation {
    enum payment_sight sight;
    int32_t confirmations;
};

struct payment_rules {
    uint32_t confirmations; /* from this on a payment counts as paid; ≥ 1 */
    uint32_t settle_depth;  /* from this on nothing is expected to undo it; ≥ confirmations */
};

enum payment_action {
    PAYMENT_WAIT = 0,  /* nothing to do now */
    PAYMENT_POST,      /* post the intent: available -> in flight; then INTENT */
    PAYMENT_BUILD,     /* let the wallet sign it, store that; then SIGNED */
    PAYMENT_LOOK,      /* ask the node for the transaction, then decide again */
    PAYMENT_SEND,      /* broadcast what is stored; then BROADCAST or UNCERTAIN */
    PAYMENT_CONFIRM,   /* post in flight -> paid; then CONFIRMED */
    PAYMENT_REOPEN,    /* a reorganisation undid it: post paid -> in flight; then BROADCAST */
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

/* The inputs of a serialized transaction (with or without witness). Returns their number, which may
 * be above capacity (the first capacity are filled then); 0 where the bytes are no transaction. */
size_t payment_inputs(struct span raw, struct payment_input *inputs_r, size_t capacity);
