/* The engine's own: what its files share. */
#pragma once
#include "record/event/event.h"
#include "record/ledger/stretch_record.h"
#include "record/payment/payment_record.h"
#include "record/withdrawal/withdrawal.h"
#include "services/payout/engine.h"
#include "services/payout/view.h"

enum {
    ENGINE_HELD_MAX = 256,        /* accounts whose payment the node refuses */
    ENGINE_ARENA_BYTES = 8 << 20, /* one payment with its bytes, and the wallet's answer */
    ENGINE_EVENTS_AT_ONCE = 32,
    ENGINE_PAYMENTS_AT_ONCE = 1024, /* open payments looked at in one tick */
};

/* An account that is not paid until `until_ms`: its address was refused. In memory only: after a
 * restart it is tried again. */
struct engine_hold {
    uint64_t account;
    uint64_t until_ms;
    uint64_t wait_ms;
};

struct engine {
    struct engine_options options;
    struct store *store;
    struct window_reader *window;
    struct node *node;
    uint64_t now_ms;
    uint64_t epoch;
    uint64_t newest_seq;   /* all sets up to here are applied */
    uint64_t event_cursor; /* events up to here are processed, or were when last looked at */
    bool books_due;        /* a step of a payment may be half done */
    uint64_t push_due_ms;
    uint64_t trim_due_ms;
    /* shares behind the newest segment, counted so far */
    bool open_known, open_any;
    bool more_to_close;   /* at the next tick */
    uint64_t open_behind; /* that segment's number */
    uint64_t open_shares;
    struct window_position open_counted; /* up to this batch, where open_any */
    uint64_t verified;                   /* segments up to here were read back */
    u128 network_work; /* expected hashes of a block, the last heard of; 0: unknown */
    uint32_t batch_limit;
    struct stretch_record stretch; /* the newest that is posted; number 0: none, or not read yet */
    uint64_t stretch_due_ms;
    uint64_t stretch_limit; /* shares the next may have */
    bool closing;           /* the settings share blocks again: what was promised is bought first */
    bool stretches_over;    /* no stretch is open, and none will be begun */
    bool owing; /* a late orphan is taken back from whom it was credited to, whatever they have */
    bool funds_warned, cap_warned;
    struct withdrawal asked; /* open withdrawals up to here were looked at; no request: none */
    bool paused;             /* as the operator's switch last said */
    bool relock;             /* the wallet may hold locks for transactions nobody stored */
    uint32_t height;         /* of the chain, when payments were last looked at; 0: not known */
    bool node_silent;        /* it did not answer when payments were last looked at */
    enum engine_part trouble;
    struct error trouble_error;
    struct engine_counters counters;

    /* memory, grown as needed */
    struct ledger_leg *legs;
    size_t legs_capacity;
    struct ledger_leg *source; /* legs of an earlier set */
    size_t source_capacity;
    struct ledger_credit *credits;
    size_t credits_capacity;
    int64_t *amounts;
    size_t amounts_capacity;
    struct pplns_part *parts;
    size_t parts_capacity;
    struct window_view view; /* over store and window */
    struct reward_earning *earnings;
    size_t earnings_capacity;
    struct payment_input *locks; /* inputs of live payments */
    size_t locks_capacity, lock_count;
    uint8_t *arena_memory;
    struct engine_hold holds[ENGINE_HELD_MAX];
    size_t hold_count;
};

/* Makes room for `need` elements; the contents stay. Out of memory aborts: the supervisor starts a
 * process that goes on where this one was. */
void *engine_grow(void *memory, size_t *capacity, size_t need, size_t element_bytes);
#define ENGINE_ROOM(engine, field, need)                                                           \
    ((engine)->field = engine_grow((engine)->field, &(engine)->field##_capacity, (need),           \
                                   sizeof *(engine)->field))

/* What a store's answer means for a step; DONE and EXISTS are STEP_DONE. */
enum step engine_step_of(struct engine *engine, enum store_outcome outcome,
                         const struct error *error);
enum step engine_window_away(struct engine *engine, const struct error *error);
enum step engine_view_step(struct engine *engine, enum view_answer answer,
                           const struct error *error);
enum step engine_node_away(struct engine *engine, const struct error *error);
enum step engine_broken(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);
/* STEP_DONE while this engine's epoch is the newest. */
enum step engine_lead(struct engine *engine, struct error *error);

/* posting.c: completes the newest set if it is not applied. */
enum step engine_settle(struct engine *engine, struct error *error);
/* Posts the set of a cause unless it is posted; the legs follow from the store (legs.c). */
enum step engine_post(struct engine *engine, const struct ledger_cause *cause,
                      uint64_t event_sequence, struct error *error);
/* Whether a cause has its set (all sets are applied when this is asked). */
enum step engine_is_posted(struct engine *engine, const struct ledger_cause *cause, bool *posted_r,
                           struct error *error);

/* legs.c: the legs of a cause, from what is durable, into engine->legs. */
enum step engine_build(struct engine *engine, const struct ledger_cause *cause,
                       struct ledger_legs *legs_r, struct error *error);

/* rewards.c: takes in the events that are not processed. */
enum step engine_rewards(struct engine *engine, struct error *error);

/* snapshot.c: makes sure that a found block's snapshot is durable. STEP_WAIT while its share may
 * still be on its way. */
enum step engine_snapshot(struct engine *engine, const struct wire_reward_event *event,
                          struct error *error);

/* sharing.c: what the scheme puts into a block's snapshot, beside the window it ends with (empty
 * and end are filled): name, fee, window, round. */
enum step engine_terms(struct engine *engine, const struct wire_reward_event *event,
                       struct snapshot_record *snapshot, struct error *error);
/* Splits snapshot->reward among engine->parts (*count of them, by work; room for one at the least):
 * amounts, fee, unallocated, reserve. */
