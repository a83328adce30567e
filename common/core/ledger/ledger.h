/* The ledger's rules: double entry over a few kinds of account, in posting sets.
 *
 * A leg adds a signed amount to one *kind* of money of one account; positive is what the pool holds
 * for that account, negative what it took. The network's account goes down by what the chain paid
 * us, so the legs of a set sum to zero, and so does the whole ledger. Reading the kinds from left
 * to right is the way of a reward:
 *
 *     network --found--> immature --matured--> available --intent--> in flight --confirmed--> paid
 *                 <--orphaned--    <--orphaned--     <--voided--        <--reopened--
 *
 * A *set* is everything one cause does: one event of the chain or one step of a payment. Its header
 * carries the sequence that orders it among all sets, count, sum and hash of its legs. Legs come in
 * one canonical order without zeros and without doubles, so a cause has one set of bytes.
 *
 * An orphaned block takes back what it gave. Where it had matured and some was paid since, the
 * miner gives what it still has available, and the reserve and then the loss account bear the rest:
 * a miner never goes below zero. When the block returns, the reversal itself is reversed, so the
 * reserve and the loss account get theirs back before anybody is credited twice.
 *
 * A payment received from outside (an emission) is credited at once as available, deep as it is by
 * then; leaving the chain all the same it is taken back like a block that had matured.
 *
 * Pure: values in, legs out, into memory of the caller; any thread. */
#pragma once
#include "core/money/money.h"

/* X(enum name, stored value, text). Never renumber: the values are stored and hashed. */
#define LEDGER_OWNERS(X)                                                                           \
    X(LEDGER_MINER, 1, "miner")             /* one per account id */                               \
    X(LEDGER_FEE, 2, "fee")                 /* the pool's; pays what transactions cost */          \
    X(LEDGER_NETWORK, 3, "network")         /* where rewards come from: the coinbases */           \
    X(LEDGER_UNALLOCATED, 4, "unallocated") /* rewards nobody had a share in */                    \
    X(LEDGER_RESERVE, 5, "reserve") /* bears reversals first; buys work where that is paid */      \
    X(LEDGER_LOSS, 6, "loss")       /* bears what is left of them; negative = lost */              \
    X(LEDGER_COST, 7, "cost")       /* where fees of our transactions went */                      \
    X(LEDGER_CAPITAL, 8, "capital") /* what the operator put in; negative = put in */              \
    /* parts of emissions that had no receiver, carried to the next one */                         \
    X(LEDGER_UNALLOCATED_POOLS, 9, "unallocated_pools")                                            \
    X(LEDGER_UNALLOCATED_VALIDATORS, 10, "unallocated_validators")

#define LEDGER_KINDS(X)                                                                            \
    X(LEDGER_IMMATURE, 1, "immature")   /* from a block whose coinbase cannot be spent yet */      \
    X(LEDGER_AVAILABLE, 2, "available") /* may be paid */                                          \
    X(LEDGER_IN_FLIGHT, 3, "in_flight") /* in a payment that is not final */                       \
    X(LEDGER_PAID, 4, "paid")           /* in a confirmed payment */

#define LEDGER_CAUSES(X)                                                                           \
    X(LEDGER_FOUND, 1, "found")          /* block, generation */                                   \
    X(LEDGER_MATURED, 2, "matured")      /* block, generation */                                   \
    X(LEDGER_ORPHANED, 3, "orphaned")    /* block, generation */                                   \
    X(LEDGER_INTENT, 4, "intent")        /* payment, 1 */                                          \
    X(LEDGER_CONFIRMED, 5, "confirmed")  /* payment, the nth confirmation */                       \
    X(LEDGER_REOPENED, 6, "reopened")    /* payment, the nth confirmation undone */                \
    X(LEDGER_VOIDED, 7, "voided")        /* payment, 1 */                                          \
    X(LEDGER_EARNED, 8, "earned")        /* stretch, 1: work bought */                             \
    X(LEDGER_FUNDED, 9, "funded")        /* the operator's deposit, 1 */                           \
    X(LEDGER_RECEIVED, 10, "received")   /* transaction, the nth time it was credited */           \
    X(LEDGER_RETRACTED, 11, "retracted") /* transaction, the nth credit undone */

