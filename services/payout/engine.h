/* What payout does, without the process around it: reward events become posting sets, posting sets
 * balances, balances payments. The same code runs in the service and in the simulator.
 *
 * Every step is written so that it may be cut off anywhere and done again: what it is about to do
 * follows from the store alone, and what it did already is found there. Order of a tick: still the
 * leader? is the newest set whole? are the books of half-made steps closed? then events, window
 * care, payments.
 *
 * Blocking: one thread at a time per engine. The engine borrows store, window reader and node until
 * engine_close; node may be NULL: payments then wait. */
#pragma once
#include "core/coin/coin.h"
#include "core/identity/identity.h"
#include "core/payment/payment.h"
#include "core/reward/reward.h"
#include "port/node.h"
#include "port/store.h"
#include "port/window.h"
#include "record/ledger/ledger_record.h"

struct engine;

#define ENGINE_ROLE "payout" /* of its leader record */
#define ENGINE_PAUSED SWITCH_PAYOUT_PAUSED

struct engine_options {
    const char *instance;
    uint64_t boot_id;
    const char *process; /* its name to others on its machine; NULL: none is said */
    const struct coin_profile *coin;
    enum reward_scheme scheme;
    struct identity_key key; /* the deployment's secret: salts what is committed to */
    uint32_t window_percent;
    u128 window_work;                   /* the window of PPLNS; 0: by window_percent */
    uint32_t fee_basis_points;          /* of accounts without a class of their own */
    const struct reward_class *classes; /* borrowed for the engine's life */
    size_t class_count;
    struct money block_reward;    /* what a block is worth under PPS */
    uint64_t stretch_interval_ms; /* work is bought this often */
    bool miners_may_owe; /* of a block orphaned late, miners give back what was paid, too */
    struct payment_rules payment;
    bool pays; /* false: balances are kept, nothing new is signed */
    struct money threshold;
    uint32_t outputs_max;
    bool receivers_pay;         /* the network's fee, in equal parts; else the pool does */
    uint64_t fee_rate_max;      /* base units a virtual byte: no transaction costs more */
    struct money day_max;       /* planned in a day (UTC), at the most; 0: no bound */
    struct money approve_above; /* a payment of more waits for operators; 0: none does */
    uint32_t approvals;         /* how many of them */
    uint32_t requests_open;     /* withdrawals of an account that may wait; 0: no bound */
    uint32_t requests_day;      /* that it may ask for in a day (UTC); 0: no bound */
    uint32_t hours;             /* bit h: new payments are planned at hour h (UTC); 0: always */
    bool dry_run;               /* plans are logged, and nothing else */
    uint64_t push_interval_ms;  /* payments are looked at this often */
    uint64_t trim_interval_ms;  /* the window is cared for this often */
    uint64_t segment_shares;    /* in a segment of the window, at the least; 0: none is closed */
    uint64_t segment_lag_ms;    /* how old shares must be for it */
    uint64_t raw_shares;        /* kept in redis.window besides those that no segment holds */
    uint64_t candidate_wait_ms; /* how long a block's share may take to reach the window */
};

enum step {
    STEP_DONE = 1,
    STEP_WAIT,   /* nothing is wrong; later */
    STEP_AGAIN,  /* another wrote, or a write's answer got lost: look at the store anew */
    STEP_AWAY,   /* store, window or node did not do it; *error says why; later */
    STEP_LOST,   /* another payout leads: nothing may be written any more */
    STEP_BROKEN, /* the ledger contradicts itself; *error says where; an operator must look */
};

enum engine_part { ENGINE_NONE = 0, ENGINE_STORE, ENGINE_WINDOW, ENGINE_NODE };

/* Declares what it needs in the store. False with *error. */
MUST_CHECK bool engine_declare(struct store *store, struct error *error);

/* Takes the leadership, whoever has it. NULL and *error when the store cannot, or another takes it
 * at the same moment. Options are copied (but the texts must live on). Caller owns; ends by
 * engine_close. */
MUST_CHECK struct engine *engine_open(const struct engine_options *options, struct store *store,
                                      struct window_reader *window, struct node *node,
                                      uint64_t now_ms, struct error *error);