enum step engine_share(struct engine *engine, struct snapshot_record *snapshot, size_t *count,
                       struct error *error);
/* Gives each part, in ascending order of ids, the fee its account's class pays. */
enum step engine_set_fees(struct engine *engine, struct pplns_part *parts, size_t count,
                          struct error *error);
/* The work of a PPLNS window, as the settings and the network's work have it now. */
u128 engine_window_work(const struct engine *engine);
/* What the scheme still needs of the window, whose oldest candidate ends at *oldest (NULL: there is
 * none): all behind *from_r where *pinned_r, everything where *all_r. */
enum step engine_pin(struct engine *engine, const struct window_position *oldest, bool *pinned_r,
                     struct window_position *from_r, bool *all_r, struct error *error);

/* stretches.c: buys the work that is due to be bought, or ends buying it. STEP_WAIT only while
 * blocks must not be shared before that. */
enum step engine_stretches(struct engine *engine, struct error *error);
/* legs.c's for a stretch. */
enum step engine_build_earned(struct engine *engine, const struct ledger_cause *cause,
                              struct ledger_legs *legs, struct error *error);

/* proofs.c: makes sure that a block with a snapshot has its statement in the chain of proofs. */
enum step engine_prove(struct engine *engine, const uint8_t block_hash[32], struct error *error);
/* The same for a stretch whose earnings are in engine->earnings, before they are posted. */
enum step engine_prove_stretch(struct engine *engine, const struct stretch_record *stretch,
                               struct error *error);

/* care.c: candidates that pin nothing any more, and what is kept of the window. */
enum step engine_care(struct engine *engine, struct error *error);

/* segments.c: whether a batch is segment_lag_ms old, so that a failover of redis.window changes
 * nothing in it any more. */
bool engine_is_ripe(const struct engine *engine, const struct window_position *first);
/* Closes the stretches that are long and old enough, a few at a time. */
enum step engine_close_segments(struct engine *engine, struct error *error);
/* Trims what is safe in segments from redis.window. */
enum step engine_trim(struct engine *engine, struct error *error);
/* Drops the archives and sums of segments that neither a payout was computed from nor one can be:
 * windows end at `pin` or later (NULL: behind all segments) and hold `wanted` work at the most. */
enum step engine_drop_segments(struct engine *engine, const struct window_position *pin,
                               u128 wanted, struct error *error);

/* payments.c: one payment as far as it goes now. */
enum step engine_payment(struct engine *engine, uint64_t number, struct error *error);
/* Saves it in its next state under this engine's epoch. */
enum step engine_save(struct engine *engine, struct payment_record *payment,
                      enum payment_state state, struct error *error);
/* The same, with why it does not go on: in the record and in the log, each reason once. */
enum step engine_note_reason(struct engine *engine, struct payment_record *payment,
                             enum payment_state state, const char *reason, struct error *error);
/* Steps that were cut off between ledger and record: all of them. */
enum step engine_books(struct engine *engine, struct error *error);
/* Follows every open payment. */
enum step engine_follow(struct engine *engine, struct error *error);
/* Posts what the record says of the last time it was confirmed, that it is paid or that it is not
 * any more, where the ledger lacks it: before anything else is done to it. */
enum step engine_post_said(struct engine *engine, const struct payment_record *payment,
                           struct error *error);
/* Gives up payments that are not signed. */
enum step engine_recall(struct engine *engine, struct error *error);

/* plan.c: new payments for those who are due. */
enum step engine_plan(struct engine *engine, struct error *error);
/* Stores it under its number and this epoch; STEP_AGAIN when that is taken. The number is the one
 * behind the newest payment, read before anything else the plan follows from: what a rival plans in
 * between takes it. */
enum step engine_insert_payment(struct engine *engine, struct payment_record *payment,
                                struct error *error);
/* operate.c: payments for those who asked. */
enum step engine_answer_withdrawals(struct engine *engine, struct error *error);
void engine_hold_account(struct engine *engine, uint64_t account);

/* limits.c: what an operator may stop. Whether a payment may be signed now: paying is on, nobody
 * paused it, and those who must approve it did. */
bool engine_may_sign(const struct engine *engine, const struct payment_record *payment);
bool engine_is_approved(const struct engine *engine, const struct payment_record *payment);
/* Reads the switch, and the chain's height, before payments are looked at. */
enum step engine_before_payments(struct engine *engine, struct error *error);
/* Whether new payments may be planned at this hour. */
bool engine_is_pay_hour(const struct engine *engine);
/* How much may still be planned today (unix days, UTC). */
enum step engine_left_today(struct engine *engine, uint64_t *left_r, struct error *error);
uint32_t engine_dust_scale(const struct coin_profile *coin);

/* versions.c: what the chain shows of a signed payment; sending it; raising its fee. */
enum step engine_look(struct engine *engine, struct payment_record *payment, struct arena *arena,
                      struct payment_observation *observation_r, struct error *error);
enum step engine_send(struct engine *engine, struct payment_record *payment, struct error *error);
enum step engine_bump(struct engine *engine, struct payment_record *payment, struct arena *arena,
                      struct error *error);
/* Its txid and fee are this version's. */
void engine_choose_version(struct payment_record *payment, size_t index);

/* wallet.c: lets the wallet make the payment; and locks the inputs of all that are signed. */
/* What its transactions are held against, but for the inputs and the change; false where an address
 * is none. Memory of the arena. */
bool engine_payment_terms(const struct engine *engine, const struct payment_record *payment,
                          struct arena *arena, struct payment_terms *terms_r);
enum step engine_sign(struct engine *engine, struct payment_record *payment, struct arena *arena,
                      struct error *error);
enum step engine_lock_inputs(struct engine *engine, struct error *error);