#define X(name, value, text) name = value,
enum ledger_owner { LEDGER_OWNERS(X) };
enum ledger_kind { LEDGER_KINDS(X) };
enum ledger_cause_kind { LEDGER_CAUSES(X) };
#undef X
#define LEDGER_OWNER_LAST LEDGER_UNALLOCATED_VALIDATORS
#define LEDGER_CAUSE_LAST LEDGER_RETRACTED

/* Static; "unknown" for a value that is none. */
const char *ledger_owner_name(enum ledger_owner owner);
const char *ledger_kind_name(enum ledger_kind kind);
const char *ledger_cause_name(enum ledger_cause_kind kind);

struct ledger_account {
    enum ledger_owner owner;
    uint64_t id; /* of a miner; 0 for the others */
};

static inline struct ledger_account ledger_miner(uint64_t id)
{
    return (struct ledger_account){ LEDGER_MINER, id };
}
static inline struct ledger_account ledger_house(enum ledger_owner owner)
{
    return (struct ledger_account){ owner, 0 };
}
/* Below, at or above zero as a stands before, at or behind b in canonical order. */
int ledger_account_compare(const struct ledger_account *a, const struct ledger_account *b);

/* "miner:<16 hex digits>", "fee", "network", … and a NUL: the account's name in the store. */
enum { LEDGER_ACCOUNT_BYTES = 24 }; /* "unallocated_validators" is the longest */
void ledger_account_format(const struct ledger_account *account, char text_r[LEDGER_ACCOUNT_BYTES]);
MUST_CHECK bool ledger_account_parse(struct span text, struct ledger_account *account_r);

/* What a set is the effect of. `subject` is a block's hash, a received transaction's id (both in
 * internal order) or, for the others, 24
 * bytes of 0 and the number of the payment, stretch or deposit, big-endian; a deposit's amount
 * stands, big-endian, before its number. */
struct ledger_cause {
    enum ledger_cause_kind kind;
    uint8_t subject[32];
    uint32_t generation; /* ≥ 1 */
};

struct ledger_cause ledger_cause_block(enum ledger_cause_kind kind, const uint8_t hash[32],
                                       uint32_t generation);
/* A transaction received from outside: `txid` in place of a block's hash. */
struct ledger_cause ledger_cause_received(enum ledger_cause_kind kind, const uint8_t txid[32],
                                          uint32_t generation);
/* Whether sets of this kind answer a reward event. */
bool ledger_cause_is_of_event(enum ledger_cause_kind kind);
/* Whether they take back what was available by then, so that it matters what is left of it. */
bool ledger_cause_takes_back(enum ledger_cause_kind kind);
struct ledger_cause ledger_cause_payment(enum ledger_cause_kind kind, uint64_t number,
                                         uint32_t generation);
/* The payment's number of a payment's cause. */
uint64_t ledger_cause_number(const struct ledger_cause *cause);
/* A deposit's cause says all of it: under which number of the operator's, and how much. */
struct ledger_cause ledger_cause_funded(uint64_t number, struct money amount);
/* 0 for all but deposits. */
struct money ledger_cause_amount(const struct ledger_cause *cause);
/* "found:1:<64 hex digits, display order>" or "intent:1:<20 decimal digits>" and a NUL: equal
 * causes, and only they, have equal texts. */
enum { LEDGER_CAUSE_BYTES = 96 };
void ledger_cause_format(const struct ledger_cause *cause, char text_r[LEDGER_CAUSE_BYTES]);

struct ledger_leg {
    struct ledger_account account;
    enum ledger_kind kind;
    int64_t amount; /* never 0 */
};

/* What a set's header says about its legs. */
struct ledger_digest {
    uint32_t leg_count;
    uint64_t sum;     /* of the positive amounts */
    uint8_t hash[32]; /* SHA-256 over the cause and the legs in canonical order */
};