/* The same for one that found the leader of `judged_epoch` (0: nobody ever led) lapsed: NULL and
 * ERROR_REFUSED where another has taken the role since. */
MUST_CHECK struct engine *engine_take_over(const struct engine_options *options,
                                           struct store *store, struct window_reader *window,
                                           struct node *node, uint64_t now_ms,
                                           uint64_t judged_epoch, struct error *error);
void engine_close(struct engine *engine);

/* Everything that can be done now. Anything but STEP_DONE and STEP_WAIT leaves *error filled; a
 * node that is away is no failure of the tick (engine_trouble says so). */
enum step engine_tick(struct engine *engine, uint64_t now_ms, struct error *error);
/* What people ask of payments, between two ticks. STEP_DONE; STEP_WAIT with *error when it cannot
 * be (no such payment, the wrong state, …); else as engine_tick. The pause is durable. */
enum step engine_turn_paused(struct engine *engine, bool paused, const char *by, const char *reason,
                             struct error *error);
/* One approval; an operator's second one does not count, and who asked for the payment, or is paid
 * what it asked for, cannot approve it. */
enum step engine_approve(struct engine *engine, uint64_t number, uint64_t operator_account,
                         struct error *error);
/* Gives up a payment that is not signed; its accounts are left alone for a while. */
enum step engine_reject(struct engine *engine, uint64_t number, const char *reason,
                        struct error *error);
/* The next version of a payment, now. */
enum step engine_raise_fee(struct engine *engine, uint64_t number, struct error *error);
/* Keeps a request, or tells what became of it when it was asked before. Who asks was checked by the
 * caller. STEP_WAIT also where the account has as many open, or of this day, as it may. */
struct engine_asking {
    uint64_t account;          /* 0: the pool itself, which names an address */
    uint64_t operator_account; /* who asks in the pool's name; else 0 */
    const char *request;       /* the asker's name for it */
    struct money amount;       /* 0: everything available */
    const char *address;       /* "" but for the pool's own */
};
struct withdrawal;
enum step engine_withdraw(struct engine *engine, const struct engine_asking *asking,
                          struct withdrawal *withdrawal_r, struct error *error);

/* Payments are looked at in the next tick, whatever the interval. */
void engine_push_now(struct engine *engine);

/* Puts an amount of the operator's own into the reserve, under a number of the operator's: the same
 * number again changes nothing. *booked_r is what stands under it now. STEP_DONE when it is posted.
 */
enum step engine_fund(struct engine *engine, uint64_t number, struct money amount,
                      struct money *booked_r, struct error *error);

/* What the last tick met with, for health: which part, and its sentence; ENGINE_NONE when all was
 * well. */
enum engine_part engine_trouble(const struct engine *engine, const char **text_r);

/* Counters since the engine was opened. */
struct engine_counters {
    uint64_t epoch;
    uint64_t newest_set;
    uint64_t newest_event; /* processed */
    uint64_t sets_posted;
    uint64_t snapshots;
    uint64_t segments;    /* closed */
    uint64_t open_shares; /* in the window behind the newest segment, as last counted */
    uint64_t trimmed;     /* batches */
    uint64_t payments_sent;
    uint64_t payments_confirmed;
    uint64_t payments_refused; /* by the node, or by us what the wallet made */
    uint64_t payments_bumped;
    uint64_t reserve_missing; /* what the reserve lacks to buy one more share; 0: nothing */
};
struct engine_counters engine_counters(const struct engine *engine);

/* What is owed and where payments stand, read from the store: `kinds[owner][kind]` are sums over
 * all accounts of an owner. False with *error. */
struct engine_sums {
    int64_t kinds[LEDGER_OWNER_LAST + 1][LEDGER_PAID + 1];
    uint64_t accounts;
    uint64_t open_sets;
    uint64_t payments[PAYMENT_VOIDED + 1]; /* open ones by state */
};
MUST_CHECK bool engine_sums(struct store *store, struct engine_sums *sums_r, struct error *error);