/* Legs being gathered. Adding to the same account and kind twice adds up. Too many, or a sum out
 * of range, sets `failed`, and stays. */
struct ledger_legs {
    struct ledger_leg *legs; /* borrowed; capacity of them */
    size_t count;
    size_t capacity;
    bool failed;
};

static inline struct ledger_legs ledger_legs_over(struct ledger_leg *memory, size_t capacity)
{
    return (struct ledger_legs){ memory, 0, capacity, false };
}
void ledger_legs_add(struct ledger_legs *legs, struct ledger_account account, enum ledger_kind kind,
                     int64_t amount);
/* Brings what was added into canonical order: sorted, doubles added up, zeros dropped. False where
 * it failed or does not sum to zero; a set must not be made of it then. */
MUST_CHECK bool ledger_legs_close(struct ledger_legs *legs);

/* Of closed legs. */
struct ledger_digest ledger_digest(const struct ledger_cause *cause, const struct ledger_leg *legs,
                                   size_t count);

/* Whether legs are in canonical order, balanced and what the digest says. */
MUST_CHECK bool ledger_legs_verify(const struct ledger_cause *cause,
                                   const struct ledger_digest *digest,
                                   const struct ledger_leg *legs, size_t count);

/* What one account is to get. */
struct ledger_credit {
    uint64_t account;
    struct money amount;
};

/* The builders. Each adds to *legs, closes it, and returns what ledger_legs_close did. Room needed:
 * found count + 4; matured 2 × count; orphaned 2 × count + 2; returned count; payments 2 × count
 * + 2; earned count + 2; funded 2. */

/* A block joined the best chain: what the network paid is immature for miners, fee and
 * unallocated, and for the reserve where it buys the miners' work; credits + fee + unallocated +
 * reserve must be the reward. */
struct ledger_reward {
    struct money reward;
    struct money fee;
    struct money unallocated;
    struct money reserve;
};
MUST_CHECK bool ledger_build_found(const struct ledger_reward *reward,
                                   const struct ledger_credit *credits, size_t count,
                                   struct ledger_legs *legs);
/* Its coinbase can be spent: what was immature for anybody is available now. `found` are the legs
 * of the set that credited this generation. */
MUST_CHECK bool ledger_build_matured(const struct ledger_leg *found, size_t count,
                                     struct ledger_legs *legs);
/* It left the best chain before it matured: exactly what was credited is taken back. */
MUST_CHECK bool ledger_build_orphaned(const struct ledger_leg *found, size_t count,
                                      struct ledger_legs *legs);
/* It left the best chain after it had matured. available[i] is what the account of found[i] has
 * available now (read only where it is a miner's), reserve what the reserve has available. Where
 * miners may owe, found is taken back with ledger_build_owed instead: all of it from whom it was
 * credited to, whose available then may be below zero until later credits fill it. */
MUST_CHECK bool ledger_build_owed(const struct ledger_leg *found, size_t count,
                                  struct ledger_legs *legs);
MUST_CHECK bool ledger_build_orphaned_late(const struct ledger_leg *found, size_t count,
                                           const int64_t *available, int64_t reserve,
                                           struct ledger_legs *legs);
/* It joined the best chain again: the reversal of its last generation is reversed, as immature. */
MUST_CHECK bool ledger_build_returned(const struct ledger_leg *orphaned, size_t count,
                                      struct ledger_legs *legs);

/* A payment from outside: available for its receivers (account 0: the fee account, where the
 * pool's own part goes too). What the parts of pools and of validators took out of (below zero), or
 * left in their unallocated accounts follows from amounts; credits + fee + both changes must be the
 * reward. Room: count + 4. */
struct ledger_emission {
    struct money reward;
    struct money fee;
    uint64_t fee_account;      /* 0: the pool's fee account */
    int64_t pools, validators; /* changes of what is unallocated */
};
MUST_CHECK bool ledger_build_received(const struct ledger_emission *emission,
                                      const struct ledger_credit *credits, size_t count,
                                      struct ledger_legs *legs);
/* It left the chain (as ledger_build_orphaned_late and ledger_build_owed of its legs); and it is
 * back: its last reversal is reversed. Room: count. */
MUST_CHECK bool ledger_build_restored(const struct ledger_leg *retracted, size_t count,
                                      struct ledger_legs *legs);

/* A payment's way: available -> in flight; in flight -> paid with the network's fee; that undone;
 * in flight -> available. */
MUST_CHECK bool ledger_build_intent(const struct ledger_credit *credits, size_t count,
                                    struct ledger_legs *legs);
MUST_CHECK bool ledger_build_confirmed(const struct ledger_credit *credits, size_t count,
                                       struct money network_fee, struct ledger_legs *legs);
MUST_CHECK bool ledger_build_reopened(const struct ledger_credit *credits, size_t count,
                                      struct money network_fee, struct ledger_legs *legs);
/* The same where the receivers bear the network's fee, each its part (they sum to it): it stays out
 * of what they are paid. Room: 3 × count + 2. */
MUST_CHECK bool ledger_build_confirmed_borne(const struct ledger_credit *credits,
                                             const struct money *borne, size_t count,
                                             struct money network_fee, struct ledger_legs *legs);
MUST_CHECK bool ledger_build_reopened_borne(const struct ledger_credit *credits,
                                            const struct money *borne, size_t count,
                                            struct money network_fee, struct ledger_legs *legs);
MUST_CHECK bool ledger_build_voided(const struct ledger_credit *credits, size_t count,
                                    struct ledger_legs *legs);

/* The reserve buys a stretch's work: credits and fee are available at once. */
MUST_CHECK bool ledger_build_earned(const struct ledger_credit *credits, size_t count,
                                    struct money fee, struct ledger_legs *legs);
/* The operator puts an amount of its own into the reserve. */
MUST_CHECK bool ledger_build_funded(struct money amount, struct ledger_legs *legs);

/* What an account has, by kind. */
struct ledger_balance {
    int64_t immature;
    int64_t available;
    int64_t in_flight;
    int64_t paid;
    uint64_t applied_seq;   /* the newest set taken in; 0: none */
    uint64_t earlier_seq;   /* the newest set taken in of an earlier era than that; 0: none */
    uint64_t waiting_since; /* the set that last made something available out of nothing; 0 when
                               nothing is: who waits longest is paid first */
};

/* Whether all of it is the same. */
MUST_CHECK bool ledger_balance_equal(const struct ledger_balance *a,
                                     const struct ledger_balance *b);

/* From an account's entry in one set to older ones: the sets of an account are a list, each naming
 * the one before and the newest of an earlier era, so that any place in it is found in few steps
 * (at most LEDGER_ERA_SETS and one for each era). */
enum { LEDGER_ERA_SETS = 512 };
struct ledger_link {
    uint64_t before;  /* the account's set before this one; 0: none */
    uint64_t earlier; /* its newest set of an earlier era than this one's; 0: none */
};
/* Of the account's entry in set `seq`, which its balance has not taken in. */
struct ledger_link ledger_link_of(const struct ledger_balance *balance, uint64_t seq);

enum ledger_apply_outcome {
    LEDGER_APPLIED = 1,
    LEDGER_ALREADY, /* this set or a newer one is in: nothing was changed */
    LEDGER_REFUSED, /* a miner would go below zero (but by owing), or an amount out of range:
                       nothing was changed. Sets are built so that this cannot happen */
};

/* Takes the legs of one account (consecutive, `count` of them, all of this account) of set `seq`
 * with a cause of this kind into its balance. Sets must come in order. Only an orphaned block may
 * bring what a miner has available below zero; from there other sets may only bring it up. */
MUST_CHECK enum ledger_apply_outcome ledger_balance_apply(struct ledger_balance *balance,
                                                          uint64_t seq, enum ledger_cause_kind kind,
                                                          const struct ledger_leg *legs,
                                                          size_t count);
/* How many legs from legs[0] on belong to its account. */
size_t ledger_legs_of_account(const struct ledger_leg *legs, size_t count);
